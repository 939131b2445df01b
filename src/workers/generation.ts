/** One generation of everything that workers judge by, as plain data that goes over a channel to another process. */
import { createPrefixSet } from '../address/prefix-set.ts';
import type { Prefix } from '../address/ip.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { Rule } from '../policy/rule.ts';
import type { RangesDocument } from '../policy/ranges/document.ts';
import { tagsInRules } from '../state/ranges-wanted.ts';
import type { Snapshot } from '../state/snapshot.ts';
import { createSnapshot } from '../state/snapshot.ts';

/** Read and checked by the primary: a worker parses nothing, so that it cannot read another meaning into it. */
export interface Generation {
  readonly number: number;
  readonly loaded: Omit<LoadedConfig, 'rules' | 'findings' | 'sources'>;
  readonly rules: readonly PlainRule[];
  /** With the tags alone that rules name. */
  readonly document: RangesDocument | null;
}

/** A set of prefixes is code; the prefixes in it are data. */
type PlainRule = Omit<Rule, 'from'> & { readonly from: readonly Prefix[] | null };

export function toGeneration(loaded: LoadedConfig, number: number, document: RangesDocument | null): Generation {
  const { rules, findings: _findings, sources: _sources, ...rest } = loaded;
  const wanted = tagsInRules(rules);
  return {
    number,
    loaded: rest,
    rules: rules.map((rule) => ({ ...rule, from: rule.from && rule.from.prefixes })),
    document: document && { ...document, tags: new Map([...document.tags].filter(([name]) => wanted.has(name))) },
  };
}

/** What a worker makes of it. */
export function toSnapshot({ number, loaded, rules, document }: Generation): Snapshot {
  const whole = rules.map((rule) => ({ ...rule, from: rule.from && createPrefixSet(rule.from) }));
  return createSnapshot({ ...loaded, rules: whole, findings: [], sources: [] }, number, document);
}
