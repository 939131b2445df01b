import { isIP } from 'node:net';

import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import type { Address, Prefix } from '../../src/address/ip.ts';
import { addressFromWords, formatPrefix, parseAddress, parsePrefix, prefixContains } from '../../src/address/ip.ts';
import { createPrefixSet } from '../../src/address/prefix-set.ts';
import { classifyAddress, embeddedAddresses, gravity, isAlwaysForbidden } from '../../src/address/special-purpose.ts';

const oneOf = (characters: string): fc.Arbitrary<string> => fc.constantFrom(...characters.split(''));

const word = fc.integer({ min: 0, max: 0xffffffff });
const sparseWord = fc.oneof(word, fc.constantFrom(0, 0xffff, 0xffff0000, 0xffffffff, 0x80000000, 0x20010000));
const anyAddress = fc
  .oneof(fc.tuple(sparseWord), fc.tuple(sparseWord, sparseWord, sparseWord, sparseWord))
  .map((words) => addressFromWords(words));

/** The address as one number; mapped addresses never come here as IPv6. */
const toNumber = (address: Address): bigint => address.words.reduce((sum, next) => (sum << 32n) | BigInt(next), 0n);
const bitsOf = (family: 4 | 6): number => (family === 4 ? 32 : 128);

function networkOf(address: Address, length: number): Prefix {
  const shift = BigInt(bitsOf(address.family) - length);
  const network = (toNumber(address) >> shift) << shift;
  const words = address.words.map((_, at) =>
    Number((network >> BigInt(32 * (address.words.length - 1 - at))) & 0xffffffffn),
  );
  return { address: { ...addressFromWords(words) }, length };
}

/** Says what `prefixContains` should, one bit string against another. */
function holds(prefix: Prefix, address: Address): boolean {
  if (prefix.address.family !== address.family) return false;
  const shift = BigInt(bitsOf(address.family) - prefix.length);
  return toNumber(prefix.address) >> shift === toNumber(address) >> shift;
}

// Few leading values, so that prefixes overlap and addresses fall on their edges.
const nearWord = fc.constantFrom(
  0,
  1,
  0x7fffffff,
  0x80000000,
  0xfffffffe,
  0xffffffff,
  0x0a000000,
  0x0a0000ff,
  0x0a000100,
);
const nearAddress = fc
  .oneof(fc.tuple(nearWord), fc.tuple(nearWord, nearWord, nearWord, nearWord))
  .map((words) => addressFromWords(words));
const nearPrefix = fc
  .tuple(nearAddress, fc.nat({ max: 128 }))
  .map(([address, length]) => networkOf(address, Math.min(length, bitsOf(address.family))))
  .filter((prefix) => prefix.address.words.length * 32 === bitsOf(prefix.address.family));

test('every address has one spelling, which reads back as itself', () => {
  fc.assert(
    fc.property(anyAddress, (address) => {
      expect(parseAddress(address.text)).toEqual(address);
      expect(isIP(address.text)).toBe(address.family);
    }),
  );
});

test('the spelling of IPv6 is that of the URL standard', () => {
  fc.assert(
    fc.property(
      anyAddress.filter((address) => address.family === 6),
      (address) => {
        expect(`[${address.text}]`).toBe(new URL(`http://[${address.text}]/`).hostname);
      },
    ),
  );
});

test('every spelling of one IPv6 address is one address', () => {
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      const url = new URL(`http://[${text}]/`).hostname;
      expect(parseAddress(text)).toEqual(parseAddress(url.slice(1, -1)));
      expect(parseAddress(text.toUpperCase())?.text).toBe(parseAddress(text)?.text);
      expect(parseAddress(text)).not.toBeNull();
    }),
  );
});

test('nothing is an address here that is none to the platform', () => {
  const digits = fc.string({ unit: oneOf('0123459abfxX:.%[]/ +-'), maxLength: 40 });
  fc.assert(
    fc.property(fc.oneof(digits, fc.string({ unit: 'binary' })), (text) => {
      if (isIP(text) === 0) expect(parseAddress(text)).toBeNull();
      else if (!text.includes('%')) expect(parseAddress(text)).not.toBeNull();
    }),
    { numRuns: 2000 },
  );
});

test('a prefix reads back from its text, and set host bits are refused with the prefix that was meant', () => {
  fc.assert(
    fc.property(anyAddress, fc.nat({ max: 128 }), (address, nat) => {
      const length = Math.min(nat, bitsOf(address.family));
      const meant = networkOf(address, length);
      expect(parsePrefix(formatPrefix(meant))).toEqual({ ok: true, value: meant });
      const parsed = parsePrefix(`${address.text}/${length}`);
      if (meant.address.text === address.text) expect(parsed.ok).toBe(true);
      else expect(parsed).toEqual({ ok: false, message: `Host bits are set, write ${formatPrefix(meant)}` });
    }),
  );
});

test('a set of prefixes answers as looking at each of them would, with the widest', () => {
  fc.assert(
    fc.property(
      fc.array(nearPrefix, { maxLength: 30 }),
      fc.array(nearAddress, { minLength: 1 }),
      (prefixes, addresses) => {
        const set = createPrefixSet(prefixes);
        for (const address of addresses) {
          const lengths = prefixes.filter((prefix) => holds(prefix, address)).map((prefix) => prefix.length);
          expect(prefixes.map((prefix) => prefixContains(prefix, address))).toEqual(
            prefixes.map((p) => holds(p, address)),
          );
          expect(set.has(address)).toBe(lengths.length > 0);
          expect(set.find(address)?.length).toBe(lengths.length > 0 ? Math.min(...lengths) : undefined);
        }
      },
    ),
    { numRuns: 500 },
  );
});

test('an address is never judged milder than any address it carries', () => {
  fc.assert(
    fc.property(anyAddress, (address) => {
      const own = gravity(classifyAddress(address));
      for (const carried of embeddedAddresses(address))
        expect(own).toBeGreaterThanOrEqual(gravity(classifyAddress(carried)));
    }),
    { numRuns: 1000 },
  );
});

test('outside 2000::/3 an IPv6 address is public only behind the NAT64 prefix', () => {
  fc.assert(
    fc.property(fc.tuple(sparseWord, word, word, word), (words) => {
      const address = addressFromWords(words);
      const isGlobal = words[0] >>> 29 === 1 || address.text.startsWith('64:ff9b::') || address.family === 4;
      if (!isGlobal) expect(classifyAddress(address)).not.toBe('public');
    }),
  );
});

test('the metadata address is refused inside every translation form, whatever surrounds it', () => {
  const hex = fc.nat({ max: 0xffff }).map((group) => group.toString(16));
  fc.assert(
    fc.property(hex, hex, hex, hex, (a, b, c, d) => {
      const spellings = [
        `2002:a9fe:a9fe:${a}:${b}:${c}:${d}:1`,
        `2001:0:a9fe:a9fe:${a}:${b}:${c}:${d}`,
        `2001:0:${a}:${b}:${c}:${d}:5601:5601`,
        `26${a.padStart(2, '0').slice(-2)}:${b}:${c}:${d}:0:5efe:169.254.169.254`,
        `2603:${b}:${c}:${d}:200:5efe:169.254.169.254`,
      ];
      for (const text of spellings) {
        const addressClass = classifyAddress(parseAddress(text)!);
        expect([text, addressClass, isAlwaysForbidden(addressClass)]).toEqual([text, 'azure_platform', true]);
      }
    }),
  );
});
