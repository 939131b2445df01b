/** The connections that are open, counted against the limits in all and by client. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Address } from '../address/ip.ts';
import type { Config } from '../config/config.ts';
import type { Stop } from '../state/stop-signal.ts';
import type { Deadline } from './deadlines.ts';
import { Deadlines } from './deadlines.ts';
import type { KeptDestination } from './kept-destination.ts';
import { OpenList } from './open-list.ts';
import { letGoBehind } from './respond.ts';
import type { ClientSocket } from './tunnel-socket.ts';

/** What is known of a connection between its requests. */
export interface Connection {
  readonly client: Address;
  /** Whom its client certificate names. */
  user: string | null;
  /** What speaks over it: the accepted socket, or the one that took its place, to speak TLS or plain http. */
  socket: ClientSocket;
  /** Set from its accept until TLS is spoken, where it is to be. */
  isHandshaking: boolean;
  /** When it was accepted, on the clock of `performance.now`. */
  readonly since: number;
  /** By when its first head is to be there, where nobody else sees to that. */
  headDue: Deadline | null;
  /** Requests read and not yet answered. */
  outstanding: number;
  /** Requests are served one after the other, as they are answered: the end of those so far; null before the first. */
  turn: Promise<void> | null;
  /** The answer to the request whose turn it is, or was last. */
  answering: ServerResponse | null;
  /** The destination connection that further requests may go over; null before the first. */
  kept: KeptDestination | null;
  /** The request read last, and how to say that the rest of it cannot be read. */
  reading: { readonly request: IncomingMessage; readonly broken: Stop } | null;
  /** Set when nothing that comes behind what was read can be read any more. */
  isBroken: boolean;
  /** Set when a CONNECT came before requests ahead of it were answered: they never will be. */
  isOvertaken: boolean;
  /** Set when no further request is taken: it became a tunnel, or is being closed. */
  isTaken: boolean;
}

/** What a connection too many would break. */
export type Limit = 'connections' | 'connectionsPerClient';

/** Who says whether one more connection fits under the limits: this process by itself, or others that count with it. */
export interface Admission {
  /** Lets one more connection of a client in, or names the limit that it would break; a promise where others have to say. */
  take(client: string): Limit | null | Promise<Limit | null>;
  /** A connection that was let in has ended. */
  release(client: string): void;
}

export interface Connections {
  /** The limit that one more connection of this client would break here, or null. */
  limitFor(client: string, limits: Config['limits']): Limit | null;
  add(socket: ClientSocket, client: Address): Connection;
  /** From now on the connection is known by another socket over it; it lives as long as the accepted one. */
  rename(socket: ClientSocket, other: ClientSocket): void;
  get(socket: ClientSocket): Connection | undefined;
  [Symbol.iterator](): Iterator<Connection>;
  readonly size: number;
}

/** A socket knows its connection. */
const connectionOf = Symbol('connection');
type KnownSocket = ClientSocket & { [connectionOf]?: Connection | undefined };

/** `onEnd` is told of the client of each connection that has ended. */
export function createConnections(onEnd: (client: string) => void): Connections {
  const open = new OpenList<Connection>();
  const perClient = new Map<string, number>();
  return {
    limitFor(client, limits) {
      if (open.size >= limits.connections) return 'connections';
      return (perClient.get(client) ?? 0) >= limits.connectionsPerClient ? 'connectionsPerClient' : null;
    },
    add(socket: KnownSocket, client) {
      const connection: Connection = {
        client,
        user: null,
        socket,
        isHandshaking: false,
        since: performance.now(),
        headDue: null,
        outstanding: 0,
        turn: null,
        answering: null,
        kept: null,
        reading: null,
        isBroken: false,
        isOvertaken: false,
        isTaken: false,
      };
      const entry = open.add(connection);
      socket[connectionOf] = connection;
      perClient.set(client.text, (perClient.get(client.text) ?? 0) + 1);
      socket.on('close', () => {
        open.remove(entry);
        Deadlines.clear(connection.headDue);
        connection.kept?.end();
        forget(connection.socket);
        const left = (perClient.get(client.text) ?? 1) - 1;
        if (left > 0) perClient.set(client.text, left);
        else perClient.delete(client.text);
        onEnd(client.text);
        letGoBehind(socket);
      });
      return connection;
    },
    rename(socket: KnownSocket, other: KnownSocket) {
      const connection = socket[connectionOf];
      if (!connection) return;
      forget(socket);
      other[connectionOf] = connection;
      connection.socket = other;
    },
    get: (socket: KnownSocket) => socket[connectionOf],
    [Symbol.iterator]: () => open[Symbol.iterator](),
    get size() {
      return open.size;
    },
  };
}

function forget(socket: KnownSocket): void {
  socket[connectionOf] = undefined;
}
