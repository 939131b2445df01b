/** `status`, `tunnels` and `reload`: what is asked of the running proxy over its control socket. */
import { resolve } from 'node:path';
import process from 'node:process';
import { askProxy } from '../observe/control-ask.ts';
import { controlPath } from '../observe/control-socket.ts';
import type { ReloadReport } from '../state/reload.ts';
import type { CommandDescription, SharedOptions } from './logs-commands.ts';
import { formatTable } from './logs/table.ts';
import { terminalOf } from './logs/terminal.ts';
import type { RunningStatus, RunningTunnel } from './running-status.ts';
import { formatReport, formatStatus } from './running-status.ts';

/** Asks, prints, and gives the exit code that `codeOf` makes of the answer; 1 where nothing answers or it is refused. */
async function ask<T>(
  { json, out }: SharedOptions,
  command: string,
  args: readonly string[],
  format: (result: T) => string,
  codeOf: (result: T) => number = () => 0,
): Promise<number> {
  try {
    const result = (await askProxy(controlPath(process.env), command, args)) as T;
    out(json ? `${JSON.stringify(result)}\n` : format(result));
    return codeOf(result);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    process.stderr.write(`lockdown-proxy: ${error.message}\n`);
    return 1;
  }
}

function formatTunnels(tunnels: readonly RunningTunnel[]): string {
  if (tunnels.length === 0) return 'no tunnel is open\n';
  const rows = tunnels.map(({ id, client, user, target, address, seconds, bytesUp, bytesDown }) => ({
    cells: [id, client, user ?? '-', target ?? '-', address ?? '-', seconds, bytesUp, bytesDown].map(String),
  }));
  const columns = [
    { title: 'id' },
    { title: 'client' },
    { title: 'user' },
    { title: 'target', shrinks: true },
    { title: 'address' },
    { title: 'seconds', align: 'right' },
    { title: 'bytes up', align: 'right' },
    { title: 'bytes down', align: 'right' },
  ] as const;
  return formatTable(columns, rows, terminalOf());
}

/** The commands at the top of the command line. */
export const runningCommands: readonly CommandDescription[] = [
  {
    usage: 'status',
    description: 'say what the running proxy does, since when, and by which configuration',
    options: [],
    run: (shared) => ask<RunningStatus>(shared, 'status', [], formatStatus),
  },
  {
    usage: 'reload',
    description: 'let the running proxy read its configuration anew, and say every fault where it cannot',
    options: [],
    run: (shared) =>
      ask<ReloadReport>(
        shared,
        'reload',
        [],
        (report) => `${formatReport(report)}\n`,
        ({ result }) => (result === 'failed' ? 1 : 0),
      ),
  },
];

/** The commands under `tunnels`. */
export const tunnelsCommands: readonly CommandDescription[] = [
  {
    usage: 'list',
    description: 'print the tunnels that are open',
    options: [],
    run: (shared) => ask<readonly RunningTunnel[]>(shared, 'tunnels', [], formatTunnels),
  },
  {
    usage: 'close <id>',
    description: 'close one tunnel',
    options: [],
    run: (shared, args) => ask<object>(shared, 'close', args, () => `tunnel ${args[0] ?? ''} is closed\n`),
  },
];

/** The fingerprint of what the proxy over this file runs by; null where none runs, or one of another file. */
export async function runningConfigHash(file: string | null): Promise<string | null> {
  try {
    const status = (await askProxy(controlPath(process.env), 'status')) as RunningStatus;
    return status.configFile === (file === null ? null : resolve(file)) ? status.configHash : null;
  } catch (error) {
    // Where nothing can be asked there is nothing to say either.
    if (error instanceof Error) return null;
    throw error;
  }
}
