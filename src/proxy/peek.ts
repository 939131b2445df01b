/** Waits for the ClientHello of a tunnel, whole, over whatever segments it comes in. */
import { ProxyError } from '../errors.ts';
import type { ClientHello } from '../message/client-hello.ts';
import { ClientHelloReader } from '../message/client-hello.ts';
import { Deadlines } from './deadlines.ts';
import type { Exchange } from './exchange.ts';
import type { HeldClient } from './hold.ts';

/** So much of a ClientHello is read at most, in bytes. */
export const maxHelloBytes = 64 * 1024;

/** A verdict over the first bytes, or `closed` when the client closed its half without sending any. */
export type Peeked = Exclude<ClientHello, { type: 'incomplete' }> | { readonly type: 'closed' };

/**
 * Reads until the ClientHello is whole or cannot be one.
 * @throws ProxyError `tls_timeout` after `budgetMs`, or the signal's reason.
 */
export function peekClientHello(
  held: HeldClient,
  budgetMs: number,
  { signal, deadlines }: Pick<Exchange, 'signal' | 'deadlines'>,
): Promise<Peeked> {
  return new Promise((resolve, reject) => {
    const reader = new ClientHelloReader(maxHelloBytes);
    let hasBytes = false;
    const settle = (outcome: () => void) => {
      Deadlines.clear(deadline);
      signal.removeEventListener('abort', onAbort);
      outcome();
    };
    const onAbort = () => settle(() => reject(signal.reason));
    const onDeadline = () => settle(() => reject(new ProxyError('tls_timeout')));
    const deadline = deadlines.set(budgetMs, { onDeadline });
    signal.addEventListener('abort', onAbort, { once: true });
    held.onBytes((bytes) => {
      hasBytes = true;
      const hello = reader.push(bytes);
      if (hello.type !== 'incomplete') settle(() => resolve(hello));
    });
    held.onEnd(() =>
      settle(() => resolve(hasBytes ? { type: 'not_tls', why: 'closed inside the ClientHello' } : { type: 'closed' })),
    );
    if (signal.aborted) onAbort();
  });
}
