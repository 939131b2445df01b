/** The ranges on disk: what was cut short, changed or put there by somebody else is refused with a line and ignored. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseRangesDocument } from '../../../src/policy/ranges/parse.ts';
import { readCache, writeCache } from '../../../src/state/range-cache.ts';
import type { HeldRanges } from '../../../src/state/range-cache.ts';
import { findRanges } from '../../../src/state/ranges-held.ts';
import { compactRanges, serviceTagsJson } from '../../support/ranges-publisher.ts';
import { createTempFolder } from '../../support/temp-folder.ts';

function ranges(tags: Readonly<Record<string, readonly string[]>> = {}, date = '2026-01-05'): HeldRanges {
  const parsed = parseRangesDocument(serviceTagsJson({ tags }), { date });
  if (!parsed.ok) throw new Error(parsed.message);
  const provenance = {
    cloud: 'public',
    source: 'url',
    place: 'https://feed.example/x',
    etag: '"1"',
    date,
    changeNumber: 100,
    sha256: 'a'.repeat(64),
    fetchedAt: '2026-01-05T06:00:00.000Z',
  } as const;
  return { document: parsed.value, provenance };
}

describe('the cache', () => {
  it('gives back what was written, with its provenance, and leaves no other file behind', () => {
    using folder = createTempFolder();
    const cacheDir = join(folder.path, 'made', 'by', 'it');
    writeCache(cacheDir, ranges());
    const read = readCache(cacheDir, 'public');
    expect(read).toMatchObject({ ok: true, value: { provenance: ranges().provenance } });
    expect(read?.ok && read.value.document.tags.get('storage')?.prefixes).toEqual(
      ranges().document.tags.get('storage')?.prefixes,
    );
    expect(readdirSync(cacheDir)).toEqual(['ranges-public.txt']);
  });

  it('is none where there is no file', () => {
    expect(readCache('/nonexistent', 'public')).toBeNull();
  });

  it('is refused at whatever byte a crash cut it short, and with any byte changed', () => {
    using folder = createTempFolder();
    writeCache(folder.path, ranges());
    const whole = folder.read('ranges-public.txt');
    for (let length = 0; length < whole.length; length++) {
      folder.write('ranges-public.txt', whole.slice(0, length));
      expect(readCache(folder.path, 'public'), `${length} bytes`).toMatchObject({ ok: false });
    }
    for (let at = 0; at < whole.length; at += 7) {
      folder.write('ranges-public.txt', `${whole.slice(0, at)}~${whole.slice(at + 1)}`);
      expect(readCache(folder.path, 'public'), `byte ${at}`).toMatchObject({ ok: false });
    }
  });

  it.each([
    ['of somebody else', 'Storage 20.60.0.0/16\n', 'it was not written by this product'],
    ['of blanks', '', 'it was not written by this product'],
    ['with nothing in it', '# lockdown-proxy ranges cache 1 sha256 e3b0c4\n', 'it is not whole'],
  ])('a file %s is refused with its path', (_, text, why) => {
    using folder = createTempFolder();
    const path = folder.write('ranges-public.txt', text);
    const read = readCache(folder.path, 'public');
    expect(read).toMatchObject({ ok: false, message: expect.stringContaining(why) as string });
    expect(read).toMatchObject({ message: expect.stringContaining(path) as string });
  });

  it('of another cloud is refused, and so is a folder in its place', () => {
    using folder = createTempFolder();
    writeCache(folder.path, ranges());
    folder.write('ranges-china.txt', folder.read('ranges-public.txt'));
    expect(readCache(folder.path, 'china')).toMatchObject({
      message: expect.stringContaining('cloud public') as string,
    });
    folder.write('ranges-usgov.txt/file', '');
    expect(readCache(folder.path, 'usgov')).toMatchObject({
      message: expect.stringContaining('it is no file') as string,
    });
  });

  it('that holds what no datacenter has does not come back with it', () => {
    using folder = createTempFolder();
    writeCache(folder.path, ranges({ Storage: ['127.0.0.0/16', '20.60.0.0/16'] }));
    const read = readCache(folder.path, 'public');
    expect(read?.ok && read.value.document.tags.get('storage')?.prefixes.v4.length).toBe(2);
  });
});

describe('what a process begins with', () => {
  const embedded = (date: string): string => compactRanges({ Storage: ['20.1.0.0/16'] }, date);
  it.each([
    ['the cache', '2026-01-05', '2025-10-28', ['storage'], 'url'],
    [
      'the embedded ranges where they are newer and hold every tag of the rules',
      '2026-01-05',
      '2026-02-01',
      ['storage'],
      'embedded',
    ],
    ['the older cache where the embedded ranges lack a tag', '2026-01-05', '2026-02-01', ['storage', 'sql'], 'url'],
    ['the embedded ranges where there is no cache', null, '2025-10-28', ['storage'], 'embedded'],
  ])('is %s', (_, cached, date, ruleTags, source) => {
    using folder = createTempFolder();
    folder.write('ranges/public.txt', embedded(date));
    if (cached !== null) writeCache(folder.path, ranges({ Sql: ['20.2.0.0/16'] }, cached));
    const found = findRanges({
      cacheDir: folder.path,
      cloud: 'public',
      listFolder: folder.path,
      ruleTags: new Set(ruleTags),
    });
    expect(found).toMatchObject({ held: { provenance: { source } }, notes: [] });
  });

  it('is the embedded ranges, with a note, where the cache is broken', () => {
    using folder = createTempFolder();
    folder.write('ranges/public.txt', embedded('2025-10-28'));
    folder.write('ranges-public.txt', 'half');
    const options = {
      cacheDir: folder.path,
      cloud: 'public',
      listFolder: folder.path,
      ruleTags: new Set<string>(),
    } as const;
    expect(findRanges(options)).toMatchObject({
      held: { provenance: { source: 'embedded', date: '2025-10-28' } },
      notes: [expect.stringContaining('ranges-public.txt are ignored')],
    });
  });

  it('is nothing, with a note, where there is nothing', () => {
    const options = {
      cacheDir: '/nonexistent',
      cloud: 'public',
      listFolder: '/nonexistent',
      ruleTags: new Set<string>(),
    } as const;
    expect(findRanges(options)).toEqual({
      held: null,
      notes: [expect.stringContaining('embedded ranges are missing')],
    });
  });
});
