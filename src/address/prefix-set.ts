/** An immutable set of prefixes, built once and asked often: flat arrays and one binary search. */
import type { Address, Prefix } from './ip.ts';
import { prefixContains } from './ip.ts';

/** Prefixes of both families. Safe to share between snapshots: nothing in it changes. */
export interface PrefixSet {
  /** How many prefixes were given. */
  readonly size: number;
  has(address: Address): boolean;
  /** The widest prefix that holds the address, or null. */
  find(address: Address): Prefix | null;
  /** As given: same order, overlaps and duplicates kept. */
  readonly prefixes: readonly Prefix[];
}

/** The widest prefixes of one family in ascending order: `stride` words of `starts` for each index. */
interface Table {
  readonly stride: number;
  readonly starts: Uint32Array;
  readonly indices: Uint32Array;
}

function compareWords(a: readonly number[], b: readonly number[]): number {
  for (const [at, word] of a.entries()) {
    const difference = word - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Two prefixes are apart or one holds the other, so dropping the inner ones leaves disjoint, ordered ranges. */
function createTable(prefixes: readonly Prefix[], family: 4 | 6): Table {
  const ordered = [...prefixes.entries()]
    .filter(([, prefix]) => prefix.address.family === family)
    .sort(([, a], [, b]) => compareWords(a.address.words, b.address.words) || a.length - b.length);
  const kept: (readonly [number, Prefix])[] = [];
  for (const entry of ordered) {
    const last = kept.at(-1);
    if (last === undefined || !prefixContains(last[1], entry[1].address)) kept.push(entry);
  }
  return {
    stride: family === 4 ? 1 : 4,
    starts: Uint32Array.from(kept.flatMap(([, prefix]) => prefix.address.words)),
    indices: Uint32Array.from(kept, ([index]) => index),
  };
}

/** Whether the range at `row` begins at or before the address. */
function startsBy(table: Table, row: number, words: readonly number[]): boolean {
  for (const [at, word] of words.entries()) {
    const start = table.starts[row * table.stride + at] ?? 0;
    if (start !== word) return start < word;
  }
  return true;
}

/** The index of the last prefix that begins at or before the address: the only one that can hold it; -1 if none. */
function lastStart(table: Table, words: readonly number[]): number {
  let low = 0;
  let high = table.indices.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (startsBy(table, middle, words)) low = middle + 1;
    else high = middle;
  }
  return table.indices[low - 1] ?? -1;
}

/** Builds a set from prefixes in any order, overlapping or not; n log n once, log n a question. */
export function createPrefixSet(given: Iterable<Prefix>): PrefixSet {
  const prefixes = [...given];
  const tables = { 4: createTable(prefixes, 4), 6: createTable(prefixes, 6) };
  const find = (address: Address): Prefix | null => {
    const prefix = prefixes[lastStart(tables[address.family], address.words)];
    return prefix !== undefined && prefixContains(prefix, address) ? prefix : null;
  };
  return { size: prefixes.length, prefixes, find, has: (address) => find(address) !== null };
}

/** The set that holds nothing. */
export const emptyPrefixSet: PrefixSet = createPrefixSet([]);
