/** One end of a TCP connection under a test's hand: it records every byte and waits for bytes, not for time. */
import { once } from 'node:events';
import type { Socket } from 'node:net';

/** How a connection ended as seen from this end: by FIN from both, or by RST (or another error). */
export type Ending = 'closed' | 'reset';

/** Bytes to send: text is taken as latin1, so that `\xff` is one byte. */
export type Bytes = string | Uint8Array;

export interface Wire {
  readonly socket: Socket;
  /** The other end's address and port, kept because a closed socket no longer tells. */
  readonly peer: { readonly address: string; readonly port: number };
  /** Every byte received so far. */
  readonly received: Buffer;
  /** The same as latin1 text. */
  readonly text: string;
  /** How many bytes were received so far, without joining them. */
  readonly receivedBytes: number;
  /** Sends bytes; settles when the kernel has them, fails when the connection is gone. */
  write(bytes: Bytes): Promise<void>;
  /**
   * Waits for a text, a pattern, or a count of bytes, and gives all that was received up to its end. Fails, with what
   * did arrive, when the peer ends first or the budget (10 s) runs out.
   */
  until(what: string | RegExp | number): Promise<string>;
  /** Settles with all bytes once the peer has sent its FIN; fails on a reset. */
  all(): Promise<Buffer>;
  /** Settles once the connection is gone in both directions, and says how. */
  readonly closed: Promise<Ending>;
  /** Sends FIN and goes on reading. */
  end(bytes?: Bytes): void;
  /** Sends RST. */
  reset(): void;
  /** Drops the connection without a word more and waits until it is gone. */
  [Symbol.asyncDispose](): Promise<void>;
}

const budgetMs = 10_000;

function toBytes(bytes: Bytes): Uint8Array {
  return typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
}

/** How many bytes belong to the first occurrence of `what`, or -1 while it is not there. */
function lengthUntil(what: string | RegExp | number, bytes: number, join: () => Buffer): number {
  if (typeof what === 'number') return bytes >= what ? what : -1;
  const text = join().toString('latin1');
  if (typeof what === 'string') {
    const at = text.indexOf(what);
    return at < 0 ? -1 : at + what.length;
  }
  const match = new RegExp(what.source, what.flags.replace('g', '')).exec(text);
  return match === null ? -1 : match.index + match[0].length;
}

/** Takes a socket over: reads it from now on, owns its errors. The socket should have been made with `allowHalfOpen`. */
export function createWire(socket: Socket): Wire {
  const peer = { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 };
  let chunks: Buffer[] = [];
  let receivedBytes = 0;
  let ended = false;
  let failure: Error | null = null;
  const watchers = new Set<() => void>();
  const wake = (): void => {
    for (const watcher of watchers) watcher();
  };
  const join = (): Buffer => {
    if (chunks.length !== 1) chunks = [Buffer.concat(chunks)];
    return chunks[0]!;
  };

  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    receivedBytes += chunk.length;
    wake();
  });
  socket.on('end', () => {
    ended = true;
    wake();
  });
  socket.on('error', (error) => {
    failure ??= error;
  });
  const closed = new Promise<Ending>((resolve) => {
    socket.once('close', () => {
      resolve(failure === null ? 'closed' : 'reset');
      wake();
    });
  });

  /** Calls `ready` now and whenever something arrives, until it gives a value; fails when nothing more can come. */
  const watch = <T>(ready: () => T | undefined, waitingFor: string): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      const fail = (why: string): void => {
        finish();
        const tail = JSON.stringify(join().subarray(-2_000).toString('latin1'));
        reject(new Error(`${why} while waiting for ${waitingFor}; ${receivedBytes} bytes arrived: ${tail}`));
      };
      const check = (): void => {
        const value = ready();
        if (value !== undefined) {
          finish();
          resolve(value);
        } else if (failure !== null) fail(`connection failed (${failure.message})`);
        else if (ended) fail('the peer ended');
        else if (socket.destroyed) fail('the connection is closed');
      };
      const timer = setTimeout(() => fail(`${budgetMs} ms passed`), budgetMs);
      const finish = (): void => {
        clearTimeout(timer);
        watchers.delete(check);
      };
      watchers.add(check);
      check();
    });

  return {
    socket,
    peer,
    get received() {
      return join();
    },
    get text() {
      return join().toString('latin1');
    },
    get receivedBytes() {
      return receivedBytes;
    },
    write: (bytes) =>
      new Promise<void>((resolve, reject) => {
        socket.write(toBytes(bytes), (error) => (error ? reject(error) : resolve()));
      }),
    until: (what) =>
      watch(() => {
        const length = lengthUntil(what, receivedBytes, join);
        return length < 0 ? undefined : join().toString('latin1', 0, length);
      }, String(what)),
    all: () => watch(() => (ended ? join() : undefined), 'the end'),
    closed,
    end: (bytes) => {
      if (bytes === undefined) socket.end();
      else socket.end(toBytes(bytes));
    },
    reset: () => {
      socket.resetAndDestroy();
    },
    async [Symbol.asyncDispose]() {
      if (socket.closed) return;
      const gone = once(socket, 'close');
      socket.destroy();
      await gone;
    },
  };
}
