/** `logs denied`: each client refused a target, how often, since when no more, and what would let it pass. */
import { toAsciiJson } from '../../observe/escape.ts';
import type { DeniedGroup } from '../../observe/log-denied.ts';
import { createDenied } from '../../observe/log-denied.ts';
import type { LogRecord } from '../../observe/log-record.ts';
import type { LogsOptions } from './read.ts';
import { allowedMark, filterOf, readRecords } from './read.ts';
import type { Column, Row } from './table.ts';
import { formatTable } from './table.ts';
import { plural, timeText } from './terminal.ts';

const columns: readonly Column[] = [
  { title: 'COUNT', align: 'right' },
  { title: 'LAST' },
  { title: 'CLIENT', shrinks: true },
  { title: 'TARGET', shrinks: true },
  { title: 'REASON', shrinks: true },
  { title: 'RULE', shrinks: true },
];

/** Refusals, and with `--verdict` whatever is asked for. Gives 0. */
export async function runLogsDenied(options: LogsOptions): Promise<number> {
  const { choosesVerdict } = filterOf(options);
  const denied = createDenied();
  const count = (record: LogRecord) => {
    if (choosesVerdict || record.verdict === 'deny' || record.verdict === 'would_deny') denied.add(record);
  };
  const reading = await readRecords(options, count, choosesVerdict ? [] : [allowedMark]);
  const { groups, forgotten } = denied.result();
  if (options.json) {
    const listed = groups.map((group) => ({ ...group, lastTime: new Date(group.lastTime).toISOString() }));
    options.out(toAsciiJson(`${JSON.stringify({ denied: listed, forgotten, reading })}\n`));
    return 0;
  }
  options.out(
    groups.length === 0 ? 'nothing was refused\n' : formatTable(columns, groups.map(toRow), options.terminal),
  );
  if (forgotten > 0) options.say(`${plural(forgotten, 'refusal')} of pairs too many to list are left out\n`);
  return 0;
}

function toRow(group: DeniedGroup): Row {
  const { count, lastTime, client, target, reason, verdict, status, rule, fixRule, fix } = group;
  const word = reason ?? `status ${status ?? 'none'}`;
  return {
    cells: [
      String(count),
      timeText(lastTime),
      client,
      target ?? '-',
      verdict === 'would_deny' ? `${word} (let pass)` : word,
      rule ?? '-',
    ],
    styles: { 4: verdict === 'would_deny' ? 'magenta' : 'red' },
    below: [fixRule === null ? fix : `add the rule: ${fixRule}`],
  };
}
