/** `ranges status` and `ranges refresh` as an operator meets them. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCheck } from '../../../src/cli/check.ts';
import { runRangesQuery, runRangesRefresh, runRangesStatus } from '../../../src/cli/ranges.ts';
import type { RangesReport } from '../../../src/cli/ranges-status.ts';
import { formatRangesReport } from '../../../src/cli/ranges-status.ts';
import { compactRanges, serviceTagsJson } from '../../support/ranges-publisher.ts';
import { createTempFolder } from '../../support/temp-folder.ts';
import type { TempFolder } from '../../support/temp-folder.ts';

/** A configuration over a file of ranges, beside its own embedded ranges and cache. */
function installation(rules = 'tag:Storage\n', ranges = serviceTagsJson({ changeNumber: 7 })) {
  const folder = createTempFolder();
  folder.write(
    'config.yaml',
    'cloud: public\nallowlist: [own.txt]\nranges: { source: ./ranges.json, cacheDir: cache }\n',
  );
  folder.write('own.txt', `# rules\n${rules}`);
  folder.write('ranges.json', ranges);
  folder.write('ranges/public.txt', compactRanges({ Storage: ['20.60.0.0/16'], AzureBackup: ['20.38.0.0/24'] }));
  let output = '';
  const options = (json = false) => ({
    config: join(folder.path, 'config.yaml'),
    json,
    listFolder: folder.path,
    out: (text: string) => void (output += text),
  });
  const taken = (): string => {
    const text = output;
    output = '';
    return text;
  };
  return { folder, options, taken, [Symbol.dispose]: () => folder.remove() };
}

function rewrite(folder: TempFolder, document: string): void {
  folder.write('ranges.json', document);
}

describe('ranges refresh', () => {
  it('fetches, keeps, and says in one line what it has', async () => {
    using place = installation();
    expect(await runRangesRefresh({ ...place.options(), force: false })).toBe(0);
    expect(place.taken()).toBe(
      `refreshed from the file ${place.folder.path}/ranges.json: change number 7; a running proxy takes them within seconds\n`,
    );
    expect(await runRangesRefresh({ ...place.options(), force: false })).toBe(0);
    expect(place.taken()).toMatch(/^nothing has changed from the file .*ranges.json: change number 7\n$/);
    expect(place.folder.read('cache/ranges-public.txt')).toContain('[AzureBackup]');
  });

  it('fails in one line, keeps what is there, and takes a shrunk tag only by force', async () => {
    const four = ['20.60.0.0/24', '20.60.1.0/24', '20.60.2.0/24', '20.60.3.0/24'];
    using place = installation('tag:Storage\n', serviceTagsJson({ tags: { Storage: four } }));
    await runRangesRefresh({ ...place.options(), force: true });
    const before = place.folder.read('cache/ranges-public.txt');
    place.taken();
    rewrite(place.folder, serviceTagsJson({ tags: { Storage: four.slice(1, 2) } }));
    expect(await runRangesRefresh({ ...place.options(), force: false })).toBe(1);
    expect(place.taken()).toMatch(
      /^not refreshed, the ranges held stay in force: file: .*Storage: from 4 to 1 prefixes.*`ranges refresh --force` takes it\n$/,
    );
    expect(place.folder.read('cache/ranges-public.txt')).toBe(before);
    expect(await runRangesRefresh({ ...place.options(), force: true })).toBe(0);
    expect(place.folder.read('cache/ranges-public.txt')).not.toBe(before);
  });

  it('takes by force nothing that is wrong in itself', async () => {
    using place = installation('tag:Storage\n', serviceTagsJson({ cloud: 'China' }));
    expect(await runRangesRefresh({ ...place.options(), force: true })).toBe(1);
    expect(place.taken()).toContain('expected "Public", found "China"');
  });

  it('fails where the ranges cannot be kept, for nobody would see them', async () => {
    using place = installation();
    place.folder.write('cache', 'a file in the place of the folder');
    expect(await runRangesRefresh({ ...place.options(), force: false })).toBe(1);
    expect(place.taken()).toMatch(/^fetched, but not kept: .*; let this user write .*\/cache\n$/);
  });

  it('gives the same as JSON, without the ranges themselves', async () => {
    using place = installation();
    await runRangesRefresh({ ...place.options(true), force: false });
    expect(JSON.parse(place.taken())).toMatchObject({
      ok: true,
      outcome: 'refreshed',
      failures: [],
      cacheFault: null,
      provenance: { source: 'file', changeNumber: 7 },
    });
  });
});

