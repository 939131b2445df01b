/** Plain http: an absolute-form request judged like a tunnel, then passed on by http-proxy inside a fence. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Address } from '../address/ip.ts';
import { ProxyError } from '../errors.ts';
import { checkForwardFields, hasBody, readExpectation, viaHasName } from '../message/fields.ts';
import type { AbsoluteForm } from '../message/request-target.ts';
import { parseAbsoluteForm } from '../message/request-target.ts';
import type { StopSignal } from '../state/stop-signal.ts';
import type { Verifier } from '../state/verify.ts';
import type { Peer } from './authenticate.ts';
import { authenticate } from './authenticate.ts';
import type { Exchange } from './exchange.ts';
import { enderOf, explainFailure } from './failure.ts';
import type { Send } from './fence.ts';
import { createFence } from './fence.ts';
import { KeptDestination } from './kept-destination.ts';
import { pass, StaleConnection } from './passage.ts';
import type { Destination, ReachDeps } from './reach.ts';
import { reach } from './reach.ts';
import { cutOff, productName, refuseOnResponse } from './respond.ts';
import { connectPlain } from './tunnel-socket.ts';

export interface ForwardDeps extends Omit<ReachDeps<Socket>, 'connect'> {
  readonly verifier: Verifier;
  readonly open: (kind: 'forward', socket: Socket, client: Address) => Exchange;
  readonly onBug: (error: unknown, id: string) => void;
}

/** Who is at the other end of a connection, and the destination connection that is kept for it. */
export interface ForwardPeer extends Peer {
  kept: KeptDestination | null;
}

/**
 * Serves one request; false when it was refused or failed, so that its connection takes no other. `broken` fires when
 * the rest of the request turned out to be unreadable, its reason the answer to that. Never throws.
 */
export type Forward = (
  request: IncomingMessage,
  response: ServerResponse,
  peer: ForwardPeer,
  broken: StopSignal,
) => Promise<boolean>;

const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'MERGE']);

/** What may be sent again where nobody knows whether it arrived (RFC 9110 section 9.2.1). */
const safeMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Whether requests of this method are passed on; the others end with 405. */
export function isForwardable(method: string): boolean {
  return methods.has(method);
}

export function createForward(deps: ForwardDeps): Forward {
  const reachDeps = { ...deps, connect: connectPlain };
  // Most proxies never see plain http: what carries it is loaded with the first request.
  let fence: Promise<Send> | null = null;
  return async (request, response, peer, broken) => {
    const { client, user } = peer;
    const { socket } = request;
    const { viaName } = deps;
    const exchange = deps.open('forward', socket, client);
    const { record } = exchange;
    record.method = request.method ?? null;
    record.userAgent = request.headers['user-agent'] ?? null;
    const onBroken = () => exchange.abort(broken.reason as ProxyError);
    broken.addEventListener('abort', onBroken);
    response.on('error', () => {});
    try {
      const form = readRequest(request, record, viaName);
      broken.throwIfAborted();
      // Before anything is connected: a socket must not wait for it without somebody who listens to its errors.
      const send = await (fence ??= createFence());
      const expectation = readExpectation(request.rawHeaders, request.httpVersion);
      if (expectation === 'unknown') throw malformed('Expectation not known', 417);
      const asked = { kind: 'forward', client, user, target: form.target, path: form.path } as const;
      const question = { ...asked, user: await authenticate(exchange, asked, request, deps.verifier) };
      const kept = (peer.kept ??= new KeptDestination());
      const isWithBody = hasBody(request.rawHeaders);
      const mayRepeat = safeMethods.has(request.method ?? '') && !isWithBody && expectation === 'none';
      const passOver = async ({ socket: destination, asking, judged, way }: Destination<Socket>) => {
        exchange.admit({ question, dialled: judged, serverName: undefined });
        if (expectation === 'continue') response.writeContinue();
        const isToKeep = response.shouldKeepAlive && way !== 'parent';
        const onFree = () => kept.hold(destination, form.target, judged.address);
        await pass({ exchange, request, response, destination, viaName, asking, way, onFree }, (events) =>
          send({ request, response, form, isWithBody, destination, isToKeep, viaName, asking }, events),
        );
      };
      const reachIt = () => reach(exchange, question, request, reachDeps, mayRepeat ? kept : null);
      try {
        await passOver(await reachIt());
      } catch (error) {
        if (!(error instanceof StaleConnection)) throw error;
        // Nothing is kept any more: this time it is dialled.
        await passOver(await reachIt());
      }
      exchange.close('destination');
      return true;
    } catch (error) {
      const failure = explainFailure(exchange, error, response.headersSent, deps.onBug);
      if (failure && !response.headersSent) refuseOnResponse(socket, response, failure, record.id);
      else cutOff(socket, request.httpVersion);
      exchange.close(enderOf(exchange));
      return false;
    } finally {
      broken.removeEventListener('abort', onBroken);
    }
  };
}

function readRequest(request: IncomingMessage, record: Exchange['record'], viaName: string): AbsoluteForm {
  const { method = '', url = '', rawHeaders, httpVersion } = request;
  const parsed = parseAbsoluteForm(url, method);
  if (!parsed.ok) throw malformed(parsed.message);
  record.target = parsed.value.target.text;
  record.path = parsed.value.path;
  const fault = checkForwardFields(rawHeaders, httpVersion);
  if (fault) throw malformed(fault);
  if (!isForwardable(method)) throw new ProxyError('method_not_allowed', { phrase: `Method ${method} not allowed` });
  if (viaHasName(rawHeaders, [viaName, productName])) throw new ProxyError('loop_detected');
  return parsed.value;
}

function malformed(phrase: string, status = 400): ProxyError {
  return new ProxyError('malformed_request', { phrase, status });
}
