/** The feed of datacenter ranges that a configuration asks for. */
import type { LoadedConfig } from '../config/load.ts';
import { parseRangesSource } from '../config/ranges-source.ts';
import type { RangesDocument } from '../policy/ranges/document.ts';
import type { HeldRanges } from './range-cache.ts';
import type { FetchBudget, RangeEndpoints } from './range-endpoints.ts';
import { fetchBudget, rangeEndpoints } from './range-endpoints.ts';
import { createRangeFeed } from './range-feed.ts';
import type { RangeFeed, RangesLog } from './range-feed.ts';
import { offload } from './ranges-offload.ts';
import { tagsInRules } from './ranges-wanted.ts';

export interface RangesDeps {
  /** The folder of the shipped lists, which has the embedded ranges in `ranges/`. */
  readonly listFolder: string;
  /** The cloud's own unless given. */
  readonly endpoints?: RangeEndpoints;
  readonly budget?: FetchBudget;
}

/** `held` is what a feed before this one held, `onDocument` is told of each document that is to be in force from then on. */
export function createConfiguredFeed(
  { config, rules, parentCredential }: LoadedConfig,
  ranges: RangesDeps,
  log: RangesLog,
  held: HeldRanges | null,
  onDocument: (document: RangesDocument) => void,
): RangeFeed {
  const { cloud } = config;
  const source = parseRangesSource(config.ranges.source);
  if (!source.ok) throw new Error(source.message);
  return createRangeFeed(
    {
      cloud,
      ranges: config.ranges,
      source: source.value,
      parent: { upstream: config.upstream, credential: parentCredential },
      ruleTags: tagsInRules(rules),
      listFolder: ranges.listFolder,
      endpoints: ranges.endpoints ?? rangeEndpoints(cloud),
      budget: ranges.budget ?? fetchBudget,
      held,
    },
    { log, offload, now: Date.now, random: Math.random, onRanges: (held) => onDocument(held.document) },
  );
}

/** What a feed is made by: as long as it is the same, the feed goes on. It may hold the parent's credential, a secret. */
export function feedKey({ config, rules, parentCredential }: LoadedConfig): string {
  return JSON.stringify([
    config.cloud,
    config.ranges,
    config.upstream,
    parentCredential,
    [...tagsInRules(rules)].sort(),
  ]);
}
