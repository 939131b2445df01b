/**
 * Large reads for a busy end of a tunnel. By default a read brings at most 64 KiB, each into memory of its own, and
 * that is most of what a byte costs. A socket whose reads fill that is therefore read into a buffer of ours: a bare one
 * can be told to, a `net.Socket` is made anew over the same connection, whose handle is not public. This file alone takes
 * one from a `net.Socket`.
 */
import type { OnReadOpts } from 'node:net';
import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { BareSocket } from './bare-socket.ts';
import type { TunnelSocket } from './tunnel-socket.ts';

/** What a read brings at most by default, in bytes: an end that fills it has more to say. */
const defaultReadBytes = 64 * 1024;
const largeBytes = 512 * 1024;
/** A read that brings less than this shows an end that is busy no more: its large buffer is given back. */
const busyBytes = 16 * 1024;
/** At most so many large buffers are out (32 MiB); ends beyond that stay with the shared one. */
const maxLarge = 64;
/** Large buffers kept for the next end that needs one. */
const maxSpare = 8;

/** Gets each read. With `isLent` the memory is read into again after the call, unless the socket was paused in it. */
export type OnBytes = (bytes: Buffer, isLent: boolean) => void;

export interface LargeReads {
  /** Whether a read was as large as a default one can be. */
  isFull(bytes: Buffer): boolean;
  /**
   * The same connection with large reads: the same socket, or another that is paused and takes its place. Null where it
   * cannot be had now.
   */
  takeOver(socket: TunnelSocket, onBytes: OnBytes): TunnelSocket | null;
}

/** Shares one small and a few large buffers among all ends of this process. */
export function createLargeReads(isPossible: boolean = process.platform !== 'win32'): LargeReads {
  const shared = Buffer.allocUnsafeSlow(defaultReadBytes);
  const spare: Buffer[] = [];
  let out = 0;

  const takeLarge = (): Buffer => {
    if (out >= maxLarge) return shared;
    out++;
    return spare.pop() ?? Buffer.allocUnsafeSlow(largeBytes);
  };

  return {
    isFull: (bytes) => isPossible && bytes.length >= defaultReadBytes,
    takeOver(socket, onBytes) {
      if (!isPossible || socket.destroyed || socket.readableEnded) return null;
      // Of a socket that is neither, what is read is not what its connection reads: TLS lies between.
      const isBare = socket instanceof BareSocket;
      if (isBare && socket.isReadInto) return null;
      if (!isBare && (!(socket instanceof Socket) || socket instanceof TLSSocket || !canBeMadeAnew(socket)))
        return null;
      let buffer = takeLarge();
      const giveBack = (canReuse: boolean) => {
        if (buffer === shared) return;
        out--;
        if (canReuse && spare.length < maxSpare) spare.push(buffer);
        buffer = shared;
      };
      const onread = {
        buffer: () => buffer,
        callback: (length: number, into: Uint8Array): boolean => {
          const bytes = Buffer.from(into.buffer, into.byteOffset, length);
          if (into === shared) {
            onBytes(Buffer.from(bytes), false);
            if (length === defaultReadBytes && buffer === shared) buffer = takeLarge();
          } else {
            onBytes(bytes, true);
            // A paused end still has its memory in use; who holds it then is the write.
            if (length < busyBytes) giveBack(!taken.isPaused());
          }
          return true;
        },
      };
      const taken: TunnelSocket = isBare ? socket.readInto(onread) : makeAnew(socket, onread);
      taken.once('close', () => giveBack(false));
      return taken;
    },
  };
}

function canBeMadeAnew(socket: Socket): boolean {
  if (socket.readableLength > 0 || socket.writableLength > 0 || socket.writableEnded) return false;
  // Its `drain` may still be to come though all is written; whoever waits for it would wait for ever.
  return !socket.writableNeedDrain && (socket as unknown as { _handle: object | null })._handle !== null;
}

/** Another socket over the same connection, paused. Whoever counts or ends the old one counts and ends the connection. */
function makeAnew(socket: Socket, onread: OnReadOpts): Socket {
  const owner = socket as unknown as { _handle: object | null };
  const options = { handle: owner._handle, allowHalfOpen: true, onread, manualStart: true };
  owner._handle = null;
  const taken = new Socket(options as ConstructorParameters<typeof Socket>[0]);
  taken.pause();
  taken.once('close', () => void socket.destroy());
  socket.once('close', () => void taken.destroy());
  return taken;
}
