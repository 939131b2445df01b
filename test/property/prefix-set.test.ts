import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { createFlatWriter, eachPrefix, flatten, prefixesHolding } from '../../src/address/flat-prefixes.ts';
import type { Address, Prefix } from '../../src/address/ip.ts';
import { addressFromWords, formatPrefix, parsePrefix } from '../../src/address/ip.ts';
import { createFlatPrefixSet, createPrefixSet } from '../../src/address/prefix-set.ts';
import { aggregatePrefixes } from '../../src/policy/ranges/aggregate.ts';

/** The oracle's idea of an address: its bits as text. */
function bitsOf(address: Address): string {
  return address.words.map((word) => word.toString(2).padStart(32, '0')).join('');
}

function holds(prefix: Prefix, address: Address): boolean {
  const isSameFamily = prefix.address.family === address.family;
  return isSameFamily && bitsOf(address).startsWith(bitsOf(prefix.address).slice(0, prefix.length));
}

const word = fc.oneof(fc.nat(0xffffffff), fc.constantFrom(0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x26031030));

/** Words from a small part of the space, so that prefixes meet, nest and touch; never an IPv4-mapped address. */
const words = fc.oneof(
  word.map((only) => [only]),
  fc.tuple(fc.constantFrom(0x26031030, 0x26031031, 0x20010000), word, word, word).map((all) => [...all]),
);
const close = fc.oneof(
  fc.nat(0x3ff).map((low) => [0x0a000000 | low]),
  fc.nat(0xff).map((low) => [0x26031030, 0, 0, low]),
);
const address = fc.oneof(words, close).map(addressFromWords);

/** A prefix of any length, its host bits cleared by way of text. */
const prefix = fc.tuple(address, fc.nat(128)).map(([{ words: all }, length]): Prefix => {
  const own = Math.min(length, all.length * 32);
  const bits = all.map((part) => part.toString(2).padStart(32, '0')).join('');
  const kept = bits.slice(0, own).padEnd(all.length * 32, '0');
  const network = all.map((_, at) => parseInt(kept.slice(at * 32, at * 32 + 32), 2));
  return { address: addressFromWords(network), length: own };
});
const prefixes = fc.array(prefix, { maxLength: 40 });
/** Random addresses seldom lie in a prefix: half of those asked for are made from one. */
const asked = fc
  .tuple(
    prefixes,
    fc.array(fc.tuple(fc.nat(39), fc.bigInt(0n, (1n << 128n) - 1n)), { maxLength: 20 }),
    fc.array(address, { maxLength: 20 }),
  )
  .map(([given, inside, anywhere]) => {
    const made = inside.flatMap(([at, tail]) => {
      const base = given[at];
      if (base === undefined) return [];
      const bits = bitsOf(base.address);
      const all =
        bits.slice(0, base.length) + tail.toString(2).padStart(128, '0').slice(-bits.length).slice(base.length);
      return [addressFromWords(base.address.words.map((_, word) => parseInt(all.slice(word * 32, word * 32 + 32), 2)))];
    });
    return { given, addresses: [...made, ...anywhere] };
  });

describe('a set of prefixes agrees with going through them one by one', () => {
  test('in what it holds, made of objects or of words', () => {
    fc.assert(
      fc.property(asked, ({ given, addresses }) => {
        const sets = [createPrefixSet(given), createFlatPrefixSet(flatten(given))];
        for (const candidate of addresses) {
          const expected = given.some((each) => holds(each, candidate));
          for (const set of sets) expect(set.has(candidate)).toBe(expected);
        }
      }),
    );
  });

  test('in the widest prefix it finds', () => {
    fc.assert(
      fc.property(asked, ({ given, addresses }) => {
        const set = createFlatPrefixSet(flatten(given));
        for (const candidate of addresses) {
          const [widest] = given.filter((each) => holds(each, candidate)).sort((a, b) => a.length - b.length);
          expect(set.find(candidate)).toEqual(widest ?? null);
        }
      }),
    );
  });

  test('in all prefixes that hold an address', () => {
    fc.assert(
      fc.property(asked, ({ given, addresses }) => {
        const flat = flatten(given);
        for (const candidate of addresses)
          expect(prefixesHolding(flat, candidate)).toEqual(given.filter((each) => holds(each, candidate)));
      }),
    );
  });

  test('in the prefixes it gives back', () => {
    fc.assert(
      fc.property(prefixes, (given) => {
        const families = [4, 6].flatMap((family) => given.filter((each) => each.address.family === family));
        const set = createFlatPrefixSet(flatten(given));
        expect(set.prefixes).toEqual(families);
        expect(set.size).toBe(given.length);
      }),
    );
  });
});

test('aggregation keeps the addresses, and nothing of its result can be joined or left out', () => {
  fc.assert(
    fc.property(asked, ({ given, addresses }) => {
      const joined = aggregatePrefixes([flatten(given)]);
      for (const candidate of addresses)
        expect(joined.some((each) => holds(each, candidate))).toBe(given.some((each) => holds(each, candidate)));
      for (const each of given)
        expect(joined.some((wide) => wide.length <= each.length && holds(wide, each.address))).toBe(true);
      const keys = new Set(joined.map((each) => each.address.family + bitsOf(each.address).slice(0, each.length)));
      for (const key of keys) {
        const sibling = `${key.slice(0, -1)}${key.endsWith('1') ? '0' : '1'}`;
        if (key.length > 1) expect(keys.has(sibling)).toBe(false);
        for (let length = 1; length < key.length; length++) expect(keys.has(key.slice(0, length))).toBe(false);
      }
    }),
  );
});

describe('the quick reading of prefixes agrees with the thorough one', () => {
  const readQuickly = (text: string): string => {
    const writer = createFlatWriter();
    return writer.add(text) ?? Array.from(eachPrefix(writer.take()), formatPrefix).join();
  };
  const readThoroughly = (text: string): string => {
    const parsed = parsePrefix(text);
    return parsed.ok ? formatPrefix(parsed.value) : parsed.message;
  };

  test('on prefixes in every spelling', () => {
    const group = fc.nat(0xffff).map((value) => value.toString(16));
    const long = fc.tuple(fc.array(group, { minLength: 8, maxLength: 8 }), fc.nat(128));
    const spelt = fc.oneof(
      prefix.map(formatPrefix),
      long.map(([groups, length]) => `${groups.join(':')}/${length}`),
    );
    fc.assert(
      fc.property(spelt, fc.boolean(), (text, isUpper) => {
        const own = isUpper ? text.toUpperCase() : text;
        expect(readQuickly(own)).toBe(readThoroughly(own));
      }),
    );
  });

  test('on text that is nearly a prefix', () => {
    const piece = fc.constantFrom(
      ...'0123456789abcfF.:/ -x'.split(''),
      '::',
      '255',
      '256',
      '00',
      '/32',
      '/24',
      '1.2.3.0',
      '2603:',
      'ffff:',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = `${pieces.join('')}/8`.replace(/\/.*\/8$/, (tail) => tail.slice(0, -2));
        expect(readQuickly(text)).toBe(readThoroughly(text));
      }),
      { numRuns: 3000 },
    );
  });
});
