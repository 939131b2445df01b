/** `logs clients`: who came, and with `--expect` who did not. */
import { readFileSync } from 'node:fs';
import { readText } from '../../config/lists.ts';
import { toAsciiJson } from '../../observe/escape.ts';
import type { ExpectedClient, ExpectedSeen, SeenClient } from '../../observe/log-clients.ts';
import { compareExpected, createClients, expectedText, parseExpectations } from '../../observe/log-clients.ts';
import type { LogsOptions } from './read.ts';
import { LogError, readRecords } from './read.ts';
import type { Column, Row } from './table.ts';
import { formatTable } from './table.ts';
import { plain, plural, timeText } from './terminal.ts';

export interface ClientsOptions extends LogsOptions {
  /** A file with one client a line. */
  readonly expect: string | null;
}

const seenColumns: readonly Column[] = [
  { title: 'LAST SEEN' },
  { title: 'LAST LET THROUGH' },
  { title: 'COUNT', align: 'right' },
  { title: 'CLIENT', shrinks: true },
  { title: 'NAME', shrinks: true },
  { title: 'USER AGENT', shrinks: true },
];

/** Gives 0, or 1 where somebody expected was not seen. */
export async function runLogsClients(options: ClientsOptions): Promise<number> {
  const expected = options.expect === null ? null : readExpected(options.expect);
  const counted = createClients();
  const reading = await readRecords(options, (record) => counted.add(record));
  const { clients, forgotten } = counted.result();
  const compared = expected && compareExpected(expected, clients);
  const missing = compared?.filter(({ seen }) => seen.length === 0) ?? [];
  if (options.json) {
    const report =
      compared === null ? { clients: clients.map((seen) => seenJson(seen, null)) } : comparedJson(compared);
    options.out(toAsciiJson(`${JSON.stringify({ ...report, forgotten, reading })}\n`));
  } else if (compared === null) {
    const rows = [...clients].sort((a, b) => b.lastTime - a.lastTime).map((seen) => seenRow(seen, null));
    options.out(`${plural(clients.length, 'client')} seen\n${formatTable(seenColumns, rows, options.terminal)}`);
  } else {
    options.out(formatCompared(compared, options));
  }
  return missing.length > 0 ? 1 : 0;
}

/** @throws LogError for a file that cannot be read or has lines that name no client: one left out would never be missed */
function readExpected(file: string): readonly ExpectedClient[] {
  const text = readText(file, (path) => readFileSync(path, 'utf8'));
  if (!text.ok) throw new LogError(`--expect: ${text.message}`);
  const { clients, faults } = parseExpectations(text.value);
  if (faults.length > 0) throw new LogError(faults.map((fault) => `${file}:${fault}`).join('; '));
  if (clients.length === 0)
    throw new LogError(`--expect: no client in ${file}; write one address or NAME,ADDRESS a line`);
  return clients;
}

function formatCompared(compared: readonly ExpectedSeen[], { terminal }: LogsOptions): string {
  const seen = compared.filter((entry) => entry.seen.length > 0);
  const missing = compared.filter((entry) => entry.seen.length === 0);
  const lines = [`${seen.length} of ${compared.length} seen`];
  if (missing.length > 0) {
    lines.push('', 'missing:');
    for (const entry of missing) lines.push(`  ${plain(expectedText(entry))}  ${plain(entry.name ?? '')}`.trimEnd());
    lines.push('', 'for each: `lockdown-proxy why CLIENT`');
  }
  const rows = seen.flatMap((entry) => entry.seen.map((client) => seenRow(client, entry.name)));
  return `${lines.join('\n')}\n${rows.length > 0 ? '\n' : ''}${formatTable(seenColumns, rows, terminal)}`;
}

function seenRow({ client, lastTime, lastAllowedTime, exchanges, userAgent }: SeenClient, name: string | null): Row {
  return {
    cells: [timeText(lastTime), timeText(lastAllowedTime), String(exchanges), client, name ?? '-', userAgent ?? '-'],
    styles: lastAllowedTime === null ? { 1: 'red' } : {},
  };
}

function seenJson(seen: SeenClient, name: string | null): object {
  const iso = (time: number | null) => (time === null ? null : new Date(time).toISOString());
  return { ...seen, name, lastTime: iso(seen.lastTime), lastAllowedTime: iso(seen.lastAllowedTime) };
}

function comparedJson(compared: readonly ExpectedSeen[]): object {
  const missing = compared.filter(({ seen }) => seen.length === 0);
  return {
    expected: compared.length,
    seen: compared.length - missing.length,
    missing: missing.map((entry) => ({ client: expectedText(entry), name: entry.name })),
    clients: compared.flatMap(({ seen, name }) => seen.map((client) => seenJson(client, name))),
  };
}
