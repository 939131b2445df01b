/** Listens, judges a client's address before anything else, and hands each request to the tunnel or the forward. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Address } from '../address/ip.ts';
import { hostPort, parseAddress } from '../address/ip.ts';
import { ProxyError } from '../errors.ts';
import type { Config } from '../config/config.ts';
import type { ListenerKeys } from '../config/listener-keys.ts';
import { parseAuthorityForm } from '../message/request-target.ts';
import type { Snapshot } from '../state/snapshot.ts';
import { Stop } from '../state/stop-signal.ts';
import type { BareSockets } from './bare-sockets.ts';
import type { ConnectRequest } from './connect-head.ts';
import { findReadConnectHead } from './connect-head.ts';
import type { Admission, Connection, Limit } from './connections.ts';
import { createConnections } from './connections.ts';
import { Deadlines } from './deadlines.ts';
import type { Exchange, ExchangeRegistry } from './exchange.ts';
import type { ForwardDeps } from './forward.ts';
import { createForward } from './forward.ts';
import { createFirstHead } from './first-head.ts';
import { createHttpListener } from './http-listener.ts';
import type { LargeReads } from './large-reads.ts';
import { lateHead, malformedHead } from './malformed-head.ts';
import { rememberReadings } from './recent-readings.ts';
import { createRefuser } from './refuse-connection.ts';
import { ignore, lingeringClose } from './respond.ts';
import type { TlsListener } from './tls-listener.ts';
import { createTlsListener } from './tls-listener.ts';
import { serveTunnel } from './tunnel.ts';
import type { ClientSocket } from './tunnel-socket.ts';
import { connectPlain } from './tunnel-socket.ts';

export interface ServerDeps extends Omit<ForwardDeps, 'open'> {
  readonly largeReads: LargeReads;
  /** What tunnels are made of; null: sockets of the platform. */
  readonly bareSockets: BareSockets | null;
  readonly current: () => Snapshot;
  readonly exchanges: ExchangeRegistry;
  /** Counts connections with other processes; unless given the limits hold in this one. */
  readonly admission?: Admission | undefined;
}

export interface ProxyServer {
  /** Binds and accepts, in TLS where keys are given; gives the address bound, with the port the system chose for 0. */
  listen(
    address: string,
    port: number,
    keys: ListenerKeys | null,
  ): Promise<{ readonly address: string; readonly port: number }>;
  /** The same on a listening socket that another process opened and passed on, by its descriptor. */
  listenOn(fd: number, keys: ListenerKeys | null): Promise<{ readonly address: string; readonly port: number }>;
  /** Other keys for the handshakes to come of a listener, counted as they were bound. @throws Error when they do not serve */
  replaceKeys(index: number, keys: ListenerKeys): void;
  /**
   * Stops accepting and closes the connections that wait for a further request. One that is only just there may still
   * send its first: resolves when there is none of those.
   */
  stopAccepting(): Promise<void>;
  /** Ends every connection that is left. */
  destroyConnections(): void;
  readonly connectionCount: number;
}

/** How long a connection whose first request is on its way may take once nothing is accepted any more, in milliseconds. */
const firstRequestMs = 1000;
/** How long ago such a connection was accepted at most, in milliseconds. */
const freshMs = 1000;
/** A client that pipelines more unanswered requests than this is not read until some are answered. */
const maxPipelined = 16;

