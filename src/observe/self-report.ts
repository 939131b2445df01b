/** What the proxy says of itself over HTTP: the metrics and the listeners that serve them, as one part of it. */
import type { Config } from '../config/config.ts';
import type { Endpoint } from '../config/values.ts';
import type { Machine } from '../policy/decide.ts';
import type { Rule } from '../policy/rule.ts';
import type { Exchange, ExchangeRecord } from '../proxy/exchange.ts';
import type { RangesStatus } from '../state/range-feed.ts';
import type { Snapshot } from '../state/snapshot.ts';
import type { ReloadReport } from '../state/reload.ts';
import type { AccessLog } from './access-log.ts';
import { openAdminServer } from './admin-server.ts';
import type { AnswerServer } from './answer-server.ts';
import { openHealthServer } from './health-server.ts';
import type { Metrics, MetricsText, PlainMetrics } from './metrics.ts';
import { createMetrics, createSummedMetrics } from './metrics.ts';
import type { Phase } from './readiness.ts';
import { readinessOf } from './readiness.ts';
import { createStatusCollector } from './status/collect.ts';
import { createEventStream } from './status/event-stream.ts';
import type { StatusFigures } from './status/figures.ts';
import { mergeFigures } from './status/merge.ts';
import { createView } from './status/view.ts';
import { servingSources } from './worker-report.ts';

/** The processes that serve in this one's stead, and what they say of themselves. */
export interface ServingProcesses {
  readonly count: () => number;
  readonly metrics: () => Promise<readonly PlainMetrics[]>;
  readonly figures: (sinceMs: number) => Promise<readonly StatusFigures[]>;
}

/** What is asked of the proxy's parts, each time anew. */
export interface SelfReportDeps {
  /** Of the program. */
  readonly version: string;
  readonly phase: () => Phase;
  readonly current: () => Snapshot;
  readonly rules: () => readonly Rule[];
  readonly ranges: () => RangesStatus | null;
  readonly openExchanges: () => Iterable<Exchange>;
  readonly tunnelsOpen: () => number;
  readonly accessLog: Pick<AccessLog, 'dropped'>;
  readonly machine: Pick<Machine, 'isOwnAddress'> & { addListener(address: string, port: number): void };
  /** The port on which clients connect. */
  readonly proxyPort: () => number;
  /** Whether the process began with a configuration kept from an earlier run. */
  readonly startedOnLastGood: boolean;
  /** Null where this process serves by itself. */
  readonly others: ServingProcesses | null;
  readonly onBug: (error: unknown) => void;
}

export interface SelfReport {
  noteExchange(record: ExchangeRecord): void;
  /** Told how each reload ended; one that found nothing new has succeeded, and leaves in force what was. */
  noteReload(report: ReloadReport): void;
  /** Binds the listeners that are configured. @throws the system's error when an address cannot be bound */
  open(config: Pick<Config, 'admin' | 'health'>): Promise<{ admin: Endpoint; health: Endpoint | null }>;
  close(): void;
}

export function createSelfReport(deps: SelfReportDeps): SelfReport {
  const { phase, current, rules, ranges, machine, proxyPort, others, onBug } = deps;
  let isLastGood = deps.startedOnLastGood;
  let hasFailed = false;
  const lastReloadSucceeded = (): boolean => !hasFailed && !isLastGood;
  const accessLogDropped = (): number => deps.accessLog.dropped;
  const standing = { lastReloadSucceeded, ranges, workers: () => others?.count() ?? 1, now: Date.now };
  let own: Metrics | null = null;
  let metrics: MetricsText;
  if (others) metrics = createSummedMetrics({ ...standing, accessLogDropped }, others.metrics);
  else metrics = own = createMetrics({ ...standing, ...servingSources(deps) });
  const readiness = {
    phase,
    ranges,
    lastReloadSucceeded,
    isLastGood: () => isLastGood,
    mode: () => current().config.mode,
  };
  const status = createStatusCollector({
    openExchanges: deps.openExchanges,
    readiness: () => readinessOf(readiness),
    current,
    rules: () => rules().length,
    ranges,
    droppedLines: accessLogDropped,
    now: Date.now,
  });
  const view = createView(deps.version);
  const events = createEventStream({
    async view(sinceMs) {
      const figures = status.collect(sinceMs);
      const all = others ? [{ ...figures, workers: [] }, ...(await others.figures(sinceMs))] : [figures];
      return view(mergeFigures(all), current(), Date.now());
    },
    now: Date.now,
    onBug,
  });
  const servers: AnswerServer[] = [];
  const opened = (server: AnswerServer): Endpoint => {
    servers.push(server);
    // No target may be one of these, by whatever name or address: the proxy would be asked about itself by its clients.
    machine.addListener(server.bound.address, server.bound.port);
    return server.bound;
  };

  return {
    noteExchange(record) {
      own?.noteExchange(record);
      status.noteExchange(record);
    },
    noteReload(report) {
      status.noteReload(report);
      hasFailed = report.result === 'failed';
      if (report.result === 'done') isLastGood = false;
    },
    async open({ admin, health }) {
      return {
        admin: opened(await openAdminServer(admin.listen, { metrics, readiness, events, machine, onBug })),
        health:
          health.listen && opened(await openHealthServer(health.listen, { phase, current, rules, proxyPort, onBug })),
      };
    },
    close() {
      status.close();
      events.close();
      for (const server of servers) server.close();
    },
  };
}
