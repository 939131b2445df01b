/** What a running proxy says of itself over its control socket, and how the command line prints it. */
import { resolve } from 'node:path';
import process from 'node:process';
import type { App } from '../app.ts';
import { hostPort } from '../address/ip.ts';
import { formatFault } from '../errors.ts';
import type { ExchangeRecord } from '../proxy/exchange.ts';
import type { LastGood } from '../state/last-good.ts';
import type { ReloadReport } from '../state/reload.ts';
import { version } from './version.ts';

export interface RunningStatus {
  readonly version: string;
  readonly pid: number;
  readonly uptimeSeconds: number;
  readonly listen: readonly string[];
  readonly mode: string;
  readonly draining: boolean;
  readonly tunnelsOpen: number;
  /** The processes that serve, by their numbers, each with its open tunnels. */
  readonly workers: readonly { readonly pid: number; readonly tunnels: number }[];
  readonly generation: number;
  readonly configHash: string;
  /** The configuration file, absolute; null: the embedded defaults. */
  readonly configFile: string | null;
  /** Set where not the file is in force but what was kept of it. */
  readonly lastGood: { readonly savedAt: string } | null;
  readonly lastReload: ReloadReport | null;
  readonly ranges: {
    readonly source: string | null;
    readonly date: string | null;
    readonly ageSeconds: number | null;
  } | null;
}

export interface RunningTunnel {
  readonly id: string;
  readonly client: string;
  readonly user: string | null;
  readonly target: string | null;
  readonly address: string | null;
  readonly tlsServerName: string | null;
  readonly rule: string | null;
  readonly seconds: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
}

/** `last` is the last reload, `lastGood` what the process started with instead of the file, until a reload succeeds. */
export async function describeRunning(
  app: App,
  file: string | null,
  last: ReloadReport | null,
  lastGood: LastGood | null,
): Promise<RunningStatus> {
  const { generation, configHash, config } = app.snapshot();
  const workers = await app.workers();
  const held = app.ranges?.status();
  const freshMs = held?.freshMs ?? null;
  const ageSeconds = freshMs === null ? null : Math.round((Date.now() - freshMs) / 1000);
  return {
    version,
    pid: process.pid,
    uptimeSeconds: Math.round(process.uptime()),
    listen: app.listeners.map(({ address, port }) => hostPort(address, port)),
    mode: config.mode,
    draining: app.isDraining,
    tunnelsOpen: workers.reduce((all, { tunnels }) => all + tunnels, 0),
    workers,
    generation,
    configHash,
    configFile: file === null ? null : resolve(file),
    lastGood: lastGood && { savedAt: lastGood.savedAt },
    lastReload: last,
    ranges: held?.provenance ? { source: held.provenance.source, date: held.provenance.date, ageSeconds } : null,
  };
}

export function describeTunnel(record: ExchangeRecord): RunningTunnel {
  const { id, client, clientPort, user, target, address, tlsServerName, rule, bytesUp, bytesDown } = record;
  const seconds = Math.round((Date.now() - record.startTime) / 1000);
  const from = hostPort(client, clientPort);
  return { id, client: from, user, target, address, tlsServerName, rule, seconds, bytesUp, bytesDown };
}

/** The status as lines for a terminal. */
export function formatStatus(status: RunningStatus): string {
  const { lastReload, lastGood, ranges } = status;
  const source = status.configFile ?? 'the embedded defaults';
  const lines: (readonly [string, string])[] = [
    ['version', status.version],
    ['process', `${status.pid}, up ${duration(status.uptimeSeconds)}${status.draining ? ', draining' : ''}`],
    ['listen', status.listen.join(', ')],
    ['mode', status.mode],
    ['config', `${status.configHash}, generation ${status.generation}, from ${source}`],
    ...(lastGood ? [['', `LAST GOOD of ${lastGood.savedAt}: the file has faults`] as const] : []),
    ['reload', lastReload ? formatReport(lastReload) : 'none yet'],
    ['tunnels', `${status.tunnelsOpen} open`],
    ...(status.workers.length > 1 ? [['workers', formatWorkers(status.workers)] as const] : []),
    [
      'ranges',
      ranges ? `of ${ranges.date ?? 'no date'} from ${ranges.source}, ${duration(ranges.ageSeconds ?? 0)} old` : 'none',
    ],
  ];
  return lines.map(([name, value]) => `${name.padEnd(9)}${value}\n`).join('');
}

function formatWorkers(workers: RunningStatus['workers']): string {
  return `${workers.length}: ${workers.map(({ pid, tunnels }) => `${pid} with ${tunnels} tunnels`).join(', ')}`;
}

/** A reload in a line, its faults and what else is to be known of it in lines of their own. */
export function formatReport(report: ReloadReport): string {
  const at = new Date(report.atMs).toISOString();
  const faults = report.findings.map((finding) => `\n${formatFault(finding)}`).join('');
  if (report.result === 'failed') return `FAILED at ${at}, ${report.configHash} stays in force${faults}`;
  const restart = report.needsRestart.length > 0 ? `\nneeds a restart: ${report.needsRestart.join(', ')}` : '';
  if (report.result === 'unchanged') return `nothing changed at ${at}, ${report.configHash} in force${restart}`;
  const rules = `${report.rulesAdded} rules added, ${report.rulesRemoved} removed`;
  return `done at ${at}, ${report.configHash} in force: ${rules}, ${report.closedTunnels} tunnels closed${restart}${faults}`;
}

function duration(seconds: number): string {
  const units = [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
  ] as const;
  const [unit, size] = units.find(([, length]) => seconds >= 2 * length) ?? ['s', 1];
  return `${Math.floor(seconds / size)} ${unit}`;
}
