/** What a process and all that descend from it have used, read from /proc (proc(5)). */
import { readdirSync, readFileSync } from 'node:fs';

export interface Usage {
  /** Seconds of processor time, user and system, those of ended children included. */
  readonly cpuSeconds: number;
  readonly residentKb: number;
}

/** Ticks a second in /proc/PID/stat: 100 on every architecture that Node runs on. */
const ticksPerSecond = 100;

/** Sums over the tree as it is now. A process that ends while it is read counts for nothing. */
export function readUsage(root: number): Usage {
  let ticks = 0;
  let residentKb = 0;
  for (const pid of treeOf(root)) {
    ticks += readStat(pid)?.ticks ?? 0;
    residentKb += Number(/^VmRSS:\s+(\d+) kB/m.exec(readProc(pid, 'status'))?.[1] ?? 0);
  }
  return { cpuSeconds: ticks / ticksPerSecond, residentKb };
}

/** The process itself and all below it. */
export function treeOf(root: number): readonly number[] {
  const childrenOf = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    const stat = Number.isInteger(pid) ? readStat(pid) : null;
    if (!stat) continue;
    const siblings = childrenOf.get(stat.parent);
    if (siblings) siblings.push(pid);
    else childrenOf.set(stat.parent, [pid]);
  }
  const tree = [root];
  // The list grows while it is walked, until no process of the last level has children.
  for (const pid of tree) tree.push(...(childrenOf.get(pid) ?? []));
  return tree;
}

function readStat(pid: number): { readonly parent: number; readonly ticks: number } | null {
  const text = readProc(pid, 'stat');
  if (text === '') return null;
  // The program's name, in parentheses, may hold anything; fields are counted behind it, from the third.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const field = (number: number) => Number(fields[number - 3]);
  return { parent: field(4), ticks: field(14) + field(15) + field(16) + field(17) };
}

function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
