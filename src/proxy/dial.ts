/** Connects to judged addresses and no others: a staggered race over them (RFC 8305), the losers closed. */
import type { Socket } from 'node:net';
import type { Address } from '../address/ip.ts';
import { hostPort } from '../address/ip.ts';
import { ProxyError } from '../errors.ts';
import type { StopSignal } from '../state/stop-signal.ts';
import type { Deadline, Waiting } from './deadlines.ts';
import { Deadlines } from './deadlines.ts';
import { ignore } from './respond.ts';
import type { Connect, TunnelSocket } from './tunnel-socket.ts';
import { connectPlain } from './tunnel-socket.ts';

/** Pause before the next address is tried beside the ones already under way (RFC 8305 section 5), in milliseconds. */
const attemptDelayMs = 250;

/** What is dialled: an address, with whatever its caller knows of it. */
interface Dialable {
  readonly address: Address;
}

export interface Dialled<T extends Dialable, S extends TunnelSocket> {
  readonly socket: S;
  readonly judged: T;
}

/**
 * Dials the addresses in turn, both families alternating, until one answers. The socket comes back paused, with
 * half-open ends allowed; its errors go unheard until somebody listens.
 * @throws ProxyError `connect_timeout` after `budgetMs`, `connect_refused` when every address refused, else `connect_failed`.
 */
export function dial<T extends Dialable>(
  addresses: readonly T[],
  port: number,
  budgetMs: number,
  signal: StopSignal,
): Promise<Dialled<T, Socket>> {
  return dialBy(connectPlain, new Deadlines(), addresses, port, budgetMs, signal);
}

/** The same by another way to connect. */
export function dialBy<T extends Dialable, S extends TunnelSocket>(
  connect: Connect<S>,
  deadlines: Deadlines,
  addresses: readonly T[],
  port: number,
  budgetMs: number,
  signal: StopSignal,
): Promise<Dialled<T, S>> {
  return new Race(connect, addresses, port, signal).run(budgetMs, deadlines);
}

class Race<T extends Dialable, S extends TunnelSocket> implements Waiting {
  readonly #connect: Connect<S>;
  readonly #addresses: readonly T[];
  readonly #port: number;
  readonly #signal: StopSignal;
  readonly #outcome = Promise.withResolvers<Dialled<T, S>>();
  readonly #order: readonly T[];
  /** How many of them were tried. */
  #tried = 0;
  /** Those under way. */
  #attempts: S[] = [];
  readonly #failures: NodeJS.ErrnoException[] = [];
  #budget: Deadline | null = null;
  #stagger: NodeJS.Timeout | undefined;

  constructor(connect: Connect<S>, addresses: readonly T[], port: number, signal: StopSignal) {
    this.#connect = connect;
    this.#addresses = addresses;
    this.#port = port;
    this.#signal = signal;
    this.#order = interleave(addresses);
  }

  run(budgetMs: number, deadlines: Deadlines): Promise<Dialled<T, S>> {
    if (this.#signal.aborted) this.#onAbort();
    else {
      this.#signal.addEventListener('abort', this.#onAbort);
      this.#budget = deadlines.set(budgetMs, this);
      this.#next();
    }
    return this.#outcome.promise;
  }

  readonly #onAbort = (): void => this.#fail(this.#signal.reason);

  onDeadline(): void {
    const phrase = `Connect timeout: ${places(this.#addresses, this.#port)}`;
    this.#fail(new ProxyError('connect_timeout', { phrase }));
  }

  readonly #next = (): void => {
    clearTimeout(this.#stagger);
    const judged = this.#order[this.#tried];
    if (judged) this.#try(judged);
    else if (this.#attempts.length === 0) this.#fail(failure(this.#failures, places(this.#addresses, this.#port)));
  };

  #try(judged: T): void {
    this.#tried++;
    const socket = this.#connect(judged.address.text, this.#port);
    this.#attempts.push(socket);
    socket.pause();
    const onError = (error: NodeJS.ErrnoException) => {
      if (!this.#forget(socket)) return;
      this.#failures.push(error);
      this.#next();
    };
    const onConnect = () => {
      if (!this.#forget(socket)) return;
      this.#end();
      // What listens goes: it would be kept for as long as the tunnel lasts.
      socket.off('connect', onConnect).off('error', onError).on('error', ignore);
      this.#outcome.resolve({ socket, judged });
    };
    socket.on('error', onError);
    socket.on('connect', onConnect);
    if (this.#tried < this.#order.length) this.#stagger = setTimeout(this.#next, attemptDelayMs).unref();
  }

  /** False for an attempt that is over. */
  #forget(socket: S): boolean {
    const isUnderWay = this.#attempts.includes(socket);
    if (isUnderWay) this.#attempts = this.#attempts.filter((attempt) => attempt !== socket);
    return isUnderWay;
  }

  #fail(error: unknown): void {
    this.#end();
    this.#outcome.reject(error);
  }

  #end(): void {
    Deadlines.clear(this.#budget);
    clearTimeout(this.#stagger);
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#tried = this.#order.length;
    const losers = this.#attempts;
    this.#attempts = [];
    for (const loser of losers) loser.destroy();
  }
}

/** IPv4 first, since a virtual network always has it, then the families in turn. */
function interleave<T extends Dialable>(addresses: readonly T[]): readonly T[] {
  if (addresses.length < 2) return addresses;
  const four = addresses.filter((entry) => entry.address.family === 4);
  const six = addresses.filter((entry) => entry.address.family === 6);
  const mixed: T[] = [];
  for (let index = 0; index < Math.max(four.length, six.length); index++) {
    for (const family of [four, six]) {
      const entry = family[index];
      if (entry) mixed.push(entry);
    }
  }
  return mixed;
}

function failure(failures: readonly NodeJS.ErrnoException[], where: string): ProxyError {
  const cause = failures[0];
  if (failures.every((error) => error.code === 'ECONNREFUSED')) {
    return new ProxyError('connect_refused', { phrase: `Connection refused: ${where}`, cause });
  }
  if (failures.some((error) => error.code === 'ETIMEDOUT')) {
    return new ProxyError('connect_timeout', { phrase: `Connect timeout: ${where}`, cause });
  }
  return new ProxyError('connect_failed', { phrase: `Connect failed: ${where} ${cause?.code ?? ''}`.trimEnd(), cause });
}

function places(addresses: readonly Dialable[], port: number): string {
  const [first] = addresses;
  const more = addresses.length > 1 ? ` and ${addresses.length - 1} more` : '';
  return first ? `${hostPort(first.address.text, port)}${more}` : String(port);
}
