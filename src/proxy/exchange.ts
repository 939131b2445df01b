/**
 * One exchange: what a client asked and what became of it. Each step fills the record, `close` hands it over once.
 * The exchange looks after the client socket's end from the tick in which it opens.
 */
import type { Address } from '../address/ip.ts';
import type { ProxyError, Reason } from '../errors.ts';
import type { AdmittedTunnel } from '../policy/rejudge.ts';
import type { Kind } from '../policy/rule.ts';
import type { Snapshot } from '../state/snapshot.ts';
import { Stop } from '../state/stop-signal.ts';
import type { StopSignal } from '../state/stop-signal.ts';
import type { Deadline, Waiting } from './deadlines.ts';
import { Deadlines } from './deadlines.ts';
import type { Entry } from './open-list.ts';
import { OpenList } from './open-list.ts';
import type { ClientSocket } from './tunnel-socket.ts';

export type Verdict = 'allow' | 'deny' | 'challenge' | 'would_deny' | 'error';
export type EndedBy = 'client' | 'destination' | 'idle' | 'drain' | 'reload' | 'operator' | 'error';

/** Everything the access log says of an exchange; times in milliseconds, counts in bytes. */
export interface ExchangeRecord {
  id: string;
  kind: Kind | 'connection';
  startTime: number;
  endTime: number;
  client: string;
  clientPort: number;
  user: string | null;
  userAgent: string | null;
  method: string | null;
  target: string | null;
  path: string | null;
  verdict: Verdict;
  reason: Reason | null;
  wouldDeny: Reason | null;
  authFailure: 'missing' | 'rejected' | 'throttled' | 'upstream' | null;
  /** The scheme of the credentials that came, as the client wrote it, and the one that was asked for. */
  authScheme: string | null;
  authOffered: string | null;
  rule: string | null;
  ruleText: string | null;
  status: number | null;
  address: string | null;
  tlsServerName: string | null;
  dnsMs: number | null;
  connectMs: number | null;
  durationMs: number;
  bytesUp: number;
  bytesDown: number;
  endedBy: EndedBy | null;
  configHash: string;
  /** What an operator would do about it, where the line alone does not say. */
  hint: string | null;
}

export interface Exchange {
  readonly record: ExchangeRecord;
  readonly client: Address;
  readonly snapshot: Snapshot;
  /** Fires when the exchange has to stop; its reason is what was given to `abort`. */
  readonly signal: StopSignal;
  /** Where its steps set their deadlines. */
  readonly deadlines: Deadlines;
  /** Stops whatever the exchange waits for: somebody ended it, or an error that is still to be answered. */
  abort(cause: EndedBy | ProxyError): void;
  /** What it was let in for, from the moment it flows, so that other rules can judge it again; null before. */
  readonly admitted: AdmittedTunnel | null;
  /** A request of plain http is on its way to its destination. */
  admit(admitted: AdmittedTunnel): void;
  /** The tunnel flows: from here on the relay looks after the client socket. */
  startTunnel(tunnel: AdmittedTunnel): void;
  /** Ends the exchange; calls after the first do nothing. */
  close(endedBy: EndedBy | null): void;
}

/** What an exchange needs from outside; `onClose` gets each record exactly once. */
export interface ExchangeDeps {
  readonly onClose: (record: ExchangeRecord) => void;
  readonly onTunnelOpen: (record: ExchangeRecord) => void;
  /** Told of each exchange as it begins to flow: the rules may have changed since it was judged. */
  readonly onAdmitted?: (exchange: Exchange) => void;
}

/** Opens exchanges and knows those that are open, so that a drain finds them. */
export interface ExchangeRegistry {
  open(kind: ExchangeRecord['kind'], socket: ClientSocket, client: Address, snapshot: Snapshot): Exchange;
  /** The exchanges that are open, oldest first. */
  all(): Iterable<Exchange>;
  /** Stops every open exchange. */
  abortAll(endedBy: EndedBy): void;
  readonly openCount: number;
  /** Resolves when no exchange is open. */
  whenIdle(): Promise<void>;
}

