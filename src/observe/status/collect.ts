/** Collects the figures of this process for the status page: counts of ended exchanges, samples of the last hour. */
import process from 'node:process';
import type { Exchange, ExchangeRecord, Verdict } from '../../proxy/exchange.ts';
import type { RangesStatus } from '../../state/range-feed.ts';
import type { ReloadReport } from '../../state/reload.ts';
import type { Snapshot } from '../../state/snapshot.ts';
import { formatFault } from '../../errors.ts';
import type { Readiness } from '../readiness.ts';
import type { HistoryPoint, StatusFigures } from './figures.ts';
import { describeRanges, describeTunnels, historyMs, historyStepMs } from './figures.ts';
import { createRecent } from './recent.ts';

export interface CollectDeps {
  readonly openExchanges: () => Iterable<Exchange>;
  readonly readiness: () => Readiness;
  readonly current: () => Snapshot;
  readonly rules: () => number;
  readonly ranges: () => RangesStatus | null;
  readonly droppedLines: () => number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export interface StatusCollector {
  noteExchange(record: ExchangeRecord): void;
  noteReload(report: ReloadReport): void;
  /** The figures as they are now, with the history from `sinceMs` on. */
  collect(sinceMs?: number): StatusFigures;
  /** Stops the sampling. */
  close(): void;
}

export function createStatusCollector(deps: CollectDeps): StatusCollector {
  const { now } = deps;
  const startMs = now();
  const recent = createRecent(now);
  const outcomes: { verdict: Verdict; reason: string | null; count: number }[] = [];
  const ended = { bytesUp: 0, bytesDown: 0, allowed: 0, refused: 0, failed: 0 };
  const samples: HistoryPoint[] = [];
  let lastReload: StatusFigures['lastReload'] = null;
  let before = counts();

  /** Everything that only grows, as it stands now. */
  function counts() {
    let { bytesUp, bytesDown } = ended;
    let open = 0;
    for (const { record, admitted } of deps.openExchanges()) {
      bytesUp += record.bytesUp;
      bytesDown += record.bytesDown;
      if (admitted?.question.kind === 'tunnel') open += 1;
    }
    const { user, system } = process.cpuUsage();
    return { ...ended, bytesUp, bytesDown, open, cpuMicros: user + system, atMs: now() };
  }

  function sample(): void {
    const found = counts();
    samples.push({
      atMs: Math.floor(found.atMs / historyStepMs) * historyStepMs,
      up: found.bytesUp - before.bytesUp,
      down: found.bytesDown - before.bytesDown,
      open: found.open,
      allowed: found.allowed - before.allowed,
      refused: found.refused - before.refused,
      failed: found.failed - before.failed,
    });
    if (samples.length > historyMs / historyStepMs) samples.shift();
    before = found;
  }
  const sampling = setInterval(sample, historyStepMs);
  sampling.unref();

  return {
    noteExchange(record) {
      const { verdict } = record;
      const reason = record.reason ?? record.wouldDeny;
      const entry = outcomes.find((known) => known.verdict === verdict && known.reason === reason);
      if (entry) entry.count += 1;
      else outcomes.push({ verdict, reason, count: 1 });
      ended.bytesUp += record.bytesUp;
      ended.bytesDown += record.bytesDown;
      if (verdict === 'allow' || verdict === 'would_deny') ended.allowed += 1;
      else if (verdict === 'error') ended.failed += 1;
      // To be asked for credentials is how a sign-in begins, and no refusal yet.
      else if (verdict === 'deny') ended.refused += 1;
      recent.note(record);
    },
    noteReload(report) {
      const { result, atMs, cause, rulesAdded, rulesRemoved, findings } = report;
      const faults = findings.filter(({ severity }) => severity === 'fault').map(formatFault);
      lastReload = { result, atMs, cause, rulesAdded, rulesRemoved, faults: faults.slice(0, 5) };
    },
    collect(sinceMs = 0) {
      const { generation, configHash, config } = deps.current();
      const found = counts();
      const seconds = (found.atMs - before.atMs) / 1000;
      const cpu = seconds < 0.2 ? null : (found.cpuMicros - before.cpuMicros) / 1e6 / seconds;
      return {
        readiness: deps.readiness(),
        sinceMs: startMs,
        workers: [{ pid: process.pid, startMs, tunnels: found.open, rssBytes: process.memoryUsage.rss(), cpu }],
        config: {
          generation,
          hash: configHash,
          mode: config.mode,
          rules: deps.rules(),
          lists: config.allowlist,
        },
        lastReload,
        ranges: describeRanges(deps.ranges()),
        totals: {
          bytesUp: found.bytesUp,
          bytesDown: found.bytesDown,
          tunnels: found.open,
          droppedLines: deps.droppedLines(),
        },
        outcomes: outcomes.toSorted((a, b) => b.count - a.count),
        history: samples.filter(({ atMs }) => atMs >= sinceMs),
        refusedTargets: recent.refusedTargets(),
        auth: recent.auth(),
        tunnels: describeTunnels(deps.openExchanges()),
      };
    },
    close: () => clearInterval(sampling),
  };
}
