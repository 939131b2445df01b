/** One number for the content of a document: equal for equal ranges, whatever format, order or line ends they came in. */
import { createHash } from 'node:crypto';
import type { RangesDocument } from './document.ts';

/**
 * The sha256 of the tags and their prefixes, in hexadecimal. The change number and the date stay out: they change in
 * weeks in which no prefix does, and equal ranges need no new snapshot.
 */
export function digestRanges(document: RangesDocument): string {
  const hash = createHash('sha256').update(JSON.stringify(document.cloud));
  for (const [key, tag] of [...document.tags].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`\n${key}\n`);
    for (const [rows, width] of [
      [tag.prefixes.v4, 2],
      [tag.prefixes.v6, 5],
    ] as const) {
      hash.update(inOrder(rows, width).join());
      hash.update(';');
    }
  }
  return hash.digest('hex');
}

/** The rows as text in one order, so that a list that was only sorted anew stays the same. */
function inOrder(rows: Uint32Array, width: number): readonly string[] {
  return Array.from({ length: rows.length / width }, (_, row) =>
    rows.subarray(row * width, (row + 1) * width).join(' '),
  ).sort();
}
