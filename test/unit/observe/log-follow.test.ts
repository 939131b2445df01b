import { appendFileSync, copyFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { followFile } from '../../../src/observe/log-follow.ts';
import { createTempFolder } from '../../support/temp-folder.ts';

interface Following {
  readonly lines: readonly string[];
  /** Resolves once so many lines have come. */
  readonly count: (lines: number) => Promise<void>;
  readonly caughtUp: Promise<void>;
  readonly stop: () => Promise<void>;
}

const open: Following[] = [];

/** Follows a file; what it cannot see by a watch it sees by its poll. */
function follow(path: string, options: { fromStart?: boolean; pollMs?: number } = {}): Following {
  const controller = new AbortController();
  const lines: string[] = [];
  const waiting: { readonly lines: number; readonly resolve: () => void }[] = [];
  const { promise: caughtUp, resolve: onCaughtUp } = Promise.withResolvers<void>();
  const done = followFile({
    path,
    fromStart: options.fromStart ?? false,
    pollMs: options.pollMs ?? 20,
    signal: controller.signal,
    onCaughtUp,
    onLine(line) {
      lines.push(line);
      for (const { resolve } of waiting.filter((wait) => wait.lines <= lines.length)) resolve();
    },
  });
  const following: Following = {
    lines,
    caughtUp,
    count: (wanted) =>
      lines.length >= wanted ? Promise.resolve() : new Promise((resolve) => waiting.push({ lines: wanted, resolve })),
    stop: () => {
      controller.abort();
      return done;
    },
  };
  open.push(following);
  return following;
}

afterEach(() => Promise.all(open.splice(0).map((following) => following.stop())));

describe('following a log', () => {
  it('gives the lines that come after its end, whole however they are written', async () => {
    using folder = createTempFolder();
    const path = folder.write('access.log', 'old\n');
    const following = follow(path);
    await following.caughtUp;
    appendFileSync(path, 'one\ntw');
    await following.count(1);
    appendFileSync(path, 'o\nthree\n');
    await following.count(3);
    expect(following.lines).toEqual(['one', 'two', 'three']);
  });

  it('begins with what is there where that is asked for', async () => {
    using folder = createTempFolder();
    const path = folder.write('access.log', 'old\nolder\n');
    const following = follow(path, { fromStart: true });
    await following.count(2);
    expect(following.lines).toEqual(['old', 'older']);
  });

  it('waits for a file that is not there yet, and takes it from its start', async () => {
    using folder = createTempFolder();
    const path = join(folder.path, 'access.log');
    const following = follow(path);
    await following.caughtUp;
    writeFileSync(path, 'first\n');
    await following.count(1);
    expect(following.lines).toEqual(['first']);
  });

  it('goes on in the new file after a rename, and loses nothing that was still written to the old one', async () => {
    using folder = createTempFolder();
    const path = folder.write('access.log', '');
    const rotated = join(folder.path, 'access.log.1');
    const following = follow(path);
    await following.caughtUp;
    appendFileSync(path, 'before\n');
    renameSync(path, rotated);
    appendFileSync(rotated, 'late\n');
    await following.count(2);
    writeFileSync(path, 'after\n');
    await following.count(3);
    appendFileSync(rotated, 'very late\n');
    await following.count(4);
    appendFileSync(path, 'more\n');
    await following.count(5);
    expect(following.lines).toEqual(['before', 'late', 'after', 'very late', 'more']);
  });

  it('survives rotation after rotation', async () => {
    using folder = createTempFolder();
    const path = folder.write('access.log', '');
    const following = follow(path);
    await following.caughtUp;
    const expected: string[] = [];
    for (let round = 1; round <= 40; round += 1) {
      expected.push(`line ${round}`);
      appendFileSync(path, `line ${round}\n`);
      await following.count(round);
      renameSync(path, join(folder.path, `access.log.${round}`));
      writeFileSync(path, '');
    }
    expect(following.lines).toEqual(expected);
  });

  it('survives a removal', async () => {
    using folder = createTempFolder();
    const path = folder.write('access.log', '');
    const following = follow(path);
    await following.caughtUp;
    appendFileSync(path, 'one\n');
    await following.count(1);
    rmSync(path);
    writeFileSync(path, 'two\n');
    await following.count(2);
    expect(following.lines).toEqual(['one', 'two']);
  });

  it('begins anew where the file was copied away and cut', async () => {
    using folder = createTempFolder();
    const path = folder.write('access.log', 'a line that is longer than what follows\n');
    const following = follow(path, { fromStart: true });
    await following.count(1);
    copyFileSync(path, join(folder.path, 'access.log.1'));
    truncateSync(path);
    appendFileSync(path, 'new\n');
    await following.count(2);
    expect(following.lines[1]).toBe('new');
  });

  it('sees a change at once, without waiting for its next look', async () => {
    using folder = createTempFolder();
    const path = folder.write('access.log', '');
    // A look every hour: only the watch can bring the line within the time that a test has.
    const following = follow(path, { pollMs: 3_600_000 });
    await following.caughtUp;
    appendFileSync(path, 'one\n');
    await following.count(1);
    expect(following.lines).toEqual(['one']);
  });

  it('ends when it is told to, also while nothing happens', async () => {
    using folder = createTempFolder();
    const following = follow(folder.write('access.log', ''), { pollMs: 3_600_000 });
    await following.caughtUp;
    await expect(following.stop()).resolves.toBeUndefined();
  });
});
