/**
 * Keeps the datacenter ranges of a running proxy fresh: what it begins with, when it asks again, what it says. A
 * refresh that fails leaves what is held in force, and without any ranges a tag matches nothing.
 */
import { statSync } from 'node:fs';
import type { Cloud, Config } from '../config/config.ts';
import { countPrefixes } from '../address/flat-prefixes.ts';
import type { RangesSource } from '../config/ranges-source.ts';
import { backupTags } from '../policy/ranges/wanted.ts';
import { readAttempt } from './range-attempt.ts';
import type { HeldRanges, RangesProvenance } from './range-cache.ts';
import { cacheFile } from './range-cache.ts';
import { createRefreshClock } from './range-clock.ts';
import type { FetchBudget, RangeEndpoints } from './range-endpoints.ts';
import type { ParentSettings } from './parent-proxy.ts';
import { findRanges } from './ranges-held.ts';
import type { RangesJob, RangesReport } from './ranges-offload.ts';
import type { RefreshOutcome } from './ranges-refresh.ts';
import { onlyTags } from './ranges-wanted.ts';

/** Where the feed says what happens; the service log is one. */
export interface RangesLog {
  info(event: string, fields?: Record<string, unknown>, message?: string): void;
  warn(event: string, fields?: Record<string, unknown>, message?: string): void;
}

export interface RangeFeedOptions {
  readonly cloud: Cloud;
  readonly ranges: Config['ranges'];
  readonly source: RangesSource;
  readonly parent: ParentSettings;
  /** The tags that rules name, in lower case; with none the feed does nothing at all. */
  readonly ruleTags: ReadonlySet<string>;
  readonly listFolder: string;
  readonly endpoints: RangeEndpoints;
  readonly budget: FetchBudget;
  /** What another feed held that this one takes over from; unless given, what is found on disk. */
  readonly held?: HeldRanges | null;
}

export interface RangeFeedDeps {
  readonly log: RangesLog;
  /** Does work on ranges in a thread of its own. */
  readonly offload: (job: RangesJob, signal: AbortSignal) => Promise<RangesReport>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** From 0 up to 1. */
  readonly random: () => number;
  /** Calls again and again, so many milliseconds apart, until what it gives back is called; a timer unless given. */
  readonly every?: (ms: number, run: () => Promise<void>) => () => void;
  /** Told of other ranges than before, which are to be in force from now on. */
  readonly onRanges: (held: HeldRanges) => void;
}

/** What metrics and status pages say of the feed. */
export interface RangesStatus {
  readonly provenance: RangesProvenance | null;
  /** When a refresh last succeeded, or else the date of what is held; milliseconds since 1970. */
  readonly freshMs: number | null;
  readonly isStale: boolean;
  /** Null until the first refresh of this process is done. */
  readonly lastRefreshSucceeded: boolean | null;
  readonly nextRefreshMs: number | null;
  /** How many prefixes each tag of the rules has; 0 for a tag that the ranges do not hold. */
  readonly prefixes: ReadonlyMap<string, number>;
}

export interface RangeFeed {
  /** What is in force, from the start on; null: no ranges at all. */
  readonly held: HeldRanges | null;
  /** Looks at the clock every few seconds from now on. */
  start(): void;
  /** Ends a refresh that is under way; nothing of it is taken. */
  stop(): Promise<void>;
  /** Refreshes now; one that is under way already is joined. */
  refresh(options?: { readonly force?: boolean }): Promise<RefreshOutcome>;
  status(): RangesStatus;
}

/** How often the clock and the cache file are looked at, in milliseconds: `ranges refresh` writes the file as well. */
const lookMs = 5000;
const minuteMs = 60_000;
const dayMs = 86_400_000;

