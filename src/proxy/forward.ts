/**
 * Plain http: an absolute-form request judged like a tunnel, then passed on by http-proxy inside a fence. The fence
 * keeps only its streaming pass, gives it fields already cleaned and one socket already judged and connected, and takes
 * the answer back before anything of it reaches the client.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Agent } from './node-http.ts';
import type { Socket } from 'node:net';
import type { Address } from '../address/ip.ts';
import { ProxyError } from '../errors.ts';
import { checkForwardFields, readExpectation, requestFields, viaHasName } from '../message/fields.ts';
import type { AbsoluteForm } from '../message/request-target.ts';
import { parseAbsoluteForm } from '../message/request-target.ts';
import type { ParentProxy } from '../state/parent-proxy.ts';
import type { Verifier } from '../state/verify.ts';
import type { Peer } from './authenticate.ts';
import { authenticate } from './authenticate.ts';
import type { Exchange } from './exchange.ts';
import { enderOf, explainFailure } from './failure.ts';
import type { PassageEvents } from './passage.ts';
import { pass } from './passage.ts';
import type { ReachDeps } from './reach.ts';
import { reach } from './reach.ts';
import { cutOff, productName, refuseOnResponse } from './respond.ts';
import { connectPlain } from './tunnel-socket.ts';

export interface ForwardDeps extends Omit<ReachDeps<Socket>, 'connect'> {
  readonly verifier: Verifier;
  readonly open: (kind: 'forward', socket: Socket, client: Address) => Exchange;
  readonly onBug: (error: unknown, id: string) => void;
}

/**
 * Serves one request; false when it was refused or failed, so that its connection takes no other. `broken` fires when
 * the rest of the request turned out to be unreadable, its reason the answer to that. Never throws.
 */
export type Forward = (
  request: IncomingMessage,
  response: ServerResponse,
  peer: Peer,
  broken: AbortSignal,
) => Promise<boolean>;

const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'MERGE']);

/** Whether requests of this method are passed on; the others end with 405. */
export function isForwardable(method: string): boolean {
  return methods.has(method);
}

export function createForward(deps: ForwardDeps): Forward {
  const reachDeps = { ...deps, connect: connectPlain };
  // Most proxies never see plain http: what carries it is loaded with the first request.
  let fence: Promise<Send> | null = null;
  return async (request, response, { client, user }, broken) => {
    const { socket } = request;
    const { viaName } = deps;
    const exchange = deps.open('forward', socket, client);
    const { record } = exchange;
    record.method = request.method ?? null;
    record.userAgent = request.headers['user-agent'] ?? null;
    const onBroken = () => exchange.abort(broken.reason as ProxyError);
    broken.addEventListener('abort', onBroken, { once: true });
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
      const { socket: destination, asking, judged } = await reach(exchange, question, request, reachDeps);
      exchange.admit({ question, dialled: judged, serverName: undefined });
      if (expectation === 'continue') response.writeContinue();
      await pass({ exchange, request, response, destination, viaName, asking }, (events) =>
        send({ request, response, form, destination, viaName, asking }, events),
      );
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

/** Sends a request over its one socket; what comes of it goes to `events`. */
type Send = (sending: Sending, events: PassageEvents) => void;

interface Sending {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly form: AbsoluteForm;
  readonly destination: Socket;
  readonly viaName: string;
  /** The parent at the other end of the socket, which wants the whole URL and our credential. */
  readonly asking: ParentProxy | null;
}

/** http-proxy with all of its passes but the streaming one taken out, and the path set as the client sent it. */
async function createFence(): Promise<Send> {
  const { default: httpProxy } = await import('http-proxy');
  const inside = new WeakMap<IncomingMessage, { readonly path: string; readonly events: PassageEvents }>();
  const fenced = httpProxy.createProxyServer({});
  const passesOf = fenced as unknown as { webPasses: ((...values: unknown[]) => unknown)[] };
  passesOf.webPasses = passesOf.webPasses.filter((step) => step.name === 'stream');
  fenced.on('proxyReq', (outgoing, request) => {
    const passage = inside.get(request);
    if (!passage || outgoing.headersSent) {
      outgoing.destroy(new Error('request left the fence'));
      return;
    }
    outgoing.path = passage.path;
    passage.events.onRequest(outgoing);
  });
  fenced.on('proxyRes', (incoming, request) => inside.get(request)?.events.onResponse(incoming));
  // Errors come through the callback of `web`; without a listener here an aborted client would end the process.
  fenced.on('error', () => {});
  fenced.on('econnreset', () => {});

  return ({ request, response, form, destination, viaName, asking }, events) => {
    const { rawHeaders, httpVersion } = request;
    const authorization = asking?.authorization ?? null;
    const fields = requestFields(rawHeaders, { host: form.authority, via: viaName, httpVersion, authorization });
    // They are copied from the last to the first, and Host leads (RFC 9110 section 5.3).
    request.headers = Object.fromEntries(Object.entries(fields).toReversed());
    inside.set(request, { path: asking ? wholeUrl(form) : form.requestPath, events });
    const options = {
      target: { protocol: 'http:', host: form.target.host, port: form.target.port, path: '/' },
      agent: new OneSocketAgent(destination),
      selfHandleResponse: true,
      // The two together keep the URL from being read again, by a parser that normalises and throws.
      toProxy: true,
      ignorePath: true,
    };
    fenced.web(request, response, options, events.onError);
  };
}

/** The target as a proxy wants it; `*` is said by leaving the path out (RFC 9112 section 3.2.4). */
function wholeUrl({ authority, requestPath }: AbsoluteForm): string {
  return `http://${authority}${requestPath === '*' ? '' : requestPath}`;
}

/** Gives a request the one socket that was judged for it, and never another. */
class OneSocketAgent extends Agent {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    super({ keepAlive: false });
    this.#socket = socket;
  }

  override createConnection(): Socket {
    return this.#socket;
  }
}
