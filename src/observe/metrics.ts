/**
 * What a Prometheus server reads here. Counts come from ended exchanges; everything that something else knows already
 * is asked for at each scrape, so that nothing is kept twice. Labels come from closed sets: no client can add a series.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ExchangeRecord } from '../proxy/exchange.ts';
import type { RangesStatus } from '../state/range-feed.ts';

/** What is asked at a scrape. */
export interface MetricsSources {
  /** The records of exchanges that are open, whose bytes are counted as they flow. */
  readonly openRecords: () => Iterable<Pick<ExchangeRecord, 'bytesUp' | 'bytesDown'>>;
  readonly tunnelsOpen: () => number;
  readonly generation: () => number;
  /** False as long as the file on disk is not what is in force. */
  readonly lastReloadSucceeded: () => boolean;
  /** Null where the proxy has no ranges to keep. */
  readonly ranges: () => RangesStatus | null;
  readonly accessLogDropped: () => number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export interface Metrics {
  /** Counts an exchange that has ended. */
  noteExchange(record: ExchangeRecord): void;
  /** Everything in the text format of Prometheus, whose media type is `contentType`. */
  text(): Promise<string>;
  readonly contentType: string;
}

const prefix = 'lockdown_proxy_';
/** Seconds: from an answer out of a cache to the longest wait that limits allow by default, and beyond. */
const buckets = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const authFailureKinds = ['missing', 'rejected', 'throttled', 'upstream'] as const;

/** Metrics of one proxy, in a registry of its own: two proxies in one process do not count for each other. */
export function createMetrics(sources: MetricsSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const ended = { bytesUp: 0, bytesDown: 0 };

  const exchanges = new Counter({
    name: `${prefix}exchanges_total`,
    help: 'Exchanges that ended, by what became of them; in report mode the reason is what would have refused',
    labelNames: ['kind', 'verdict', 'reason'],
    registers,
  });
  const authFailures = new Counter({
    name: `${prefix}auth_failures_total`,
    help: 'Exchanges that ended for want of credentials; missing is also how a client learns that it has to sign in',
    labelNames: ['kind'],
    registers,
  });
  // An alert on a rate needs the zero before the first failure.
  for (const kind of authFailureKinds) authFailures.inc({ kind }, 0);
  const connectSeconds = secondsOf('connect', 'Time to connect to the destination or the parent proxy');
  const dnsSeconds = secondsOf('dns', 'Time to look the destination up');

  function secondsOf(step: string, help: string): Histogram {
    return new Histogram({
      name: `${prefix}${step}_seconds`,
      help: `${help}, seen when the exchange has ended`,
      buckets,
      registers,
    });
  }

  /** A gauge that is asked for; null takes it out of the answer, for a made-up value would be believed. */
  function gauge(name: string, help: string, read: () => number | null): void {
    const asked = new Gauge({
      name: `${prefix}${name}`,
      help,
      registers: [],
      collect() {
        const value = read();
        if (value === null) this.remove();
        else this.set(value);
      },
    });
    registry.registerMetric(asked);
  }

  gauge('tunnels_open', 'Tunnels that flow', sources.tunnelsOpen);
  gauge('config_generation', 'Configurations and ranges put in force since the start', sources.generation);
  gauge('config_last_reload_success', 'Whether the configuration on disk is in force as last read', () =>
    Number(sources.lastReloadSucceeded()),
  );
  gauge('ranges_age_seconds', 'Time since a refresh of the datacenter ranges last succeeded', () => {
    const freshMs = sources.ranges()?.freshMs ?? null;
    return freshMs === null ? null : Math.max(0, (sources.now() - freshMs) / 1000);
  });
  gauge('ranges_document_date_seconds', 'The date of the datacenter ranges in force, since 1970', () => {
    const ms = Date.parse(sources.ranges()?.provenance?.date ?? '');
    return Number.isNaN(ms) ? null : ms / 1000;
  });
  gauge('ranges_last_refresh_success', 'Whether the last refresh of the datacenter ranges succeeded', () => {
    const succeeded = sources.ranges()?.lastRefreshSucceeded ?? null;
    return succeeded === null ? null : Number(succeeded);
  });
  gauge('workers', 'Processes that serve', () => 1);

  const prefixes = new Gauge({
    name: `${prefix}ranges_prefixes`,
    help: 'Prefixes of each service tag that the rules name; 0 matches nothing',
    labelNames: ['tag'],
    registers: [],
    collect() {
      this.reset();
      for (const [tag, count] of sources.ranges()?.prefixes ?? []) this.set({ tag }, count);
    },
  });
  const bytes = new Counter({
    name: `${prefix}bytes_total`,
    help: 'Bytes carried, those of open tunnels as they flow: up from clients, down to clients',
    labelNames: ['direction'],
    registers: [],
    collect() {
      let { bytesUp, bytesDown } = ended;
      for (const record of sources.openRecords()) {
        bytesUp += record.bytesUp;
        bytesDown += record.bytesDown;
      }
      this.reset();
      this.inc({ direction: 'up' }, bytesUp);
      this.inc({ direction: 'down' }, bytesDown);
    },
  });
  const dropped = new Counter({
    name: `${prefix}access_log_dropped_total`,
    help: 'Lines of the access log that were lost because its reader stalled or the disk was full',
    registers: [],
    collect() {
      this.reset();
      this.inc(sources.accessLogDropped());
    },
  });
  for (const asked of [prefixes, bytes, dropped]) registry.registerMetric<string>(asked);

  return {
    noteExchange(record) {
      const { kind, verdict, authFailure, connectMs, dnsMs } = record;
      exchanges.inc({ kind, verdict, reason: record.reason ?? record.wouldDeny ?? 'none' });
      if (authFailure !== null) authFailures.inc({ kind: authFailure });
      if (connectMs !== null) connectSeconds.observe(connectMs / 1000);
      if (dnsMs !== null) dnsSeconds.observe(dnsMs / 1000);
      ended.bytesUp += record.bytesUp;
      ended.bytesDown += record.bytesDown;
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
