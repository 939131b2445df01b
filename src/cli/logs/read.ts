/** What all `logs` commands begin with: which files, which records, and what is said where something cannot be read. */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import type { Readable } from 'node:stream';
import type { InspectedConfig } from '../../config/load.ts';
import { inspectConfig } from '../../config/load.ts';
import { readText } from '../../config/lists.ts';
import type { LogSource } from '../../observe/log-files.ts';
import { findRotated, openLogFiles, streamSource } from '../../observe/log-files.ts';
import type { FilterOptions, LogFilter } from '../../observe/log-filter.ts';
import { createLogFilter } from '../../observe/log-filter.ts';
import type { LogReading } from '../../observe/log-reader.ts';
import { readLogs } from '../../observe/log-reader.ts';
import type { LogRecord } from '../../observe/log-record.ts';
import { OptionError } from '../explain.ts';
import { thisMachine } from '../load-config.ts';
import { createGarbageCollection } from './collect-garbage.ts';
import { createProgress } from './progress.ts';
import type { Terminal } from './terminal.ts';
import { plain, plural } from './terminal.ts';

/** What every `logs` command is given. */
export interface LogsOptions extends FilterOptions {
  readonly config: string | null;
  readonly json: boolean;
  /** Log files, `-` for standard input; none: the configured log and what rotations made of it. */
  readonly files: readonly string[];
  readonly out: (text: string) => void;
  /** Where notes go, so that what `out` got can be piped on. */
  readonly say: (text: string) => void;
  readonly terminal: Terminal;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly stdin: Readable;
}

/** A log that cannot be opened, in words for who asked for it. */
export class LogError extends Error {
  override readonly name = 'LogError';
}

/** Reads the filter from the options. @throws OptionError with the option and its right form */
export function filterOf(options: LogsOptions): LogFilter {
  const filter = createLogFilter(options, options.now());
  if (!filter.ok) throw new OptionError(filter.message);
  return filter.value;
}

/** What every line has whose exchange was simply allowed: most of a log. */
export const allowedMark = '"verdict":"allow"';

/** Reads everything that is asked for, but for JSON lines that hold all of `passOver`. @throws LogError where there is no log to read, OptionError for a bad option */
export async function readRecords(
  options: LogsOptions,
  onRecord: (record: LogRecord) => void,
  passOver: readonly string[] = [],
): Promise<LogReading> {
  const filter = filterOf(options);
  const sources = await openSources(options);
  const isWatched = { isInteractive: process.stderr.isTTY ?? false };
  const progress = createProgress(sources, isWatched, options.say, options.now);
  const collect = createGarbageCollection();
  const reading = await readLogs(sources, {
    filter,
    onRecord,
    passOver,
    onProgress(source, bytes) {
      progress.note(source, bytes);
      collect(source, bytes);
    },
  });
  progress.end();
  sayReading(reading, options);
  return reading;
}

/** What could not be read is said and changes nothing: a report on the rest is better than none. */
function sayReading(reading: LogReading, { say }: LogsOptions): void {
  if (reading.bad > 0) {
    say(
      `${plural(reading.bad, 'line')} left out that no access log has (the first: ${plain(reading.firstBad ?? '')})\n`,
    );
  }
  for (const broken of reading.broken) say(`read in part: ${plain(broken)}\n`);
}

async function openSources(options: LogsOptions): Promise<readonly LogSource[]> {
  const { files, stdin } = options;
  if (files.includes('-') && files.length > 1) throw new OptionError('`-` is standard input, and goes alone');
  if (files.length === 1 && files[0] === '-') return [streamSource('standard input', stdin)];
  try {
    return await openLogFiles(files.length > 0 ? files : await findRotated(await configuredLog(options.config)));
  } catch (error) {
    if (error instanceof LogError || !(error instanceof Error)) throw error;
    throw new LogError(reasonOf(error), { cause: error });
  }
}

/** The system's words, of which the code and the path are all that helps. */
function reasonOf(error: Error): string {
  const path = 'path' in error && typeof error.path === 'string' ? error.path : null;
  if (path === null) return error.message;
  const text = readText(path, () => {
    throw error;
  });
  return `cannot read the log: ${text.ok ? error.message : text.message}`;
}

/** The file that the configuration logs to. @throws LogError where it logs to standard output */
export async function configuredLog(config: string | null): Promise<string> {
  const inspected = await inspect(config);
  const { access } = inspected.config.log;
  if (access !== '-') return access;
  const fault = inspected.findings.find(({ severity }) => severity === 'fault');
  const why = fault === undefined ? '' : ` (as far as the configuration can be read: ${fault.message})`;
  throw new LogError(
    `the access log goes to standard output${why}: name a file, or pipe it in, as in ` +
      '`journalctl -u lockdown-proxy -o cat | lockdown-proxy logs summary -`',
  );
}

/** The configuration with whatever faults it has: a log is read most when something is wrong. */
export async function inspect(file: string | null): Promise<InspectedConfig> {
  return inspectConfig({ file, readFile: (path) => readFileSync(path, 'utf8'), ...(await thisMachine()) });
}

/** Runs a command; what its user did or has to mend becomes a line and an exit code. */
export async function sayingErrors(say: (text: string) => void, run: () => Promise<number>): Promise<number> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof LogError) && !(error instanceof OptionError)) throw error;
    say(`lockdown-proxy: ${plain(error.message)}\n`);
    return error instanceof OptionError ? 2 : 1;
  }
}
