/** What a process that only serves knows of itself, as plain data for the one that answers for all. */
import type { Exchange, ExchangeRecord } from '../proxy/exchange.ts';
import type { Snapshot } from '../state/snapshot.ts';
import type { AccessLog } from './access-log.ts';
import type { PlainMetrics, ServingSources } from './metrics.ts';
import { createServingMetrics } from './metrics.ts';
import { createStatusCollector } from './status/collect.ts';
import type { StatusFigures } from './status/figures.ts';

/** What is asked of the parts that serve, each time anew. */
export interface ServingParts {
  readonly current: () => Snapshot;
  readonly openExchanges: () => Iterable<Exchange>;
  readonly tunnelsOpen: () => number;
  readonly accessLog: Pick<AccessLog, 'dropped'>;
}

export interface WorkerReport {
  noteExchange(record: ExchangeRecord): void;
  metrics(): Promise<PlainMetrics>;
  /** With the history from `sinceMs` on. */
  figures(sinceMs: number): StatusFigures;
  close(): void;
}

/** `rules` is how many rules are in force. */
export function createWorkerReport(parts: ServingParts, rules: () => number): WorkerReport {
  const metrics = createServingMetrics(servingSources(parts));
  const status = createStatusCollector({
    openExchanges: parts.openExchanges,
    // How the proxy is, and by which ranges, says the process that keeps them.
    readiness: () => ({ status: 'ready', ready: true, details: [] }),
    current: parts.current,
    rules,
    ranges: () => null,
    droppedLines: () => parts.accessLog.dropped,
    now: Date.now,
  });
  return {
    noteExchange(record) {
      metrics.noteExchange(record);
      status.noteExchange(record);
    },
    metrics: () => metrics.plain(),
    figures: (sinceMs) => status.collect(sinceMs),
    close: () => status.close(),
  };
}

/** What the metrics of a process that serves are made from. */
export function servingSources(parts: ServingParts): ServingSources {
  return {
    *openRecords() {
      for (const { record } of parts.openExchanges()) yield record;
    },
    tunnelsOpen: parts.tunnelsOpen,
    generation: () => parts.current().generation,
    accessLogDropped: () => parts.accessLog.dropped,
  };
}
