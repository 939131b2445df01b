/**
 * The way out of every log line. The queue is here and the stream below gets one batch at a time, so that each line
 * that could not be written is counted, and a line stands whole in one file or the other when the file is reopened.
 */
import { constants, openSync } from 'node:fs';
import { LineStream } from './line-stream.ts';

/** Where lines go. `write` takes whole ASCII lines, never throws and never waits. */
export interface LineSink {
  write(line: string): void;
  /** Lines lost so far: no room in the queue, a reader gone for good, or still unwritten at the closing deadline. */
  readonly dropped: number;
  /** Opens the file anew after a rotation; a path that cannot be opened leaves the old file in use. */
  reopen(): void;
  /** Writes what is queued and closes; gives up at the deadline, counting what is left as dropped. */
  close(deadlineMs: number): Promise<void>;
}

export interface LineSinkOptions {
  /** A file path, or one of the standard descriptors 1 and 2. */
  readonly destination: string | 1 | 2;
  /** Bytes that may wait for a stalled reader or a full disk; lines beyond are dropped. */
  readonly maxQueuedBytes?: number | undefined;
  /** Bytes written at a time; a longer line goes alone. */
  readonly batchBytes?: number | undefined;
  readonly onDrop?: ((count: number) => void) | undefined;
  /** Told once when writing begins to fail, and again only if it went well in between. */
  readonly onError?: ((error: Error) => void) | undefined;
}

/** Whole lines that are written together, in memory that serves one batch after the other. */
interface Batch {
  bytes: Buffer;
  length: number;
  lines: number;
}

/**
 * A write takes one turn of the event loop, and a busy loop turns slowly: large batches keep up with it. On a pipe they
 * go out in parts, so processes that share one have to write no more than `maxLineBytes` at a time.
 */
const defaultBatchBytes = 64 * 1024;
const newline = 10;
const defaultMaxQueuedBytes = 16 * 1024 * 1024;
/**
 * After a write so long is waited for more lines (milliseconds): a line on its own goes out at once, and under load each
 * write, which costs a turn through the thread pool, carries what came meanwhile.
 */
const restMs = 20;
/** A full pipe is tried again soon, for its reader may be quick; a full disk takes longer to mend. */
const firstBusyRetryMs = 1;
const lastBusyRetryMs = 64;
const failureRetryMs = 500;

