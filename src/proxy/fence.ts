/**
 * http-proxy inside a fence: only its streaming pass is kept, it gets fields already cleaned, the path as the client sent
 * it, and one socket already judged and connected; the answer is taken back before anything of it reaches the client.
 */
import type { Agent, IncomingMessage, ServerResponse, ClientRequest } from 'node:http';
import type { Socket } from 'node:net';
import type { Stream } from 'node:stream';
import { requestFields } from '../message/fields.ts';
import type { AbsoluteForm } from '../message/request-target.ts';
import type { ParentProxy } from '../state/parent-proxy.ts';
import type { PassageEvents } from './passage.ts';

/** Sends a request over its one socket; what comes of it goes to `events`. */
export type Send = (sending: Sending, events: PassageEvents) => void;

export interface Sending {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly form: AbsoluteForm;
  /** By its fields; it may be empty. */
  readonly isWithBody: boolean;
  readonly destination: Socket;
  /** Whether the destination is asked to leave the connection open; the socket then tells `free` behind a whole answer. */
  readonly isToKeep: boolean;
  readonly viaName: string;
  /** The parent at the other end of the socket, which wants the whole URL and our credential. */
  readonly asking: ParentProxy | null;
}

/** A request knows what came of it inside the fence. */
const inside = Symbol('inside');
type InsideMessage = IncomingMessage & { [inside]?: Inside };

interface Inside {
  readonly path: string;
  /** Names and values in turn, as they are sent. */
  readonly fields: readonly string[];
  readonly isWithBody: boolean;
  readonly events: PassageEvents;
}

/** In place of a body that is not there: a request of http-proxy's is otherwise ended by the stream that is piped to it. */
const noBody = { pipe() {} } as unknown as Stream;

export async function createFence(): Promise<Send> {
  const { default: httpProxy } = await import('http-proxy');
  const fenced = httpProxy.createProxyServer({});
  const passesOf = fenced as unknown as { webPasses: ((...values: unknown[]) => unknown)[] };
  passesOf.webPasses = passesOf.webPasses.filter((step) => step.name === 'stream');
  fenced.on('proxyReq', (outgoing, request: InsideMessage) => {
    const passage = request[inside];
    if (!passage || outgoing.headersSent) {
      outgoing.destroy(new Error('request left the fence'));
      return;
    }
    outgoing.path = passage.path;
    const { fields } = passage;
    for (let at = 0; at < fields.length; at += 2) setOrAppend(outgoing, fields[at] ?? '', fields[at + 1] ?? '');
    passage.events.onRequest(outgoing);
    if (!passage.isWithBody) outgoing.end();
    // The head does not wait for a body that is still to come.
    else if (!request.complete) outgoing.flushHeaders();
  });
  fenced.on('proxyRes', (incoming, request: InsideMessage) => request[inside]?.events.onResponse(incoming));
  // Errors come through the callback of `web`; without a listener here an aborted client would end the process.
  fenced.on('error', () => {});
  fenced.on('econnreset', () => {});

  return ({ request, response, form, isWithBody, destination, isToKeep, viaName, asking }, events) => {
    const { rawHeaders, httpVersion } = request;
    const authorization = asking?.authorization ?? null;
    const fields = requestFields(rawHeaders, { host: form.authority, via: viaName, httpVersion, authorization });
    const path = asking ? wholeUrl(form) : form.requestPath;
    (request as InsideMessage)[inside] = { path, fields, isWithBody, events };
    // What http-proxy would copy, in its order and its spelling, before anybody is asked.
    request.headers = {};
    const options = {
      target: { protocol: 'http:', host: form.target.host, port: form.target.port, path: '/' },
      // Whatever has `addRequest` is an agent to node:http; its own makes a pool for each.
      agent: new OneSocketAgent(destination, isToKeep) as unknown as Agent,
      selfHandleResponse: true,
      // The two together keep the URL from being read again, by a parser that normalises and throws.
      toProxy: true,
      ignorePath: true,
      ...(isWithBody ? null : { buffer: noBody }),
    };
    fenced.web(request, response, options, events.onError);
  };
}

/** Fields of one name are kept apart and in order, under the spelling that came first. */
function setOrAppend(outgoing: ClientRequest, name: string, value: string): void {
  // Host is there already, made from the options.
  if (name !== 'Host' && outgoing.hasHeader(name)) outgoing.appendHeader(name, value);
  else outgoing.setHeader(name, value);
}

/** The target as a proxy wants it; `*` is said by leaving the path out (RFC 9112 section 3.2.4). */
function wholeUrl({ authority, requestPath }: AbsoluteForm): string {
  return `http://${authority}${requestPath === '*' ? '' : requestPath}`;
}

/** Gives a request the one socket that was judged for it, and never another. */
class OneSocketAgent {
  readonly #socket: Socket;
  readonly keepAlive: boolean;
  readonly maxSockets = Infinity;
  readonly protocol = 'http:';
  readonly defaultPort = 80;

  constructor(socket: Socket, keepAlive: boolean) {
    this.#socket = socket;
    this.keepAlive = keepAlive;
  }

  addRequest(outgoing: ClientRequest): void {
    outgoing.onSocket(this.#socket);
  }
}
