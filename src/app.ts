/** The composition root: a loaded configuration becomes running parts, and running parts stop in reverse. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { hostPort } from './address/ip.ts';
import type { LoadedConfig } from './config/load.ts';
import type { Endpoint } from './config/values.ts';
import type { AccessLog } from './observe/access-log.ts';
import type { Phase } from './observe/readiness.ts';
import { createRepeatSummary } from './observe/repeat-summary.ts';
import { createSelfReport } from './observe/self-report.ts';
import type { SelfReport } from './observe/self-report.ts';
import type { ServiceLog } from './observe/service-log.ts';
import { createExchangeRegistry } from './proxy/exchange.ts';
import { probeLargeReads } from './proxy/large-reads-probe.ts';
import { createLargeReads } from './proxy/large-reads.ts';
import type { LiveTunnels } from './proxy/live-tunnels.ts';
import { createLiveTunnels } from './proxy/live-tunnels.ts';
import type { ResolverDeps } from './proxy/resolve.ts';
import { createResolve } from './proxy/resolve.ts';
import { productName } from './proxy/respond.ts';
import type { ParentConnectDeps } from './proxy/parent-connect.ts';
import { createConnectParent } from './proxy/parent-connect.ts';
import { createProxyServer } from './proxy/server.ts';
import { createConfiguredFeed, feedKey } from './state/configured-feed.ts';
import type { RangesDeps } from './state/configured-feed.ts';
import { createHashPool } from './state/hash-pool.ts';
import type { LiveMachine } from './state/machine.ts';
import { isSocketFor } from './state/passed-sockets.ts';
import type { HeldRanges } from './state/range-cache.ts';
import type { RangeFeed } from './state/range-feed.ts';
import type { Applied } from './state/reload.ts';
import { createSnapshot } from './state/snapshot.ts';
import type { Snapshot } from './state/snapshot.ts';
import { createThrottle } from './state/throttle.ts';
import { createVerifier } from './state/verify.ts';

export interface AppDeps {
  readonly accessLog: Pick<AccessLog, 'write' | 'dropped'>;
  readonly serviceLog: Pick<ServiceLog, 'info' | 'warn' | 'error'>;
  readonly machine: LiveMachine;
  readonly resolver?: ResolverDeps;
  readonly parent?: ParentConnectDeps;
  /** Where the datacenter ranges are; without it there are none, and a tag matches nothing. */
  readonly ranges?: RangesDeps;
  /** Listening sockets that were passed to this process, by their descriptors: the first is for the first of `listen`. */
  readonly descriptors?: readonly number[];
  /** What the status page calls this program's version. */
  readonly version?: string;
  /** Whether the configuration is one kept from an earlier run, because the one on disk has faults. */
  readonly startedOnLastGood?: boolean;
}

export interface App {
  /** Where clients connect, with the ports that were bound. */
  readonly listeners: readonly { readonly address: string; readonly port: number }[];
  /** Where the proxy says how it is; `health` is null unless configured. */
  readonly admin: Endpoint;
  readonly health: Endpoint | null;
  readonly noteReload: SelfReport['noteReload'];
  /** What exchanges that open now are judged by. */
  readonly snapshot: () => Snapshot;
  /** Null where the proxy was started without. */
  readonly ranges: Pick<RangeFeed, 'refresh' | 'status'> | null;
  /** The tunnels that flow. */
  readonly tunnels: Pick<LiveTunnels, 'list' | 'close'>;
  /** Whether a stop was asked for: nothing more should be sent here. */
  readonly isDraining: boolean;
  /**
   * Puts another configuration in force for exchanges that open from now on, and closes tunnels that it refuses; ranges
   * and what is known of sign-ins stay. @throws where it cannot be built, with nothing changed
   */
  replace(loaded: LoadedConfig): Applied;
  /**
   * Accepts for `graceMs` milliseconds more, then gives open exchanges `deadlineMs` milliseconds to end, then ends them;
   * each gets its log line.
   */
  stop(deadlineMs: number, graceMs?: number): Promise<void>;
}

/** How long ended exchanges may take to be closed and logged once they were told to stop, in milliseconds. */
const closingMs = 1000;
/** How often counted refusals are looked at, in milliseconds; each is said once a minute. */
const summingMs = 5000;

