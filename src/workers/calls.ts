/** What the primary asks of its workers, and they of it. Everything here goes over a channel as it is: plain data. */
import type { Config } from '../config/config.ts';
import type { ListenerKeys } from '../config/listener-keys.ts';
import type { Endpoint } from '../config/values.ts';
import type { PlainMetrics } from '../observe/metrics.ts';
import type { StatusFigures } from '../observe/status/figures.ts';
import type { ExchangeRecord } from '../proxy/exchange.ts';
import type { Attempt, Verification } from '../state/verify.ts';
import type { Generation } from './generation.ts';
import type { ToLeases, ToLedger } from './permits.ts';

/** What a worker begins with. */
export interface Beginning {
  readonly generation: Generation;
  /** The listening sockets by their descriptors, each with what it needs to speak TLS. */
  readonly sockets: readonly { readonly fd: number; readonly keys: ListenerKeys | null }[];
  /** Everything that the proxy listens on, which no target may be. */
  readonly ownListeners: readonly Endpoint[];
  readonly viaName: string;
  /** The file of the access log; null: its lines go through the primary. */
  readonly accessFile: string | null;
  readonly format: Config['log']['format'];
}

/** What a worker has counted so far. */
export interface WorkerCounts {
  /** Connections of clients that are open. */
  readonly connections: number;
  readonly metrics: PlainMetrics;
  readonly figures: StatusFigures;
}

/** One line of the service log. */
export interface ServiceLine {
  readonly level: 'info' | 'warn' | 'error';
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message?: string | undefined;
}

export type WorkerCalls = {
  /** Answered when the worker accepts. */
  readonly begin: (given: Beginning) => Promise<void>;
  readonly permits: (message: ToLeases) => void;
  /** Answered with the tunnels closed, when nothing is judged by the rules before any more. */
  readonly generation: (given: { readonly generation: Generation; readonly recheck: boolean }) => Promise<number>;
  readonly tunnels: (given: null) => readonly ExchangeRecord[];
  readonly close: (id: string) => boolean;
  readonly counts: (given: null) => Promise<WorkerCounts>;
  readonly reopen: (given: null) => void;
  /** Stops accepting, and is answered with the last counts when every exchange has ended and its line is out. */
  readonly stop: (deadlineMs: number) => Promise<WorkerCounts>;
};

export type PrimaryCalls = {
  readonly permits: (message: ToLedger) => void;
  /** Whole lines of the access log. */
  readonly lines: (text: string) => void;
  /** An exchange whose lines are limited over all workers. */
  readonly limited: (record: ExchangeRecord) => void;
  /** A refusal for the service log, which says repeats once. */
  readonly refused: (record: Refusal) => void;
  readonly log: (line: ServiceLine) => void;
  readonly verify: (given: { readonly id: number; readonly attempt: Attempt }) => Promise<Verification>;
  /** Nobody waits for that verification any more. */
  readonly giveUp: (id: number) => void;
  /** The worker has met a bug, stops accepting, and ends: another is wanted in its place. */
  readonly failing: (given: null) => void;
  /** What a worker has counted that ends without having been asked to. */
  readonly lastCounts: (counts: WorkerCounts) => void;
};

export type Refusal = Pick<ExchangeRecord, 'client' | 'target' | 'rule' | 'hint'> & { readonly reason: string };

/** What of an exchange the service log says; null where it says nothing. */
export function refusalOf({ verdict, reason, client, target, rule, hint }: ExchangeRecord): Refusal | null {
  if (reason === null || (verdict !== 'deny' && verdict !== 'error')) return null;
  return { client, reason, target, rule, hint };
}
