/** The composition root: a loaded configuration becomes running parts, and running parts stop in reverse. */
import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { hostPort } from './address/ip.ts';
import type { LoadedConfig } from './config/load.ts';
import type { Endpoint } from './config/values.ts';
import type { AccessLog } from './observe/access-log.ts';
import { createLimitWatch } from './observe/limit-watch.ts';
import type { Phase } from './observe/readiness.ts';
import { createRepeatSummary } from './observe/repeat-summary.ts';
import { createSelfReport } from './observe/self-report.ts';
import type { SelfReport } from './observe/self-report.ts';
import type { ServiceLog } from './observe/service-log.ts';
import type { ExchangeRecord } from './proxy/exchange.ts';
import type { ParentConnectDeps } from './proxy/parent-connect.ts';
import type { ResolverDeps } from './proxy/resolve.ts';
import { productName } from './proxy/respond.ts';
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
import type { Refusal } from './workers/calls.ts';
import { refusalOf } from './workers/calls.ts';
import type { Crew } from './workers/crew.ts';
import { createCrewOfOne } from './workers/crew.ts';
import { createPool } from './workers/pool.ts';
import { createServing } from './workers/serving.ts';
import { canShareSockets } from './workers/shared-socket.ts';

export interface AppDeps {
  readonly accessLog: Pick<AccessLog, 'write' | 'relay' | 'dropped'>;
  /** The file that several processes may append lines of the access log to; unless given one process writes them all. */
  readonly accessFile?: string | null;
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
  /** The tunnels that flow: what is known of each, and how to close one by its id. */
  readonly tunnels: {
    list(): Promise<readonly ExchangeRecord[]>;
    close(id: string): Promise<boolean>;
  };
  /** The processes that serve, and how many there are. */
  readonly workers: Crew['workers'];
  readonly workerCount: number;
  /** Whether a stop was asked for: nothing more should be sent here. */
  readonly isDraining: boolean;
  /**
   * Puts another configuration in force for exchanges that open from now on, and closes tunnels that it refuses; ranges
   * and what is known of sign-ins stay. Resolves when it holds everywhere, and rejects where it cannot be built, with
   * nothing changed.
   */
  replace(loaded: LoadedConfig): Promise<Applied>;
  /** Goes on in new log files where processes of their own write to them. */
  reopenLogs(): void;
  /**
   * Accepts for `graceMs` milliseconds more, then gives open exchanges `deadlineMs` milliseconds to end, then ends them;
   * each gets its log line.
   */
  stop(deadlineMs: number, graceMs?: number): Promise<void>;
  /** Leaves no process behind when this one ends without having stopped. */
  abandon(): void;
}

/** How often counted refusals and open connections are looked at, in milliseconds. */
const summingMs = 5000;

