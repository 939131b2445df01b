/** Reads a client into a bounded buffer while nothing may flow yet: a reset is only seen on a socket that is read. */
import type { TunnelSocket } from './tunnel-socket.ts';

export interface HeldClient {
  /** Calls back with each piece, those already here included, until `release`. */
  onBytes(listener: (bytes: Buffer) => void): void;
  /** Calls back when the client has closed its half. */
  onEnd(listener: () => void): void;
  /**
   * Gives back everything that came, in order, and leaves the reading to whoever listens before this turn is over: the
   * client goes on being read unless it was paused.
   */
  release(): readonly Buffer[];
}

/** Holds what a client sends, `head` (what came behind the CONNECT) first; beyond `maxBytes` the client is paused. */
export function holdClient(socket: TunnelSocket, head: Buffer, maxBytes: number): HeldClient {
  const pieces: Buffer[] = head.length > 0 ? [head] : [];
  let length = head.length;
  let listener: ((bytes: Buffer) => void) | null = null;
  let endListener: (() => void) | null = null;
  const onData = (bytes: Buffer) => {
    pieces.push(bytes);
    length += bytes.length;
    // One piece more than the limit: a reader with the same limit has to see that it was passed.
    if (length > maxBytes) socket.pause();
    listener?.(bytes);
  };
  const onEnd = () => endListener?.();
  socket.on('data', onData);
  socket.on('end', onEnd);
  socket.resume();
  return {
    onBytes(callback) {
      listener = callback;
      for (const bytes of pieces.slice()) callback(bytes);
    },
    onEnd(callback) {
      endListener = callback;
      if (socket.readableEnded) callback();
    },
    release() {
      socket.off('data', onData);
      socket.off('end', onEnd);
      return pieces;
    },
  };
}
