import { describe, expect, test } from 'vitest';

import type { Prefix } from '../../../src/address/ip.ts';
import { addressFromWords, formatPrefix, parseAddress, parsePrefix } from '../../../src/address/ip.ts';
import { createPrefixSet, emptyPrefixSet } from '../../../src/address/prefix-set.ts';

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new TypeError(parsed.message);
  return parsed.value;
}

const set = createPrefixSet(
  ['20.38.98.0/24', '10.1.0.0/16', '10.0.0.0/8', '2603:1030::/32', '10.0.0.0/8', '1.2.3.4/32', '2603:1030:8::/48'].map(
    prefix,
  ),
);

describe('a set finds the widest prefix that holds an address', () => {
  test.each([
    ['10.1.2.3', '10.0.0.0/8'],
    ['10.255.255.255', '10.0.0.0/8'],
    ['9.255.255.255', null],
    ['11.0.0.0', null],
    ['20.38.98.255', '20.38.98.0/24'],
    ['20.38.99.0', null],
    ['1.2.3.4', '1.2.3.4/32'],
    ['1.2.3.3', null],
    ['0.0.0.0', null],
    ['255.255.255.255', null],
    ['2603:1030:8::1', '2603:1030::/32'],
    ['2603:1031::', null],
    ['::', null],
  ])('%s: %s', (text, expected) => {
    const address = parseAddress(text)!;
    const found = set.find(address);
    expect(found && formatPrefix(found)).toBe(expected);
    expect(set.has(address)).toBe(expected !== null);
  });
});

test('a set keeps its prefixes as given, doubles too, whatever happens to the list they came from', () => {
  const list = ['10.0.0.0/8', '2603::/16', '10.0.0.0/8'].map(prefix);
  const made = createPrefixSet(list);
  list.length = 0;
  expect(made.size).toBe(3);
  expect(made.prefixes.map(formatPrefix)).toEqual(['10.0.0.0/8', '2603::/16', '10.0.0.0/8']);
  expect(made.has(parseAddress('10.0.0.1')!)).toBe(true);
});

test('whole families can be members, and neither holds the other', () => {
  const everyIpv4 = createPrefixSet([prefix('0.0.0.0/0')]);
  expect(everyIpv4.has(parseAddress('255.255.255.255')!)).toBe(true);
  expect(everyIpv4.has(parseAddress('::')!)).toBe(false);
  const everyIpv6 = createPrefixSet([prefix('::/0')]);
  expect(everyIpv6.has(parseAddress('ffff::1')!)).toBe(true);
  expect(everyIpv6.has(parseAddress('1.2.3.4')!)).toBe(false);
});

test('the empty set holds nothing', () => {
  expect(emptyPrefixSet.size).toBe(0);
  expect(emptyPrefixSet.find(parseAddress('0.0.0.0')!)).toBeNull();
  expect(emptyPrefixSet.has(parseAddress('::')!)).toBe(false);
});

test('100,000 prefixes are told apart to the last address', () => {
  // Every second /24 from 16.0.0.0 on.
  const many = createPrefixSet(
    Array.from({ length: 100_000 }, (_, index) => ({
      address: addressFromWords([0x10000000 + index * 512]),
      length: 24,
    })),
  );
  const held = (word: number): boolean => many.has(addressFromWords([word]));
  for (let index = 0; index < 100_000; index += 997) {
    const start = 0x10000000 + index * 512;
    expect([held(start), held(start + 255), held(start + 256), held(start + 511)]).toEqual([true, true, false, false]);
  }
});
