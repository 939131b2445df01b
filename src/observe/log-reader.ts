/** Reads access logs from end to end: every record that passes the filter, and what could not be read, counted. */
import type { LogSource } from './log-files.ts';
import type { LogFilter } from './log-filter.ts';
import { createLineSplitter, parseLogLine } from './log-line.ts';
import type { LogRecord } from './log-record.ts';

/** What was read, for the report's last line. */
export interface LogReading {
  /** Records that passed the filter, less those passed over. */
  readonly records: number;
  /** Lines that are none of an access or service log. */
  readonly bad: number;
  /** `FILE:LINE` of the first of them. */
  readonly firstBad: string | null;
  /** Sources that ended in the middle, with what the system says: a packed file that was cut, a disk that failed. */
  readonly broken: readonly string[];
}

export interface ReadLogsOptions {
  readonly filter: Pick<LogFilter, 'since' | 'marker' | 'passes'>;
  readonly onRecord: (record: LogRecord) => void;
  /**
   * Texts of which a JSON line that holds all is of no interest: it is not parsed. `"key":"word"` cannot stand inside a
   * value, for the quotes would be escaped there.
   */
  readonly passOver?: readonly string[];
  /** Told after each block: the source, and its bytes read so far. */
  readonly onProgress?: (source: LogSource, bytes: number) => void;
}

/** Reads sources one after the other, in memory that does not grow with them, and closes each. Never throws for what they hold. */
export async function readLogs(sources: readonly LogSource[], options: ReadLogsOptions): Promise<LogReading> {
  const reading = { records: 0, bad: 0, firstBad: null as string | null, broken: [] as string[] };
  for (const source of sources) {
    try {
      if (!isOver(source, options.filter)) await readSource(source, options, reading);
    } catch (error) {
      reading.broken.push(`${source.name}: ${error instanceof Error ? error.message : 'unknown error'}`);
    } finally {
      await source.close();
    }
  }
  return reading;
}

/** A file that was last written before the time asked for holds nothing since. */
function isOver({ modified }: LogSource, { since }: ReadLogsOptions['filter']): boolean {
  return modified !== null && since !== null && modified < since;
}

async function readSource(
  source: LogSource,
  { filter, onRecord, passOver = [], onProgress }: ReadLogsOptions,
  reading: { records: number; bad: number; firstBad: string | null },
): Promise<void> {
  const { marker, since } = filter;
  const sinceText = since === null ? '' : new Date(since).toISOString();
  let lines = 0;
  let bytes = 0;
  const noteBad = () => {
    reading.bad += 1;
    reading.firstBad ??= `${source.name}:${lines}`;
  };
  const splitter = createLineSplitter(
    (line) => {
      lines += 1;
      if (line === '' || (marker !== null && !line.includes(marker))) return;
      if (isBefore(line, sinceText)) return;
      if (passOver.length > 0 && passOver.every((text) => line.includes(text))) return;
      const record = parseLogLine(line);
      if (record === 'bad') noteBad();
      else if (record !== 'other' && filter.passes(record)) {
        reading.records += 1;
        onRecord(record);
      }
    },
    () => {
      lines += 1;
      noteBad();
    },
  );
  try {
    for await (const block of source.blocks((taken) => (bytes += taken))) {
      splitter.push(block);
      onProgress?.(source, bytes);
    }
  } finally {
    splitter.end();
  }
}

const timeKey = '"time":"';

/** Whether a JSON line is older than that, told from its first bytes: most of a long log need not be parsed. */
function isBefore(line: string, sinceText: string): boolean {
  if (sinceText === '' || !line.startsWith('{"level":"')) return false;
  const key = line.indexOf(timeKey, 10);
  const at = key + timeKey.length;
  return (
    key > 0 && key < 32 && line[at + sinceText.length] === '"' && line.slice(at, at + sinceText.length) < sinceText
  );
}
