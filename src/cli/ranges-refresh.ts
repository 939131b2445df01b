/** `ranges refresh`: fetches the datacenter ranges now, guards them, and leaves them in the cache for the proxy to take. */
import { parseRangesSource } from '../config/ranges-source.ts';
import { backupTags } from '../policy/ranges/wanted.ts';
import type { FetchBudget, RangeEndpoints } from '../state/range-endpoints.ts';
import { fetchBudget, rangeEndpoints } from '../state/range-endpoints.ts';
import type { RefreshOutcome } from '../state/ranges-refresh.ts';
import { refreshRanges } from '../state/ranges-refresh.ts';
import type { CurrentRanges } from './ranges-current.ts';

export interface RefreshSettings {
  readonly force: boolean;
  /** The cloud's own unless given. */
  readonly endpoints?: RangeEndpoints;
  readonly budget?: FetchBudget;
}

/** Refreshes once; what comes out is done only if the cache could be written too, since nobody else would see it. */
export async function refreshCache(
  { loaded, held, ruleTags }: CurrentRanges,
  { force, endpoints, budget = fetchBudget }: RefreshSettings,
  now: Date,
): Promise<{ readonly ok: boolean; readonly line: string; readonly outcome: RefreshOutcome }> {
  const { cloud, ranges } = loaded.config;
  const source = parseRangesSource(ranges.source);
  if (!source.ok) throw new RangeError(source.message);
  const { cacheDir, maxShrinkPercent } = ranges;
  const outcome = await refreshRanges(
    {
      source: source.value,
      parent: { upstream: loaded.config.upstream, credential: loaded.parentCredential },
      cloud,
      cacheDir,
      maxShrinkPercent,
      force,
      held,
      budget,
      endpoints: endpoints ?? rangeEndpoints(cloud),
      wantedTags: [...ruleTags, ...backupTags],
    },
    now,
  );
  const isKept = outcome.cacheFault === null;
  return { ok: outcome.outcome !== 'refused' && isKept, line: describeOutcome(outcome, cacheDir), outcome };
}

function describeOutcome(outcome: RefreshOutcome, cacheDir: string): string {
  if (outcome.outcome === 'refused') return `not refreshed, the ranges held stay in force: ${outcome.message}`;
  if (outcome.cacheFault !== null)
    return `fetched, but not kept: ${outcome.cacheFault}; let this user write ${cacheDir}`;
  const warnings = outcome.warnings.map((warning) => `; warning: ${warning}`).join('');
  const provenance = outcome.outcome === 'refreshed' ? outcome.ranges.provenance : outcome.provenance;
  const { date = null, changeNumber = null, source, place } = provenance ?? {};
  const what = [date, changeNumber === null ? null : `change number ${changeNumber}`].filter((part) => part !== null);
  const from = source === undefined ? '' : ` from the ${source} ${place}`;
  const published = what.length === 0 ? '' : `: ${what.join(', ')}`;
  if (outcome.outcome === 'unchanged') return `nothing has changed${from}${published}${warnings}`;
  return `refreshed${from}${published}; a running proxy takes them within seconds${warnings}`;
}
