/** Which service tags matter here: those that rules name decide, those that backup needs prove a document. */
import type { RangesDocument } from '../policy/ranges/document.ts';
import { wantedNames } from '../policy/ranges/wanted.ts';
import type { Rule } from '../policy/rule.ts';

/** The tags that rules name, in lower case. As long as there are none, no ranges are fetched. */
export function tagsInRules(rules: readonly Rule[]): ReadonlySet<string> {
  const tags = rules.flatMap(({ pattern, within }) => [
    ...(pattern.type === 'tag' ? [pattern.tag] : []),
    ...(within ?? []).flatMap((entry) => (entry.type === 'tag' ? [entry.tag] : [])),
  ]);
  return new Set(tags.map((tag) => tag.toLowerCase()));
}

/** A document with the wanted tags alone: enough to compare with, and little to hand to a thread. */
export function onlyTags(document: RangesDocument, wanted: readonly string[]): RangesDocument {
  const keys = wantedNames(wanted, document);
  return { ...document, tags: new Map([...document.tags].filter(([key]) => keys.has(key))) };
}
