/** Through a parent proxy: what has been judged here goes on to it, by address or by name, under our own credential. */
import type { Socket } from 'node:net';
import type { Address } from '../address/ip.ts';
import { hostPort } from '../address/ip.ts';
import { ProxyError } from '../errors.ts';
import { viaValue } from '../message/fields.ts';
import type { Question } from '../policy/decide.ts';
import type { ParentProxy } from '../state/parent-proxy.ts';
import type { Sender } from './authenticate.ts';
import type { Exchange } from './exchange.ts';
import type { ConnectParent } from './parent-connect.ts';
import { askParent } from './parent-tunnel.ts';
import type { Budget } from './wait-on-socket.ts';

export interface ParentDeps {
  readonly connectParent: ConnectParent;
  /** Our name in `Via`, this instance's own: a request that carries it has been here. */
  readonly viaName: string;
}

/** A way through the parent: to the destination, or (`isAbsolute`) to the parent that is still to be asked. */
export interface ParentPassage {
  readonly socket: Socket;
  readonly isAbsolute: boolean;
}

/**
 * Connects through the parent to an address that was judged, or (null) to the target by its name. Plain http goes in
 * absolute-form; but a host with a judged address gets a tunnel for it, since a proxy that is given an address in the
 * URL has to write it into Host as well (RFC 9112 section 3.2.2) and the destination would not know whom it is to be.
 * @throws ProxyError `upstream_proxy_auth`, `upstream_proxy_refused`, or what a connection can fail with
 */
export async function passParent(
  exchange: Exchange,
  parent: ParentProxy,
  question: Question,
  judged: Address | null,
  sender: Sender,
  deps: ParentDeps,
): Promise<ParentPassage> {
  const { snapshot, signal } = exchange;
  const budget: Budget = { endsAt: performance.now() + snapshot.config.limits.connectMs, signal };
  const { target, kind } = question;
  try {
    const socket = await deps.connectParent(parent, budget);
    if (kind === 'forward' && (judged === null || target.address)) return { socket, isAbsolute: true };
    const request = {
      target: judged ? hostPort(judged.text, target.port) : target.text,
      via: viaValue(sender.rawHeaders, { via: deps.viaName, httpVersion: sender.httpVersion }),
      authorization: parent.authorization,
    };
    const { status, phrase } = await askParent(socket, request, budget);
    if (status >= 200 && status < 300) return { socket, isAbsolute: false };
    socket.destroy();
    throw refusedByParent(exchange, parent, status, phrase);
  } catch (error) {
    if (error instanceof ProxyError) exchange.record.hint ??= hintFor(parent, error);
    throw error;
  }
}

/** The error for a parent's refusal. Its 407 is about our credential and never the client's to answer. */
export function refusedByParent(exchange: Exchange, parent: ParentProxy, status: number, phrase: string): ProxyError {
  if (status !== 407) {
    return new ProxyError('upstream_proxy_refused', { phrase: `Parent proxy refused: ${status} ${phrase}`.trimEnd() });
  }
  exchange.record.authFailure = 'upstream';
  exchange.record.hint =
    parent.authorization === null
      ? `${parent.url} wants a credential: name a file that holds it in upstream.credentialsFile`
      : `${parent.url} refuses our credential: mend upstream.credentialsFile`;
  return new ProxyError('upstream_proxy_auth');
}

/** Which parent it was, and what lay beneath, for the log alone. */
function hintFor({ url }: ParentProxy, error: ProxyError): string {
  let cause: unknown = error.cause;
  while (cause instanceof ProxyError && cause.cause !== undefined) ({ cause } = cause);
  const detail = cause instanceof Error ? ` (${cause.message})` : '';
  return `the parent proxy ${url}${detail}`;
}
