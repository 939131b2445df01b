/** A wait on a connected socket that cannot last: whatever goes wrong ends the wait, and the socket with it. */
import type { Socket } from 'node:net';
import { ProxyError } from '../errors.ts';
import type { StopSignal } from '../state/stop-signal.ts';
import { ignore } from './respond.ts';

/** How long the steps to a destination may take together, and what ends them early. */
export interface Budget {
  /** On the clock of `performance.now()`. */
  readonly endsAt: number;
  readonly signal: StopSignal;
}

/** What is left of a budget, in milliseconds, for a timer. */
export function leftMs({ endsAt }: Budget): number {
  return Math.max(1, Math.ceil(endsAt - performance.now()));
}

/** What of a wait is its own; `begin` gives back what is to be done when it is over, whichever way. */
export interface Wait<T> {
  /** Who is waited for, in the phrase of a failure. */
  readonly whom: string;
  readonly begin: (done: (value: T) => void, fail: (error: unknown) => void) => () => void;
}

/**
 * Waits until `begin` is done or has failed.
 * @throws ProxyError `connect_timeout` at the end of the budget, `connect_failed` when the socket goes, the signal's reason.
 */
export function waitOnSocket<T>(socket: Socket, budget: Budget, { whom, begin }: Wait<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const { signal } = budget;
    const settle = (outcome: () => void) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.off('error', onError);
      socket.off('close', onClose);
      end();
      outcome();
    };
    const fail = (error: unknown) =>
      settle(() => {
        socket.destroy();
        reject(error);
      });
    const onAbort = () => fail(signal.reason);
    const onError = (cause: NodeJS.ErrnoException) =>
      fail(
        new ProxyError('connect_failed', { phrase: `Connect failed: ${whom} ${cause.code ?? ''}`.trimEnd(), cause }),
      );
    const onClose = () => fail(new ProxyError('connect_failed', { phrase: `Connect failed: ${whom} closed` }));
    const timer = setTimeout(
      () => fail(new ProxyError('connect_timeout', { phrase: `Connect timeout: ${whom}` })),
      leftMs(budget),
    );
    // Whoever waits next listens for itself; what happens in between must not end the process.
    socket.on('error', ignore);
    socket.on('error', onError);
    socket.on('close', onClose);
    signal.addEventListener('abort', onAbort, { once: true });
    const end = begin((value) => settle(() => resolve(value)), fail);
    if (signal.aborted) onAbort();
    else if (socket.destroyed) onClose();
  });
}
