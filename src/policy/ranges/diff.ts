/** What changed between two documents of ranges, as somebody would want to read it before taking the new one. */
import { eachPrefix } from '../../address/flat-prefixes.ts';
import type { FlatPrefixes } from '../../address/flat-prefixes.ts';
import { formatPrefix } from '../../address/ip.ts';
import type { RangesDocument, Tag } from './document.ts';

export interface TagChange {
  readonly tag: string;
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** Tags by their published name, in the order of their names; prefixes in the order of their document. */
export interface RangesDiff {
  readonly added: readonly { readonly tag: string; readonly prefixes: readonly string[] }[];
  readonly removed: readonly { readonly tag: string; readonly prefixes: readonly string[] }[];
  readonly changed: readonly TagChange[];
}

/** Compares tag by tag. A tag that was only spelt, ordered or described anew has not changed. */
export function diffRanges(old: RangesDocument, next: RangesDocument): RangesDiff {
  const changed: TagChange[] = [];
  for (const [key, tag] of next.tags) {
    const before = old.tags.get(key);
    if (!before || isEqual(before.prefixes, tag.prefixes)) continue;
    const change = { tag: tag.name, added: without(tag, before), removed: without(before, tag) };
    if (change.added.length + change.removed.length > 0) changed.push(change);
  }
  return { added: onlyIn(next, old), removed: onlyIn(old, next), changed: changed.sort(byTag) };
}

function onlyIn(document: RangesDocument, other: RangesDocument): RangesDiff['added'] {
  return [...document.tags]
    .filter(([key]) => !other.tags.has(key))
    .map(([, { name, prefixes }]) => ({ tag: name, prefixes: toText(prefixes) }))
    .sort(byTag);
}

function without(tag: Tag, other: Tag): readonly string[] {
  const known = new Set(toText(other.prefixes));
  return toText(tag.prefixes).filter((prefix) => !known.has(prefix));
}

/** Most tags stay as they are, which the words show without any text being made. */
function isEqual(a: FlatPrefixes, b: FlatPrefixes): boolean {
  const isSame = (one: Uint32Array, other: Uint32Array) =>
    one.length === other.length && one.every((word, at) => word === other[at]);
  return isSame(a.v4, b.v4) && isSame(a.v6, b.v6);
}

function toText(flat: FlatPrefixes): readonly string[] {
  return Array.from(eachPrefix(flat), formatPrefix);
}

function byTag(a: { readonly tag: string }, b: { readonly tag: string }): number {
  return a.tag.localeCompare(b.tag, 'en');
}
