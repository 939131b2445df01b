/** Listens, judges a client's address before anything else, and hands each request to the tunnel or the forward. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Address } from '../address/ip.ts';
import { hostPort, parseAddress } from '../address/ip.ts';
import { ProxyError } from '../errors.ts';
import type { Snapshot } from '../state/snapshot.ts';
import type { Connection } from './connections.ts';
import { createConnections } from './connections.ts';
import { keepAliveProbeMs } from './dial.ts';
import type { Exchange, ExchangeRegistry } from './exchange.ts';
import type { ForwardDeps } from './forward.ts';
import { createForward } from './forward.ts';
import { malformedHead } from './malformed-head.ts';
import { createRefuser } from './refuse-connection.ts';
import { lingeringClose } from './respond.ts';
import { serveTunnel } from './tunnel.ts';

export interface ServerDeps extends Omit<ForwardDeps, 'open'> {
  readonly current: () => Snapshot;
  readonly exchanges: ExchangeRegistry;
}

export interface ProxyServer {
  /** Binds and accepts; gives the address bound, with the port the system chose where 0 was asked for. */
  listen(address: string, port: number): Promise<{ readonly address: string; readonly port: number }>;
  /** Stops accepting and closes the connections that wait for a request; resolves when the listeners are closed. */
  stopAccepting(): void;
  /** Ends every connection that is left. */
  destroyConnections(): void;
  readonly connectionCount: number;
}

/** A client that pipelines more unanswered requests than this is not read until some are answered. */
const maxPipelined = 16;

export function createProxyServer(deps: ServerDeps): ProxyServer {
  const connections = createConnections();
  const servers: Server[] = [];
  let isDraining = false;
  const open = (kind: Exchange['record']['kind'], socket: Socket, client: Address): Exchange => {
    const exchange = deps.exchanges.open(kind, socket, client, deps.current());
    const connection = connections.get(socket);
    if (connection) connection.exchange = exchange;
    return exchange;
  };
  const forward = createForward({ ...deps, open });
  const refuser = createRefuser(deps.exchanges, deps.current);

  function onConnection(
    server: Server,
    serveHttp: readonly ((this: Server, socket: Socket) => void)[],
    socket: Socket,
  ): void {
    socket.on('error', () => {});
    socket.setMaxListeners(0);
    const client = parseAddress(socket.remoteAddress ?? '');
    if (!client) return void socket.destroy();
    if (refuser.refuseClient(socket, client, connections)) return;
    connections.add(socket, client);
    for (const serve of serveHttp) serve.call(server, socket);
  }

  /** Requests of one connection take turns: pipelined ones are judged when the one before is answered. */
  function onRequest(
    request: IncomingMessage,
    response: ServerResponse,
    expectation: 'none' | 'continue' | 'unknown',
  ): void {
    const { socket } = request;
    const connection = connections.get(socket);
    if (!connection || connection.isTaken) return;
    if (++connection.outstanding >= maxPipelined) socket.pause();
    response.once('close', () => {
      if (--connection.outstanding < maxPipelined) socket.resume();
    });
    connection.turn = connection.turn.then(async () => {
      if (connection.isTaken || socket.destroyed) return;
      if (isDraining) response.shouldKeepAlive = false;
      const isAnswered = await forward(request, response, connection.client, expectation);
      if (!isAnswered || isDraining) connection.isTaken = true;
    });
  }

  function onConnect(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const connection = connections.get(socket);
    if (!connection || connection.isTaken) return void socket.destroy();
    connection.isTaken = true;
    if (connection.outstanding === 0)
      return void serveTunnel(request, socket, head, connection.client, { ...deps, open });
    // node:http would answer it before the request that came first; neither the order nor a tunnel can be kept.
    refuser.logRefusal(
      socket,
      connection.client,
      new ProxyError('malformed_request', { phrase: 'CONNECT behind an unanswered request' }),
    );
    socket.destroy();
  }

  function onClientError(cause: Error, socket: Socket): void {
    const connection = connections.get(socket);
    const failure = malformedHead(cause, socket.bytesRead);
    if (!connection || connection.isTaken || !failure || socket.destroyed) return void socket.destroy();
    // In the middle of a request the exchange under way answers for it, and only if its answer has not begun.
    if (connection.outstanding > 0 && connection.exchange) return connection.exchange.abort(failure.error);
    connection.isTaken = true;
    refuser.refuse(socket, connection.client, failure.error, failure.hint);
  }

  function createListener(): Server {
    const { limits } = deps.current().config;
    const server = createServer({
      connectionsCheckingInterval: 500,
      headersTimeout: limits.headerMs,
      requestTimeout: 0,
      keepAliveTimeout: limits.keepAliveMs,
      maxHeaderSize: limits.headerBytes,
      insecureHTTPParser: false,
      requireHostHeader: false,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveProbeMs,
    });
    // Fields beyond a count would be dropped in silence; the head's size is the limit.
    server.maxHeadersCount = 0;
    // A client may close its half behind a whole request and still read the answer.
    Object.assign(server, { httpAllowHalfOpen: true });
    const serveHttp = server.listeners('connection') as ((this: Server, socket: Socket) => void)[];
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => onConnection(server, serveHttp, socket));
    server.on('request', (request, response) => onRequest(request, response, 'none'));
    server.on('checkContinue', (request, response) => onRequest(request, response, 'continue'));
    server.on('checkExpectation', (request, response) => onRequest(request, response, 'unknown'));
    server.on('connect', (request, socket, head: Buffer) => onConnect(request, socket as Socket, head));
    server.on('clientError', (cause, socket) => onClientError(cause, socket as Socket));
    return server;
  }

  return {
    listen(address, port) {
      const server = createListener();
      return new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen({ host: address, port, backlog: 4096 }, () => {
          server.off('error', reject);
          server.on('error', (error) => deps.onBug(error, hostPort(address, port)));
          servers.push(server);
          const bound = server.address() as AddressInfo;
          resolve({ address: bound.address, port: bound.port });
        });
      });
    },
    stopAccepting() {
      isDraining = true;
      for (const server of servers) server.close();
      for (const [socket, connection] of connections) {
        if (!isBusy(connection)) lingeringClose(socket);
      }
    },
    destroyConnections() {
      for (const [socket] of connections) socket.destroy();
    },
    get connectionCount() {
      return connections.size;
    },
  };
}

function isBusy(connection: Connection): boolean {
  return connection.isTaken || connection.outstanding > 0;
}