export function createProxyServer(deps: ServerDeps): ProxyServer {
  const connections = createConnections((client) => deps.admission?.release(client));
  const admission: Pick<Admission, 'take'> = deps.admission ?? {
    take: (client) => connections.limitFor(client, deps.current().config.limits),
  };
  /** Connections that are accepted, and of which is asked elsewhere whether they fit under the limits. */
  const admissions = new Set<Promise<void>>();
  const readAddress = rememberReadings(parseAddress, (address) => address !== null);
  const parseTarget = rememberReadings(parseAuthorityForm, ({ ok }) => ok);
  const deadlines = new Deadlines();
  const servers: Server[] = [];
  const tlsListeners: (TlsListener | null)[] = [];
  let isDraining = false;
  const open = (kind: Exchange['record']['kind'], socket: ClientSocket, client: Address): Exchange =>
    deps.exchanges.open(kind, socket, client, deps.current());
  const forward = createForward({ ...deps, open });
  const tunnelDeps = { ...deps, open, parseTarget, connect: deps.bareSockets?.connect ?? connectPlain };
  const refuser = createRefuser(deps.exchanges, deps.current);

  /** What comes next on a connection that is let in. */
  type Serve<S extends ClientSocket> = (socket: S, connection: Connection) => void;

  function onConnection<S extends ClientSocket>(socket: S, isTls: boolean, serve: Serve<S>): void {
    socket.on('error', ignore);
    const client = readAddress(socket.remoteAddress ?? '');
    if (!client) return void socket.destroy();
    if (refuser.refuseClient(socket, client, isTls)) return;
    const limit = admission.take(client.text);
    if (!(limit instanceof Promise)) return admit(socket, client, isTls, serve, limit);
    const asking = limit.then((found) => {
      admissions.delete(asking);
      admit(socket, client, isTls, serve, found);
    });
    admissions.add(asking);
  }

  function admit<S extends ClientSocket>(
    socket: S,
    client: Address,
    isTls: boolean,
    serve: Serve<S>,
    limit: Limit | null,
  ): void {
    // One that left while others were asked is told of by no event any more.
    if (socket.destroyed) return limit === null ? deps.admission?.release(client.text) : undefined;
    if (limit !== null) return refuser.refuseAbove(limit, socket, client, isTls);
    serve(socket, connections.add(socket, client));
  }

  function serveTls(
    tls: TlsListener,
    serveHttp: (socket: Socket) => void,
    socket: Socket,
    connection: Connection,
  ): void {
    connection.isHandshaking = true;
    tls.secure(socket, {
      onSecure(secured, user) {
        connection.isHandshaking = false;
        connection.user = user;
        connections.rename(socket, secured);
        serveHttp(secured);
      },
      onPlain(error, hint) {
        connection.isTaken = true;
        refuser.refuse(socket, connection.client, error, hint);
      },
      onFailed: (error, hint) => refuser.logRefusal(socket, connection.client, error, hint),
    });
  }

  /** Requests of one connection take turns: pipelined ones are judged when the one before is answered. */
  function onRequest(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const connection = connections.get(socket);
    if (!connection || connection.isTaken) return;
    const broken = new Stop();
    connection.reading = { request, broken };
    if (++connection.outstanding >= maxPipelined) socket.pause();
    response.once('close', () => {
      if (--connection.outstanding < maxPipelined) socket.resume();
    });
    const serve = async () => {
      connection.answering = response;
      // node:http loses what comes in one piece with an offer to upgrade: nothing behind it may count as read.
      if (isDraining || request.headers.upgrade !== undefined) response.shouldKeepAlive = false;
      const isAnswered = await forward(request, response, connection, broken);
      // The drain may have begun when the head was already out.
      if (isAnswered && isDraining && !socket.writableEnded) lingeringClose(socket);
      if (!isAnswered || socket.writableEnded) connection.isTaken = true;
    };
    takeTurn(socket, connection, serve, () => {
      if (connection.isOvertaken) logMalformed(socket, connection, 'Request with a CONNECT behind it');
    });
  }

  function takeTurn(
    socket: ClientSocket,
    connection: Connection,
    act: () => Promise<void> | void,
    pass: () => void = () => {},
  ): void {
    connection.turn = (connection.turn ?? Promise.resolve()).then(() =>
      connection.isTaken || socket.destroyed ? pass() : act(),
    );
  }

  function logMalformed(socket: ClientSocket, { client }: Connection, phrase: string): void {
    refuser.logRefusal(socket, client, new ProxyError('malformed_request', { phrase }), null);
  }

  function onConnect(request: ConnectRequest, socket: ClientSocket, head: Buffer): void {
    const connection = connections.get(socket);
    if (!connection || connection.isTaken) return void socket.destroy();
    connection.isTaken = true;
    connection.kept?.end();
    if (connection.outstanding === 0) return void serveTunnel(request, socket, head, connection, tunnelDeps);
    // node:http would answer it before the request that came first; neither the order nor a tunnel can be kept.
    connection.isOvertaken = true;
    logMalformed(socket, connection, 'CONNECT behind an unanswered request');
    socket.destroy();
  }

  function onClientError(cause: Error, socket: ClientSocket): void {
    const connection = connections.get(socket);
    const failure = malformedHead(cause, socket.bytesRead);
    // What is already being closed is only read to be dropped.
    if (connection?.isTaken) return;
    if (!connection || !failure || socket.destroyed) return void socket.destroy();
    // The parser stumbles again over every piece that follows; the first time counts.
    if (connection.isBroken) return;
    connection.isBroken = true;
    const { reading } = connection;
    // In the middle of a request its own exchange answers; behind whole ones the refusal waits until they are answered.
    if (reading && !reading.request.complete) return reading.broken.abort(failure.error);
    takeTurn(socket, connection, () => {
      connection.isTaken = true;
      refuser.refuse(socket, connection.client, failure.error, failure.hint);
    });
  }

  function bind(
    where: { readonly host: string; readonly port: number } | { readonly fd: number },
    keys: ListenerKeys | null,
  ): Promise<{ address: string; port: number }> {
    const tls = keys && createTlsListener(keys, deps.current().config.limits.headerMs);
    tlsListeners.push(tls);
    const { limits } = deps.current().config;
    const { server, serve } = createHttpListener(limits, { onRequest, onConnect, onClientError });
    const begin: Serve<Socket> = tls ? (socket, connection) => serveTls(tls, serve, socket, connection) : serve;
    server.on('connection', (socket: Socket) => onConnection(socket.setMaxListeners(0), tls !== null, begin));
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ ...where, backlog: 4096 }, () => {
        server.off('error', reject);
        servers.push(server);
        if (!tls) acceptBare(server, serve, limits);
        const { address, port } = server.address() as AddressInfo;
        server.on('error', (error) => deps.onBug(error, hostPort(address, port)));
        resolve({ address, port });
      });
    });
  }

  /** Where the platform lets that be, a tunnel is bare from its accept. */
  function acceptBare(server: Server, serveHttp: (socket: Socket) => void, limits: Config['limits']): void {
    const { headerBytes, headerMs } = limits;
    const readConnectHead = deps.bareSockets && findReadConnectHead(headerBytes);
    if (!deps.bareSockets || !readConnectHead) return;
    const serve = createFirstHead({
      connections,
      deadlines,
      readConnectHead,
      headerMs,
      onLate,
      onConnect,
      onOther: serveHttp,
    });
    deps.bareSockets.accept(server, (socket) => onConnection(socket, false, serve));
  }

  function onLate(connection: Connection): void {
    if (connection.isTaken || connection.reading) return;
    onClientError(Object.assign(new Error('no head in time'), { code: lateHead }), connection.socket);
  }

  function closeUnlessBusy(connection: Connection): void {
    if (isBusy(connection)) return;
    connection.isTaken = true;
    if (connection.isHandshaking) connection.socket.destroy();
    else lingeringClose(connection.socket);
  }

  return {
    listen: (address, port, keys) => bind({ host: address, port }, keys),
    listenOn: (fd, keys) => bind({ fd }, keys),
    replaceKeys: (index, keys) => tlsListeners[index]?.replaceKeys(keys),
    async stopAccepting() {
      isDraining = true;
      for (const server of servers) server.close();
      if (admissions.size > 0) await Promise.all(admissions);
      const fresh: Connection[] = [];
      for (const connection of connections) {
        // A head that is still to be written says that no further request will be taken.
        if (connection.answering) connection.answering.shouldKeepAlive = false;
        // A client that connected a moment ago has its request under way; to close now would look like a refusal.
        const isFresh = connection.reading === null && performance.now() - connection.since < freshMs;
        if (isFresh && !isBusy(connection)) fresh.push(connection);
        else closeUnlessBusy(connection);
      }
      if (fresh.length === 0) return;
      await sleep(firstRequestMs);
      for (const connection of fresh) closeUnlessBusy(connection);
    },
    destroyConnections() {
      for (const { socket } of connections) socket.destroy();
    },
    get connectionCount() {
      return connections.size;
    },
  };
}

function isBusy(connection: Connection): boolean {
  return connection.isTaken || connection.outstanding > 0;
}
