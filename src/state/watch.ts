/**
 * Notices that the files of a configuration changed on disk. Paths are looked at and texts compared, never inodes:
 * an editor's rename and the symlink swap of a mounted ConfigMap are changes like any other, on any file system.
 */
import { readFileSync, statSync } from 'node:fs';

export interface WatchDeps {
  /** The files of the last reading and their texts then; null: could not be read. */
  readonly texts: () => ReadonlyMap<string, string | null>;
  /** Told of a change that stood still; called again only once it has ended. */
  readonly onChange: () => Promise<unknown>;
  /** Told once of a change that is not taken, because it looks half written. */
  readonly onHalfWritten: (path: string) => void;
  /** Milliseconds that never go back. */
  readonly now: () => number;
  readonly every?: (ms: number, look: () => void) => () => void;
}

export interface Watch {
  stop(): void;
}

/** How often the files are looked at, in milliseconds; a look is one `stat` a file. */
const lookMs = 250;
/** How long a change has to stand still, in milliseconds: whoever writes several files has a chance to write them all. */
const stillMs = 1000;

/** Looks at the files until stopped; keeps no process alive. */
export function createWatch({ texts, onChange, onHalfWritten, now, every = byTimer }: WatchDeps): Watch {
  let seen = '';
  let movedAt: number | null = null;
  let isBusy = false;
  let halfWritten = '';

  const look = (): void => {
    if (isBusy) return;
    const known = texts();
    const stamp = [...known.keys()].map(stampOf).join('\n');
    if (stamp !== seen) {
      seen = stamp;
      movedAt = now();
      return;
    }
    if (movedAt === null || now() - movedAt < stillMs) return;
    movedAt = null;
    const found = new Map([...known.keys()].map((path) => [path, readOrNull(path)]));
    const changed = [...found].filter(([path, text]) => text !== known.get(path));
    // What was written while it was read has another stamp by now, and is looked at again.
    if (changed.length === 0) return;
    const [half] = changed.find(([, text]) => text !== null && !text.endsWith('\n')) ?? [];
    if (half !== undefined) {
      if (halfWritten !== stamp) onHalfWritten(half);
      halfWritten = stamp;
      return;
    }
    isBusy = true;
    void onChange().finally(() => (isBusy = false));
  };
  const stop = every(lookMs, look);
  look();
  return { stop };
}

/** What changes when a file is replaced or written, symlinks followed. */
function stampOf(path: string): string {
  try {
    const { ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
    return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  }
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

function byTimer(ms: number, look: () => void): () => void {
  const timer = setInterval(look, ms).unref();
  return () => clearInterval(timer);
}
