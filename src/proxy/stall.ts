/** Notices that nothing has moved between a client and a destination for a while. */
import type { Socket } from 'node:net';
import type { Deadline, Waiting } from './deadlines.ts';
import { Deadlines } from './deadlines.ts';

export interface StallLimits {
  readonly idleMs: number;
  /** Holds once the client has closed its half: it may wait for an answer, and it may just as well be gone. */
  readonly halfCloseMs: number;
}

/** Calls `onStall` once when no byte was read or written on either socket for as long as the limits allow (milliseconds). */
export class StallWatch implements Waiting {
  readonly #client: Socket;
  readonly #destination: Socket;
  readonly #limits: StallLimits;
  readonly #deadlines: Deadlines;
  readonly #onStall: () => void;
  #seen: number;
  #since = performance.now();
  #next: Deadline;

  constructor(client: Socket, destination: Socket, limits: StallLimits, deadlines: Deadlines, onStall: () => void) {
    this.#client = client;
    this.#destination = destination;
    this.#limits = limits;
    this.#deadlines = deadlines;
    this.#onStall = onStall;
    this.#seen = this.#moved();
    this.#next = this.#wait();
  }

  stop(): void {
    Deadlines.clear(this.#next);
  }

  onDeadline(): void {
    const moved = this.#moved();
    if (moved !== this.#seen) {
      this.#seen = moved;
      this.#since = performance.now();
    }
    const { idleMs, halfCloseMs } = this.#limits;
    const allowed = this.#client.readableEnded ? Math.min(idleMs, halfCloseMs) : idleMs;
    if (performance.now() - this.#since < allowed) this.#next = this.#wait();
    else this.#onStall();
  }

  /** Looked at a quarter of the time apart: a stall is noticed at most a quarter late, and a byte costs nothing. */
  #wait(): Deadline {
    const { idleMs, halfCloseMs } = this.#limits;
    return this.#deadlines.set(Math.max(1, Math.floor(Math.min(idleMs, halfCloseMs) / 4)), this);
  }

  #moved(): number {
    const { bytesRead, bytesWritten } = this.#destination;
    return bytesRead + bytesWritten + this.#client.bytesRead + this.#client.bytesWritten;
  }
}