export function createExchangeRegistry(deps: ExchangeDeps): ExchangeRegistry {
  const openExchanges = new OpenList<Exchange>();
  const waiting: (() => void)[] = [];
  const prefix = `${Math.floor(Math.random() * 36 ** 5)
    .toString(36)
    .padStart(5, '0')}-`;
  let count = 0;

  const registry: Registry = {
    ...deps,
    deadlines: new Deadlines(),
    openExchanges,
    onNoneLeft: () => waiting.splice(0).forEach((resolve) => resolve()),
  };

  function open(kind: ExchangeRecord['kind'], socket: ClientSocket, client: Address, snapshot: Snapshot): Exchange {
    const id = `${prefix}${(count++).toString(36)}`;
    const record = newRecord(id, kind, client, socket.remotePort ?? 0, snapshot.configHash);
    return new OpenExchange(registry, record, socket, client, snapshot);
  }

  return {
    open,
    all: () => openExchanges,
    abortAll(endedBy) {
      for (const exchange of openExchanges) exchange.abort(endedBy);
    },
    get openCount() {
      return openExchanges.size;
    },
    whenIdle: () => (openExchanges.size === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  };
}

/** What exchanges share. */
interface Registry extends ExchangeDeps {
  readonly deadlines: Deadlines;
  readonly openExchanges: OpenList<Exchange>;
  readonly onNoneLeft: () => void;
}

class OpenExchange implements Exchange, Waiting {
  readonly record: ExchangeRecord;
  readonly client: Address;
  readonly snapshot: Snapshot;
  readonly deadlines: Deadlines;
  readonly signal = new Stop();
  admitted: AdmittedTunnel | null = null;
  readonly #registry: Registry;
  readonly #entry: Entry<Exchange>;
  readonly #started = performance.now();
  readonly #onGone = () => this.abort('client');
  /** The client's, while its end is the exchange's. */
  #socket: ClientSocket | null;
  #tunnelOpen: Deadline | null = null;
  #isClosed = false;

  constructor(registry: Registry, record: ExchangeRecord, socket: ClientSocket, client: Address, snapshot: Snapshot) {
    this.#registry = registry;
    this.deadlines = registry.deadlines;
    this.#entry = registry.openExchanges.add(this);
    this.record = record;
    this.#socket = socket;
    this.client = client;
    this.snapshot = snapshot;
    socket.on('close', this.#onGone);
  }

  abort(cause: EndedBy | ProxyError): void {
    this.signal.abort(cause);
  }

  admit(admitted: AdmittedTunnel): void {
    this.admitted = admitted;
    this.#registry.onAdmitted?.(this);
  }

  startTunnel(tunnel: AdmittedTunnel): void {
    this.#releaseSocket();
    this.#tunnelOpen = this.deadlines.set(this.snapshot.config.log.tunnelOpenAfterMs, this);
    this.admit(tunnel);
  }

  onDeadline(): void {
    this.#stampEnd();
    this.#registry.onTunnelOpen(this.record);
  }

  close(endedBy: EndedBy | null): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    Deadlines.clear(this.#tunnelOpen);
    this.#releaseSocket();
    const { openExchanges, onClose, onNoneLeft } = this.#registry;
    openExchanges.remove(this.#entry);
    this.#stampEnd();
    this.record.endedBy = endedBy;
    onClose(this.record);
    if (openExchanges.size === 0) onNoneLeft();
  }

  #releaseSocket(): void {
    this.#socket?.off('close', this.#onGone);
    this.#socket = null;
  }

  #stampEnd(): void {
    this.record.endTime = Date.now();
    this.record.durationMs = Math.round(performance.now() - this.#started);
  }
}

function newRecord(
  id: string,
  kind: ExchangeRecord['kind'],
  client: Address,
  clientPort: number,
  configHash: string,
): ExchangeRecord {
  const now = Date.now();
  return {
    id,
    kind,
    startTime: now,
    endTime: now,
    client: client.text,
    clientPort,
    user: null,
    userAgent: null,
    method: null,
    target: null,
    path: null,
    verdict: 'allow',
    reason: null,
    wouldDeny: null,
    authFailure: null,
    authScheme: null,
    authOffered: null,
    rule: null,
    ruleText: null,
    status: null,
    address: null,
    tlsServerName: null,
    dnsMs: null,
    connectMs: null,
    durationMs: 0,
    bytesUp: 0,
    bytesDown: 0,
    endedBy: null,
    configHash,
    hint: null,
  };
}
