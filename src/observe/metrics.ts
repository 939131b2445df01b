/**
 * What a Prometheus server reads here. Counts come from ended exchanges; everything that something else knows already
 * is asked for at each scrape, so that nothing is kept twice. Labels come from closed sets: no client can add a series.
 */
import { AggregatorRegistry, collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ExchangeRecord } from '../proxy/exchange.ts';
import type { RangesStatus } from '../state/range-feed.ts';

/** What is asked at a scrape of a process that serves clients. */
export interface ServingSources {
  /** The records of exchanges that are open, whose bytes are counted as they flow. */
  readonly openRecords: () => Iterable<Pick<ExchangeRecord, 'bytesUp' | 'bytesDown'>>;
  readonly tunnelsOpen: () => number;
  readonly generation: () => number;
  readonly accessLogDropped: () => number;
}

/** What is asked of the process that keeps the configuration, which is the same one where one is enough. */
export interface StandingSources {
  /** False as long as the file on disk is not what is in force. */
  readonly lastReloadSucceeded: () => boolean;
  /** Null where the proxy has no ranges to keep. */
  readonly ranges: () => RangesStatus | null;
  /** How many processes serve. */
  readonly workers: () => number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export type MetricsSources = ServingSources & StandingSources;

/** The metrics of one process as plain data, which goes over a channel to another. */
export type PlainMetrics = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

export interface ServingMetrics {
  /** Counts an exchange that has ended. */
  noteExchange(record: ExchangeRecord): void;
  plain(): Promise<PlainMetrics>;
}

export interface MetricsText {
  /** Everything in the text format of Prometheus, whose media type is `contentType`. */
  text(): Promise<string>;
  readonly contentType: string;
}

export type Metrics = ServingMetrics & MetricsText;

const prefix = 'lockdown_proxy_';
/** Seconds: from an answer out of a cache to the longest wait that limits allow by default, and beyond. */
const buckets = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Metrics of one proxy in one process, in a registry of its own: two proxies in one process do not count for each other. */
export function createMetrics(sources: MetricsSources): Metrics {
  const registry = createRegistry();
  const noteExchange = registerServing(registry, sources);
  registerStanding(registry, sources);
  return {
    noteExchange,
    plain: () => registry.getMetricsAsJSON(),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

/** Metrics of a process that serves, for another one to add up. */
export function createServingMetrics(sources: ServingSources): ServingMetrics {
  const registry = createRegistry();
  const noteExchange = registerServing(registry, sources);
  return { noteExchange, plain: () => registry.getMetricsAsJSON() };
}

/** Metrics of a proxy whose clients are served by other processes: counts added up, of generations the lowest. */
export function createSummedMetrics(
  sources: StandingSources & Pick<ServingSources, 'accessLogDropped'>,
  others: () => Promise<readonly PlainMetrics[]>,
): MetricsText {
  const registry = createRegistry();
  registerStanding(registry, sources);
  registerDropped(registry, sources.accessLogDropped);
  return {
    async text() {
      const all = [await registry.getMetricsAsJSON(), ...(await others())];
      return AggregatorRegistry.aggregate(all.map((metrics) => metrics.map(withStartTime))).metrics();
    },
    contentType: registry.contentType,
  };
}

/** What several processes of which each may be gone have counted so far, as one; what only holds now is left out. */
export function sumCounts(all: readonly PlainMetrics[]): Promise<PlainMetrics> {
  const counts = all.map((metrics) => metrics.filter(({ type }) => ['counter', 'histogram'].includes(String(type))));
  return AggregatorRegistry.aggregate(counts).getMetricsAsJSON();
}

/** The package leaves out when the processes started; the first of them is when the proxy did. */
function withStartTime(metric: PlainMetrics[number]): PlainMetrics[number] {
  return metric.name === 'process_start_time_seconds' ? { ...metric, aggregator: 'min' } : metric;
}

function createRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** A gauge that is asked for; null takes it out of the answer, for a made-up value would be believed. */
function gauge(
  registry: Registry,
  name: string,
  help: string,
  read: () => number | null,
  aggregator: 'sum' | 'min' = 'sum',
): void {
  const asked = new Gauge({
    name: `${prefix}${name}`,
    help,
    aggregator,
    registers: [],
    collect() {
      const value = read();
      if (value === null) this.remove();
      else this.set(value);
    },
  });
  registry.registerMetric(asked);
}

/** Times that wait to be sorted into buckets at most. */
const maxNoted = 1000;

/** Gives what counts an exchange that has ended. */
function registerServing(registry: Registry, sources: ServingSources): ServingMetrics['noteExchange'] {
  const registers = [registry];
  const ended = { bytesUp: 0, bytesDown: 0 };
  const outcomes: { readonly labels: Record<'kind' | 'verdict' | 'reason', string>; count: number }[] = [];
  const exchanges = new Counter({
    name: `${prefix}exchanges_total`,
    help: 'Exchanges that ended, by what became of them; in report mode the reason is what would have refused',
    labelNames: ['kind', 'verdict', 'reason'],
    registers: [],
    collect() {
      this.reset();
      for (const { labels, count } of outcomes) this.inc(labels, count);
    },
  });
  registry.registerMetric<string>(exchanges);
  // An alert on a rate needs the zero before the first failure.
  const failed = { missing: 0, rejected: 0, throttled: 0, upstream: 0 };
  const authFailures = new Counter({
    name: `${prefix}auth_failures_total`,
    help: 'Exchanges that ended for want of credentials; missing is also how a client learns that it has to sign in',
    labelNames: ['kind'],
    registers: [],
    collect() {
      this.reset();
      for (const [kind, count] of Object.entries(failed)) this.inc({ kind }, count);
    },
  });
  registry.registerMetric<string>(authFailures);
  const noteConnect = secondsOf('connect', 'Time to connect to the destination or the parent proxy');
  const noteDns = secondsOf('dns', 'Time to look the destination up');

  /** Gives what notes milliseconds. They are sorted into the buckets together, when somebody asks or they are many. */
  function secondsOf(step: string, help: string): (ms: number | null) => void {
    const noted = new Float64Array(maxNoted);
    let count = 0;
    const sort = () => {
      for (const ms of noted.subarray(0, count)) histogram.observe(ms / 1000);
      count = 0;
    };
    const histogram = new Histogram({
      name: `${prefix}${step}_seconds`,
      help: `${help}, seen when the exchange has ended`,
      buckets,
      registers,
      collect: sort,
    });
    return (ms) => {
      if (ms === null) return;
      noted[count++] = ms;
      if (count === maxNoted) sort();
    };
  }

  gauge(registry, 'tunnels_open', 'Tunnels that flow', sources.tunnelsOpen);
  const help = 'Configurations and ranges put in force since the start';
  gauge(registry, 'config_generation', help, sources.generation, 'min');
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
  registry.registerMetric<string>(bytes);
  registerDropped(registry, sources.accessLogDropped);

  return (record) => {
    const { kind, verdict, authFailure, connectMs, dnsMs } = record;
    const reason = record.reason ?? record.wouldDeny ?? 'none';
    // They are few, and a key made of three texts would have to be hashed for each exchange.
    const outcome = outcomes.find(
      ({ labels }) => labels.kind === kind && labels.verdict === verdict && labels.reason === reason,
    );
    if (outcome) outcome.count += 1;
    else outcomes.push({ labels: { kind, verdict, reason }, count: 1 });
    if (authFailure !== null) failed[authFailure] += 1;
    noteConnect(connectMs);
    noteDns(dnsMs);
    ended.bytesUp += record.bytesUp;
    ended.bytesDown += record.bytesDown;
  };
}

function registerDropped(registry: Registry, accessLogDropped: () => number): void {
  const dropped = new Counter({
    name: `${prefix}access_log_dropped_total`,
    help: 'Lines of the access log that were lost because its reader stalled or the disk was full',
    registers: [],
    collect() {
      this.reset();
      this.inc(accessLogDropped());
    },
  });
  registry.registerMetric(dropped);
}

function registerStanding(registry: Registry, sources: StandingSources): void {
  gauge(registry, 'config_last_reload_success', 'Whether the configuration on disk is in force as last read', () =>
    Number(sources.lastReloadSucceeded()),
  );
  gauge(registry, 'ranges_age_seconds', 'Time since a refresh of the datacenter ranges last succeeded', () => {
    const freshMs = sources.ranges()?.freshMs ?? null;
    return freshMs === null ? null : Math.max(0, (sources.now() - freshMs) / 1000);
  });
  const dateHelp = 'The date of the datacenter ranges in force, since 1970';
  gauge(registry, 'ranges_document_date_seconds', dateHelp, () => {
    const ms = Date.parse(sources.ranges()?.provenance?.date ?? '');
    return Number.isNaN(ms) ? null : ms / 1000;
  });
  const refreshHelp = 'Whether the last refresh of the datacenter ranges succeeded';
  gauge(registry, 'ranges_last_refresh_success', refreshHelp, () => {
    const succeeded = sources.ranges()?.lastRefreshSucceeded ?? null;
    return succeeded === null ? null : Number(succeeded);
  });
  gauge(registry, 'workers', 'Processes that serve', sources.workers);

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
  registry.registerMetric<string>(prefixes);
}
