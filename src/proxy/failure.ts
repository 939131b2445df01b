/** What an error on the request path means for the exchange: its verdict, its reason, and what the client is told. */
import type { Reason } from '../errors.ts';
import { ProxyError } from '../errors.ts';
import type { EndedBy, Exchange, Verdict } from './exchange.ts';

/** Reasons that are the destination's or the network's doing: verdict `error`, not `deny`. */
const failures: ReadonlySet<Reason> = new Set<Reason>([
  'dns_failed',
  'dns_timeout',
  'connect_refused',
  'connect_failed',
  'connect_timeout',
  'upstream_proxy_auth',
  'upstream_proxy_refused',
  'response_invalid',
  'response_timeout',
  'internal_error',
]);

/** The verdict that belongs to a reason word. */
export function verdictOf(reason: Reason): Verdict {
  if (reason === 'credentials_missing') return 'challenge';
  return failures.has(reason) ? 'error' : 'deny';
}

/**
 * Notes an error in the exchange's record and gives back what to answer; null when nobody is left to answer. Once an
 * answer has begun its status stays. A bug is told to `onBug` with its stack and to the client as `internal_error` alone.
 */
export function explainFailure(
  exchange: Exchange,
  thrown: unknown,
  hasAnswered: boolean,
  onBug: (error: unknown, id: string) => void,
): ProxyError | null {
  const { record, signal } = exchange;
  const error = asProxyError(signal.aborted ? signal.reason : thrown, hasAnswered);
  if (error === null) return null;
  if (error.reason === 'internal_error') onBug(error.cause, record.id);
  record.verdict = verdictOf(error.reason);
  record.reason = error.reason;
  if (!hasAnswered) record.status = error.status;
  return error;
}

/** Who ended an exchange that failed; null for one that was refused, which nobody but the proxy ended. */
export function enderOf({ record, signal }: Exchange): EndedBy | null {
  if (typeof signal.reason === 'string') return signal.reason as EndedBy;
  return record.verdict === 'error' ? 'error' : null;
}

function asProxyError(cause: unknown, hasAnswered: boolean): ProxyError | null {
  if (cause instanceof ProxyError) return cause;
  if (typeof cause !== 'string') return new ProxyError('internal_error', { cause });
  return cause === 'drain' && !hasAnswered ? new ProxyError('draining') : null;
}
