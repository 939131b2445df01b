/** Credentials of a worker's clients, verified by the primary: what one guesses counts over all workers. */
import type { Verifier } from '../state/verify.ts';
import type { PrimaryCalls } from './calls.ts';
import type { Channel } from './channel.ts';

export function createRelayedVerifier(primary: () => Channel<PrimaryCalls>): Verifier {
  let count = 0;
  return {
    async verify(attempt, signal) {
      signal.throwIfAborted();
      const id = count++;
      const onAbort = () => primary().tell('giveUp', id);
      signal.addEventListener('abort', onAbort, { once: true });
      try {
        const verification = await primary().ask('verify', { id, attempt });
        signal.throwIfAborted();
        return verification;
      } catch (error) {
        signal.throwIfAborted();
        throw error;
      } finally {
        signal.removeEventListener('abort', onAbort);
      }
    },
    close: () => Promise.resolve(),
  };
}
