/** What a connection that was accepted bare begins with: a tunnel takes the socket as it is, the rest is for `node:http`. */
import type { Socket } from 'node:net';
import type { BareSocket } from './bare-socket.ts';
import type { ConnectRequest, ReadConnectHead } from './connect-head.ts';
import type { Connection, Connections } from './connections.ts';
import type { Deadlines, Waiting } from './deadlines.ts';
import { letGoBehind } from './respond.ts';

export interface FirstHeadDeps {
  readonly connections: Connections;
  readonly deadlines: Deadlines;
  readonly readConnectHead: ReadConnectHead;
  /** From its accept a connection has so long for its first head, in milliseconds. */
  readonly headerMs: number;
  /** That time is over; its head may have come meanwhile. */
  readonly onLate: (connection: Connection) => void;
  readonly onConnect: (request: ConnectRequest, socket: BareSocket, rest: Buffer) => void;
  /** Anything else begins on it, which is still to be read. */
  readonly onOther: (socket: Socket) => void;
}

/** Gives what waits for the head of a connection. */
export function createFirstHead(deps: FirstHeadDeps): (socket: BareSocket, connection: Connection) => void {
  const { connections, deadlines, headerMs } = deps;

  function onPiece(this: BareSocket, piece: Buffer): void {
    this.off('data', onPiece).off('end', onEnd);
    const head = deps.readConnectHead(piece);
    if (head) return deps.onConnect(head.request, this, head.rest);
    const socket = this.handOver(piece);
    connections.rename(this, socket);
    socket.once('close', () => letGoBehind(socket));
    deps.onOther(socket);
  }

  return (socket, connection) => {
    connection.headDue = deadlines.set(headerMs, new HeadDue(connection, deps.onLate));
    socket.on('data', onPiece).on('end', onEnd);
    socket.resume();
  };
}

/** A client that closes its half without a word is gone. */
function onEnd(this: BareSocket): void {
  this.destroy();
}

class HeadDue implements Waiting {
  readonly #connection: Connection;
  readonly #onLate: FirstHeadDeps['onLate'];

  constructor(connection: Connection, onLate: FirstHeadDeps['onLate']) {
    this.#connection = connection;
    this.#onLate = onLate;
  }

  onDeadline(): void {
    this.#onLate(this.#connection);
  }
}
