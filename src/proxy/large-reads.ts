/**
 * Large reads for a busy end of a tunnel. By default a read brings at most 64 KiB, each into memory of its own, and
 * that is most of what a byte costs. A bare socket whose reads fill that is therefore read into a buffer of ours.
 */
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
type OnBytes = (bytes: Buffer, isLent: boolean) => void;

export interface LargeReads {
  /** Whether a read was as large as a default one can be. */
  isFull(bytes: Buffer): boolean;
  /** From now on reads are large where the socket is a bare one, and `onBytes` gets them in place of its listeners. */
  begin(socket: TunnelSocket, onBytes: OnBytes): void;
}

/** Shares one small and a few large buffers among all ends of this process. */
export function createLargeReads(): LargeReads {
  const shared = Buffer.allocUnsafeSlow(defaultReadBytes);
  const spare: Buffer[] = [];
  let out = 0;

  const takeLarge = (): Buffer => {
    if (out >= maxLarge) return shared;
    out++;
    return spare.pop() ?? Buffer.allocUnsafeSlow(largeBytes);
  };

  return {
    isFull: (bytes) => bytes.length >= defaultReadBytes,
    begin(socket, onBytes) {
      // Of any other, what is read is not what its connection reads: streams or TLS lie between.
      if (!(socket instanceof BareSocket) || socket.isReadInto || socket.destroyed || socket.readableEnded) return;
      let buffer = takeLarge();
      const giveBack = (canReuse: boolean) => {
        if (buffer === shared) return;
        out--;
        if (canReuse && spare.length < maxSpare) spare.push(buffer);
        buffer = shared;
      };
      const onread = {
        buffer: () => buffer,
        callback: (length: number, into: Uint8Array): void => {
          const bytes = Buffer.from(into.buffer, into.byteOffset, length);
          if (into === shared) {
            onBytes(Buffer.from(bytes), false);
            if (length === defaultReadBytes && buffer === shared) buffer = takeLarge();
          } else {
            onBytes(bytes, true);
            // A paused end still has its memory in use; who holds it then is the write.
            if (length < busyBytes) giveBack(!socket.isPaused());
          }
        },
      };
      socket.readInto(onread);
      socket.once('close', () => giveBack(false));
    },
  };
}
