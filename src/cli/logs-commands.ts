/** The `logs` commands and `why` on the command line: their arguments and options, described once. */
import process from 'node:process';
import { runLogsAuth } from './logs/auth.ts';
import { runLogsClients } from './logs/clients.ts';
import { runLogsDenied } from './logs/denied.ts';
import { runLogsFollow } from './logs/follow.ts';
import type { LogsOptions } from './logs/read.ts';
import { sayingErrors } from './logs/read.ts';
import { runLogsSuggest } from './logs/suggest.ts';
import { runLogsSummary } from './logs/summary.ts';
import { terminalOf } from './logs/terminal.ts';
import { runWhy } from './why.ts';

/** Options as they were written, by their names without dashes. */
type Written = Readonly<Record<string, unknown>>;

/** What every command has from the program. */
export interface SharedOptions {
  readonly config: string | null;
  readonly json: boolean;
  readonly out: (text: string) => void;
}

/** A command, for whoever reads the command line. */
export interface CommandDescription {
  /** Its name, and its arguments behind it. */
  readonly usage: string;
  readonly description: string;
  readonly options: readonly (readonly [flags: string, description: string])[];
  /** Runs it on its arguments; gives the exit code. */
  readonly run: (shared: SharedOptions, args: readonly string[], written: Written) => Promise<number>;
}

const since = ['--since <when>', '30m, 2h, 7d, or a date or time by ISO 8601'] as const;
const filters = [
  since,
  ['--client <ip>', 'an address or a prefix'],
  ['--target <host>', 'HOST, HOST:PORT, or a pattern such as *.example.com'],
  ['--reason <words>', 'reasons, with commas'],
  ['--verdict <words>', 'allow, deny, challenge, would_deny or error, with commas'],
] as const;
const expect = ['--expect <file>', 'one address, prefix or NAME,ADDRESS a line'] as const;

/** The commands under `logs`. */
export const logsCommands: readonly CommandDescription[] = [
  logsCommand('summary', 'totals, busiest clients and targets, slowest connects', runLogsSummary),
  logsCommand('denied', 'who was refused what, and the rule that would allow it', runLogsDenied),
  logsCommand('auth', 'who is asked for credentials, who fails, and the likely cause', runLogsAuth),
  {
    ...logsCommand('clients', 'who came; with --expect, who did not (exit 1)', (options, written) =>
      runLogsClients({ ...options, expect: textOf(written['expect']) }),
    ),
    options: [...filters, expect],
  },
  logsCommand('follow', 'lines as they come', followUntilInterrupted),
  logsCommand('suggest', 'rules that would have allowed what was refused', runLogsSuggest),
];

export const whyCommand: CommandDescription = {
  usage: 'why <client> [files...]',
  description: 'one answer for one client: never seen, refused and the fix, or all allowed',
  options: [[since[0], `${since[1]}; 24h unless given`]],
  run: (shared, [client = '', ...files], written) =>
    perform({ ...logsOptions(shared, files, written), client }, (options) => runWhy({ ...options, client })),
};

type Run = (options: LogsOptions, written: Written) => Promise<number>;

function logsCommand(name: string, description: string, run: Run): CommandDescription {
  return {
    usage: `${name} [files...]`,
    description,
    options: filters,
    run: (shared, files, written) => perform(logsOptions(shared, files, written), (options) => run(options, written)),
  };
}

function perform(options: LogsOptions, run: (options: LogsOptions) => Promise<number>): Promise<number> {
  // Whoever reads our output may have read enough; that is no fault of theirs or ours.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  return sayingErrors(options.say, () => run(options));
}

function logsOptions({ config, json, out }: SharedOptions, files: readonly string[], written: Written): LogsOptions {
  return {
    config,
    json,
    out,
    files,
    say: (text) => void process.stderr.write(text),
    terminal: terminalOf(),
    now: Date.now,
    stdin: process.stdin,
    since: textOf(written['since']),
    client: textOf(written['client']),
    target: textOf(written['target']),
    reason: textOf(written['reason']),
    verdict: textOf(written['verdict']),
  };
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

/** Ends on SIGINT and SIGTERM, and when nobody reads any more. */
async function followUntilInterrupted(options: LogsOptions): Promise<number> {
  const controller = new AbortController();
  const end = () => controller.abort();
  process.once('SIGINT', end).once('SIGTERM', end);
  process.stdout.once('error', end);
  return runLogsFollow({ ...options, signal: controller.signal });
}
