/** The way out of a worker's log lines where one process has to write them all: in batches, to the primary. */
import type { LineSink } from '../observe/line-sink.ts';

/** Lines that are sent together wait so long for each other, in milliseconds. */
const gatherMs = 10;
const defaultMaxQueuedBytes = 16 * 1024 * 1024;

/** `send` calls back when the channel took the lines, with whether it did. */
export function createRelayedLines(
  send: (text: string, onSent: (isSent: boolean) => void) => void,
  onDrop: (count: number) => void,
  maxQueuedBytes = defaultMaxQueuedBytes,
): LineSink {
  let waiting: string[] = [];
  let queuedBytes = 0;
  let dropped = 0;
  let isSending = false;
  let timer: NodeJS.Timeout | undefined;
  let onEmpty: (() => void) | null = null;

  function drop(count: number): void {
    dropped += count;
    onDrop(count);
  }

  function flush(): void {
    timer = undefined;
    if (isSending) return;
    if (waiting.length === 0) {
      onEmpty?.();
      return;
    }
    const lines = waiting;
    const text = lines.join('');
    waiting = [];
    isSending = true;
    send(text, (isSent) => {
      isSending = false;
      queuedBytes -= text.length;
      if (!isSent) drop(lines.length);
      if (waiting.length > 0 || onEmpty) flush();
    });
  }

  return {
    get dropped() {
      return dropped;
    },
    write(line) {
      if (queuedBytes + line.length > maxQueuedBytes) {
        drop(1);
        return;
      }
      queuedBytes += line.length;
      waiting.push(line);
      if (!isSending) timer ??= setTimeout(flush, gatherMs);
    },
    reopen() {},
    close(deadlineMs) {
      clearTimeout(timer);
      return new Promise((resolve) => {
        const deadline = setTimeout(resolve, deadlineMs);
        onEmpty = () => {
          clearTimeout(deadline);
          resolve();
        };
        flush();
      });
    },
  };
}
