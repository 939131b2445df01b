/**
 * Plain http: an absolute-form request judged like a tunnel, then passed on by http-proxy inside a fence. The fence
 * keeps only its streaming pass, gives it fields already cleaned, one socket already judged and connected, and takes
 * the answer back before anything of it reaches the client.
 */
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import { Agent, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { pipeline } from 'node:stream';
import httpProxy from 'http-proxy';
import type { Address } from '../address/ip.ts';
import { ProxyError } from '../errors.ts';
import { checkForwardFields, requestFields, responseFields, viaHasName } from '../message/fields.ts';
import type { AbsoluteForm } from '../message/request-target.ts';
import { parseAbsoluteForm } from '../message/request-target.ts';
import type { Exchange } from './exchange.ts';
import { enderOf, explainFailure } from './failure.ts';
import type { ReachDeps } from './reach.ts';
import { reach } from './reach.ts';
import { productName, refuseOnResponse } from './respond.ts';
import { watchStall } from './stall.ts';

export interface ForwardDeps extends ReachDeps {
  readonly open: (kind: 'forward', socket: Socket, client: Address) => Exchange;
  readonly onBug: (error: unknown, id: string) => void;
  /** Our name in `Via`, this instance's own: a request that carries it has been here. */
  readonly viaName: string;
}

/** Serves one request; false when it was refused or failed, so that its connection takes no other. Never throws. */
export type Forward = (
  request: IncomingMessage,
  response: ServerResponse,
  client: Address,
  expectation: 'none' | 'continue' | 'unknown',
) => Promise<boolean>;

const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'MERGE']);
/** Whether requests of this method are passed on; the others end with 405. */
export function isForwardable(method: string): boolean {
  return methods.has(method);
}

/** So many interim responses (1xx) of a destination are dropped; one more is an invalid response. */
const maxInterim = 16;

/** One request inside http-proxy: how its events find their exchange. */
interface Passage {
  readonly requestPath: string;
  readonly onRequest: (outgoing: ClientRequest) => void;
  readonly onResponse: (incoming: IncomingMessage) => void;
}

export function createForward(deps: ForwardDeps): Forward {
  const passages = new WeakMap<IncomingMessage, Passage>();
  const fenced = createFencedProxy(passages);
  return async (request, response, client, expectation) => {
    const { socket } = request;
    const exchange = deps.open('forward', socket, client);
    const { record } = exchange;
    record.method = request.method ?? null;
    record.userAgent = request.headers['user-agent'] ?? null;
    response.on('error', () => {});
    response.once('close', () => {
      if (!response.writableFinished) exchange.abort('client');
    });
    try {
      const form = readRequest(request, record, deps.viaName);
      if (expectation === 'unknown')
        throw new ProxyError('malformed_request', { phrase: 'Expectation not known', status: 417 });
      const question = { kind: 'forward', client, user: null, target: form.target, path: form.path } as const;
      const destination = await reach(exchange, question, deps);
      if (expectation === 'continue') response.writeContinue();
      await pass(exchange, request, response, form, destination.socket, passages, fenced, deps.viaName);
      exchange.close('destination');
      return true;
    } catch (error) {
      const failure = explainFailure(exchange, error, response.headersSent, deps.onBug);
      if (failure) refuseOnResponse(socket, response, failure, record.id);
      else socket.destroy();
      exchange.close(enderOf(exchange));
      return false;
    }
  };
}

function readRequest(request: IncomingMessage, record: Exchange['record'], viaName: string): AbsoluteForm {
  const method = request.method ?? '';
  const malformed = (phrase: string) => new ProxyError('malformed_request', { phrase });
  const parsed = parseAbsoluteForm(request.url ?? '', method);
  if (!parsed.ok) throw malformed(parsed.message);
  record.target = parsed.value.target.text;
  record.path = parsed.value.path;
  const fault = checkForwardFields(request.rawHeaders, request.httpVersion);
  if (fault) throw malformed(fault);
  if (!isForwardable(method)) throw new ProxyError('method_not_allowed', { phrase: `Method ${method} not allowed` });
  if (viaHasName(request.rawHeaders, [viaName, productName])) throw new ProxyError('loop_detected');
  return parsed.value;
}

