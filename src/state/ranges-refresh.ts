/** One refresh from end to end: fetch, read, guard, keep. The same in the thread of `serve` and in `ranges refresh`. */
import type { RangesSource } from '../config/ranges-source.ts';
import type { Cloud } from '../config/config.ts';
import type { Result } from '../errors.ts';
import { digestRanges } from '../policy/ranges/digest.ts';
import { mergeDiscoveryPages } from '../policy/ranges/discovery.ts';
import type { RangesDocument } from '../policy/ranges/document.ts';
import { guardRanges } from '../policy/ranges/guard.ts';
import { parseRangesDocument } from '../policy/ranges/parse.ts';
import type { ParentSettings } from './parent-proxy.ts';
import { createParentProxy } from './parent-proxy.ts';
import type { SourceFailure } from './range-attempt.ts';
import { readAttempt, writeAttempt } from './range-attempt.ts';
import type { HeldRanges, RangesProvenance } from './range-cache.ts';
import { hasCache, writeCache } from './range-cache.ts';
import type { FetchBudget, RangeEndpoints } from './range-endpoints.ts';
import type { Fetched, RangeSource } from './range-sources.ts';
import { listSources } from './range-sources.ts';

/** Plain data: a thread is given it as it is. */
export interface RefreshRequest {
  readonly source: RangesSource;
  readonly parent: ParentSettings;
  readonly cloud: Cloud;
  readonly cacheDir: string;
  readonly wantedTags: readonly string[];
  readonly maxShrinkPercent: number;
  /** Takes shrunk and grown tags; what is wrong in itself stays refused. */
  readonly force: boolean;
  /** What is in force, to compare with; of its document the wanted tags are enough. */
  readonly held: HeldRanges | null;
  readonly endpoints: RangeEndpoints;
  readonly budget: FetchBudget;
}

interface Tried {
  readonly failures: readonly SourceFailure[];
  /** Why the cache could not be written; the ranges then live in memory alone. */
  readonly cacheFault: string | null;
}

export type RefreshOutcome = Tried &
  (
    | { readonly outcome: 'refreshed'; readonly ranges: HeldRanges; readonly warnings: readonly string[] }
    | {
        readonly outcome: 'unchanged';
        readonly ranges: null;
        readonly warnings: readonly string[];
        /** The same ranges may have been published anew, under another date; null where nothing was sent. */
        readonly provenance: RangesProvenance | null;
      }
    | { readonly outcome: 'refused'; readonly ranges: null; readonly message: string }
  );

/** Asks the sources in turn until one gives ranges that can be taken; `now` is the time of it. Never throws. */
export async function refreshRanges(request: RefreshRequest, now: Date): Promise<RefreshOutcome> {
  const { cloud, cacheDir, held } = request;
  const failures: SourceFailure[] = [];
  const parent = createParentProxy(request.parent);
  for (const source of listSources(request.source, { ...request, parent })) {
    const taken = await take(source, request, now).catch((error: Error) => ({
      ok: false as const,
      message: error.message,
    }));
    if (!taken.ok) {
      failures.push({ source: source.name, why: taken.message });
      continue;
    }
    const { ranges, warnings } = taken.value;
    const cacheFault = keep(() => {
      if (ranges !== null) writeCache(cacheDir, ranges);
      const at = now.toISOString();
      writeAttempt(cacheDir, cloud, { at, succeededAt: at, source: source.name, failures });
    });
    if (ranges !== null && ranges.provenance.sha256 !== held?.provenance.sha256)
      return { outcome: 'refreshed', ranges, warnings, failures, cacheFault };
    const provenance = ranges?.provenance ?? null;
    return { outcome: 'unchanged', ranges: null, provenance, warnings, failures, cacheFault };
  }
  const cacheFault = keep(() => {
    const succeededAt = readAttempt(cacheDir, cloud)?.succeededAt ?? null;
    writeAttempt(cacheDir, cloud, { at: now.toISOString(), succeededAt, source: null, failures });
  });
  const message = failures.map(({ source, why }) => `${source}: ${why}`).join('; ');
  return { outcome: 'refused', ranges: null, message, failures, cacheFault };
}

interface Taken {
  /** Null: the source says that what is held is still what it has. */
  readonly ranges: HeldRanges | null;
  readonly warnings: readonly string[];
}

async function take(source: RangeSource, request: RefreshRequest, now: Date): Promise<Result<Taken>> {
  const { cloud, held } = request;
  // `Nothing has changed` helps only who still has on disk what has not.
  const known = held !== null && hasCache(request.cacheDir, cloud) ? held.provenance : null;
  const fetched = await source.get(known);
  if (fetched === 'unchanged') return { ok: true, value: { ranges: null, warnings: [] } };
  const read = readDocument(fetched);
  if (!read.ok) return { ok: false, message: `${fetched.place}: ${read.message}` };
  const guarded = guardRanges(read.value, held?.document ?? null, request);
  if (!guarded.ok) {
    const isForcible = guardRanges(read.value, held?.document ?? null, { ...request, force: true }).ok;
    const remedy = isForcible ? '; if that is right, `ranges refresh --force` takes it' : '';
    return { ok: false, message: `${fetched.place}: ${guarded.message}${remedy}` };
  }
  const { document, warnings } = guarded;
  const { place, etag } = fetched;
  const { date, changeNumber } = document;
  const provenance: RangesProvenance = {
    cloud,
    source: source.name,
    place,
    etag,
    date,
    changeNumber,
    sha256: digestRanges(document),
    fetchedAt: now.toISOString(),
  };
  return { ok: true, value: { ranges: { document, provenance }, warnings } };
}

function readDocument({ texts, date }: Fetched): Result<RangesDocument> {
  const [first = '', ...more] = texts;
  if (texts.some(isDense)) return { ok: false, message: `more than ${maxBrackets} objects or lists` };
  if (more.length > 0) return mergeDiscoveryPages(texts);
  return parseRangesDocument(first, date === null ? {} : { date });
}

/** Far above the two for each of some thousand tags; millions would keep the reader busy for minutes. */
const maxBrackets = 500_000;

function isDense(text: string): boolean {
  return ['{', '['].some((bracket) => {
    let at = -1;
    for (let count = 0; count <= maxBrackets; count++) {
      at = text.indexOf(bracket, at + 1);
      if (at < 0) return false;
    }
    return true;
  });
}

/** Does what a folder that cannot be written would prevent, and says why it was. */
function keep(write: () => void): string | null {
  try {
    write();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : 'unknown error';
  }
}
