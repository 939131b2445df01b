import { describe, expect, test } from 'vitest';

import { eachPrefix } from '../../../../src/address/flat-prefixes.ts';
import { formatPrefix } from '../../../../src/address/ip.ts';
import { formatCompact } from '../../../../src/policy/ranges/compact.ts';
import { mergeDiscoveryPages } from '../../../../src/policy/ranges/discovery.ts';
import type { RangesDocument } from '../../../../src/policy/ranges/document.ts';
import { parseRangesDocument } from '../../../../src/policy/ranges/parse.ts';
import { contents, legacyXml, read, serviceTags } from './published.ts';

function contentsOf(document: RangesDocument): Record<string, string[]> {
  const tags = [...document.tags.values()];
  return Object.fromEntries(tags.map((tag) => [tag.name, Array.from(eachPrefix(tag.prefixes), formatPrefix)]));
}

/** JSON without some of its fields, wherever they are. */
function without(text: string, ...keys: readonly string[]): Readonly<Record<string, unknown>> {
  return JSON.parse(text, (key, value: unknown) => (keys.includes(key) ? undefined : value)) as Record<string, unknown>;
}

function discovery(text: string, nextLink?: string | null): string {
  const page = without(text, 'platform', 'regionId', 'networkFeatures');
  const link = nextLink === undefined ? {} : { nextLink };
  return JSON.stringify({
    name: 'Public',
    type: 'Microsoft.Network/serviceTags',
    ...page,
    changeNumber: '375',
    ...link,
  });
}

describe('every published format becomes the same document', () => {
  test.each([
    ['Service Tags JSON', serviceTags(), 'service-tags'],
    ['Service Tags JSON with CRLF', serviceTags().replaceAll('\n', '\r\n'), 'service-tags'],
    ['Service Tags JSON with a byte order mark', `\ufeff${serviceTags()}`, 'service-tags'],
    ['Service Tags JSON on one line', JSON.stringify(JSON.parse(serviceTags())), 'service-tags'],
    [
      'Service Tags JSON of before mid 2020',
      JSON.stringify(without(serviceTags(), 'regionId', 'networkFeatures')),
      'service-tags',
    ],
    ['a Discovery answer', discovery(serviceTags()), 'discovery'],
    ['a Discovery answer whose nextLink is null', discovery(serviceTags(), null), 'discovery'],
    ['a Discovery answer whose nextLink is empty', discovery(serviceTags(), ''), 'discovery'],
    ['the compact form', formatCompact(read(serviceTags())), 'compact'],
    ['the compact form with CRLF', formatCompact(read(serviceTags())).replaceAll('\n', '\r\n'), 'compact'],
  ])('%s', (_, text, format) => {
    const document = read(text);
    expect(document).toMatchObject({ format, cloud: 'Public', changeNumber: 375 });
    expect(contentsOf(document)).toEqual(contents);
    expect(document.tags.get('storage.westeurope')).toMatchObject({ region: 'westeurope', service: 'Storage' });
    expect(document.tags.get('azurebackup')).toMatchObject({ name: 'AzureBackup', region: null });
  });
});

test('the pages of a Discovery answer are joined in their order', () => {
  const { Storage, ...others } = contents;
  const pages = [discovery(serviceTags({ Storage: Storage! }), 'https://next'), discovery(serviceTags(others))];
  const merged = mergeDiscoveryPages(pages);
  expect(merged.ok && contentsOf(merged.value)).toEqual(contents);
});

