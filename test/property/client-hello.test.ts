import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import type { ClientHello } from '../../src/message/client-hello.ts';
import { ClientHelloReader } from '../../src/message/client-hello.ts';
import { buildClientHello } from '../support/client-hello.ts';

const hello = fc
  .record({
    serverName: fc.option(fc.domain().filter((domain) => domain.length < 200)),
    ech: fc.boolean(),
    recordBytes: fc.integer({ min: 1, max: 600 }),
    paddingBytes: fc.nat({ max: 500 }),
  })
  .map((options) => ({ options, bytes: buildClientHello(options) }));

/** Pushes `bytes` cut at these places and gives the last answer. */
function readCut(bytes: Uint8Array, cuts: readonly number[]): ClientHello {
  const reader = new ClientHelloReader();
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  const answers = places.slice(1).map((place, at) => reader.push(bytes.subarray(places[at], place)));
  return answers.at(-1)!;
}

test('a ClientHello reads the same however it is cut into records and segments', () => {
  fc.assert(
    fc.property(hello, fc.array(fc.nat(), { maxLength: 20 }), ({ options, bytes }, cuts) => {
      const expected = { type: 'hello', serverName: options.serverName?.toLowerCase() ?? null, ech: options.ech };
      expect(readCut(bytes, cuts)).toEqual(expected);
    }),
  );
});

test('any beginning of a ClientHello is incomplete', () => {
  fc.assert(
    fc.property(hello, fc.nat(), ({ bytes }, cut) => {
      expect(readCut(bytes.subarray(0, cut % bytes.length), [])).toEqual({ type: 'incomplete' });
    }),
  );
});

test('damaged bytes give the same verdict in every cut, and never a name that is no host', () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(hello, damage, fc.array(fc.nat(), { maxLength: 10 }), ({ bytes }, changes, cuts) => {
      const damaged = Uint8Array.from(bytes);
      for (const [at, byte] of changes) damaged[at % damaged.length] = byte;
      const verdict = readCut(damaged, []);
      expect(readCut(damaged, cuts)).toEqual(verdict);
      if (verdict.type === 'hello') expect(verdict.serverName ?? 'none').toMatch(/^[a-z0-9_.-]{1,253}$/);
      if (verdict.type === 'not_tls') expect(verdict.why).toMatch(/^[ -~]{3,60}$/);
    }),
    { numRuns: 1000 },
  );
});

test('any bytes at all end in one verdict that does not depend on the cut', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(fc.nat(), { maxLength: 10 }), (bytes, cuts) => {
      expect(readCut(bytes, cuts)).toEqual(readCut(bytes, []));
    }),
    { numRuns: 1000 },
  );
});
