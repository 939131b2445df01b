/**
 * What one process knows for the status page, as plain data: it goes over a channel to another process as it is, and
 * `merge.ts` makes one of several.
 */
import type { Exchange, ExchangeRecord, Verdict } from '../../proxy/exchange.ts';
import type { RangesStatus } from '../../state/range-feed.ts';
import type { ReloadReport } from '../../state/reload.ts';
import type { Snapshot } from '../../state/snapshot.ts';
import type { ClientAuth } from '../log-auth.ts';
import type { Readiness } from '../readiness.ts';
import type { Refused } from '../log-remedy.ts';

/** A stretch of the last hour. */
export interface HistoryPoint {
  /** Its beginning: milliseconds since 1970, a multiple of `historyStepMs`. */
  readonly atMs: number;
  /** Bytes carried and exchanges ended in it; tunnels open at its end. */
  readonly up: number;
  readonly down: number;
  readonly open: number;
  readonly allowed: number;
  readonly refused: number;
  readonly failed: number;
}

export const historyStepMs = 5000;
export const historyMs = 3_600_000;

export interface OpenTunnel {
  readonly id: string;
  readonly client: string;
  readonly user: string | null;
  readonly userAgent: string | null;
  readonly target: string | null;
  readonly address: string | null;
  readonly rule: string | null;
  readonly ruleText: string | null;
  readonly startMs: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
}

/** One target that was refused for one reason within the last hour. */
export interface RefusedTarget {
  readonly count: number;
  readonly lastMs: number;
  readonly verdict: Verdict;
  /** Some of the clients, and how many they are; several processes may know the same ones. */
  readonly clients: readonly string[];
  /** The latest, from which the remedy is found. */
  readonly said: Refused;
}

export interface WorkerFigures {
  readonly pid: number;
  readonly startMs: number;
  readonly tunnels: number;
  readonly rssBytes: number;
  /** Share of one core since the process was last looked at; null: not looked at for long enough. */
  readonly cpu: number | null;
}

export interface StatusFigures {
  readonly readiness: Readiness;
  /** Since when is counted: milliseconds since 1970. */
  readonly sinceMs: number;
  readonly workers: readonly WorkerFigures[];
  readonly config: {
    readonly generation: number;
    readonly hash: string;
    readonly mode: Snapshot['config']['mode'];
    readonly rules: number;
    readonly lists: readonly string[];
  };
  /** Null as long as there was none. */
  readonly lastReload:
    | (Pick<ReloadReport, 'result' | 'atMs' | 'cause' | 'rulesAdded' | 'rulesRemoved'> & {
        readonly faults: readonly string[];
      })
    | null;
  readonly ranges: {
    readonly source: string | null;
    readonly date: string | null;
    readonly freshMs: number | null;
    readonly isStale: boolean;
    readonly lastRefreshSucceeded: boolean | null;
    readonly tags: readonly { readonly tag: string; readonly prefixes: number }[];
  } | null;
  readonly totals: {
    readonly bytesUp: number;
    readonly bytesDown: number;
    readonly tunnels: number;
    readonly droppedLines: number;
  };
  /** Exchanges that ended since the start, by what became of them. */
  readonly outcomes: readonly { readonly verdict: Verdict; readonly reason: string | null; readonly count: number }[];
  readonly history: readonly HistoryPoint[];
  /** Of the last hour, the most frequent first. */
  readonly refusedTargets: readonly RefusedTarget[];
  readonly auth: { readonly clients: readonly ClientAuth[]; readonly signedIn: readonly string[] };
  /** Some of the open tunnels: those that carried most. */
  readonly tunnels: readonly OpenTunnel[];
}

/** The newest and the busiest are what an operator looks for; more would make each event large. */
export const maxTunnels = 200;

export function describeTunnels(open: Iterable<Exchange>): readonly OpenTunnel[] {
  const flowing = [...open].filter(({ admitted }) => admitted?.question.kind === 'tunnel');
  const size = ({ record }: Exchange) => record.bytesUp + record.bytesDown;
  const chosen = flowing.length > maxTunnels ? flowing.sort((a, b) => size(b) - size(a)).slice(0, maxTunnels) : flowing;
  return chosen.map(({ record }) => toOpenTunnel(record));
}

function toOpenTunnel(record: ExchangeRecord): OpenTunnel {
  const { id, client, user, userAgent, target, address, rule, ruleText, startTime, bytesUp, bytesDown } = record;
  return { id, client, user, userAgent, target, address, rule, ruleText, startMs: startTime, bytesUp, bytesDown };
}

export function describeRanges(status: RangesStatus | null): StatusFigures['ranges'] {
  if (status === null) return null;
  const { provenance, freshMs, isStale, lastRefreshSucceeded, prefixes } = status;
  return {
    source: provenance?.source ?? null,
    date: provenance?.date ?? null,
    freshMs,
    isStale,
    lastRefreshSucceeded,
    tags: [...prefixes].map(([tag, count]) => ({ tag, prefixes: count })),
  };
}