/** Finds the ranges to begin with; asks for newer ones only after `start`. */
export function createRangeFeed(options: RangeFeedOptions, deps: RangeFeedDeps): RangeFeed {
  const { cloud, ranges, ruleTags } = options;
  const { cacheDir } = ranges;
  const { log, now, every = byTimer } = deps;
  const isIdle = ruleTags.size === 0;
  let seen = isIdle ? null : stampOf(cacheFile(cacheDir, cloud));
  const takenOver = { held: options.held ?? null, notes: [] };
  const found =
    isIdle || takenOver.held !== null
      ? takenOver
      : findRanges({ cacheDir, cloud, ruleTags, listFolder: options.listFolder });
  for (const note of found.notes) log.warn('ranges_ignored', {}, note);
  let held = found.held;
  const clock = createRefreshClock({
    ...ranges,
    succeededMs: timeOf(readAttempt(cacheDir, cloud)?.succeededAt ?? held?.provenance.fetchedAt),
    documentMs: timeOf(held?.provenance.date),
    nowMs: now(),
    random: deps.random,
  });
  let succeeded: boolean | null = null;
  let running: Promise<RefreshOutcome> | null = null;
  let looking: Promise<void> | null = null;
  let staleSaidMs = -Infinity;
  let cacheFaultSaid: string | null = null;
  let stopLooking = (): void => undefined;
  const stopping = new AbortController();

  const take = (next: HeldRanges): void => {
    const vanished = [...ruleTags].filter((tag) => prefixesOf(held, tag) > 0 && prefixesOf(next, tag) === 0);
    for (const tag of vanished) log.warn('ranges_tag_vanished', { tag }, `\`tag:${tag}\` now matches nothing`);
    held = next;
    deps.onRanges(next);
  };

  const say = (outcome: RefreshOutcome): void => {
    const { failures, cacheFault } = outcome;
    if (cacheFault !== null && cacheFault !== cacheFaultSaid) {
      log.warn('ranges_cache_unwritable', { cacheDir }, `ranges are kept in memory alone: ${cacheFault}`);
    }
    cacheFaultSaid = cacheFault;
    if (outcome.outcome === 'refused') {
      const next = new Date(clock.dueMs).toISOString();
      log.warn('ranges_refused', { failures, next }, `the ranges held stay in force: ${outcome.message}`);
      return;
    }
    for (const warning of outcome.warnings) log.warn('ranges_warning', {}, warning);
    const { source, place, date, changeNumber } = outcome.ranges?.provenance ?? held?.provenance ?? {};
    log.info('ranges_refreshed', { changed: outcome.ranges !== null, source, place, date, changeNumber, failures });
  };

  const refreshOnce = async (force: boolean): Promise<RefreshOutcome> => {
    const wanted = [...ruleTags, ...backupTags];
    // The whole document would be copied on its way to the thread; the guards ask for the wanted tags alone.
    const known = held === null ? null : { ...held, document: onlyTags(held.document, wanted) };
    const { source, parent, endpoints, budget } = options;
    const { maxShrinkPercent } = ranges;
    const request = {
      cloud,
      source,
      parent,
      endpoints,
      budget,
      cacheDir,
      maxShrinkPercent,
      force,
      wantedTags: wanted,
      held: known,
    };
    const outcome = await deps
      .offload({ kind: 'refresh', request, nowMs: now() }, stopping.signal)
      .then((report) => (report.kind === 'refresh' ? report.outcome : brokenOff('no answer')))
      .catch((error: Error) => brokenOff(error.message));
    if (stopping.signal.aborted) return outcome;
    succeeded = outcome.outcome !== 'refused';
    if (succeeded) clock.succeeded(now());
    else clock.failed(now());
    const { provenance = null } = outcome.outcome === 'unchanged' ? outcome : {};
    if (held !== null && provenance !== null) held = { ...held, provenance };
    say(outcome);
    if (outcome.ranges !== null) take(outcome.ranges);
    seen = stampOf(cacheFile(cacheDir, cloud));
    return outcome;
  };

  const refresh = (force: boolean): Promise<RefreshOutcome> => {
    // Who insists gets a refresh that insists, after one that does not.
    if (running !== null) return force ? running.then(() => refresh(true)) : running;
    running = refreshOnce(force).finally(() => (running = null));
    return running;
  };

  /** Takes what `ranges refresh`, or another proxy over the same folder, has put into the cache. */
  const adopt = async (): Promise<void> => {
    const stamp = stampOf(cacheFile(cacheDir, cloud));
    if (stamp === null || stamp === seen || running !== null) return;
    seen = stamp;
    const report = await deps.offload({ kind: 'read', cacheDir, cloud }, stopping.signal);
    if (report.kind !== 'read' || report.cached === null || stopping.signal.aborted || running !== null) return;
    if (!report.cached.ok) return log.warn('ranges_ignored', {}, report.cached.message);
    const next = report.cached.value;
    if (next.provenance.sha256 === held?.provenance.sha256) return;
    clock.succeeded(now());
    const { source, place, date, changeNumber } = next.provenance;
    log.info('ranges_refreshed', { changed: true, source, place, date, changeNumber, failures: [] }, 'from the cache');
    take(next);
  };

  const lookOnce = async (): Promise<void> => {
    await adopt().catch((error: Error) => {
      if (!stopping.signal.aborted) log.warn('ranges_ignored', {}, `the cache was not read: ${error.message}`);
    });
    if (stopping.signal.aborted) return;
    if (now() >= clock.dueMs) await refresh(false);
    // A process that is about to ask for the first time does not complain before it has.
    const isAboutToAsk = succeeded === null && clock.dueMs - now() < minuteMs;
    if (clock.isStale(now()) && !isAboutToAsk && now() - staleSaidMs >= dayMs) {
      staleSaidMs = now();
      const since = clock.freshMs === null ? null : new Date(clock.freshMs).toISOString();
      log.warn('ranges_stale', { since }, `no refresh has succeeded for over ${ranges.staleAfterDays} days`);
    }
  };

  const look = (): Promise<void> => {
    looking ??= lookOnce().finally(() => (looking = null));
    return looking;
  };

  return {
    get held() {
      return held;
    },
    start() {
      if (!isIdle) stopLooking = every(lookMs, look);
    },
    async stop() {
      stopLooking();
      stopping.abort();
      await Promise.all([looking, running]);
    },
    refresh: ({ force = false } = {}) => refresh(force),
    status: () => ({
      provenance: held?.provenance ?? null,
      freshMs: clock.freshMs,
      isStale: !isIdle && clock.isStale(now()),
      lastRefreshSucceeded: succeeded,
      nextRefreshMs: isIdle ? null : clock.dueMs,
      prefixes: new Map([...ruleTags].map((tag) => [tag, prefixesOf(held, tag)])),
    }),
  };
}

function prefixesOf(held: HeldRanges | null, tag: string): number {
  const prefixes = held?.document.tags.get(tag)?.prefixes;
  return prefixes === undefined ? 0 : countPrefixes(prefixes);
}

/** A refresh that did not come to its end. */
function brokenOff(message: string): RefreshOutcome {
  return { outcome: 'refused', ranges: null, message, failures: [], cacheFault: null };
}

/** A date as milliseconds since 1970; null where it is none. */
function timeOf(text: string | null | undefined): number | null {
  const ms = Date.parse(text ?? '');
  return Number.isNaN(ms) ? null : ms;
}

/** What changes when a file is replaced; null where there is none. */
function stampOf(path: string): string | null {
  try {
    const { ino, size, mtimeMs } = statSync(path);
    return `${ino} ${size} ${mtimeMs}`;
  } catch {
    return null;
  }
}

/** Keeps no process alive: when all listeners are closed there is nothing left to do. */
function byTimer(ms: number, run: () => Promise<void>): () => void {
  const timer = setInterval(() => void run(), ms).unref();
  return () => clearInterval(timer);
}
