/** Gathers the tags of one document, whatever its format: the same names, prefixes and faults for all of them. */
import type { FlatWriter } from '../../address/flat-prefixes.ts';
import { createFlatWriter } from '../../address/flat-prefixes.ts';
import type { Result } from '../../errors.ts';
import type { Tag } from './document.ts';
import { quote } from './quote.ts';

/** Takes tags one after the other: `begin`, its prefixes, the next `begin`. Faults are words for the sender, or null. */
export interface TagCollector {
  begin(name: string, region: string | null, service: string | null): string | null;
  readonly add: FlatWriter['add'];
  /** How many tags were begun. */
  readonly count: () => number;
  /** The tags by their name in lower case; a document without any prefix is refused. */
  finish(): Result<ReadonlyMap<string, Tag>>;
}

/** Longest name, in characters; the longest published one has 47. */
const maxNameLength = 128;

export function createTagCollector(): TagCollector {
  const tags = new Map<string, Tag>();
  const writer = createFlatWriter();
  let open: Omit<Tag, 'prefixes'> | null = null;
  const close = (): void => {
    if (open) tags.set(open.name.toLowerCase(), { ...open, prefixes: writer.take() });
    open = null;
  };
  return {
    begin(name, region, service) {
      close();
      // Names end up in rules, shell commands and templates: nothing in them may mean anything there.
      if (!/^[a-z0-9][a-z0-9._-]*$/i.test(name) || name.length > maxNameLength) return `Not a tag name: ${quote(name)}`;
      if (tags.has(name.toLowerCase())) return `Tag ${quote(name)} is there twice`;
      open = { name, region, service };
      return null;
    },
    add(text) {
      const fault = writer.add(text);
      return fault === null ? null : `${quote(text)}: ${fault}`;
    },
    count: () => tags.size + (open ? 1 : 0),
    finish() {
      close();
      for (const { prefixes } of tags.values())
        if (prefixes.v4.length + prefixes.v6.length > 0) return { ok: true, value: tags };
      return { ok: false, message: 'No prefix in the whole document' };
    },
  };
}
