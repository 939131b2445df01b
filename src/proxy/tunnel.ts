/** CONNECT: judge, connect, answer 200, look at the ClientHello, relay (RFC 9110 section 9.3.6). */
import type { Address } from '../address/ip.ts';
import { ProxyError } from '../errors.ts';
import { checkConnectFields, fieldValues, viaHasName } from '../message/fields.ts';
import type { Target } from '../message/request-target.ts';
import type { parseAuthorityForm } from '../message/request-target.ts';
import type { Question } from '../policy/decide.ts';
import { judgeServerName, wantsServerName } from '../policy/server-name.ts';
import type { Verifier } from '../state/verify.ts';
import type { Peer } from './authenticate.ts';
import { authenticate } from './authenticate.ts';
import type { BareSockets } from './bare-sockets.ts';
import type { ConnectRequest } from './connect-head.ts';
import type { Exchange } from './exchange.ts';
import { enderOf, explainFailure } from './failure.ts';
import type { HeldClient } from './hold.ts';
import { holdClient } from './hold.ts';
import type { LargeReads } from './large-reads.ts';
import type { Peeked } from './peek.ts';
import { maxHelloBytes, peekClientHello } from './peek.ts';
import type { Destination, ReachDeps } from './reach.ts';
import { noteWouldDeny, reach, refusal } from './reach.ts';
import { relay } from './relay.ts';
import { accessDenied, lingeringClose, productName, refuseOnSocket } from './respond.ts';
import type { ClientSocket, TunnelSocket } from './tunnel-socket.ts';

export interface TunnelDeps extends ReachDeps<TunnelSocket> {
  readonly verifier: Verifier;
  readonly open: (kind: 'tunnel', socket: ClientSocket, client: Address) => Exchange;
  readonly largeReads: LargeReads;
  readonly bareSockets: BareSockets | null;
  /** Reads the target of a CONNECT. */
  readonly parseTarget: typeof parseAuthorityForm;
  readonly onBug: (error: unknown, id: string) => void;
}

const established: Uint8Array = Buffer.from('HTTP/1.1 200 Connection established\r\n\r\n');

/** Serves one CONNECT until its tunnel flows, which then ends by itself. Never throws. */
export async function serveTunnel(
  request: ConnectRequest,
  accepted: ClientSocket,
  head: Buffer,
  { client, user }: Peer,
  deps: TunnelDeps,
): Promise<void> {
  const socket = deps.bareSockets?.takeOver(accepted) ?? accepted;
  const exchange = deps.open('tunnel', socket, client);
  const { record } = exchange;
  record.method = 'CONNECT';
  record.userAgent = fieldValues(request.rawHeaders, 'user-agent')[0] ?? null;
  let held: HeldClient | null = null;
  let destination: Destination<TunnelSocket> | null = null;
  let isEstablished = false;
  try {
    const target = readTarget(request, deps);
    record.target = target.text;
    const asked: Question = { kind: 'tunnel', client, user, target, path: null };
    const signingIn = authenticate(exchange, asked, request, deps.verifier);
    held = holdClient(socket, head, maxHelloBytes);
    const question = { ...asked, user: signingIn instanceof Promise ? await signingIn : signingIn };
    destination = await reach(exchange, question, request, deps);
    socket.write(established);
    isEstablished = true;
    record.status = 200;
    const { policy, config } = exchange.snapshot;
    const hello = wantsServerName(policy, destination.judged)
      ? await peekClientHello(held, config.limits.clientHelloMs, exchange)
      : null;
    if (hello) admitServerName(exchange, question, destination, hello, deps);
    // Nothing here waits for its end: a tunnel may last for days, and the request would be kept as long.
    if (hello?.type !== 'closed') return carry(exchange, question, socket, destination, held, deps);
    socket.destroy();
    destination.socket.destroy();
    exchange.close('client');
  } catch (error) {
    destination?.socket.destroy();
    held?.release();
    const failure = explainFailure(exchange, error, isEstablished, deps.onBug);
    if (!failure) socket.destroy();
    else if (isEstablished) endTunnel(socket, failure);
    else refuseOnSocket(socket, failure, record.id);
    exchange.close(enderOf(exchange));
  }
}

function readTarget(request: ConnectRequest, { parseTarget, viaName }: TunnelDeps): Target {
  // node:http also reads a request line without a version, and one with 2.0.
  if (request.httpVersionMajor !== 1) throw new ProxyError('malformed_request', { phrase: 'Not HTTP/1.0 or HTTP/1.1' });
  const parsed = parseTarget(request.url ?? '');
  if (!parsed.ok) throw new ProxyError('malformed_request', { phrase: parsed.message });
  const malformed = checkConnectFields(request.rawHeaders, parsed.value);
  if (malformed) throw new ProxyError('malformed_request', { phrase: malformed });
  if (viaHasName(request.rawHeaders, [viaName, productName])) throw new ProxyError('loop_detected');
  return parsed.value;
}

/** Judges what the client said first. @throws the refusal */
function admitServerName(
  exchange: Exchange,
  question: Question,
  destination: Destination<TunnelSocket>,
  hello: Peeked,
  deps: TunnelDeps,
): void {
  const { record, snapshot } = exchange;
  if (hello.type === 'closed') return;
  if (hello.type === 'hello') record.tlsServerName = hello.serverName;
  const decision = judgeServerName(snapshot.policy, question, destination.judged, hello, deps.machine);
  if (decision.verdict === 'refuse') throw refusal(exchange, decision);
  if (decision.wouldDeny) noteWouldDeny(exchange, decision.wouldDeny);
}

function carry(
  exchange: Exchange,
  question: Question,
  socket: ClientSocket,
  destination: Destination<TunnelSocket>,
  held: HeldClient,
  { largeReads, bareSockets }: TunnelDeps,
): void {
  const { limits } = exchange.snapshot.config;
  const { judged } = destination;
  const isLookedAt = wantsServerName(exchange.snapshot.policy, judged);
  const early = held.release();
  exchange.startTunnel({
    question,
    dialled: judged,
    serverName: isLookedAt ? exchange.record.tlsServerName : undefined,
  });
  relay(socket, bareSockets?.takeOver(destination.socket) ?? destination.socket, early, {
    idleMs: limits.idleMs,
    halfCloseMs: limits.halfCloseMs,
    signal: exchange.signal,
    deadlines: exchange.deadlines,
    counts: exchange.record,
    largeReads,
    onEnd: (endedBy) => exchange.close(endedBy),
  });
}

/** After the 200 no status can be sent: a client that speaks TLS gets an alert, any other a close. */
function endTunnel(socket: ClientSocket, failure: ProxyError): void {
  if (failure.reason !== 'not_tls' && failure.reason !== 'tls_timeout') socket.write(accessDenied);
  lingeringClose(socket);
}
