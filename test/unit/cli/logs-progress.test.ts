import { describe, expect, it } from 'vitest';
import { createProgress } from '../../../src/cli/logs/progress.ts';
import type { LogSource } from '../../../src/observe/log-files.ts';

const source = (name: string, bytes: number): LogSource => ({
  name,
  bytes,
  modified: null,
  async *blocks() {},
  close: () => Promise.resolve(),
});

/** What is drawn while two files are read, a quarter of a second between blocks. */
function draw(bytes: number, isInteractive: boolean) {
  const drawn: string[] = [];
  let time = 0;
  const files = [source('access.log.1', bytes), source('access\u001b.log', bytes)] as const;
  const progress = createProgress(
    files,
    { isInteractive },
    (text) => drawn.push(text),
    () => (time += 250),
  );
  for (const file of files) for (const part of [0.5, 1]) progress.note(file, bytes * part);
  progress.end();
  return drawn;
}

describe('the progress of a long read', () => {
  it('is drawn over itself on a terminal, over all files, and gone at the end', () => {
    const drawn = draw(100_000_000, true);
    expect(drawn.map((text) => /(\d+) % of 200\.0 MB {2}(.*)/.exec(text)?.slice(1))).toEqual([
      ['25', 'access.log.1'],
      ['50', 'access.log.1'],
      ['75', 'access\\u001b.log'],
      ['100', 'access\\u001b.log'],
      undefined,
    ]);
    expect(drawn.every((text) => text.startsWith('\r\u001b[K') && !text.includes('\n'))).toBe(true);
    expect(drawn.at(-1)).toBe('\r\u001b[K');
  });

  it.each([
    ['where nobody looks on', 100_000_000, false],
    ['for little', 1_000_000, true],
  ])('is not drawn %s', (_name, bytes, isInteractive) => {
    expect(draw(bytes, isInteractive)).toEqual([]);
  });
});
