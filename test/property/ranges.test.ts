import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { countPrefixes, eachPrefix, flatten } from '../../src/address/flat-prefixes.ts';
import type { Prefix } from '../../src/address/ip.ts';
import { addressFromWords, formatPrefix } from '../../src/address/ip.ts';
import { classifyAddress, embeddedAddresses } from '../../src/address/special-purpose.ts';
import { formatCompact } from '../../src/policy/ranges/compact.ts';
import { diffRanges } from '../../src/policy/ranges/diff.ts';
import { digestRanges } from '../../src/policy/ranges/digest.ts';
import { guardRanges } from '../../src/policy/ranges/guard.ts';
import { parseRangesDocument } from '../../src/policy/ranges/parse.ts';
import { splitSpecial } from '../../src/policy/ranges/special.ts';

const byte = fc.nat(255);
const prefix = fc.oneof(
  fc.tuple(byte, byte, byte).map(([a, b, c]) => `${a}.${b}.${c}.0/24`),
  fc.tuple(fc.nat(0xffff), fc.nat(0xffff)).map(([a, b]) => `2603:${a.toString(16)}:${b.toString(16)}::/48`),
);
const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9]{0,8}(?:\.[A-Za-z0-9]{1,8})?$/);
const tags = fc.uniqueArray(fc.tuple(name, fc.array(prefix, { maxLength: 20 })), {
  selector: ([tag]) => tag.toLowerCase(),
  minLength: 1,
  maxLength: 12,
});

type Tags = readonly (readonly [string, readonly string[]])[];

function serviceTags(given: Tags, changeNumber = 1): string {
  const values = given.map(([tag, addressPrefixes]) => ({ name: tag, properties: { region: '', addressPrefixes } }));
  return JSON.stringify({ changeNumber, cloud: 'Public', values });
}

test('a document is the same read from JSON and from its own text form', () => {
  fc.assert(
    fc.property(tags, fc.nat(), (given, changeNumber) => {
      const parsed = parseRangesDocument(serviceTags(given, changeNumber));
      expect(parsed.ok).toBe(given.some(([, prefixes]) => prefixes.length > 0));
      if (!parsed.ok) return;
      const again = parseRangesDocument(formatCompact(parsed.value));
      expect(again).toEqual({ ok: true, value: { ...parsed.value, format: 'compact' } });
      expect(again.ok && digestRanges(again.value)).toBe(digestRanges(parsed.value));
    }),
  );
});

test('a difference, applied to the old document, gives the new one', () => {
  fc.assert(
    fc.property(tags, tags, (before, after) => {
      const [old, next] = [before, after].map((given) => parseRangesDocument(serviceTags(given)));
      if (!old?.ok || !next?.ok) return;
      const { added, removed, changed } = diffRanges(old.value, next.value);
      const made = new Map(before.map(([tag, prefixes]) => [tag.toLowerCase(), new Set(prefixes.map(usual))]));
      for (const { tag } of removed) expect(made.delete(tag.toLowerCase())).toBe(true);
      for (const { tag, prefixes } of added) made.set(tag.toLowerCase(), new Set(prefixes));
      for (const { tag, added: plus, removed: minus } of changed) {
        for (const each of minus) expect(made.get(tag.toLowerCase())?.delete(each)).toBe(true);
        for (const each of plus) made.get(tag.toLowerCase())?.add(each);
      }
      expect(made).toEqual(new Map(after.map(([tag, prefixes]) => [tag.toLowerCase(), new Set(prefixes.map(usual))])));
    }),
  );
});

/** The usual spelling of a prefix of this file: `2603:0:12::/48` is `2603:0:12::/48`, `2603:12:0::/48` is `2603:12::/48`. */
function usual(text: string): string {
  const [, a, b] = /^2603:(\w+):(\w+)::\/48$/.exec(text) ?? [];
  if (a === undefined || b === undefined || b !== '0') return text;
  return a === '0' ? '2603::/48' : `2603:${a}::/48`;
}

test('whatever a text holds, reading it ends in a document or in one line', () => {
  const start = fc.constantFrom(
    '{',
    '{"values":[',
    '<',
    '<AzurePublicIpAddresses>',
    '# ',
    '20.1.0.0/16\n',
    '[',
    '<html',
    '\ufeff',
  );
  fc.assert(
    fc.property(start, fc.string({ unit: 'binary', maxLength: 200 }), (begin, rest) => {
      const parsed = parseRangesDocument(begin + rest);
      if (!parsed.ok) expect(parsed.message).toMatch(/^[\x20-\x7e]{1,400}$/);
      else expect(parsed.value.tags.size).toBeGreaterThan(0);
    }),
    { numRuns: 2000 },
  );
});

test('a change to one character of a document is refused or read, and never throws', () => {
  const text = serviceTags([
    ['Storage', ['20.60.0.0/16', '2603:1030::/32']],
    ['Other', ['20.1.0.0/16']],
  ]);
  fc.assert(
    fc.property(
      fc.nat(text.length - 1),
      fc.string({ unit: 'binary-ascii', minLength: 0, maxLength: 1 }),
      (at, other) => {
        const parsed = parseRangesDocument(text.slice(0, at) + other + text.slice(at + 1));
        if (!parsed.ok) expect(parsed.message).toMatch(/^[\x20-\x7e]{1,400}$/);
        else expect(guardRanges(parsed.value, null, { ...options, cloud: 'china' })).toMatchObject({ ok: false });
      },
    ),
    { numRuns: 2000 },
  );
});

const options = { wantedTags: ['*'], cloud: 'public', maxShrinkPercent: 40, force: false } as const;

test('no address that a decision would call special passes the guard', () => {
  const word = fc.oneof(
    fc.nat(0xffffffff),
    fc.constantFrom(0, 0xffffffff, 0x0a000000, 0xc0a80000, 0xa83f8110, 0x20010db8),
  );
  const six = fc.tuple(
    fc.constantFrom(0, 0x20010000, 0x20010db8, 0xfc000000, 0xfe800000, 0x26031030),
    word,
    word,
    word,
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.tuple(word),
        word.map((low) => [0xc0000000 | (low & 0xffff)]),
        six,
      ),
      (words) => {
        const address = addressFromWords(words.map((each) => each >>> 0));
        const own: Prefix = { address, length: address.family === 4 ? 32 : 128 };
        const { special, rest } = splitSpecial(flatten([own]));
        const isSpecial = countPrefixes(special) === 1;
        expect([...eachPrefix(isSpecial ? special : rest)].map(formatPrefix)).toEqual([formatPrefix(own)]);
        expect(countPrefixes(special) + countPrefixes(rest)).toBe(1);
        // What carries an IPv4 address is judged by that where a decision is taken, and by its own kind here.
        if (embeddedAddresses(address).length > 0) return;
        if (classifyAddress(address) !== 'public') expect(isSpecial).toBe(true);
        else if (address.family === 4) expect(isSpecial).toBe(false);
      },
    ),
    { numRuns: 5000 },
  );
});
