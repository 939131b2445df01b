/** Looking into a document of ranges: a tag by its name, the tags of an address. */
import { prefixesHolding } from '../../address/flat-prefixes.ts';
import type { Address } from '../../address/ip.ts';
import { formatPrefix } from '../../address/ip.ts';
import type { Result } from '../../errors.ts';
import { didYouMean } from '../nearest.ts';
import type { RangesDocument, Tag } from './document.ts';
import { quote } from './quote.ts';

/** A tag and those of its prefixes, as text, that hold an address. */
export interface FoundTag {
  readonly tag: string;
  readonly prefixes: readonly string[];
}

/** The tag of that name in any case; the refusal names those that were perhaps meant. */
export function findTag(document: RangesDocument, name: string): Result<Tag> {
  const tag = document.tags.get(name.toLowerCase());
  if (tag) return { ok: true, value: tag };
  const names = Array.from(document.tags.values(), (known) => known.name);
  return { ok: false, message: `unknown tag ${quote(name)}${didYouMean(name, names)}` };
}

/** Every tag that holds the address, in the document's order, each with the prefixes by which it does. */
export function findAddress(document: RangesDocument, address: Address): readonly FoundTag[] {
  const found: FoundTag[] = [];
  for (const { name, prefixes } of document.tags.values()) {
    const holding = prefixesHolding(prefixes, address);
    if (holding.length > 0) found.push({ tag: name, prefixes: holding.map(formatPrefix) });
  }
  return found;
}
