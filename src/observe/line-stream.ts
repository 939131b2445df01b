/**
 * Writes bytes to a descriptor off the event loop, in order, however few of them the system takes at a time. Pino's own
 * stream copies each block once more, and what it copied into waited for full collections: 20 MB in a million lines.
 */
import { close, write } from 'node:fs';
import process from 'node:process';

export interface LineStreamEvents {
  /** Bytes that reached the descriptor. */
  readonly onWritten: (bytes: number) => void;
  readonly onDrain: () => void;
  /** A failed write, `EAGAIN` included: the stream rests until it is asked to go on. */
  readonly onError: (error: NodeJS.ErrnoException) => void;
  readonly onClose: () => void;
}

/** Takes one block at a time: the next when `onDrain` was told. */
export class LineStream {
  readonly #fd: number;
  readonly #events: LineStreamEvents;
  #left: Uint8Array = new Uint8Array(0);
  #isWriting = false;
  #isEnding = false;
  #isDestroyed = false;

  constructor(fd: number, events: LineStreamEvents) {
    this.#fd = fd;
    this.#events = events;
  }

  /** The block is not to change until it is out. */
  write(block: Uint8Array): void {
    this.#left = block;
    this.goOn();
  }

  /** Writes what is left after an error. */
  goOn(): void {
    this.#isWriting = true;
    write(this.#fd, this.#left, 0, this.#left.length, null, this.#onWritten);
  }

  /** Closes when the block it was given is out. */
  end(): void {
    this.#isEnding = true;
    if (!this.#isWriting) this.destroy();
  }

  /** Closes at once; a write that is under way is waited for, since another file might get the descriptor. */
  destroy(): void {
    if (this.#isDestroyed) return;
    this.#isDestroyed = true;
    if (!this.#isWriting) this.#close();
  }

  readonly #onWritten = (error: NodeJS.ErrnoException | null, written: number): void => {
    this.#isWriting = false;
    if (this.#isDestroyed) return this.#close();
    if (error) return this.#events.onError(error);
    this.#left = this.#left.subarray(written);
    this.#events.onWritten(written);
    if (this.#left.length > 0) this.goOn();
    else if (this.#isEnding) this.destroy();
    else this.#events.onDrain();
  };

  #close(): void {
    // Standard descriptors belong to the process.
    if (this.#fd <= 2) process.nextTick(this.#events.onClose);
    else close(this.#fd, this.#events.onClose);
  }
}
