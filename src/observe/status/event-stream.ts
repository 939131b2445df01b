/**
 * Server-sent events for the status page. One timer serves all readers with one text, and rests while there are none;
 * a reader that does not keep up is let go, for it would hold old figures in memory.
 */
import type { ServerResponse } from 'node:http';
import type { TextAnswer } from '../answer-server.ts';
import { plainText } from '../answer-server.ts';

export interface EventStream {
  /** Takes a reader; what refuses it, if there are too many. */
  add(response: ServerResponse): TextAnswer | null;
  close(): void;
}

export interface EventStreamDeps {
  /** The data of an event with the history from `sinceMs` on; it is sent as JSON. */
  readonly view: (sinceMs: number) => object | Promise<object>;
  readonly onBug: (error: unknown) => void;
  readonly now: () => number;
  readonly everyMs?: number;
}

/** More than any control room has screens, and too few to use up the connections of the listener. */
const maxReaders = 20;
/** What may wait for a reader: some events. */
const maxWaitingBytes = 1 << 20;
/** How much of the history each event repeats, so that a late one leaves no gap. */
const repeatMs = 30_000;

export function createEventStream({ view, onBug, now, everyMs = 2000 }: EventStreamDeps): EventStream {
  const readers = new Set<ServerResponse>();
  let timer: NodeJS.Timeout | undefined;
  let isBusy = false;

  const textOf = async (sinceMs: number) => `data: ${JSON.stringify(await view(sinceMs))}\n\n`;

  async function tick(): Promise<void> {
    if (isBusy) return;
    isBusy = true;
    try {
      const text = await textOf(now() - repeatMs);
      for (const reader of readers) {
        if (reader.writableLength > maxWaitingBytes) reader.destroy();
        else reader.write(text);
      }
    } catch (error) {
      onBug(error);
    } finally {
      isBusy = false;
    }
  }

  function drop(reader: ServerResponse): void {
    readers.delete(reader);
    if (readers.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  }

  return {
    add(response) {
      if (readers.size >= maxReaders) return plainText(503, `only ${maxReaders} may follow at a time`);
      readers.add(response);
      response.on('close', () => drop(response));
      response.on('error', () => response.destroy());
      response.writeHead(200, {
        'Content-Type': 'text/event-stream; charset=utf-8',
        'Cache-Control': 'no-store',
        'X-Content-Type-Options': 'nosniff',
      });
      response.flushHeaders();
      textOf(0).then(
        (text) => response.write(text),
        (error: unknown) => {
          onBug(error);
          response.destroy();
        },
      );
      timer ??= setInterval(() => void tick(), everyMs).unref();
      return null;
    },
    close() {
      clearInterval(timer);
      for (const reader of readers) reader.destroy();
    },
  };
}
