/** An immutable set of prefixes, built once and asked often: flat arrays and one binary search. */
import type { FlatPrefixes } from './flat-prefixes.ts';
import { countPrefixes, eachPrefix, flatten, rowHolds } from './flat-prefixes.ts';
import type { Address, Prefix } from './ip.ts';
import { addressFromWords } from './ip.ts';

/** Prefixes of both families. Safe to share between snapshots: nothing in it changes. */
export interface PrefixSet {
  /** How many prefixes were given. */
  readonly size: number;
  has(address: Address): boolean;
  /** The widest prefix that holds the address, or null. */
  find(address: Address): Prefix | null;
  /** As given: same order, overlaps and duplicates kept. A set from words makes them when asked, IPv4 first. */
  readonly prefixes: readonly Prefix[];
}

/** The widest prefixes of one family in ascending order: `stride` words of `starts` and one length for each row. */
interface Table {
  readonly stride: number;
  readonly starts: Uint32Array;
  readonly lengths: Uint8Array;
}

/** Builds a set from prefixes in any order, overlapping or not; n log n once, log n a question. */
export function createPrefixSet(given: Iterable<Prefix>): PrefixSet {
  const prefixes = [...given];
  return createSet(flatten(prefixes), () => prefixes);
}

/** The same from words: a tag with thousands of prefixes costs no object for any of them. */
export function createFlatPrefixSet(flat: FlatPrefixes): PrefixSet {
  let made: readonly Prefix[] | null = null;
  return createSet(flat, () => (made ??= [...eachPrefix(flat)]));
}

function createSet(flat: FlatPrefixes, prefixes: () => readonly Prefix[]): PrefixSet {
  const tables = { 4: createTable(flat.v4, 1), 6: createTable(flat.v6, 4) };
  return {
    size: countPrefixes(flat),
    has: ({ family, words }) => holdingRow(tables[family], words) >= 0,
    find({ family, words }) {
      const table = tables[family];
      const row = holdingRow(table, words);
      if (row < 0) return null;
      const network = table.starts.subarray(row * table.stride, (row + 1) * table.stride);
      return { address: addressFromWords([...network]), length: table.lengths[row] ?? 0 };
    },
    get prefixes() {
      return prefixes();
    },
  };
}

/** The set that holds nothing. */
export const emptyPrefixSet: PrefixSet = createPrefixSet([]);

/** Two prefixes are apart or one holds the other, so dropping the inner ones leaves disjoint, ordered ranges. */
function createTable(rows: Uint32Array, stride: number): Table {
  const width = stride + 1;
  const count = rows.length / width;
  const order = orderRows(rows, width);
  const starts = new Uint32Array(count * stride);
  const lengths = new Uint8Array(count);
  let kept = 0;
  for (let at = 0; at < count; at++) {
    const row = (order === null ? at : (order[at] ?? 0)) * width;
    if (kept > 0 && rowHolds(starts, (kept - 1) * stride, lengths[kept - 1] ?? 0, rows, row)) continue;
    for (let word = 0; word < stride; word++) starts[kept * stride + word] = rows[row + word] ?? 0;
    lengths[kept++] = rows[row + stride] ?? 0;
  }
  if (kept === count) return { stride, starts, lengths };
  return { stride, starts: starts.slice(0, kept * stride), lengths: lengths.slice(0, kept) };
}

/**
 * The numbers of the rows, networks ascending, the wider of two equal networks first. Null: they stand so, as in
 * published lists, where looking costs far less than sorting.
 */
function orderRows(rows: Uint32Array, width: number): Uint32Array | null {
  let at = width;
  while (at < rows.length && compareRows(rows, at - width, at, width) <= 0) at += width;
  if (at >= rows.length) return null;
  const order = new Uint32Array(rows.length / width).map((_, row) => row);
  return order.sort((a, b) => compareRows(rows, a * width, b * width, width));
}

function compareRows(rows: Uint32Array, a: number, b: number, width: number): number {
  for (let at = 0; at < width; at++) {
    const difference = (rows[a + at] ?? 0) - (rows[b + at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** The row whose range holds the address: of those that begin at or before it only the last one can; -1 if none. */
function holdingRow({ stride, starts, lengths }: Table, words: readonly number[]): number {
  let low = 0;
  let high = lengths.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (startsBy(starts, middle * stride, words)) low = middle + 1;
    else high = middle;
  }
  const row = low - 1;
  return row >= 0 && rowHolds(starts, row * stride, lengths[row] ?? 0, words) ? row : -1;
}

/** Whether the network whose words begin at `starts[from]` begins at or before the address. */
function startsBy(starts: Uint32Array, from: number, words: readonly number[]): boolean {
  for (let at = 0; at < words.length; at++) {
    const start = starts[from + at] ?? 0;
    const word = words[at] ?? 0;
    if (start !== word) return start < word;
  }
  return true;
}
