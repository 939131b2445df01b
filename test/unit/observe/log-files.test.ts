import { linkSync, renameSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { findRotated, openLogFiles, streamSource } from '../../../src/observe/log-files.ts';
import type { LogSource } from '../../../src/observe/log-files.ts';
import { createTempFolder } from '../../support/temp-folder.ts';

async function textOf(source: LogSource): Promise<string> {
  let text = '';
  for await (const block of source.blocks(() => {})) text += block.toString();
  await source.close();
  return text;
}

const readAll = async (sources: readonly LogSource[]) => Promise.all(sources.map(textOf));

describe('the files of a log', () => {
  it('are found beside it, the oldest first, in whatever way they were rotated', async () => {
    using folder = createTempFolder();
    const names = [
      'access.log',
      'access.log.1',
      'access.log.2.gz',
      'access.log.10.gz',
      'access.log-20260101.gz',
      'access.log-20251231',
      'access.log.3.zst',
    ];
    for (const name of [...names, 'access.log.bak', 'access.logs', 'other.log', 'error.log.1']) folder.write(name, '');
    const found = await findRotated(join(folder.path, 'access.log'));
    expect(found.map((path) => basename(path))).toEqual([
      'access.log-20251231',
      'access.log-20260101.gz',
      'access.log.10.gz',
      'access.log.3.zst',
      'access.log.2.gz',
      'access.log.1',
      'access.log',
    ]);
  });

  it('are read plain or packed, by what is in them and not by their name', async () => {
    using folder = createTempFolder();
    const paths = [
      folder.write('access.log.3.gz', gzipSync('third\n')),
      folder.write('access.log.2.gz', 'second, unpacked in place\n'),
      folder.write('access.log.1', zstdCompressSync(Buffer.from('first\n'))),
      folder.write('access.log', ''),
    ];
    expect(await readAll(await openLogFiles(paths))).toEqual(['third\n', 'second, unpacked in place\n', 'first\n', '']);
  });

  it('of several packed parts are read to the end, and large ones whole', async () => {
    using folder = createTempFolder();
    const large = 'a line of some length\n'.repeat(200_000);
    const path = folder.write('a.gz', Buffer.concat([gzipSync('one\n'), gzipSync(large)]));
    expect(await readAll(await openLogFiles([path]))).toEqual([`one\n${large}`]);
    const plain = folder.write('a', large);
    expect(await readAll(await openLogFiles([plain]))).toEqual([large]);
  });

  it('that were moved by a rotation after the opening are read once each', async () => {
    using folder = createTempFolder();
    const old = folder.write('access.log.1', 'old\n');
    const current = folder.write('access.log', 'current\n');
    const sources = await openLogFiles([old, current]);
    renameSync(current, old);
    folder.write('access.log', 'new\n');
    expect(await readAll(sources)).toEqual(['old\n', 'current\n']);
  });

  it('that are one file by two names are read once', async () => {
    using folder = createTempFolder();
    const current = folder.write('access.log', 'current\n');
    const linked = join(folder.path, 'access.log.1');
    linkSync(current, linked);
    expect(await readAll(await openLogFiles([linked, current]))).toEqual(['current\n']);
  });

  it('that vanished are left out, but the one that was asked for is missed', async () => {
    using folder = createTempFolder();
    const current = folder.write('access.log', 'current\n');
    const gone = join(folder.path, 'access.log.1');
    expect(await readAll(await openLogFiles([gone, current]))).toEqual(['current\n']);
    await expect(openLogFiles([current, gone])).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('a stream', () => {
  it('is read plain or packed', async () => {
    const packed = gzipSync('from\nelsewhere\n');
    const parts = [packed.subarray(0, 12), packed.subarray(12)];
    expect(await textOf(streamSource('-', Readable.from(parts)))).toBe('from\nelsewhere\n');
    expect(await textOf(streamSource('-', Readable.from([Buffer.from('a\n'), Buffer.from('b\n')])))).toBe('a\nb\n');
    expect(await textOf(streamSource('-', Readable.from([])))).toBe('');
  });
});
