/** A listener of `node:http` that serves what it is given, and hands on what it reads. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Config } from '../config/config.ts';
import { createServer } from './node-http.ts';
import { ignore, lingeringClose } from './respond.ts';

export interface HttpHandlers {
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void;
  readonly onConnect: (request: IncomingMessage, socket: Socket, head: Buffer) => void;
  /** What came on a connection cannot be read, or not in time. */
  readonly onClientError: (cause: Error, socket: Socket) => void;
}

export interface HttpListener {
  /** Its `connection` has no listener yet. */
  readonly server: Server;
  /** Reads requests on a connection, whoever accepted it. */
  readonly serve: (socket: Socket) => void;
}

export function createHttpListener(limits: Config['limits'], handlers: HttpHandlers): HttpListener {
  const server = createServer({
    connectionsCheckingInterval: 500,
    headersTimeout: limits.headerMs,
    requestTimeout: 0,
    keepAliveTimeout: limits.keepAliveMs,
    maxHeaderSize: limits.headerBytes,
    insecureHTTPParser: false,
    requireHostHeader: false,
    noDelay: true,
  });
  // Fields beyond a count would be dropped in silence; the head's size is the limit.
  server.maxHeadersCount = 0;
  // Closing would take those with it that have not yet sent their first request; the proxy closes them itself.
  server.closeIdleConnections = () => {};
  // A client may close its half behind a whole request and still read the answer.
  Object.assign(server, { httpAllowHalfOpen: true });
  const listeners = server.listeners('connection') as ((this: Server, socket: Socket) => void)[];
  server.removeAllListeners('connection');
  // Whatever a request expects, it is judged first.
  for (const event of ['request', 'checkContinue', 'checkExpectation'] as const) server.on(event, handlers.onRequest);
  server.on('connect', (request, socket, head: Buffer) => handlers.onConnect(request, socket as Socket, head));
  server.on('clientError', (cause, socket) => handlers.onClientError(cause, socket as Socket));
  return {
    server,
    serve(socket) {
      socket.on('error', ignore);
      socket.setMaxListeners(0);
      // node:http closes behind a last answer through this method, which would leave unread input behind.
      socket.destroySoon = closeLingering;
      for (const listener of listeners) listener.call(server, socket);
    },
  };
}

function closeLingering(this: Socket): void {
  lingeringClose(this);
}
