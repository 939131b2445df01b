/** Which processors processes run on, set by `taskset` of util-linux. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import process from 'node:process';
import { treeOf } from './process-tree.ts';

/**
 * Gives a peer one processor and all others of this benchmark another, as they would be other machines. Where each waits
 * for the next, the kernel else puts two of the three on one processor, now these and now those, and a byte there and
 * back takes 75 or 105 microseconds by that alone. Gives what takes it back; does nothing where there is one processor, or
 * no peer.
 */
export function placeApart(peer: number | null): () => void {
  const allowed = /^Cpus_allowed_list:\s+(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '';
  const [first, second] = processorsOf(allowed);
  const hasTwo = first !== undefined && second !== undefined && availableParallelism() >= 2;
  if (peer === null || !hasTwo) return () => {};
  const all = treeOf(process.pid);
  const itsOwn = new Set(treeOf(peer));
  for (const pid of all) place(pid, String(itsOwn.has(pid) ? first : second));
  return () => {
    for (const pid of new Set([...all, ...treeOf(process.pid)])) place(pid, allowed);
  };
}

/** `0-2,5` is 0, 1, 2 and 5. */
function processorsOf(list: string): number[] {
  return list.split(',').flatMap((part) => {
    const [from = Number.NaN, to = from] = part.split('-').map(Number);
    return Array.from({ length: to - from + 1 }, (_, index) => from + index);
  });
}

/** One that has ended meanwhile is no matter. */
function place(pid: number, processors: string): void {
  try {
    execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', processors, String(pid)], { stdio: 'ignore' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new Error('taskset is missing: apt-get install util-linux', { cause: error });
  }
}
