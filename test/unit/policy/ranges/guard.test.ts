import { describe, expect, test } from 'vitest';

import { eachPrefix } from '../../../../src/address/flat-prefixes.ts';
import { formatPrefix } from '../../../../src/address/ip.ts';
import { formatCompact } from '../../../../src/policy/ranges/compact.ts';
import { digestRanges } from '../../../../src/policy/ranges/digest.ts';
import type { RangesDocument } from '../../../../src/policy/ranges/document.ts';
import type { GuardOptions } from '../../../../src/policy/ranges/guard.ts';
import { guardRanges } from '../../../../src/policy/ranges/guard.ts';
import { backupTags, wantedNames } from '../../../../src/policy/ranges/wanted.ts';
import type { Contents } from './published.ts';
import { legacyXml, read, serviceTags } from './published.ts';

const usual: GuardOptions = { wantedTags: ['storage', 'Mine.*'], cloud: 'public', maxShrinkPercent: 40, force: false };

function document(tags: Contents, fields: Partial<RangesDocument> = {}): RangesDocument {
  return { ...read(serviceTags(tags)), ...fields };
}

/** So many prefixes, one behind the other. */
function prefixes(count: number): readonly string[] {
  return Array.from({ length: count }, (_, at) => `20.${at >> 8}.${at & 255}.0/24`);
}

/** Why it is refused, or the warnings it is taken with. */
function verdict(
  next: RangesDocument,
  previous: RangesDocument | null = null,
  options: Partial<GuardOptions> = {},
): string | readonly string[] {
  const guarded = guardRanges(next, previous, { ...usual, ...options });
  return guarded.ok ? guarded.warnings : guarded.message;
}

test('what is as it should be is taken as it is, without a word', () => {
  const next = document({ Storage: prefixes(10), Other: ['2603:1030::/32'] });
  expect(guardRanges(next, next, usual)).toEqual({ ok: true, document: next, warnings: [] });
});

describe('the cloud has to be the one that is configured', () => {
  const tags = { Storage: prefixes(1) };
  test.each([
    ['public', 'Public', []],
    ['usgov', 'AzureGovernment', []],
    ['china', 'china', []],
    ['usgov', 'Public', 'cloud: expected "AzureGovernment", found "Public"'],
    ['public', 'AzureGermanCloud', 'cloud: expected "Public", found "AzureGermanCloud"'],
    ['public', null, 'cloud: expected "Public", found nothing'],
  ] as const)('%s configured, the document says %s', (cloud, said, expected) => {
    expect(verdict(document(tags, { cloud: said }), null, { cloud })).toEqual(expected);
    expect(verdict(document(tags, { cloud: said }), null, { cloud, force: true })).toEqual(expected);
  });

  test('a format that knows no cloud is taken for any', () => {
    expect(verdict(read('# tag: Storage\n20.1.0.0/16\n'), null, { cloud: 'china' })).toEqual([]);
    expect(verdict(read(legacyXml({ storage: ['20.1.0.0/16'] })), null, { cloud: 'china' })).toEqual([]);
  });
});

describe('a wanted tag may shrink and grow within bounds, counted in prefixes', () => {
  test.each([
    [100, 60, []],
    [100, 59, 'Storage: from 100 to 59 prefixes, a loss of over 40 %'],
    [100, 200, []],
    [100, 201, 'Storage: from 100 to 201 prefixes, a growth of over 100 %'],
    [2, 1, 'Storage: from 2 to 1 prefixes, a loss of over 40 %'],
    [0, 100, []],
  ])('%i to %i', (before, after, expected) => {
    const [old, next] = [
      { Storage: prefixes(before), Other: prefixes(500) },
      { Storage: prefixes(after), Other: prefixes(1) },
    ];
    expect(verdict(document(next), document(old))).toEqual(expected);
    expect(verdict(document(next), document(old), { force: true })).toEqual([]);
    expect(verdict(document(next), null)).toEqual([]);
  });

  test('the bound of a loss is the one that is configured', () => {
    const [old, next] = [document({ Storage: prefixes(10) }), document({ Storage: prefixes(7) })];
    expect(verdict(next, old, { maxShrinkPercent: 30 })).toEqual([]);
    expect(verdict(next, old, { maxShrinkPercent: 29 })).toMatch(/a loss of over 29 %/);
  });
});

describe('a wanted tag that is gone is an alarm, and a document without any is refused', () => {
  const gone = 'tags without prefixes, rules that name them match nothing: ';
  const old = document({ Storage: prefixes(2), 'Mine.West': prefixes(2), 'Mine.East': prefixes(2) });
  test.each([
    ['one of several', { Storage: prefixes(2), 'Mine.East': prefixes(2) }, [`${gone}Mine.West`]],
    ['one without prefixes', { Storage: [], 'mine.east': prefixes(2), 'Mine.West': prefixes(2) }, [`${gone}Storage`]],
    ['all', { Other: prefixes(9) }, 'none of the wanted tags is in it: Storage, Mine.West, Mine.East'],
  ])('%s', (_, tags, expected) => {
    expect(verdict(document(tags), old)).toEqual(expected);
    expect(verdict(document(tags), old, { force: true })).toEqual(expected);
  });

  test('where nothing is wanted nothing is missed', () => {
    expect(verdict(document({ Other: prefixes(9) }), old, { wantedTags: [] })).toEqual([]);
  });
});

