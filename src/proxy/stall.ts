/** Notices that nothing has moved on a set of sockets for a while. */
import type { Socket } from 'node:net';

export interface StallWatch {
  stop(): void;
}

/** Calls `onStall` once when no byte was read or written on any of the sockets for `idleMs` milliseconds. */
export function watchStall(sockets: readonly Socket[], idleMs: number, onStall: () => void): StallWatch {
  const moved = () => sockets.reduce((sum, socket) => sum + socket.bytesRead + socket.bytesWritten, 0);
  // Looked at a quarter of the time apart: a stall is noticed at most a quarter late, and a byte costs nothing.
  const quarter = Math.max(1, Math.floor(idleMs / 4));
  let seen = moved();
  let quiet = 0;
  const timer = setInterval(() => {
    const now = moved();
    quiet = now === seen ? quiet + 1 : 0;
    seen = now;
    if (quiet >= 4) {
      clearInterval(timer);
      onStall();
    }
  }, quarter);
  return { stop: () => clearInterval(timer) };
}
