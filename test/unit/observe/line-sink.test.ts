/** Files that fill up, move away and cannot be opened. */
import { readFileSync, renameSync, rmSync, symlinkSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createLineSink, type LineSink } from '../../../src/observe/line-sink.ts';
import { createTempFolder, type TempFolder } from '../../support/temp-folder.ts';

const folders: TempFolder[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) folder.remove();
});

interface Opened {
  readonly sink: LineSink;
  readonly path: string;
  /** The next failure that is told. */
  readonly failed: Promise<Error>;
  readonly errors: Error[];
  readonly drops: number[];
  readonly read: () => string;
}

/** A sink over a file in a folder of its own; `target` makes that file a link. */
function openSink(options: { target?: string; maxQueuedBytes?: number } = {}): Opened {
  const folder = createTempFolder();
  folders.push(folder);
  const path = join(folder.path, 'access.log');
  if (options.target !== undefined) symlinkSync(options.target, path);
  const failure = Promise.withResolvers<Error>();
  const errors: Error[] = [];
  const drops: number[] = [];
  const sink = createLineSink({
    destination: path,
    maxQueuedBytes: options.maxQueuedBytes,
    onDrop: (count) => drops.push(count),
    onError: (error) => {
      errors.push(error);
      failure.resolve(error);
    },
  });
  return { sink, path, failed: failure.promise, errors, drops, read: () => readFileSync(path, 'utf8') };
}

describe('a full disk', () => {
  it('drops what does not fit the queue, tells once, and gives up the rest at the deadline', async () => {
    const { sink, failed, errors, drops } = openSink({ target: '/dev/full', maxQueuedBytes: 100 });
    for (let line = 0; line < 30; line += 1) sink.write('123456789\n');
    expect(sink.dropped).toBe(20);
    expect((await failed).message).toBe('ENOSPC: no space left on device, write');
    await sink.close(20);
    expect(sink.dropped).toBe(30);
    expect(drops.reduce((sum, count) => sum + count)).toBe(30);
    expect(errors).toHaveLength(1);
  });

  it('keeps the lines for a file that has room, once the log is reopened', async () => {
    const { sink, path, failed, read } = openSink({ target: '/dev/full' });
    sink.write('a\n');
    sink.write('b\n');
    await failed;
    unlinkSync(path);
    sink.reopen();
    sink.write('c\n');
    await sink.close(5000);
    expect(read()).toBe('a\nb\nc\n');
    expect(sink.dropped).toBe(0);
  });
});

describe('reopening', () => {
  it('leaves what was written in the file that moved away and goes on in a new one', async () => {
    const { sink, path, read } = openSink();
    sink.write('before\n');
    sink.reopen();
    sink.write('also before\n');
    renameSync(path, `${path}.1`);
    sink.reopen();
    sink.write('after\n');
    await sink.close(5000);
    expect(readFileSync(`${path}.1`, 'utf8') + read()).toBe('before\nalso before\nafter\n');
    expect(read()).toContain('after\n');
  });

  it('stays with the old file where the path cannot be opened, and says so', async () => {
    const { sink, path, failed } = openSink();
    sink.write('before\n');
    renameSync(path, `${path}.1`);
    symlinkSync(join(path, 'nowhere'), path);
    sink.reopen();
    sink.write('after\n');
    expect((await failed).message).toContain('ELOOP');
    await sink.close(5000);
    expect(readFileSync(`${path}.1`, 'utf8')).toBe('before\nafter\n');
  });
});

it('a file that cannot be opened at the start is an error of the start', () => {
  const folder = createTempFolder();
  folders.push(folder);
  rmSync(folder.path, { recursive: true });
  expect(() => createLineSink({ destination: join(folder.path, 'access.log') })).toThrow('ENOENT');
});

it('a line written after the close is counted as dropped', async () => {
  const { sink, read } = openSink();
  sink.write('in time\n');
  await sink.close(5000);
  sink.write('late\n');
  expect(sink.dropped).toBe(1);
  expect(read()).toBe('in time\n');
});

it('a second close waits for the first', async () => {
  const { sink, read } = openSink();
  sink.write('a line\n');
  void sink.close(5000);
  await sink.close(0);
  expect(read()).toBe('a line\n');
});
