/** Notices that nothing has moved between a client and a destination for a while. */
import type { Socket } from 'node:net';

export interface StallWatch {
  stop(): void;
}

export interface StallLimits {
  readonly idleMs: number;
  /** Holds once the client has closed its half: it may wait for an answer, and it may just as well be gone. */
  readonly halfCloseMs: number;
}

/** Calls `onStall` once when no byte was read or written on either socket for as long as the limits allow (milliseconds). */
export function watchStall(client: Socket, destination: Socket, limits: StallLimits, onStall: () => void): StallWatch {
  const moved = () => [client, destination].reduce((sum, socket) => sum + socket.bytesRead + socket.bytesWritten, 0);
  const { idleMs, halfCloseMs } = limits;
  let seen = moved();
  let since = performance.now();
  const look = () => {
    const now = moved();
    if (now !== seen) {
      seen = now;
      since = performance.now();
    }
    const allowed = client.readableEnded ? Math.min(idleMs, halfCloseMs) : idleMs;
    if (performance.now() - since < allowed) return;
    clearInterval(timer);
    onStall();
  };
  // Looked at a quarter of the time apart: a stall is noticed at most a quarter late, and a byte costs nothing.
  const timer = setInterval(look, Math.max(1, Math.floor(Math.min(idleMs, halfCloseMs) / 4)));
  return { stop: () => clearInterval(timer) };
}
