/** Which records a report is about: since when, of whom, to where, with what outcome. */
import { parseAddress, parsePrefix, prefixContains } from '../address/ip.ts';
import type { Result } from '../errors.ts';
import { answers } from '../errors.ts';
import { readHostPattern } from '../policy/host-pattern.ts';
import { didYouMean } from '../policy/nearest.ts';
import type { HostPattern } from '../policy/rule.ts';
import type { LogRecord } from './log-record.ts';

/** The options as written; null where one was not given. */
export interface FilterOptions {
  readonly since: string | null;
  readonly client: string | null;
  readonly target: string | null;
  readonly reason: string | null;
  readonly verdict: string | null;
}

export interface LogFilter {
  /** Milliseconds since 1970; null: from the beginning. */
  readonly since: number | null;
  /** Text that stands in the line of every record that passes; a line without it need not be read. */
  readonly marker: string | null;
  /** Whether the verdict was asked for: a report then does not choose its own. */
  readonly choosesVerdict: boolean;
  readonly passes: (record: LogRecord) => boolean;
}

const verdicts = ['allow', 'deny', 'challenge', 'would_deny', 'error'];
const unitMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** Makes a filter of the options; `now` in milliseconds since 1970. The message names the option and its right form. */
export function createLogFilter(options: FilterOptions, now: number): Result<LogFilter> {
  const since = options.since === null ? ok(null) : parseSince(options.since, now);
  if (!since.ok) return since;
  const client = options.client === null ? ok(null) : readClient(options.client);
  if (!client.ok) return client;
  const target = options.target === null ? ok(null) : readTarget(options.target);
  if (!target.ok) return target;
  const reasons = readWords('--reason', options.reason, Object.keys(answers));
  if (!reasons.ok) return reasons;
  const wanted = readWords('--verdict', options.verdict, verdicts);
  if (!wanted.ok) return wanted;
  const tests = [
    since.value === null ? null : afterOf(since.value),
    client.value?.test,
    target.value,
    reasons.value && memberOf(reasons.value, 'reason'),
    wanted.value && memberOf(wanted.value, 'verdict'),
  ].filter((test) => typeof test === 'function');
  return ok({
    since: since.value,
    marker: client.value?.marker ?? null,
    choosesVerdict: wanted.value !== null,
    passes: (record) => tests.every((test) => test(record)),
  });
}

type Test = (record: LogRecord) => boolean;

function ok<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value };
}

function fail(message: string): { readonly ok: false; readonly message: string } {
  return { ok: false, message };
}

/** Reads `90s`, `30m`, `2h`, `7d`, `1w` back from now, or a date or time by ISO 8601, which is UTC unless it says so. */
export function parseSince(text: string, now: number): Result<number> {
  const [, count, unit = ''] = /^(\d{1,6})([smhdw])$/.exec(text) ?? [];
  if (count !== undefined) return ok(now - Number(count) * (unitMs[unit] ?? 0));
  const [, day, clock = 'T00:00', zone = 'Z'] =
    /^(\d{4}-\d\d-\d\d)([T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?(Z|[+-]\d\d:\d\d)?$/i.exec(text) ?? [];
  const time = day === undefined ? Number.NaN : Date.parse(`${day}${clock.replace(' ', 'T')}${zone}`);
  if (Number.isNaN(time)) return fail(`--since ${text}: write 30m, 2h, 7d, 2026-01-31 or 2026-01-31T08:00Z`);
  return ok(time);
}

function afterOf(since: number): Test {
  return (record) => record.time >= since;
}

function readClient(text: string): Result<{ readonly test: Test; readonly marker: string | null }> {
  const exact = parseAddress(text)?.text;
  if (exact !== undefined) return ok({ test: (record) => record.client === exact, marker: exact });
  const prefix = parsePrefix(text);
  if (!prefix.ok) return fail(`--client ${text}: ${prefix.message}`);
  const test: Test = ({ client }) => {
    const address = parseAddress(client);
    return address !== null && prefixContains(prefix.value, address);
  };
  return ok({ test, marker: null });
}

/** `HOST`, `HOST:PORT`, or a pattern as in a rule: `*.NAME`, `.NAME`, `md-*.NAME`. */
function readTarget(text: string): Result<Test> {
  const [, host = '', port] = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(text) ?? [];
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  const address = parseAddress(host === '' ? text : bare);
  const pattern = address === null ? readHostPattern(host) : null;
  if (pattern?.ok === false) return fail(`--target ${text}: ${pattern.message}`);
  const isHost = pattern === null || pattern.value.host.type === 'address' ? null : hostTest(pattern.value.host);
  return ok(({ target }) => {
    if (target === null) return false;
    const colon = target.lastIndexOf(':');
    if (port !== undefined && target.slice(colon + 1) !== port) return false;
    const name = target.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
    return isHost === null ? name === address?.text : isHost(name);
  });
}

function hostTest(host: HostPattern): (name: string) => boolean {
  const { name } = host;
  if (host.type === 'first_label') {
    const { before, after } = host;
    return (asked) => {
      const dot = asked.indexOf('.');
      const label = asked.slice(0, Math.max(dot, 0));
      const isLongEnough = label.length >= before.length + after.length;
      return asked.slice(dot + 1) === name && isLongEnough && label.startsWith(before) && label.endsWith(after);
    };
  }
  if (host.type === 'exact') return (asked) => asked === name;
  const isSelf = host.type === 'at_or_under';
  return (asked) => asked.endsWith(`.${name}`) || (isSelf && asked === name);
}

/** Words of a closed set with commas between; null where the option was not given. */
function readWords(option: string, text: string | null, known: readonly string[]): Result<readonly string[] | null> {
  if (text === null) return ok(null);
  const words = text.split(',').map((word) => word.trim());
  const unknown = words.find((word) => !known.includes(word));
  if (unknown === undefined) return ok(words);
  return fail(`${option} ${unknown}: no such word${didYouMean(unknown, known) || `; known are ${known.join(', ')}`}`);
}

function memberOf(words: readonly string[], field: 'reason' | 'verdict'): Test {
  return (record) => words.includes(record[field] ?? '');
}
