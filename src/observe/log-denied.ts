/** Refusals by client, target and reason, each with what would have let it pass. */
import type { LogRecord } from './log-record.ts';
import { remedyFor } from './log-remedy.ts';
import type { Counted } from './log-tally.ts';
import { createTally } from './log-tally.ts';

/** One client refused one target for one reason. */
export interface DeniedGroup {
  readonly client: string;
  readonly target: string | null;
  /** Null where the format has no reason words. */
  readonly reason: string | null;
  /** `would_deny` where report mode let it pass. */
  readonly verdict: string;
  readonly status: number | null;
  readonly count: number;
  /** Milliseconds since 1970. */
  readonly lastTime: number;
  readonly rule: string | null;
  readonly ruleText: string | null;
  /** The narrowest rule that would allow it. */
  readonly fixRule: string | null;
  readonly fix: string;
}

export interface DeniedCounter {
  add(record: LogRecord): void;
  result(): { readonly groups: readonly DeniedGroup[]; readonly forgotten: number };
}

interface Entry extends Counted {
  /** The latest line of the group that says something new. */
  said: LogRecord | null;
  lastTime: number;
  path: string | null;
}

/** Each keeps its latest line, which takes about a kilobyte. */
const maxGroups = 12_000;

/** Counts what it is given; the caller leaves out what is no refusal. */
export function createDenied(): DeniedCounter {
  const groups = createTally<Entry>(() => ({ count: 0, said: null, lastTime: -Infinity, path: null }), maxGroups);
  return {
    add(record) {
      if (record.event !== 'access') return;
      const { client, kind, target, reason, verdict, status, path } = record;
      const entry = groups.at(JSON.stringify([client, kind, target, reason ?? status, verdict]));
      entry.count += 1 + record.suppressed;
      entry.path = entry.said === null ? path : mergePaths(entry.path, path);
      if (record.time < entry.lastTime) return;
      entry.lastTime = record.time;
      if (entry.said === null || saysOther(entry.said, record)) entry.said = record;
    },
    result: () => ({
      groups: groups
        .ranked()
        .flatMap(([, entry]) => (entry.said ? [toGroup(entry.said, entry)] : []))
        .sort((a, b) => b.count - a.count || b.lastTime - a.lastTime),
      forgotten: groups.forgotten,
    }),
  };
}

/** Whether the remedy may differ; lines that do not are not kept, for each kept one outlives the block it came in. */
function saysOther(a: LogRecord, b: LogRecord): boolean {
  return a.rule !== b.rule || a.ruleText !== b.ruleText || a.hint !== b.hint || a.address !== b.address;
}

function toGroup(said: LogRecord, { count, lastTime, path }: Entry): DeniedGroup {
  const { client, target, reason, verdict, status, rule, ruleText } = said;
  const remedy = remedyFor({ ...said, path });
  return {
    client,
    target,
    reason,
    verdict,
    status,
    count,
    lastTime,
    rule,
    ruleText,
    fixRule: remedy.rule,
    fix: remedy.advice,
  };
}

/** One path for two: the folder they share and a `*`, which is every path where they share none. */
export function mergePaths(a: string | null, b: string | null): string | null {
  if (a === b || a === null || b === null) return a === b ? a : '/';
  let end = 0;
  while (end < a.length && end < b.length && a[end] === b[end] && a[end] !== '*') end += 1;
  const folder = a.slice(0, a.lastIndexOf('/', end - 1) + 1);
  return folder === '/' || folder === '' ? '/' : `${folder}*`;
}