/** Binds every listener and serves. @throws the system's error when an address cannot be bound; nothing stays open then. */
export async function startApp(initial: LoadedConfig, deps: AppDeps): Promise<App> {
  let loaded = initial;
  const createFeedFor = (next: LoadedConfig, held: HeldRanges | null) =>
    deps.ranges === undefined
      ? null
      : createConfiguredFeed(next, deps.ranges, deps.serviceLog, held, (document) => {
          snapshot = createSnapshot(loaded, snapshot.generation + 1, document);
        });
  let feed = createFeedFor(loaded, null);
  let phase: Phase = 'starting';
  let snapshot = createSnapshot(loaded, 1, feed?.held?.document);
  const refusals = createRepeatSummary({ log: deps.serviceLog, now: () => performance.now() });
  const summing = setInterval(() => refusals.sum(), summingMs);
  const exchanges = createExchangeRegistry({
    onClose(record) {
      deps.accessLog.write('access', record);
      report.noteExchange(record);
      if (record.reason && (record.verdict === 'deny' || record.verdict === 'error')) {
        refusals.note(record.client, record.reason, { target: record.target, rule: record.rule, hint: record.hint });
      }
    },
    onTunnelOpen: (record) => deps.accessLog.write('tunnel-open', record),
    onAdmitted: (exchange) => tunnels.recheck(exchange),
  });
  const tunnels = createLiveTunnels({ all: () => exchanges.all(), current: () => snapshot, machine: deps.machine });
  const now = () => performance.now();
  const verifier = createVerifier({ pool: createHashPool(), throttle: createThrottle({ now }), now });
  const server = createProxyServer({
    current: () => snapshot,
    exchanges,
    resolve: createResolve(deps.resolver),
    connectParent: createConnectParent(deps.parent),
    machine: deps.machine,
    verifier,
    largeReads: createLargeReads(await probeLargeReads()),
    // The instance is part of the name: two of these proxies in a row are no loop.
    viaName: `${productName}-${randomBytes(4).toString('hex')}`,
    onBug: (error, id) => deps.serviceLog.error('internal_error', { id, error }),
  });
  const listeners: { address: string; port: number }[] = [];
  const report = createSelfReport({
    version: deps.version ?? '',
    phase: () => phase,
    current: () => snapshot,
    rules: () => loaded.rules,
    ranges: () => feed?.status() ?? null,
    openExchanges: () => exchanges.all(),
    tunnelsOpen: () => tunnels.list().length,
    accessLog: deps.accessLog,
    machine: deps.machine,
    proxyPort: () => listeners[0]?.port ?? 0,
    startedOnLastGood: deps.startedOnLastGood ?? false,
    onBug: (error) => deps.serviceLog.error('internal_error', { error }),
  });
  let reportedAt: Awaited<ReturnType<SelfReport['open']>>;
  try {
    // First, so that a probe sees a proxy that starts.
    reportedAt = await report.open(loaded.config);
    for (const [index, endpoint] of loaded.config.listen.entries()) {
      const fd = deps.descriptors?.[index];
      const keys = loaded.listenerKeys[index] ?? null;
      const bound = fd === undefined ? null : await server.listenOn(fd, keys);
      if (bound && !isSocketFor(endpoint, bound)) throw new Error(mismatch(endpoint, bound));
      const listener = bound ?? (await server.listen(endpoint.address, endpoint.port, keys));
      listeners.push(listener);
      // At once: the other listeners may take a while to bind, and this one is accepting.
      deps.machine.addListener(listener.address, listener.port);
    }
  } catch (error) {
    void server.stopAccepting();
    report.close();
    clearInterval(summing);
    throw error;
  }
  phase = 'ready';
  feed?.start();

  return {
    listeners,
    ...reportedAt,
    noteReload: (done) => report.noteReload(done),
    snapshot: () => snapshot,
    get ranges() {
      return feed;
    },
    tunnels,
    get isDraining() {
      return phase === 'draining';
    },
    replace(next) {
      const takesOver = feedKey(next) === feedKey(loaded);
      const isSameCloud = next.config.cloud === loaded.config.cloud;
      const nextFeed = takesOver ? feed : createFeedFor(next, isSameCloud ? (feed?.held ?? null) : null);
      const nextSnapshot = createSnapshot(next, snapshot.generation + 1, nextFeed?.held?.document);
      const oldFeed = feed;
      for (const [index, keys] of next.listenerKeys.entries()) if (keys) server.replaceKeys(index, keys);
      [loaded, feed, snapshot] = [next, nextFeed, nextSnapshot];
      if (!takesOver) {
        void oldFeed?.stop();
        if (phase !== 'draining') nextFeed?.start();
      }
      return { generation: snapshot.generation, closedTunnels: tunnels.recheckAll() };
    },
    async stop(deadlineMs, graceMs = 0) {
      phase = 'draining';
      if (graceMs > 0) await sleep(graceMs);
      const accepted = server.stopAccepting();
      await feed?.stop();
      await within(
        deadlineMs,
        accepted.then(() => exchanges.whenIdle()),
      );
      exchanges.abortAll('drain');
      await within(closingMs, exchanges.whenIdle());
      server.destroyConnections();
      await verifier.close();
      report.close();
      clearInterval(summing);
      refusals.sumAll();
    },
  };
}

function mismatch(listen: Endpoint, bound: Endpoint): string {
  const [asked, found] = [listen, bound].map(({ address, port }) => hostPort(address, port));
  return `the socket unit passes ${found} where \`listen\` has ${asked}; write the same in both, in the same order`;
}

/** Waits for a promise, but no longer than so many milliseconds. */
async function within(ms: number, promise: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([promise, new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}
