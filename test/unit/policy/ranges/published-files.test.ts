/** The files that were really published; each test says so and is skipped where they are not at hand. */
import { describe, expect, test } from 'vitest';

import { countPrefixes, eachPrefix } from '../../../../src/address/flat-prefixes.ts';
import { formatPrefix } from '../../../../src/address/ip.ts';
import { createFlatPrefixSet } from '../../../../src/address/prefix-set.ts';
import { formatCompact } from '../../../../src/policy/ranges/compact.ts';
import { digestRanges } from '../../../../src/policy/ranges/digest.ts';
import { guardRanges } from '../../../../src/policy/ranges/guard.ts';
import { backupTags } from '../../../../src/policy/ranges/wanted.ts';
import { absence, publishedFiles, read, readPublished, refusal } from './published.ts';

interface ServiceTagsFile {
  readonly values: readonly { readonly name: string; readonly properties: { readonly addressPrefixes: string[] } }[];
}

const files = publishedFiles('service-tags');
const legacy = publishedFiles('legacy-xml');

test('the published files of every cloud are at hand', ({ skip }) => {
  if (files.length + legacy.length === 0) skip(absence);
  const clouds = new Set(files.map((file) => read(readPublished('service-tags', file)).cloud));
  expect(clouds).toEqual(new Set(['Public', 'AzureGovernment', 'China']));
});

describe.for(files)('%s', (file) => {
  const text = readPublished('service-tags', file);

  test('is read to the last prefix, in its order and spelling', () => {
    const document = read(text);
    const { values } = JSON.parse(text) as ServiceTagsFile;
    expect(document.tags.size).toBe(values.length);
    for (const { name, properties } of values) {
      const tag = document.tags.get(name.toLowerCase())!;
      expect(tag.name).toBe(name);
      expect(Array.from(eachPrefix(tag.prefixes), formatPrefix)).toEqual(properties.addressPrefixes);
    }
  });

  test('has the same content with other line ends and as compact text', () => {
    const digest = digestRanges(read(text));
    const other = text.includes('\r\n') ? text.replaceAll('\r\n', '\n') : text.replaceAll('\n', '\r\n');
    expect(digestRanges(read(other))).toBe(digest);
    expect(digestRanges(read(formatCompact(read(text))))).toBe(digest);
  });

  test('is refused when it breaks off at any percent of its length', () => {
    for (let percent = 0; percent < 100; percent++) {
      const cut = text.slice(0, Math.floor((text.length * percent) / 100));
      expect(refusal(cut), `${percent} %`).toMatch(percent === 0 ? /^Empty/ : /^Cut short: .* line \d+, column \d+$/);
    }
  });

  test('makes sets that hold the first address of every prefix', () => {
    for (const { prefixes } of read(text).tags.values()) {
      const set = createFlatPrefixSet(prefixes);
      expect(set.size).toBe(countPrefixes(prefixes));
      for (const { address } of eachPrefix(prefixes)) if (!set.has(address)) expect.fail(address.text);
    }
  });
});

describe.for(legacy)('%s', (file) => {
  const text = readPublished('legacy-xml', file);

  test('is read to the last prefix', () => {
    const document = read(text);
    expect(document.tags.size).toBe(text.match(/<Region /g)?.length);
    const prefixes = Array.from(document.tags.values(), (tag) => Array.from(eachPrefix(tag.prefixes), formatPrefix));
    expect(prefixes.flat()).toEqual(Array.from(text.matchAll(/Subnet="([^"]*)"/g), (match) => match[1]));
  });

  test('is refused when it breaks off at any percent of its length', () => {
    for (let percent = 1; percent < 100; percent++) {
      const cut = text.slice(0, Math.floor((text.length * percent) / 100));
      expect(refusal(cut), `${percent} %`).toMatch(/^Line \d+: cut short: /);
    }
  });
});

describe('the honest changes between publications pass the guards', () => {
  const pairs = [
    ['ServiceTags_Public_20250908.json', 'ServiceTags_Public_20251028.json', 'public', []],
    ['ServiceTags_AzureGovernment_20260713.json', 'ServiceTags_AzureGovernment_20260720.json', 'usgov', []],
    ['ServiceTags_China_20260713.json', 'ServiceTags_China_20260720.json', 'china', []],
    [
      'ServiceTags_AzureGovernment_20251103.json',
      'ServiceTags_AzureGovernment_20260720.json',
      'usgov',
      [expect.stringMatching(/^tags without prefixes, .*: AzureBackup.USGovIowa, .*, Storage.USGovIowa$/)],
    ],
  ] as const;
  test.for(pairs)('%s to %s', ([old, next, cloud, warnings], { skip }) => {
    if (!files.includes(old)) skip(absence);
    const options = { wantedTags: backupTags, cloud, maxShrinkPercent: 40, force: false };
    const [before, after] = [old, next].map((file) => read(readPublished('service-tags', file)));
    expect(guardRanges(after!, before!, options)).toEqual({ ok: true, document: after, warnings });
  });
});
