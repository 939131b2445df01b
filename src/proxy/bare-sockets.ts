/** Bare sockets, connected and accepted. */
import type { Server } from 'node:net';
import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { BareSocket } from './bare-socket.ts';
import { ignore } from './respond.ts';
import type { ListeningHandle, TcpHandle } from './tcp-handle.ts';
import { findTcpHandles } from './tcp-handle.ts';
import type { Connect, TunnelSocket } from './tunnel-socket.ts';

export interface BareSockets {
  readonly connect: Connect<BareSocket>;
  /**
   * From now on a server that listens hands out what it accepts bare, paused, and counts none of it as its own. False
   * where that cannot be: then it goes on as before.
   */
  accept(server: Server, onAccepted: (socket: BareSocket) => void): boolean;
  /**
   * A bare socket, paused, over the connection of a `net.Socket` that is of no more use, each closed with the other; null
   * where it cannot be had.
   */
  takeOver(socket: TunnelSocket): BareSocket | null;
}

/** Null where the platform does not let its handles be used. */
export function findBareSockets(): BareSockets | null {
  const handles = findTcpHandles();
  if (!handles) return null;
  return {
    connect: (address, port) => new BareSocket(handles).connect(address, port),
    accept(server, onAccepted) {
      const handle = Reflect.get(server, '_handle') as ListeningHandle | null;
      const onFailure = handle?.onconnection;
      if (!handle || typeof onFailure !== 'function') return false;
      // What is accepted inherits it.
      handle.setNoDelay(true);
      handle.onconnection = function (status, accepted) {
        if (accepted) onAccepted(new BareSocket(handles, accepted));
        else onFailure.call(this, status, accepted);
      };
      return true;
    },
    takeOver(socket) {
      // Of any other, what is read is not what its connection reads: TLS lies between.
      if (!(socket instanceof Socket) || socket instanceof TLSSocket || !canBeTaken(socket)) return null;
      const owner = socket as unknown as { _handle: TcpHandle | null };
      const handle = owner._handle;
      if (!handle) return null;
      owner._handle = null;
      handle.readStop();
      const taken = new BareSocket(handles, handle);
      // Whoever takes it may have to wait before it listens; what happens in between must not end the process.
      taken.on('error', ignore);
      taken.once('close', () => void socket.destroy());
      socket.once('close', () => void taken.destroy());
      return taken;
    },
  };
}

function canBeTaken(socket: Socket): boolean {
  if (socket.destroyed || socket.readableLength > 0 || socket.readableEnded) return false;
  // Its `drain` may still be to come though all is written; whoever waits for it would wait for ever.
  return socket.writableLength === 0 && !socket.writableEnded && !socket.writableNeedDrain;
}
