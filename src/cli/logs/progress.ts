/** How far a long file has been read, on one line of a terminal that is gone afterwards. */
import type { LogSource } from '../../observe/log-files.ts';
import type { Terminal } from './terminal.ts';
import { bytesText, plain } from './terminal.ts';

export interface Progress {
  readonly note: (source: LogSource, bytes: number) => void;
  readonly end: () => void;
}

/** Less than this is read before anybody wonders. */
const worthSayingBytes = 64_000_000;
const everyMs = 200;
const barWidth = 24;

/** Draws on `write`; does nothing where nobody looks on or there is little to read. */
export function createProgress(
  sources: readonly LogSource[],
  terminal: Pick<Terminal, 'isInteractive'>,
  write: (text: string) => void,
  now: () => number,
): Progress {
  const total = sources.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0);
  if (!terminal.isInteractive || total < worthSayingBytes) return { note: () => {}, end: () => {} };
  let current: LogSource | null = null;
  let before = 0;
  let currentBytes = 0;
  let lastDrawn = now();
  let isDrawn = false;
  return {
    note(source, bytes) {
      if (source !== current) before += currentBytes;
      current = source;
      currentBytes = bytes;
      if (now() - lastDrawn < everyMs) return;
      lastDrawn = now();
      isDrawn = true;
      const share = Math.min((before + bytes) / total, 1);
      const bar = '#'.repeat(Math.round(share * barWidth)).padEnd(barWidth, '.');
      const text = `[${bar}] ${Math.floor(share * 100)} % of ${bytesText(total)}  ${plain(source.name)}`;
      write(`\r\u001b[K${text.slice(0, 78)}`);
    },
    end: () => void (isDrawn && write('\r\u001b[K')),
  };
}
