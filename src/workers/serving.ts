/** The part of the proxy that serves clients, in one process: listeners, exchanges, tunnels. */
import type { LoadedConfig } from '../config/load.ts';
import type { ListenerKeys } from '../config/listener-keys.ts';
import type { Endpoint } from '../config/values.ts';
import type { AccessLog } from '../observe/access-log.ts';
import type { ServiceLog } from '../observe/service-log.ts';
import type { Admission } from '../proxy/connections.ts';
import type { Exchange, ExchangeRecord } from '../proxy/exchange.ts';
import { createExchangeRegistry } from '../proxy/exchange.ts';
import { probeBareSockets } from '../proxy/bare-sockets-probe.ts';
import { createLargeReads } from '../proxy/large-reads.ts';
import type { LiveTunnels } from '../proxy/live-tunnels.ts';
import { createLiveTunnels } from '../proxy/live-tunnels.ts';
import type { ParentConnectDeps } from '../proxy/parent-connect.ts';
import { createConnectParent } from '../proxy/parent-connect.ts';
import type { ResolverDeps } from '../proxy/resolve.ts';
import { createResolve } from '../proxy/resolve.ts';
import { createProxyServer } from '../proxy/server.ts';
import type { LiveMachine } from '../state/machine.ts';
import type { Snapshot } from '../state/snapshot.ts';
import type { Verifier } from '../state/verify.ts';

export interface ServingDeps {
  readonly accessLog: Pick<AccessLog, 'write'>;
  readonly serviceLog: Pick<ServiceLog, 'error'>;
  readonly machine: LiveMachine;
  readonly verifier: Verifier;
  readonly admission?: Admission | undefined;
  readonly resolver?: ResolverDeps | undefined;
  readonly parent?: ParentConnectDeps | undefined;
  /** How this proxy calls itself in Via, the same in all of its processes. */
  readonly viaName: string;
  /** Told of each exchange when it has ended. */
  readonly onExchange: (record: ExchangeRecord) => void;
}

export interface Serving {
  /** What exchanges that open now are judged by. */
  readonly current: () => Snapshot;
  readonly exchanges: () => Iterable<Exchange>;
  readonly tunnels: Pick<LiveTunnels, 'list' | 'close'>;
  /** Connections of clients that are open. */
  readonly connections: () => number;
  /** Binds an address and accepts there. */
  listen(endpoint: Endpoint, keys: ListenerKeys | null): Promise<Endpoint>;
  /** Accepts on a socket that somebody else opened, by its descriptor. */
  listenOn(fd: number, keys: ListenerKeys | null): Promise<Endpoint>;
  /** Puts another snapshot in force, and other keys for handshakes to come. @throws where keys do not serve */
  replace(snapshot: Snapshot, listenerKeys: LoadedConfig['listenerKeys']): void;
  /** Closes what flows and the rules in force refuse; gives how many tunnels that were. */
  recheck(): number;
  /** Stops accepting, gives exchanges `deadlineMs` milliseconds to end, then ends them; each gets its log line. */
  stop(deadlineMs: number): Promise<void>;
}

/** How long ended exchanges may take to be closed and logged once they were told to stop, in milliseconds. */
export const closingMs = 1000;

export async function createServing(initial: Snapshot, deps: ServingDeps): Promise<Serving> {
  let snapshot = initial;
  const exchanges = createExchangeRegistry({
    onClose(record) {
      deps.accessLog.write('access', record);
      deps.onExchange(record);
    },
    onTunnelOpen: (record) => deps.accessLog.write('tunnel-open', record),
    onAdmitted: (exchange) => tunnels.recheck(exchange),
  });
  const tunnels = createLiveTunnels({ all: () => exchanges.all(), current: () => snapshot, machine: deps.machine });
  const bareSockets = await probeBareSockets();
  const server = createProxyServer({
    current: () => snapshot,
    exchanges,
    resolve: createResolve(deps.resolver),
    connectParent: createConnectParent(deps.parent),
    machine: deps.machine,
    verifier: deps.verifier,
    admission: deps.admission,
    largeReads: createLargeReads(),
    bareSockets,
    viaName: deps.viaName,
    onBug: (error, id) => deps.serviceLog.error('internal_error', { id, error }),
  });
  return {
    current: () => snapshot,
    exchanges: () => exchanges.all(),
    connections: () => server.connectionCount,
    tunnels,
    listen: ({ address, port }, keys) => server.listen(address, port, keys),
    listenOn: (fd, keys) => server.listenOn(fd, keys),
    replace(next, listenerKeys) {
      for (const [index, keys] of listenerKeys.entries()) if (keys) server.replaceKeys(index, keys);
      snapshot = next;
    },
    recheck: () => tunnels.recheckAll(),
    async stop(deadlineMs) {
      const accepted = server.stopAccepting();
      await within(
        deadlineMs,
        accepted.then(() => exchanges.whenIdle()),
      );
      exchanges.abortAll('drain');
      await within(closingMs, exchanges.whenIdle());
      server.destroyConnections();
    },
  };
}

/** Waits for a promise, but no longer than so many milliseconds. */
export async function within(ms: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([promise, new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}
