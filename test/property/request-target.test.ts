import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { normalisePath, parseAbsoluteForm, parseAuthorityForm } from '../../src/message/request-target.ts';

const oneOf = (characters: string): fc.Arbitrary<string> => fc.constantFrom(...characters.split(''));

const nearTarget = fc.string({ unit: oneOf('aZ019xX.-_:@[]/?#%*\\ \0\r\né１f'), maxLength: 30 });
const anyText = fc.oneof(
  nearTarget,
  fc.string({ unit: 'binary' }),
  nearTarget.map((text) => `${text}:443`),
);

const label = fc.string({ unit: oneOf('abcXYZ019-_'), minLength: 1, maxLength: 20 });
const name = fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => [...labels, 'net'].join('.'));
const port = fc.integer({ min: 1, max: 65_535 });

test('whatever is sent, an accepted target is plain and reads back as itself', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const parsed = parseAuthorityForm(text);
      if (!parsed.ok) return;
      expect(parsed.value.text).toMatch(/^(?:[a-z0-9._-]+|\[[0-9a-f:]+\]):[1-9][0-9]{0,4}$/);
      expect(parseAuthorityForm(parsed.value.text)).toEqual(parsed);
    }),
    { numRuns: 3000 },
  );
});

test('a name with any labels is accepted with or without a trailing dot, in any case, as one target', () => {
  fc.assert(
    fc.property(name, port, (host, number) => {
      const expected = {
        ok: true,
        value: { host: host.toLowerCase(), address: null, port: number, text: `${host.toLowerCase()}:${number}` },
      };
      expect(parseAuthorityForm(`${host}:${number}`)).toEqual(expected);
      expect(parseAuthorityForm(`${host.toUpperCase()}.:${number}`)).toEqual(expected);
    }),
  );
});

test('a number in any base that resolvers read as an address is never a name', () => {
  const part = fc.nat({ max: 0xffffffff }).chain((value) => {
    return fc.constantFrom(
      String(value),
      `0${value.toString(8)}`,
      `0x${value.toString(16)}`,
      `0X${value.toString(16)}`,
    );
  });
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), fc.constantFrom('', '.'), (parts, dot) => {
      const parsed = parseAuthorityForm(`${parts.join('.')}${dot}:443`);
      if (parsed.ok) expect(parsed.value.address?.text).toBe(parts.join('.'));
      else expect(parsed.message).toBe('Malformed IPv4 address in CONNECT target');
    }),
  );
});

test('a refusal is a short ASCII phrase that holds nothing of what was sent', () => {
  const secret = fc.string({ unit: oneOf('QZJ789~'), minLength: 4, maxLength: 20 });
  fc.assert(
    fc.property(secret, anyText, (password, text) => {
      const sent = [
        `u:${password}@${text}`,
        `http://u:${password}@h${text}`,
        `https://${password}/${text}`,
        `${password}/${text}`,
      ];
      for (const target of sent) {
        for (const result of [parseAuthorityForm(target), parseAbsoluteForm(target, 'GET')]) {
          expect(result.ok).toBe(false);
          const phrase = result.ok ? '' : result.message;
          expect(phrase).toMatch(/^[ -~]{4,80}$/);
          expect(phrase).not.toContain(password);
        }
      }
    }),
  );
});

test('what is forwarded is what was sent behind the authority, byte for byte and visible ASCII alone', () => {
  const path = fc.string({ unit: oneOf('/aA.%2fF\\~@:;|"<>?='), maxLength: 30 }).map((text) => `/${text}`);
  fc.assert(
    fc.property(name, path, (host, sent) => {
      const parsed = parseAbsoluteForm(`http://${host}${sent}`, 'GET');
      expect(parsed).toMatchObject({ ok: true, value: { requestPath: sent, target: { host: host.toLowerCase() } } });
      if (parsed.ok)
        expect(parsed.value.path + (parsed.value.query === null ? '' : `?${parsed.value.query}`)).toBe(sent);
    }),
  );
  fc.assert(
    fc.property(name, fc.string({ unit: 'binary', minLength: 1 }), (host, tail) => {
      const parsed = parseAbsoluteForm(`http://${host}/${tail}`, 'GET');
      expect(parsed.ok).toBe(/^[!-~]*$/.test(tail) && !tail.includes('#'));
    }),
  );
});

test('a normalised path has nothing left to normalise', () => {
  const path = fc.string({
    unit: fc.constantFrom('/', '.', '..', '%2e', '%2F', '%5c', '\\', 'a', '%41', '%', '%25', ';'),
    maxLength: 40,
  });
  fc.assert(
    fc.property(path, (text) => {
      const normal = normalisePath(`/${text}`);
      expect(normal).toMatch(/^\//);
      expect(normal).not.toMatch(/\/\/|\\|\/\.{1,2}(?:\/|$)|%2e|%2f|%5c|%41/i);
    }),
    { numRuns: 1000 },
  );
});
