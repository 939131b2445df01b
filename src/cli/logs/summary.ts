/** `logs summary`: the log in numbers. */
import { toAsciiJson } from '../../observe/escape.ts';
import type { LogSummary, Ranked, Timeline } from '../../observe/log-summary.ts';
import { createSummary } from '../../observe/log-summary.ts';
import type { LogsOptions } from './read.ts';
import { readRecords } from './read.ts';
import { formatTable } from './table.ts';
import type { Column } from './table.ts';
import type { Terminal } from './terminal.ts';
import { bytesText, plain, plural, timeText } from './terminal.ts';

const top = 10;
const topInJson = 1000;
const usualWidth = 80;

/** Gives 0. */
export async function runLogsSummary(options: LogsOptions): Promise<number> {
  const summary = createSummary();
  const reading = await readRecords(options, (record) => summary.add(record));
  const { terminal } = options;
  if (options.json)
    options.out(toAsciiJson(`${JSON.stringify({ ...toJson(summary.result(topInJson, 60)), reading })}\n`));
  else options.out(formatSummary(summary.result(top, Math.min(terminal.width ?? usualWidth, 120)), terminal));
  return 0;
}

function toJson(summary: LogSummary): object {
  const iso = (time: number) => new Date(time).toISOString();
  return {
    ...summary,
    slowest: summary.slowest.map((slow) => ({ ...slow, time: iso(slow.time) })),
    timeline: summary.timeline && { ...summary.timeline, startTime: iso(summary.timeline.startTime) },
  };
}

function formatSummary(summary: LogSummary, terminal: Terminal): string {
  const { exchanges, bytesUp, bytesDown, timeline, forgotten } = summary;
  if (timeline === null) return 'no exchange in this log\n';
  const end = timeline.startTime + timeline.counts.length * timeline.stepMs;
  const parts = [
    `${plural(exchanges, 'exchange')}, ${bytesText(bytesUp)} up, ${bytesText(bytesDown)} down\n`,
    `${sparkline(timeline.counts)}\n${timeText(timeline.startTime)} to ${timeText(end)}, ${stepText(timeline)} each\n`,
    countsTable('VERDICT', summary.verdicts, terminal),
    countsTable('REASON', summary.reasons, terminal),
    trafficTable('CLIENT', summary.clients, terminal),
    trafficTable('TARGET', summary.targets, terminal),
    slowestTable(summary, terminal),
    forgotten > 0 ? `${forgotten} exchanges are of clients or targets too many to rank; the totals have them\n` : '',
  ];
  return parts.filter((part) => part !== '').join('\n');
}

/** Eight heights of blocks, the greatest count the highest; what is not nothing is at least the lowest. */
export function sparkline(counts: readonly number[]): string {
  const blocks = '▁▂▃▄▅▆▇█';
  const most = counts.reduce((greatest, count) => Math.max(greatest, count), 1);
  return counts
    .map((count) => (count === 0 ? ' ' : (blocks[Math.ceil((count / most) * blocks.length) - 1] ?? '')))
    .join('');
}

function stepText({ stepMs }: Timeline): string {
  const seconds = stepMs / 1000;
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

function countsTable(title: string, counts: Readonly<Record<string, number>>, terminal: Terminal): string {
  const columns: readonly Column[] = [
    { title: 'COUNT', align: 'right' },
    { title, shrinks: true },
  ];
  return formatTable(
    columns,
    Object.entries(counts).map(([word, count]) => ({ cells: [String(count), word] })),
    terminal,
  );
}

function trafficTable(title: string, ranked: readonly Ranked[], terminal: Terminal): string {
  const columns: readonly Column[] = [
    { title: 'COUNT', align: 'right' },
    { title: 'REFUSED', align: 'right' },
    { title: 'UP', align: 'right' },
    { title: 'DOWN', align: 'right' },
    { title, shrinks: true },
  ];
  return formatTable(
    columns,
    ranked.map(({ name, exchanges, refused, bytesUp, bytesDown }) => ({
      cells: [String(exchanges), String(refused), bytesText(bytesUp), bytesText(bytesDown), name],
    })),
    terminal,
  );
}

function slowestTable({ slowest }: LogSummary, terminal: Terminal): string {
  const columns: readonly Column[] = [
    { title: 'CONNECT', align: 'right' },
    { title: 'TIME' },
    { title: 'CLIENT', shrinks: true },
    { title: 'TARGET', shrinks: true },
    { title: 'ADDRESS', shrinks: true },
  ];
  return formatTable(
    columns,
    slowest.slice(0, 5).map(({ connectMs, time, client, target, address }) => ({
      cells: [`${connectMs} ms`, timeText(time), plain(client), target, address ?? '-'],
    })),
    terminal,
  );
}