/** Sends the request over the judged socket and the answer back; resolves when the whole answer is out. */
function pass(
  exchange: Exchange,
  request: IncomingMessage,
  response: ServerResponse,
  form: AbsoluteForm,
  destination: Socket,
  passages: WeakMap<IncomingMessage, Passage>,
  fenced: httpProxy,
  viaName: string,
): Promise<void> {
  const { record, signal, snapshot } = exchange;
  return new Promise((resolve, reject) => {
    let outgoing: ClientRequest | null = null;
    const settle = (error: unknown) => {
      stall.stop();
      signal.removeEventListener('abort', onAbort);
      record.bytesUp = destination.bytesWritten;
      record.bytesDown = destination.bytesRead;
      outgoing?.destroy();
      destination.destroy();
      if (error === null) resolve();
      else reject(error as Error);
    };
    const fail = (phrase: string, cause?: unknown) =>
      settle(new ProxyError('response_invalid', { phrase: `Invalid response: ${phrase}`, cause }));
    const onAbort = () => settle(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const stall = watchStall([request.socket, destination], snapshot.config.limits.idleMs, () => {
      settle(request.complete ? new ProxyError('response_timeout') : new ProxyError('request_timeout'));
    });
    destination.on('error', () => {});

    const { socket } = request;
    request.headers = requestFields(request.rawHeaders, {
      host: form.authority,
      via: viaName,
      httpVersion: request.httpVersion,
    });
    passages.set(request, {
      requestPath: form.requestPath,
      onRequest(created) {
        outgoing = created;
        destination.resume();
        let interim = 0;
        created.on('information', () => {
          if (++interim > maxInterim) fail('too many interim responses');
        });
      },
      onResponse(incoming) {
        const status = incoming.statusCode ?? 0;
        if (status < 200 || status > 599) {
          fail(`status ${status}`);
          return;
        }
        record.status = status;
        response.sendDate = false;
        const fields = responseFields(incoming.rawHeaders, { via: viaName, httpVersion: incoming.httpVersion });
        try {
          response.writeHead(status, STATUS_CODES[status] ?? 'Unknown', fields);
        } catch (error) {
          fail('a field that cannot be passed on', error);
          return;
        }
        pipeline(incoming, response, (error) => {
          if (!error) settle(null);
          else if (incoming.complete || socket.destroyed) exchange.abort('client');
          else fail('cut off', error);
        });
      },
    });
    const agent = new OneSocketAgent(destination);
    const target = { protocol: 'http:', host: form.target.host, port: form.target.port, path: '/' };
    fenced.web(request, response, { target, agent, ignorePath: true, selfHandleResponse: true }, (error) => {
      if (signal.aborted || response.headersSent) return;
      fail(wordOf(error), error);
    });
  });
}

/** http-proxy with all of its passes but the streaming one taken out, and the path set as the client sent it. */
function createFencedProxy(passages: WeakMap<IncomingMessage, Passage>): httpProxy {
  const fenced = httpProxy.createProxyServer({});
  const passesOf = fenced as unknown as { webPasses: ((...values: unknown[]) => unknown)[] };
  passesOf.webPasses = passesOf.webPasses.filter((step) => step.name === 'stream');
  fenced.on('proxyReq', (outgoing, request) => {
    const passage = passages.get(request);
    if (!passage || outgoing.headersSent) {
      outgoing.destroy(new Error('request left the fence'));
      return;
    }
    outgoing.path = passage.requestPath;
    passage.onRequest(outgoing);
  });
  fenced.on('proxyRes', (incoming, request) => passages.get(request)?.onResponse(incoming));
  // Errors come through the callback of `web`; without a listener here an aborted client would end the process.
  fenced.on('error', () => {});
  fenced.on('econnreset', () => {});
  return fenced;
}

/** Gives a request the one socket that was judged for it, and never another. */
class OneSocketAgent extends Agent {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    super({ keepAlive: false, maxSockets: 1 });
    this.#socket = socket;
  }

  override createConnection(): Socket {
    return this.#socket;
  }
}

function wordOf(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ECONNRESET' ? 'connection closed before the answer' : (code ?? 'unreadable').replace(/^HPE_/, '');
}