/** Binds every listener and serves. @throws the system's error when an address cannot be bound; nothing stays open then. */
export async function startApp(initial: LoadedConfig, deps: AppDeps): Promise<App> {
  let loaded = initial;
  const createFeedFor = (next: LoadedConfig, held: HeldRanges | null) =>
    deps.ranges === undefined
      ? null
      : createConfiguredFeed(next, deps.ranges, deps.serviceLog, held, (document) => {
          const next = createSnapshot(loaded, snapshot.generation + 1, document);
          void crew.replace({ loaded, document, snapshot: next }, false);
          snapshot = next;
        });
  let feed = createFeedFor(loaded, null);
  let phase: Phase = 'starting';
  let snapshot = createSnapshot(loaded, 1, feed?.held?.document);
  const refusals = createRepeatSummary({ log: deps.serviceLog, now: () => performance.now() });
  const limits = createLimitWatch({
    log: deps.serviceLog,
    open: () => crew.connections(),
    limit: () => snapshot.config.limits.connections,
  });
  const summing = setInterval(() => {
    refusals.sum();
    if (phase === 'ready') limits.look();
  }, summingMs);
  const onRefused = (refusal: Refusal) => refusals.note(refusal);
  const now = () => performance.now();
  const verifier = createVerifier({ pool: createHashPool(), throttle: createThrottle({ now }), now });
  // The instance is part of the name: two of these proxies in a row are no loop.
  const viaName = `${productName}-${randomBytes(4).toString('hex')}`;
  const listeners: Endpoint[] = [];
  const ownListeners: Endpoint[] = [];
  const machine: LiveMachine = {
    ...deps.machine,
    addListener(address, port) {
      ownListeners.push({ address, port });
      deps.machine.addListener(address, port);
    },
  };
  const onListening = (index: number, bound: Endpoint, isPassed: boolean): void => {
    const endpoint = loaded.config.listen[index];
    if (endpoint && isPassed && !isSocketFor(endpoint, bound)) throw new Error(mismatch(endpoint, bound));
    listeners.push(bound);
    machine.addListener(bound.address, bound.port);
  };
  const crew = await createCrew();

  async function createCrew(): Promise<Crew> {
    const { accessLog, serviceLog, accessFile = null } = deps;
    const size = workersOf(loaded, serviceLog);
    if (size > 1) {
      const log = { accessLog, accessFile, serviceLog };
      return createPool({ ...log, size, verifier, viaName, onListening, onRefused, ownListeners: () => ownListeners });
    }
    const serving = await createServing(snapshot, {
      accessLog,
      serviceLog,
      machine,
      verifier,
      resolver: deps.resolver,
      parent: deps.parent,
      viaName,
      onExchange(record) {
        report.noteExchange(record);
        const refusal = refusalOf(record);
        if (refusal) onRefused(refusal);
      },
    });
    return createCrewOfOne(serving, onListening);
  }

  const report = createSelfReport({
    version: deps.version ?? '',
    phase: () => phase,
    current: () => snapshot,
    rules: () => loaded.rules,
    ranges: () => feed?.status() ?? null,
    openExchanges: crew.openExchanges,
    tunnelsOpen: crew.tunnelsHere,
    accessLog: deps.accessLog,
    machine,
    others: crew.processes,
    proxyPort: () => listeners[0]?.port ?? 0,
    startedOnLastGood: deps.startedOnLastGood ?? false,
    onBug: (error) => deps.serviceLog.error('internal_error', { error }),
  });
  let reportedAt: Awaited<ReturnType<SelfReport['open']>>;
  try {
    // First, so that a probe sees a proxy that starts.
    reportedAt = await report.open(loaded.config);
    await crew.open({ loaded, document: feed?.held?.document ?? null, snapshot }, deps.descriptors ?? []);
  } catch (error) {
    crew.abandon();
    void crew.stop(0);
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
    tunnels: { list: () => crew.tunnels(), close: (id) => crew.close(id) },
    workers: () => crew.workers(),
    get workerCount() {
      return crew.processes?.count() ?? 1;
    },
    reopenLogs: () => crew.reopenLogs(),
    abandon: () => crew.abandon(),
    get isDraining() {
      return phase === 'draining';
    },
    async replace(next) {
      const takesOver = feedKey(next) === feedKey(loaded);
      const isSameCloud = next.config.cloud === loaded.config.cloud;
      const nextFeed = takesOver ? feed : createFeedFor(next, isSameCloud ? (feed?.held ?? null) : null);
      const document = nextFeed?.held?.document ?? null;
      const nextSnapshot = createSnapshot(next, snapshot.generation + 1, document);
      const oldFeed = feed;
      const replacing = crew.replace({ loaded: next, document, snapshot: nextSnapshot }, true);
      [loaded, feed, snapshot] = [next, nextFeed, nextSnapshot];
      if (!takesOver) {
        void oldFeed?.stop();
        if (phase !== 'draining') nextFeed?.start();
      }
      return { generation: nextSnapshot.generation, closedTunnels: await replacing };
    },
    async stop(deadlineMs, graceMs = 0) {
      phase = 'draining';
      if (graceMs > 0) await sleep(graceMs);
      const stopping = crew.stop(deadlineMs);
      await feed?.stop();
      await stopping;
      await verifier.close();
      report.close();
      clearInterval(summing);
      refusals.sumAll();
    },
  };
}

/** How many processes are to serve: one, where this platform cannot share listening sockets among more. */
function workersOf({ config }: LoadedConfig, serviceLog: AppDeps['serviceLog']): number {
  const wanted = config.workers === 'auto' ? availableParallelism() : config.workers;
  if (wanted === 1 || canShareSockets()) return wanted;
  const message = 'listening sockets cannot be shared among processes here: one process serves';
  const isAsked = config.workers !== 'auto';
  serviceLog[isAsked ? 'warn' : 'info']('workers_unavailable', { wanted }, message);
  return 1;
}

function mismatch(listen: Endpoint, bound: Endpoint): string {
  const [asked, found] = [listen, bound].map(({ address, port }) => hostPort(address, port));
  return `the socket unit passes ${found} where \`listen\` has ${asked}; write the same in both, in the same order`;
}
