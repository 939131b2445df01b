/** From bytes to records: whole lines out of blocks, each read in the format it is in. */
import { parseJsonLine } from './log-record.ts';
import type { ParsedLine } from './log-record.ts';
import { parseSquidLine } from './log-squid.ts';

/** What a journal or a container log puts in front of our line ends where this begins. */
const behindPrefix = ' {"level":"';

/** Reads one line, JSON or Squid's, whichever it is; a journal's own words in front of it are passed over. */
export function parseLogLine(text: string): ParsedLine {
  if (text.startsWith('{')) return parseJsonLine(text);
  const at = text.indexOf(behindPrefix);
  return at >= 0 ? parseJsonLine(text.slice(at + 1)) : parseSquidLine(text);
}

export interface LineSplitter {
  /** Takes a block; its memory may be used again afterwards. */
  push(block: Buffer): void;
  /** Gives what came without a newline at the end. */
  end(): void;
}

const newline = 10;
/** No line of ours is a hundredth of this; what has no newline for longer is no log and is not kept. */
const maxCarriedBytes = 1024 * 1024;

/** Cuts blocks into lines; `onOverlong` tells of a line that was too long to keep. */
export function createLineSplitter(onLine: (line: string) => void, onOverlong: () => void): LineSplitter {
  let carried: Buffer[] = [];
  let carriedBytes = 0;
  let isSkipping = false;

  function carry(part: Buffer): void {
    if (isSkipping || part.length === 0) return;
    carriedBytes += part.length;
    isSkipping = carriedBytes > maxCarriedBytes;
    carried = isSkipping ? [] : [...carried, Buffer.from(part)];
  }

  function give(line: string): void {
    onLine(line.endsWith('\r') ? line.slice(0, -1) : line);
  }

  function finish(): void {
    if (isSkipping) onOverlong();
    else give(Buffer.concat(carried).toString());
    carried = [];
    carriedBytes = 0;
    isSkipping = false;
  }

  return {
    push(block) {
      const first = block.indexOf(newline);
      if (first < 0) return carry(block);
      carry(block.subarray(0, first));
      finish();
      const last = block.lastIndexOf(newline);
      if (last > first) {
        // One text for all whole lines: decoding each by itself costs more than reading it.
        const text = block.toString('utf8', first + 1, last + 1);
        for (let from = 0; from < text.length;) {
          const to = text.indexOf('\n', from);
          give(text.slice(from, to));
          from = to + 1;
        }
      }
      carry(block.subarray(last + 1));
    },
    end() {
      if (carriedBytes > 0) finish();
    },
  };
}