/** Opens a sink that keeps lines in order and never holds up the event loop. Throws if a file cannot be opened. */
export function createLineSink(options: LineSinkOptions): LineSink {
  const { destination, onDrop, onError } = options;
  const { maxQueuedBytes = defaultMaxQueuedBytes, batchBytes = defaultBatchBytes } = options;
  const batches: Batch[] = [];
  let spare: Buffer | null = null;
  let queuedBytes = 0;
  let dropped = 0;
  /** Bytes of the first batch that are out already. */
  let written = 0;
  /** `resting`: just written; `waiting`: a write failed and is tried again; `gone`: nobody will ever read. */
  let state: 'idle' | 'resting' | 'writing' | 'waiting' | 'gone' = 'idle';
  let restTimer: NodeJS.Timeout | undefined;
  let failing = false;
  let reopening = false;
  let busyRetryMs = firstBusyRetryMs;
  let retryTimer: NodeJS.Timeout | undefined;
  let closing: { readonly done: Promise<void>; readonly finish: () => void } | null = null;
  let stream = open();

  function open(): LineStream {
    const fd = typeof destination === 'string' ? openFile(destination) : openStandard(destination);
    // A file replaced after a rotation may still report; only the current one is heard.
    const current = (act: () => void): void => {
      if (opened === stream) act();
    };
    const opened: LineStream = new LineStream(fd, {
      onWritten: (bytes) => current(() => partDone(bytes)),
      onDrain: () => current(batchDone),
      onError: (error) => current(() => writeFailed(error)),
      onClose: () => current(() => closing?.finish()),
    });
    return opened;
  }

  function tell(error: unknown): void {
    if (!failing) onError?.(error instanceof Error ? error : new Error(String(error)));
    failing = true;
  }

  function drop(count: number): void {
    dropped += count;
    if (count > 0) onDrop?.(count);
  }

  function openBatch(leastBytes: number): Batch {
    const bytes = leastBytes <= batchBytes && spare ? spare : Buffer.allocUnsafeSlow(Math.max(batchBytes, leastBytes));
    if (bytes === spare) spare = null;
    const batch = { bytes, length: 0, lines: 0 };
    batches.push(batch);
    return batch;
  }

  function writeNext(): void {
    clearTimeout(restTimer);
    if (reopening) openAnew();
    const batch = batches[0];
    state = batch === undefined ? 'idle' : 'writing';
    written = 0;
    if (batch !== undefined) stream.write(batch.bytes.subarray(0, batch.length));
    else if (closing !== null) stream.end();
  }

  function rest(): void {
    state = 'resting';
    restTimer = setTimeout(writeNext, restMs);
  }

  function partDone(bytes: number): void {
    written += bytes;
    failing = false;
    busyRetryMs = firstBusyRetryMs;
  }

  function batchDone(): void {
    const done = batches.shift();
    queuedBytes -= done?.length ?? 0;
    if (done?.bytes.length === batchBytes) spare = done.bytes;
    // What waits already, or a file to be reopened, is not kept waiting.
    if (batches.length > 0 || closing !== null || reopening) writeNext();
    else rest();
  }

  function writeFailed(error: NodeJS.ErrnoException): void {
    if (state === 'gone') return;
    if (error.code !== 'EAGAIN') tell(error);
    if (error.code === 'EPIPE' || error.code === 'EBADF') {
      giveUp();
    } else if (!reopening || !moveToNewFile()) {
      state = 'waiting';
      retryTimer = setTimeout(retry, error.code === 'EAGAIN' ? busyRetryMs : failureRetryMs).unref();
      busyRetryMs = Math.min(busyRetryMs * 2, lastBusyRetryMs);
    }
  }

  function retry(): void {
    state = 'writing';
    stream.goOn();
  }

  /** Replaces the file, or says why not; the old one is left as it stands. */
  function openAnew(): boolean {
    reopening = false;
    const old = stream;
    try {
      stream = open();
    } catch (error) {
      tell(error);
      return false;
    }
    old.destroy();
    return true;
  }

  /** Goes on in a new file with the lines that the old one could not take. */
  function moveToNewFile(): boolean {
    if (!openAnew()) return false;
    clearTimeout(retryTimer);
    dropWritten();
    writeNext();
    return true;
  }

  /** The lines of the first batch that are wholly out, in bytes and counted; one torn by a full disk is not. */
  function wholeOut(): { readonly length: number; readonly lines: number } {
    const out = batches[0]?.bytes.subarray(0, written) ?? Buffer.alloc(0);
    const length = out.lastIndexOf(newline) + 1;
    return { length, lines: out.subarray(0, length).reduce((lines, byte) => lines + Number(byte === newline), 0) };
  }

  /** Takes them from it, while nothing is being written. */
  function dropWritten(): void {
    const first = batches[0];
    const { length, lines } = wholeOut();
    if (first === undefined || length === 0) return;
    first.bytes.copyWithin(0, length, first.length);
    first.length -= length;
    first.lines -= lines;
    queuedBytes -= length;
  }

  function giveUp(): void {
    clearTimeout(retryTimer);
    clearTimeout(restTimer);
    state = 'gone';
    // A write may still be under way: its bytes stay where they are.
    drop(batches.reduce((lines, batch) => lines + batch.lines, -wholeOut().lines));
    batches.length = 0;
    stream.destroy();
    closing?.finish();
  }

  return {
    get dropped() {
      return dropped;
    },
    write(line) {
      if (closing !== null || state === 'gone' || queuedBytes + line.length > maxQueuedBytes) {
        drop(1);
        return;
      }
      queuedBytes += line.length;
      const last = batches.at(-1);
      // A first batch that is on its way out takes nothing more.
      const isOpen = batches.length > 1 || state === 'resting';
      const fits = last !== undefined && isOpen && last.length + line.length <= batchBytes;
      const batch = fits ? last : openBatch(line.length);
      batch.length += batch.bytes.write(line, batch.length, 'latin1');
      batch.lines += 1;
      if (state === 'idle') writeNext();
    },
    reopen() {
      if (typeof destination !== 'string' || closing !== null || state === 'gone') return;
      reopening = true;
      if (state === 'idle' || state === 'resting') writeNext();
      else if (state === 'waiting') moveToNewFile();
    },
    close(deadlineMs) {
      if (closing !== null) return closing.done;
      const { promise, resolve } = Promise.withResolvers<void>();
      const deadline = setTimeout(giveUp, deadlineMs);
      const finish = (): void => {
        clearTimeout(deadline);
        resolve();
      };
      closing = { done: promise, finish };
      if (state === 'gone') finish();
      else if (state === 'idle' || state === 'resting') writeNext();
      return promise;
    },
  };
}

/** Appends; `O_NONBLOCK` because a named pipe without a reader would hold up the whole start. */
function openFile(path: string): number {
  return openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK, 0o640);
}

/**
 * Makes a standard descriptor non-blocking, which Node does when it sets up its stream. A write that blocked would keep
 * a thread of the pool, and the process could not even exit before its reader moved.
 */
function openStandard(fd: 1 | 2): number {
  void (fd === 1 ? process.stdout : process.stderr);
  return fd;
}
