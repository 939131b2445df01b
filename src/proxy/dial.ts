/** Connects to judged addresses and no others: a staggered race over them (RFC 8305), the losers closed. */
import net from 'node:net';
import type { Address } from '../address/ip.ts';
import { hostPort } from '../address/ip.ts';
import { ProxyError } from '../errors.ts';

/** Pause before the next address is tried beside the ones already under way (RFC 8305 section 5), in milliseconds. */
const attemptDelayMs = 250;

/** What is dialled: an address, with whatever its caller knows of it. */
interface Dialable {
  readonly address: Address;
}

export interface Dialled<T extends Dialable> {
  readonly socket: net.Socket;
  readonly judged: T;
}

/**
 * Dials the addresses in turn, both families alternating, until one answers. The socket comes back paused, with
 * half-open ends allowed.
 * @throws ProxyError `connect_timeout` after `budgetMs`, `connect_refused` when every address refused, else `connect_failed`.
 */
export function dial<T extends Dialable>(
  addresses: readonly T[],
  port: number,
  budgetMs: number,
  signal: AbortSignal,
): Promise<Dialled<T>> {
  return new Promise((resolve, reject) => {
    const waiting = interleave(addresses);
    const attempts = new Set<net.Socket>();
    const failures: NodeJS.ErrnoException[] = [];
    let stagger: NodeJS.Timeout | undefined;

    const settle = (outcome: () => void, winner?: net.Socket) => {
      clearTimeout(budget);
      clearTimeout(stagger);
      signal.removeEventListener('abort', onAbort);
      attempts.delete(winner as net.Socket);
      waiting.length = 0;
      for (const loser of attempts) loser.destroy();
      attempts.clear();
      outcome();
    };
    const onAbort = () => settle(() => reject(signal.reason as Error));
    const budget = setTimeout(
      () =>
        settle(() =>
          reject(new ProxyError('connect_timeout', { phrase: `Connect timeout: ${places(addresses, port)}` })),
        ),
      budgetMs,
    );

    const next = () => {
      clearTimeout(stagger);
      const judged = waiting.shift();
      if (!judged) {
        if (attempts.size === 0) settle(() => reject(failure(failures, places(addresses, port))));
        return;
      }
      const socket = net.connect({
        host: judged.address.text,
        port,
        allowHalfOpen: true,
        noDelay: true,
      });
      attempts.add(socket);
      socket.pause();
      const onError = (error: NodeJS.ErrnoException) => {
        if (!attempts.delete(socket)) return;
        failures.push(error);
        next();
      };
      socket.on('error', onError);
      socket.once('connect', () => settle(() => resolve({ socket, judged }), socket));
      if (waiting.length > 0) stagger = setTimeout(next, attemptDelayMs);
    };

    if (signal.aborted) onAbort();
    else {
      signal.addEventListener('abort', onAbort, { once: true });
      next();
    }
  });
}

/** IPv4 first, since a virtual network always has it, then the families in turn. */
function interleave<T extends Dialable>(addresses: readonly T[]): T[] {
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
