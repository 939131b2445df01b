/** What no list of datacenter ranges may hold: special-purpose networks, and networks too wide to be true. */
import type { FlatPrefixes } from '../../address/flat-prefixes.ts';
import { createFlatWriter, rowHolds } from '../../address/flat-prefixes.ts';

/**
 * Networks that are nobody's datacenter. Coarser than the address classes a decision is made by: what carries an IPv4
 * address inside (NAT64, 6to4, Teredo) is out of place in a feed as a whole.
 */
const special: FlatPrefixes = readAll([
  '0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 168.63.129.16/32 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24',
  '192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3',
  // All but global unicast, 2000::/3, and in it protocol assignments, documentation and 6to4.
  '::/3 4000::/2 8000::/1 2001::/23 2001:db8::/32 2002::/16 3fff::/20',
]);

/** The shortest prefixes a feed may hold; in seven years of published files none was shorter than /14 and /39. */
export const shortestLength = { 4: 12, 6: 32 } as const;

function readAll(lines: readonly string[]): FlatPrefixes {
  const writer = createFlatWriter();
  for (const text of lines.join(' ').split(' ')) writer.add(text);
  return writer.take();
}

/** The rows of one family, `width` words each, the last of them the length. */
function splitRows(rows: Uint32Array, width: number, isOut: (at: number) => boolean): [Uint32Array, Uint32Array] {
  const out: number[] = [];
  const kept: number[] = [];
  for (let at = 0; at < rows.length; at += width) {
    const into = isOut(at) ? out : kept;
    for (let word = 0; word < width; word++) into.push(rows[at + word] ?? 0);
  }
  return [Uint32Array.from(out), Uint32Array.from(kept)];
}

/** Whether the prefix at `at` lies in a special network or holds one. */
function touchesSpecial(rows: Uint32Array, at: number, specials: Uint32Array, width: number): boolean {
  const length = rows[at + width - 1] ?? 0;
  for (let other = 0; other < specials.length; other += width) {
    const shorter = Math.min(length, specials[other + width - 1] ?? 0);
    if (rowHolds(specials, other, shorter, rows, at)) return true;
  }
  return false;
}

/** Takes the special-purpose prefixes out: those taken and those left, each in their order. */
export function splitSpecial(flat: FlatPrefixes): { readonly special: FlatPrefixes; readonly rest: FlatPrefixes } {
  const [out4, kept4] = splitRows(flat.v4, 2, (at) => touchesSpecial(flat.v4, at, special.v4, 2));
  const [out6, kept6] = splitRows(flat.v6, 5, (at) => touchesSpecial(flat.v6, at, special.v6, 5));
  return { special: { v4: out4, v6: out6 }, rest: { v4: kept4, v6: kept6 } };
}

/** The prefixes that are too short, so that they open more than any datacenter has. */
export function tooWide(flat: FlatPrefixes): FlatPrefixes {
  const [v4] = splitRows(flat.v4, 2, (at) => (flat.v4[at + 1] ?? 0) < shortestLength[4]);
  const [v6] = splitRows(flat.v6, 5, (at) => (flat.v6[at + 4] ?? 0) < shortestLength[6]);
  return { v4, v6 };
}