describe('ranges status', () => {
  it('shows the embedded ranges and their age where nothing was fetched yet', async () => {
    using place = installation('tag:Storage\ntag:Sql\n');
    expect(await runRangesStatus(place.options())).toBe(0);
    const text = place.taken();
    expect(text).toMatch(/in force {2}embedded\n/);
    expect(text).toMatch(/embedded {2}2025-01-01 \(\d+ days ago\), change number 1\n/);
    expect(text).toContain('tag       Storage: 1 prefixes\n');
    expect(text).toContain('tag       sql: 0 prefixes\n');
    expect(text).toContain('warning   stale: no refresh has succeeded yet\n');
    expect(text).toContain('next      soon after a proxy starts\n');
  });

  it('shows the source that answered, when, and when it is asked again', async () => {
    using place = installation();
    await runRangesRefresh({ ...place.options(), force: false });
    place.taken();
    await runRangesStatus(place.options(true));
    const report = JSON.parse(place.taken()) as RangesReport;
    expect(report).toMatchObject({
      cloud: 'public',
      inForce: { source: 'file', place: join(place.folder.path, 'ranges.json'), changeNumber: 7 },
      embedded: { date: '2025-01-01', changeNumber: 1 },
      prefixes: { Storage: 2, AzureBackup: 1, AzureActiveDirectory: 1, AzureResourceManager: 1 },
      lastAttempt: { source: 'file', failures: [] },
      isStale: false,
      notes: [],
    });
    const waitMs = Date.parse(report.nextRefresh ?? '') - Date.parse(report.lastAttempt?.at ?? '');
    expect(waitMs).toBe(24 * 3_600_000);
    const old = formatRangesReport({ ...report, isStale: true }, Date.now());
    expect(old).toContain('warning   stale: no refresh has succeeded for over 8 days\n');
  });

  it('shows why the last refresh failed, and when one last succeeded', async () => {
    using place = installation();
    await runRangesRefresh({ ...place.options(), force: false });
    rewrite(place.folder, '<!doctype html><title>Sign in</title>');
    await runRangesRefresh({ ...place.options(), force: false });
    place.taken();
    await runRangesStatus(place.options());
    expect(place.taken()).toMatch(
      /refresh {3}\S+: failed; the last to succeed: 20\S+\n {12}not file: .*an HTML page, not ranges; its title is "Sign in"\n/,
    );
  });

  it('says that nothing is fetched while no rule names a tag', async () => {
    using place = installation('a.example\n');
    await runRangesStatus(place.options());
    expect(place.taken()).toContain('next      none: no rule names a tag\n');
  });

  it('says what of the cache cannot be used', async () => {
    using place = installation();
    place.folder.write('cache/ranges-public.txt', 'half');
    await runRangesStatus(place.options());
    expect(place.taken()).toMatch(/warning {3}the cached ranges in .*ranges-public.txt are ignored/);
  });

  it('fails where there are no ranges at all', async () => {
    using place = installation();
    place.folder.write('ranges/public.txt', '');
    expect(await runRangesStatus(place.options())).toBe(1);
    expect(place.taken()).toContain('in force  none: every tag matches nothing');
  });
});

it('list, find and export speak of the ranges in force', async () => {
  using place = installation();
  await runRangesRefresh({ ...place.options(), force: false });
  place.taken();
  expect(await runRangesQuery(place.options(), { command: 'list', tag: 'storage' })).toBe(0);
  expect(place.taken()).toBe('20.60.0.0/16\n2603:1030::/45\n');
  expect(await runRangesQuery(place.options(true), { command: 'find', address: '20.60.1.2' })).toBe(0);
  expect(JSON.parse(place.taken())).toEqual({ tags: ['Storage'], prefixes: ['20.60.0.0/16'] });
  expect(await runRangesQuery(place.options(), { command: 'export', tags: ['AzureBackup'], format: 'text' })).toBe(0);
  expect(place.taken()).toBe('20.38.0.0/24\n');
});

it('check warns of a tag that the ranges do not hold, with the nearest names', async () => {
  using place = installation('tag:Storag\nhttps://a.example within tag:Sql\n');
  const knownTags = () => ({ tags: new Set(['Storage', 'AzureBackup']), hint: '; a refresh brings more' });
  const machine = { listFolder: place.folder.path, cloud: 'public', networks: () => [], knownTags } as const;
  expect(await runCheck({ ...place.options(), fix: false, machine })).toBe(0);
  const text = place.taken();
  expect(text).toMatch(
    /own.txt:2:1: warning: `tag:Storag` matches nothing: the ranges hold no such tag; did you mean `Storage`\?; a refresh brings more/,
  );
  expect(text).toMatch(/own.txt:3:1: warning: `tag:Sql` matches nothing/);
});

it('check says of an unknown tag that the embedded ranges hold the tags of backup alone', async () => {
  using place = installation('tag:Sql\ntag:AzureBackup\n');
  const { listFolder: _, ...options } = place.options();
  expect(await runCheck({ ...options, fix: false })).toBe(0);
  const text = place.taken();
  expect(text).toMatch(
    /`tag:Sql` matches nothing: .*; the embedded ranges hold the tags of backup alone, and a refresh brings the others\n/,
  );
  expect(text).not.toContain('`tag:AzureBackup` matches nothing');
});
