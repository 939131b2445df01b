/** Follows a log file as it grows, through rotations: by rename and new file, or cut and written on. */
import { watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { createLineSplitter } from './log-line.ts';
import type { LineSplitter } from './log-line.ts';

export interface FollowOptions {
  readonly path: string;
  /** Whether to begin with what is there already, or with what comes. */
  readonly fromStart: boolean;
  readonly onLine: (line: string) => void;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Told once the present end of the file is reached for the first time. */
  readonly onCaughtUp?: () => void;
  /** How often the file is looked at when nothing tells of a change (network file systems do not), in milliseconds. */
  readonly pollMs?: number;
}

/** A file being read, by its own identity whatever it is called by now. */
interface Followed {
  readonly id: string;
  readonly handle: FileHandle;
  readonly splitter: LineSplitter;
  position: number;
  /** When it last had new bytes, on the clock that does not go back. */
  grownAt: number;
}

const blockBytes = 256 * 1024;
const defaultPollMs = 500;
/** After a rename the proxy writes to the old file until it is told to reopen: quiet for so long, it is let go. */
const keptMs = 60_000;
const maxKept = 8;

/** Calls `onLine` for every whole line until the signal fires; a file that is not there yet is waited for. */
export async function followFile(options: FollowOptions): Promise<void> {
  const { path, signal, onCaughtUp, pollMs = defaultPollMs } = options;
  /** The oldest first: lines of the file before are read before those of its successor. */
  let followed: Followed[] = [];
  let isFirst = true;
  const bell = createBell(signal);
  const watcher = watchFolder(path, bell.ring);
  try {
    while (!signal.aborted) {
      const current = await identify(path);
      if (current !== null && followed.every(({ id }) => id !== current)) {
        const next = await openFollowed(options, isFirst && !options.fromStart);
        if (next !== null) followed.push(next);
      }
      for (const file of followed) await readOn(file, signal);
      if (isFirst) onCaughtUp?.();
      isFirst = false;
      followed = await letGo(followed);
      await bell.wait(pollMs);
    }
  } finally {
    watcher?.close();
    await Promise.all(followed.map((file) => file.handle.close()));
  }
}

async function identify(path: string): Promise<string | null> {
  try {
    const { dev, ino } = await stat(path);
    return `${dev} ${ino}`;
  } catch {
    return null;
  }
}

async function openFollowed({ path, onLine }: FollowOptions, fromEnd: boolean): Promise<Followed | null> {
  let handle: FileHandle;
  try {
    handle = await open(path);
  } catch {
    return null;
  }
  const { dev, ino, size } = await handle.stat();
  const splitter = createLineSplitter(onLine, () => {});
  return { id: `${dev} ${ino}`, handle, splitter, position: fromEnd ? size : 0, grownAt: performance.now() };
}

/** Reads what was added. A file shorter than what was read of it has been cut: it begins anew. */
async function readOn(file: Followed, signal: AbortSignal): Promise<void> {
  const { size } = await file.handle.stat();
  if (size < file.position) {
    file.splitter.end();
    file.position = 0;
  }
  if (size > file.position) file.grownAt = performance.now();
  const block = Buffer.allocUnsafe(Math.min(blockBytes, Math.max(size - file.position, 0)));
  while (file.position < size && !signal.aborted) {
    const { bytesRead } = await file.handle.read(block, 0, Math.min(block.length, size - file.position), file.position);
    if (bytesRead === 0) return;
    file.position += bytesRead;
    file.splitter.push(block.subarray(0, bytesRead));
  }
}

/** Lets files go that have a successor and have long been quiet. */
async function letGo(followed: readonly Followed[]): Promise<Followed[]> {
  const oldest = performance.now() - keptMs;
  const last = followed.length - 1;
  const kept = followed.filter((file, at) => at === last || (at > last - maxKept && file.grownAt > oldest));
  for (const file of followed) {
    if (kept.includes(file)) continue;
    file.splitter.end();
    await file.handle.close();
  }
  return kept;
}

/** Watches the folder and not the file: a rename takes the watch on a file away with it. */
function watchFolder(path: string, ring: () => void): FSWatcher | null {
  try {
    const name = basename(path);
    const watcher = watch(dirname(path), (_event, changed) => {
      if (changed === null || changed === name) ring();
    });
    // Without a watch the poll is left.
    watcher.on('error', () => watcher.close());
    return watcher;
  } catch {
    return null;
  }
}

/** A wait that a ring ends early, also one that came before the wait. */
function createBell(signal: AbortSignal): { readonly ring: () => void; readonly wait: (ms: number) => Promise<void> } {
  let hasRung = false;
  let wake: (() => void) | null = null;
  const ring = () => {
    hasRung = true;
    wake?.();
  };
  signal.addEventListener('abort', ring, { once: true });
  return {
    ring,
    async wait(ms) {
      if (!hasRung) {
        let timer: NodeJS.Timeout | undefined;
        await new Promise<void>((resolve) => {
          wake = resolve;
          timer = setTimeout(resolve, ms);
        });
        clearTimeout(timer);
        wake = null;
      }
      hasRung = false;
    },
  };
}