describe('a prefix that is too wide refuses the document, in whatever tag it is', () => {
  test.each([
    ['20.16.0.0/12', []],
    ['20.0.0.0/11', 'Other: 20.0.0.0/11 is too wide; at least /12 for IPv4 and /32 for IPv6'],
    ['0.0.0.0/0', 'Other: 0.0.0.0/0 is too wide; at least /12 for IPv4 and /32 for IPv6'],
    ['2603:1030::/32', []],
    ['2603:1030::/31', 'Other: 2603:1030::/31 is too wide; at least /12 for IPv4 and /32 for IPv6'],
  ])('%s', (prefix, expected) => {
    const next = document({ Storage: prefixes(1), Other: [prefix] });
    expect(verdict(next)).toEqual(expected);
    expect(verdict(next, next, { force: true })).toEqual(expected);
  });
});

describe('special-purpose addresses are dropped with an alarm, and in a wanted tag refuse the document', () => {
  const specials = [
    '10.1.0.0/16 100.64.0.0/12 127.0.0.1/32 168.63.129.16/32 168.63.0.0/16 169.254.169.254/32 172.16.0.0/12',
    '192.0.0.0/24 192.168.1.0/24 198.18.0.0/16 203.0.113.7/32 224.0.0.0/24 255.255.255.255/32',
    '::1/128 fc00::/32 fe80::1/128 ff02::/32 64:ff9b::/96 2001:db8::/48 2002:a83f:8110::/48',
  ];
  test.each(specials.join(' ').split(' '))('%s', (prefix) => {
    const good = ['20.1.0.0/16', '168.63.128.0/24', '2603:1030::/32'];
    const next = document({ Storage: prefixes(1), Other: [...good, prefix] });
    const guarded = guardRanges(next, null, { ...usual, force: true });
    const warnings = [`Other: special-purpose addresses dropped: ${prefix}`];
    expect(guarded).toMatchObject({ ok: true, warnings });
    const kept = guarded.ok ? guarded.document.tags.get('other')! : null;
    expect(Array.from(eachPrefix(kept!.prefixes), formatPrefix)).toEqual(good);
    expect(verdict(next, null, { wantedTags: ['Storage', 'other'], force: true })).toBe(
      `Other: special-purpose addresses: ${prefix}`,
    );
  });

  test('many of them are named in one short line', () => {
    const many = Array.from({ length: 300 }, (_, at) => `10.0.${at & 255}.${(at >> 8) * 4}/30`);
    const [warning] = verdict(document({ Storage: prefixes(1), Other: many }));
    expect(warning).toBe(
      'Other: special-purpose addresses dropped: 10.0.0.0/30, 10.0.1.0/30, 10.0.2.0/30, 10.0.3.0/30, 10.0.4.0/30 and 295 more',
    );
  });
});

test('a lower change number is taken with a warning', () => {
  const tags = { Storage: prefixes(2) };
  const old = document(tags, { changeNumber: 375 });
  expect(verdict(document(tags, { changeNumber: 370 }), old)).toEqual(['changeNumber went down from 375 to 370']);
  expect(verdict(document(tags, { changeNumber: 375 }), old)).toEqual([]);
  expect(verdict(document(tags, { changeNumber: null }), old)).toEqual([]);
});

test('the tags of a backup are the four services and the regions of three', () => {
  const tags = ['Storage', 'Storage.WestEurope', 'StorageSyncService', 'AzureBackup.A', 'AzureActiveDirectory.B'];
  const names = wantedNames(backupTags, document(Object.fromEntries(tags.map((tag) => [tag, prefixes(1)]))));
  expect([...names.keys()].sort().join(' ')).toBe(
    'azureactivedirectory azurebackup azurebackup.a azureresourcemanager storage storage.westeurope',
  );
});

describe('the digest of a document is of its content', () => {
  const tags = { Storage: ['20.1.0.0/16', '20.2.0.0/16', '2603:1030::/32'], Other: ['20.3.0.0/16'] };
  const digest = digestRanges(document(tags));
  test.each([
    ['another order of prefixes', document({ ...tags, Storage: tags.Storage.toReversed() }), true],
    ['another order and case of tags', document({ OTHER: tags.Other, Storage: tags.Storage }), true],
    ['another number and date', document(tags, { changeNumber: 1, date: '2025-01-01' }), true],
    ['another format', read(formatCompact(document(tags))), true],
    ['another length', document({ ...tags, Other: ['20.3.0.0/17'] }), false],
    [
      'a prefix in another tag',
      document({ Storage: ['20.1.0.0/16', '2603:1030::/32'], Other: ['20.2.0.0/16', '20.3.0.0/16'] }),
      false,
    ],
    ['another cloud', document(tags, { cloud: 'China' }), false],
    ['a tag more', document({ ...tags, Empty: [] }), false],
  ])('%s', (_, other, isSame) => {
    expect(digestRanges(other) === digest).toBe(isSame);
  });
});
