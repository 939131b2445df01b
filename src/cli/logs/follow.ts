/** `logs follow`: lines as they come, coloured by verdict, until the user has seen enough. */
import { existsSync } from 'node:fs';
import { toAsciiJson } from '../../observe/escape.ts';
import { findRotated, openLogFiles, streamSource } from '../../observe/log-files.ts';
import { followFile } from '../../observe/log-follow.ts';
import { parseLogLine } from '../../observe/log-line.ts';
import { readLogs } from '../../observe/log-reader.ts';
import type { LogRecord } from '../../observe/log-record.ts';
import { OptionError } from '../explain.ts';
import type { LogsOptions } from './read.ts';
import { configuredLog, filterOf } from './read.ts';
import type { Terminal } from './terminal.ts';
import { bytesText, plain, timeText, verdictStyles } from './terminal.ts';

export interface FollowCommandOptions extends LogsOptions {
  /** Ends it, as SIGINT does. */
  readonly signal: AbortSignal;
}

/** Follows one file, the configured one unless named, or standard input to its end. Gives 0 when it is ended. */
export async function runLogsFollow(options: FollowCommandOptions): Promise<number> {
  const { files, terminal, signal, stdin } = options;
  const filter = filterOf(options);
  if (files.length > 1) throw new OptionError('follow one file; name the one that is being written');
  const show = (record: LogRecord) =>
    options.out(options.json ? toAsciiJson(`${JSON.stringify(record)}\n`) : formatRecord(record, terminal));
  if (files[0] === '-') {
    await readLogs([streamSource('standard input', stdin)], { filter, onRecord: show });
    return 0;
  }
  const path = files[0] ?? (await configuredLog(options.config));
  if (filter.since !== null) {
    // What has been rotated away belongs to the time asked for as well; the file itself follows.
    const rotated = await findRotated(path).catch(() => []);
    await readLogs(await openLogFiles(rotated.slice(0, -1)), { filter, onRecord: show });
  }
  if (!existsSync(path)) options.say(`waiting for ${plain(path)}\n`);
  await followFile({
    path,
    fromStart: filter.since !== null,
    signal,
    onLine(line) {
      const record = parseLogLine(line);
      if (typeof record === 'object' && filter.passes(record)) show(record);
    },
  });
  return 0;
}

/** One record on one line: when, who, what, and how it ended. */
export function formatRecord(record: LogRecord, { paint }: Terminal): string {
  const { event, verdict, reason, method, target, path, user, bytesUp, bytesDown, durationMs } = record;
  const word = event === 'tunnel-open' ? 'open' : verdict;
  const parts = [
    paint('dim', timeText(record.time)),
    paint(verdictStyles[verdict], word.padEnd(10)),
    plain(record.client).padEnd(15),
    plain(`${method ?? '-'} ${target ?? '-'}${path ?? ''}`),
    reason === null ? null : paint(verdictStyles[verdict], plain(reason)),
    user === null ? null : `user=${plain(user)}`,
    record.rule === null || verdict === 'allow' ? null : plain(record.rule),
    event === 'access' && verdict === 'allow' ? `${bytesText(bytesUp)} up ${bytesText(bytesDown)} down` : null,
    `${durationMs} ms`,
  ];
  return `${parts.filter((part) => part !== null).join(' ')}\n`;
}
