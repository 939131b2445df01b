/**
 * Large reads for a busy end of a tunnel. By default a read brings at most 64 KiB, each into memory of its own, and
 * that is most of what a byte costs. A socket whose reads fill that is therefore made anew over the same connection,
 * with a buffer of ours that the system reads into. The connection's handle is not public: this file alone knows it.
 */
import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

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
  /** The same connection as a socket with large reads, paused; null where it cannot be had now. */
  takeOver(socket: Socket, onBytes: OnBytes): Socket | null;
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
      const { _handle: handle } = socket as unknown as { _handle: object | null };
      // What TLS reads is not what its connection reads.
      if (socket instanceof TLSSocket) return null;
      if (!isPossible || !handle || socket.readableLength > 0 || socket.writableLength > 0) return null;
      // Its `drain` may still be to come though all is written; whoever waits for it would wait for ever.
      if (socket.destroyed || socket.readableEnded || socket.writableEnded || socket.writableNeedDrain) return null;
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
      (socket as unknown as { _handle: object | null })._handle = null;
      const options = { handle, allowHalfOpen: true, onread, manualStart: true };
      const taken = new Socket(options as ConstructorParameters<typeof Socket>[0]);
      taken.pause();
      // Whoever counts or ends the old socket counts and ends the connection.
      taken.once('close', () => {
        giveBack(false);
        socket.destroy();
      });
      socket.once('close', () => taken.destroy());
      return taken;
    },
  };
}
