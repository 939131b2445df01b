/** Refusals in the service log: the first of a client and reason at once, the rest summed each minute. */
import type { ServiceLog } from './service-log.ts';

/** A refusal, with whatever else a line says of it. */
export interface Refused {
  readonly client: string;
  readonly reason: string;
  readonly [field: string]: unknown;
}

export interface RepeatSummary {
  /** Says a refusal, or counts it if the same client was refused for the same reason within the minute. */
  note(refusal: Refused): void;
  /** Says what was counted in every minute that is over; to be called from time to time. */
  sum(): void;
  /** Says everything that was counted, at the end. */
  sumAll(): void;
}

export interface RepeatSummaryOptions {
  readonly log: Pick<ServiceLog, 'warn'>;
  /** Milliseconds, from any clock that does not go back. */
  readonly now: () => number;
  readonly windowMs?: number;
  /** Pairs of client and reason remembered; what comes beyond is counted together. */
  readonly maxPairs?: number;
}

interface Pair {
  readonly client: string;
  readonly reason: string;
  start: number;
  count: number;
}

/** Keeps at most one `refused` and one `refused_repeats` line a minute for each pair of client and reason. */
export function createRepeatSummary(options: RepeatSummaryOptions): RepeatSummary {
  const { log, now, windowMs = 60_000, maxPairs = 10_000 } = options;
  const pairs = new Map<string, Pair>();
  /** Refusals of pairs for which there was no room, and since when they are counted. */
  let others = { count: 0, start: 0 };

  function sayPair(pair: Pair, at: number): void {
    const { client, reason, count } = pair;
    if (count > 0) log.warn('refused_repeats', { client, reason, count, seconds: seconds(at - pair.start) });
    pair.start = at;
    pair.count = 0;
  }

  function sayOthers(at: number): void {
    const { count, start } = others;
    if (count > 0) {
      log.warn('refused_repeats', { client: null, reason: null, count, seconds: seconds(at - start) });
    }
    others = { count: 0, start: at };
  }

  function sumSince(least: number): void {
    const at = now();
    for (const [key, pair] of pairs) {
      if (at - pair.start < least) continue;
      // A pair that was quiet for a whole minute is forgotten: its next refusal is news again.
      if (pair.count === 0) pairs.delete(key);
      else sayPair(pair, at);
    }
    if (at - others.start >= least) sayOthers(at);
  }

  return {
    note(refusal) {
      const { client, reason } = refusal;
      const key = `${client} ${reason}`;
      const at = now();
      const pair = pairs.get(key);
      if (pair !== undefined && (pair.count > 0 || at - pair.start < windowMs)) {
        pair.count += 1;
        if (at - pair.start >= windowMs) sayPair(pair, at);
      } else if (pair !== undefined || pairs.size < maxPairs) {
        pairs.set(key, { client, reason, start: at, count: 0 });
        log.warn('refused', refusal);
      } else {
        if (others.count === 0) others.start = at;
        others.count += 1;
      }
    },
    sum: () => sumSince(windowMs),
    sumAll: () => sumSince(0),
  };
}

function seconds(ms: number): number {
  return Math.round(ms / 1000);
}
