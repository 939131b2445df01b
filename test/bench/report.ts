/** The results as tables for a terminal, or as one object. */
import { cpus, loadavg } from 'node:os';
import process from 'node:process';
import type { BenchOptions } from './options.ts';
import type { Peer } from './peers/catalog.ts';
import type { Results, Row, Summary } from './results.ts';

/** Below this share of a core a peer waited for the load, so that its rate says little about it. */
const busyEnough = 0.8;
/** What a start may cost beside a bare listener's: its figure times the factor, and so many milliseconds. */
const startFactor = 1.5;
const startExtraMs = 150;

export function formatResults(results: Results, peers: readonly Peer[], options: BenchOptions): string {
  const rows = results.rows(options.shown);
  const names = peers.map(({ name }) => name).filter((name) => rows.some(({ cells }) => cells.has(name)));
  const show = (row: Row, text: (cell: Summary) => string) =>
    names.map((name) => {
      const cell = row.cells.get(name);
      return cell ? text(cell) : '-';
    });
  const medians = rows.map((row) => [
    row.metric.title,
    ...show(row, (cell) => cell.median.toFixed(row.metric.digits) + (isStarved(cell) ? '*' : '')),
    row.ratio === null ? '' : `${row.ratio.toFixed(2)} (${row.best})`,
  ]);
  const spreads = rows.map((row) => [
    row.metric.title,
    ...show(row, ({ min, max }) => `${min.toFixed(row.metric.digits)}..${max.toFixed(row.metric.digits)}`),
  ]);
  const parts = [
    describeMachine(options),
    formatTable([[`medians of ${options.rounds} rounds`, ...names, 'own : best peer'], ...medians]),
    formatTable([['least..most', ...names], ...spreads]),
    ...formatNotes(rows),
    ...(results.misses.length > 0 ? [`Left out:\n${results.misses.map((miss) => `  ${miss}\n`).join('')}`] : []),
  ];
  return parts.join('\n');
}

export function toJson(results: Results, peers: readonly Peer[], options: BenchOptions): string {
  const document = {
    machine: { processors: cpus().length, model: cpus()[0]?.model, node: process.versions.node, load: loadavg() },
    rounds: options.rounds,
    workers: options.workers,
    amounts: options.amounts,
    peers: peers.map(({ name, role, program }) => ({ name, role, program })),
    metrics: results.rows(options.shown).map(({ metric, cells, best, ratio }) => ({
      ...metric,
      best,
      ratio,
      peers: Object.fromEntries(cells),
    })),
    misses: results.misses,
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

function describeMachine({ workers, amounts }: BenchOptions): string {
  const [first] = cpus();
  return (
    `${cpus().length} x ${first?.model.trim()}, Node ${process.versions.node}, load ${loadavg()[0]?.toFixed(1)}; ` +
    `${workers} worker${workers > 1 ? 's' : ''}; ${amounts.tunnels} tunnels of ${amounts.bytes / 1e6} MB, ` +
    `${amounts.connections} connections, ${amounts.idle} idle tunnels\n`
  );
}

function isStarved({ busy }: Summary): boolean {
  return busy !== null && busy < busyEnough;
}

/** Whether the load could have been the limit, and how a start compares with a bare listener's. */
function formatNotes(rows: readonly Row[]): readonly string[] {
  const notes: string[] = [];
  for (const { metric, cells } of rows) {
    const direct = cells.get('direct')?.median;
    const fastest = Math.max(...[...cells].filter(([name]) => name !== 'direct').map(([, cell]) => cell.median));
    if (!metric.needsBusyPeer || direct === undefined || !Number.isFinite(fastest)) continue;
    notes.push(
      `  ${metric.title}: without a proxy ${direct.toFixed(metric.digits)}, ${(direct / fastest).toFixed(1)} x the fastest peer\n`,
    );
  }
  const lines = notes.length > 0 ? [`The load on its own:\n${notes.join('')}`] : [];
  if (rows.some(({ cells }) => [...cells.values()].some(isStarved))) {
    lines.push(
      `* The peer used less than ${busyEnough * 100} % of a core: it waited for the load, or had no core to itself.\n` +
        '  Its rate is a lower bound; its CPU figures stand.\n',
    );
  }
  const start = rows.find(({ metric }) => metric.id === 'start')?.cells;
  const [own, bare] = [start?.get('lockdown-proxy')?.median, start?.get('bare node:net')?.median];
  if (own !== undefined && bare !== undefined) {
    const allowed = startFactor * bare + startExtraMs;
    lines.push(
      `Start: ${own.toFixed(0)} ms, allowed ${allowed.toFixed(0)} ms (${startFactor} x bare + ${startExtraMs} ms)\n`,
    );
  }
  return lines;
}

/** Columns as wide as they need to be; the first to the left, the others to the right. */
function formatTable(table: readonly (readonly string[])[]): string {
  const widths = (table[0] ?? []).map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ');
  return `${table.map((row) => line(row).trimEnd()).join('\n')}\n`;
}
