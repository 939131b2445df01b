import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { checkForwardFields, requestFields, responseFields } from '../../src/message/fields.ts';

const own = { host: 'a.example', via: 'lockdown', httpVersion: '1.1' };
const hopByHop = ['connection', 'keep-alive', 'te', 'trailer', 'upgrade', 'proxy-connection', 'proxy-authorization'];
const framing = ['host', 'via', 'content-length', 'transfer-encoding'];
const plain = ['accept', 'x-foo', 'x-bar', 'cookie', '__proto__', 'constructor', 'tostring', 'hasownproperty'];

const anyCase = (name: string): fc.Arbitrary<string> =>
  fc.mixedCase(fc.constant(name), { toggleCase: (c) => c.toUpperCase() });
const name = fc.constantFrom(...hopByHop, ...framing, ...plain, 'expect').chain(anyCase);
const options = fc
  .array(fc.constantFrom(...plain, ...framing, 'close', ''), { maxLength: 4 })
  .map((list) => list.join(' , '));
const field = fc.oneof(
  fc.tuple(name, fc.string({ unit: 'grapheme-ascii', maxLength: 8 })),
  fc.tuple(fc.constantFrom('connection', 'proxy-connection').chain(anyCase), options),
);
const framed = fc.constantFrom<readonly [string, string]>(['Content-Length', '5'], ['transfer-encoding', 'Chunked']);
const fields = fc.array(fc.oneof({ weight: 6, arbitrary: field }, { weight: 1, arbitrary: framed }), { maxLength: 15 });

const pairsOf = (list: readonly string[]): (readonly [string, string])[] =>
  list.flatMap((key, at) => (at % 2 === 0 ? [[key, list[at + 1]!] as const] : []));

/** The names that Connection lines take out of `list`. */
function namedIn(list: readonly (readonly [string, string])[]): string[] {
  const lines = list.filter(([key]) => /^(?:proxy-)?connection$/i.test(key)).map(([, value]) => value);
  return lines.flatMap((line) => line.split(',')).map((option) => option.trim().toLowerCase());
}

test('exactly the end-to-end fields go on, each value once and in order', () => {
  fc.assert(
    fc.property(fields, (list) => {
      const named = namedIn(list);
      const sent = pairsOf(requestFields(list.flat(), own)).map(([key, value]) => `${key.toLowerCase()}: ${value}`);
      const received = responseFields(list.flat(), own);
      for (const key of plain) {
        const expected = named.includes(key)
          ? []
          : list.filter(([other]) => other.toLowerCase() === key).map(([, value]) => value);
        expect(sent.filter((line) => line.startsWith(`${key}: `))).toEqual(expected.map((value) => `${key}: ${value}`));
        expect(received.filter((_, at) => at % 2 === 1 && received[at - 1]!.toLowerCase() === key)).toEqual(expected);
      }
    }),
  );
});

test('no hop-by-hop field goes on in either direction, in any spelling', () => {
  fc.assert(
    fc.property(fields, (list) => {
      const sent = pairsOf(requestFields(list.flat(), own)).map(([key]) => key.toLowerCase());
      const received = responseFields(list.flat(), own).filter((_, at) => at % 2 === 0);
      for (const key of hopByHop) {
        expect(sent).not.toContain(key);
        expect(received.map((other) => other.toLowerCase())).not.toContain(key);
      }
    }),
  );
});

test('a request that passed the check leaves with one framing, one Host and one Via', () => {
  fc.assert(
    fc.property(fields, (list) => {
      const raw = list.flat();
      fc.pre(checkForwardFields(raw, '1.1') === null);
      const entries = pairsOf(requestFields(raw, own)).map(([key, value]) => [key.toLowerCase(), value] as const);
      const valuesOf = (key: string): unknown[] => entries.filter(([other]) => other === key).map(([, value]) => value);
      expect(valuesOf('host')).toEqual(['a.example']);
      expect(valuesOf('via')).toEqual([expect.stringMatching(/(?:^|, )1\.1 lockdown$/)]);
      expect([...valuesOf('content-length'), ...valuesOf('transfer-encoding')].length).toBeLessThanOrEqual(1);
      const hadLength = list.some(([key]) => key.toLowerCase() === 'content-length');
      expect(valuesOf('content-length').length).toBe(hadLength ? 1 : 0);
    }),
  );
});
