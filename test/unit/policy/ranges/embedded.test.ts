/** The ranges that the product brings: read from where they are shipped, as a start without a network does. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

import { countPrefixes } from '../../../../src/address/flat-prefixes.ts';
import { parseAddress } from '../../../../src/address/ip.ts';
import { createFlatPrefixSet } from '../../../../src/address/prefix-set.ts';
import { guardRanges } from '../../../../src/policy/ranges/guard.ts';
import { backupTags, wantedNames } from '../../../../src/policy/ranges/wanted.ts';
import { absence, publishedFiles, read, readPublished } from './published.ts';

const folder = resolve(import.meta.dirname, '../../../../allowlist/ranges');

describe.each([
  ['public', 'Public', 'ServiceTags_Public_', '20.60.26.1', 'storage.westeurope'],
  ['usgov', 'AzureGovernment', 'ServiceTags_AzureGovernment_', '20.140.244.1', 'storage.usgovarizona'],
  ['china', 'China', 'ServiceTags_China_', '40.72.79.65', 'azurebackup'],
] as const)('the embedded ranges of %s', (cloud, said, published, address, tag) => {
  const document = read(readFileSync(resolve(folder, `${cloud}.txt`), 'utf8'));

  test('say their cloud, date and change number, and pass the guards without a warning', () => {
    expect(document).toMatchObject({ format: 'compact', cloud: said });
    expect(document.date).toMatch(/^20\d\d-\d\d-\d\d$/);
    expect(document.changeNumber).toBeGreaterThan(369);
    const options = { wantedTags: backupTags, cloud, maxShrinkPercent: 40, force: false };
    expect(guardRanges(document, null, options)).toEqual({ ok: true, document, warnings: [] });
  });

  test('hold the services of a backup and no others', () => {
    const services = new Set(Array.from(document.tags.keys(), (key) => key.split('.')[0]));
    expect(services).toEqual(new Set(['azureactivedirectory', 'azurebackup', 'azureresourcemanager', 'storage']));
    for (const { name, prefixes } of document.tags.values()) expect(countPrefixes(prefixes), name).toBeGreaterThan(0);
    const set = createFlatPrefixSet(document.tags.get(tag)!.prefixes);
    expect(set.has(parseAddress(address)!)).toBe(true);
    expect(set.has(parseAddress('168.63.129.16')!)).toBe(false);
  });

  test('are the newest published ones', ({ skip }) => {
    const newest = publishedFiles('service-tags').findLast((file) => file.startsWith(published));
    const source = read(readPublished('service-tags', newest ?? skip(absence)));
    const names = wantedNames(backupTags, source);
    expect([...document.tags]).toEqual([...source.tags].filter(([key]) => names.has(key)));
    expect(document.changeNumber).toBe(source.changeNumber);
    expect(document.date?.replaceAll('-', '')).toBe(/\d{8}/.exec(newest ?? '')?.[0]);
  });
});