describe('pages of a Discovery answer that do not belong together are refused', () => {
  const first = discovery(serviceTags({ A: ['20.1.0.0/16'] }), 'https://next');
  const last = discovery(serviceTags({ B: ['20.2.0.0/16'] }));
  test.each([
    ['none', [], 'No page'],
    ['the last one missing', [first], 'nextLink: more pages follow, and they are missing'],
    ['one too many', [last, last], 'Page 1: nextLink: the last page, yet more follow'],
    [
      'another change number',
      [first, last.replace('"375"', '"376"')],
      'Page 2: cloud and changeNumber are not those of page 1; it changed meanwhile',
    ],
    [
      'another cloud',
      [first, last.replace('"Public"', '"China"').replace('"cloud":"Public"', '"cloud":"China"')],
      'Page 2: cloud and changeNumber are not those of page 1; it changed meanwhile',
    ],
    ['a tag in both', [first, last.replaceAll('"B"', '"a"')], 'Page 2: values[0].name: Tag "a" is there twice'],
    [
      'the second one cut short',
      [first, last.slice(0, -9)],
      `Page 2: Cut short: the JSON breaks off at line 1, column ${last.length - 8}`,
    ],
  ])('%s', (_, pages, message) => {
    expect(mergeDiscoveryPages(pages)).toEqual({ ok: false, message });
  });
});

test('one page alone of several is refused: what is missing would be missed in silence', () => {
  const text = discovery(serviceTags(), 'https://next');
  expect(parseRangesDocument(text)).toEqual({
    ok: false,
    message: 'nextLink: more pages follow, and they are missing',
  });
});

test('the regions of the legacy XML become tags of their own names', () => {
  const regions = { europewest: ['13.69.0.0/17', '168.63.0.0/19'], 'asia.south': ['20.36.64.0/19'] };
  const document = read(legacyXml(regions));
  expect(document).toMatchObject({ format: 'legacy-xml', cloud: null, changeNumber: null });
  expect(contentsOf(document)).toEqual(regions);
});

test('plain text holds one tag, or those that its headers name', () => {
  expect(contentsOf(read('# by hand\n20.1.0.0/16\n\n  2603:1030::/32  # a note\r\n'))).toEqual({
    Ranges: ['20.1.0.0/16', '2603:1030::/32'],
  });
  expect(contentsOf(read('20.1.0.0/16\n# tag: Mine.West\n20.2.0.0/16\n#TAG:Other\n20.3.0.0/16\n'))).toEqual({
    Ranges: ['20.1.0.0/16'],
    'Mine.West': ['20.2.0.0/16'],
    Other: ['20.3.0.0/16'],
  });
});

test('a tag without prefixes stands beside others, as does one whose list is null', () => {
  const text = serviceTags({ Empty: [], None: [], Storage: ['20.60.0.0/16'] }).replace('[]', 'null');
  expect(contentsOf(read(text))).toEqual({ Empty: [], None: [], Storage: ['20.60.0.0/16'] });
});

test('IPv6 alone is as good as IPv4 alone', () => {
  expect(contentsOf(read(serviceTags({ A: ['2603:1030::/32'] })))).toEqual({ A: ['2603:1030::/32'] });
});

test('unusual spellings of prefixes are read and shown in the usual one', () => {
  const text = serviceTags({ A: ['2603:1030:0:0:0:0:0:0/48', '2603:103A::/32', '2603::0.0.0.0/16', '20.1.0.0/16'] });
  expect(contentsOf(read(text))).toEqual({ A: ['20.1.0.0/16', '2603:1030::/48', '2603:103a::/32', '2603::/16'] });
});

test('the date of a document is its own, else that of the name it came under', () => {
  const hint = { date: '2025-10-28' };
  expect(parseRangesDocument(serviceTags(), hint)).toMatchObject({ value: { date: '2025-10-28' } });
  const compact = formatCompact({ ...read(serviceTags()), date: '2024-01-02' });
  expect(parseRangesDocument(compact, hint)).toMatchObject({ value: { date: '2024-01-02' } });
});

test('the compact form can be read line by line and carries comments', () => {
  const text = formatCompact({ ...read(serviceTags()), date: '2025-10-28' });
  expect(text.split('\n').slice(0, 9)).toEqual([
    '# lockdown-proxy ranges 1',
    '# cloud: Public',
    '# change number: 375',
    '# date: 2025-10-28',
    '',
    '[Storage] service=Storage',
    '20.60.0.0/16',
    '20.150.0.0/17',
    '2603:1030:a:b::/64',
  ]);
  expect(text).toMatch(/\n# end: 4 tags, 8 prefixes\n$/);
  expect(contentsOf(read(text.replace('\n20.150', '\n# why\n20.150')))).toEqual(contents);
});
