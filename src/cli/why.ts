/** `why CLIENT`: one answer for one application VM: it never came, it is refused, or the fault lies beyond. */
import { parseAddress } from '../address/ip.ts';
import { toAsciiJson } from '../observe/escape.ts';
import { authCause } from '../observe/log-auth-cause.ts';
import { createAuth } from '../observe/log-auth.ts';
import type { LogRecord } from '../observe/log-record.ts';
import { remedyFor } from '../observe/log-remedy.ts';
import { authContext } from './logs/auth.ts';
import type { LogsOptions } from './logs/read.ts';
import { filterOf, readRecords } from './logs/read.ts';
import { plain, plural, timeText } from './logs/terminal.ts';
import { OptionError } from './explain.ts';

/** The shape of `--json`. */
export interface Answer {
  /** `never_seen`: it goes direct. `failed`: let through, and the destination or the network failed. */
  readonly answer: 'never_seen' | 'refused' | 'not_signed_in' | 'failed' | 'allowed';
  readonly client: string;
  readonly since: string;
  readonly exchanges: number;
  /** Other targets whose last exchange was refused. */
  readonly otherTargetsRefused: number;
  /** When the line that decided the answer was written. */
  readonly time: string | null;
  readonly target: string | null;
  readonly reason: string | null;
  readonly rule: string | null;
  readonly fixRule: string | null;
  readonly fix: string;
}

const defaultSince = '24h';
/** Targets whose last outcome is remembered. */
const maxTargets = 10_000;

/** Gives 0 whatever the answer is. */
export async function runWhy(options: LogsOptions & { readonly client: string }): Promise<number> {
  const client = parseAddress(options.client)?.text;
  if (client === undefined)
    throw new OptionError(`${options.client}: not an IP address; name one client, as in \`why 10.0.0.4\``);
  const asked = { ...options, client, since: options.since ?? defaultSince };
  const since = new Date(filterOf(asked).since ?? 0).toISOString();
  /** The last line about each target, the latest last: what works by now is no trouble any more. */
  const lines = new Map<string, LogRecord>();
  const auth = createAuth();
  let exchanges = 0;
  await readRecords(asked, (record) => {
    exchanges += record.event === 'access' ? 1 : 0;
    auth.add(record);
    const target = record.target ?? '';
    lines.delete(target);
    lines.set(target, record);
    const [oldest] = lines.keys();
    if (lines.size > maxTargets && oldest !== undefined) lines.delete(oldest);
  });
  const answer: Answer = {
    client,
    since,
    exchanges,
    ...(await answerFrom([...lines.values()].toReversed(), client, auth.result(), options.config)),
  };
  options.out(options.json ? toAsciiJson(`${JSON.stringify(answer)}\n`) : formatAnswer(answer));
  return 0;
}

type Finding = Omit<Answer, 'client' | 'since' | 'exchanges'>;

/** `lines` are the last about each target, the latest first. */
async function answerFrom(
  lines: readonly LogRecord[],
  client: string,
  { clients, signedIn }: ReturnType<ReturnType<typeof createAuth>['result']>,
  config: string | null,
): Promise<Finding> {
  const [latest] = lines;
  if (latest === undefined) return { ...found('never_seen', null), fix: neverSeen };
  const refused = lines.find(isRefused);
  const unsigned = lines.find(({ authFailure }) => authFailure !== null);
  const [auth] = clients.filter((entry) => entry.client === client);
  if (unsigned && auth && (refused === undefined || unsigned.time > refused.time)) {
    const { cause, advice } = authCause(auth, await authContext(config, signedIn));
    if (cause !== 'fine')
      return { ...found('not_signed_in', unsigned), fix: `${cause.replaceAll('_', ' ')}: ${advice}` };
  }
  if (refused) {
    const { rule, advice } = remedyFor(refused);
    const otherTargetsRefused = lines.filter(isRefused).length - 1;
    return { ...found('refused', refused), otherTargetsRefused, fixRule: rule, fix: advice };
  }
  const failed = lines.find(({ verdict }) => verdict === 'error');
  if (failed) return { ...found('failed', failed), fix: remedyFor(failed).advice };
  const isReported = lines.some(({ verdict }) => verdict === 'would_deny');
  return { ...found('allowed', latest), fix: isReported ? `${beyond}; ${reported}` : beyond };
}

function isRefused({ verdict, authFailure }: LogRecord): boolean {
  return verdict === 'deny' && authFailure === null;
}

function found(answer: Answer['answer'], record: LogRecord | null): Finding {
  return {
    answer,
    otherTargetsRefused: 0,
    time: record && new Date(record.time).toISOString(),
    target: record?.target ?? null,
    reason: record?.reason ?? null,
    rule: record?.rule ?? null,
    fixRule: null,
    fix: '',
  };
}

const neverSeen =
  'it goes direct, or cannot reach this proxy: run the check on that machine, `deploy/clients/check.sh` (Linux) or ' +
  '`deploy/clients/check.ps1` (Windows)';
const beyond =
  'the fault lies beyond this proxy: look at the program on the machine, the storage firewall, the vault, the permissions';
const reported = 'report mode lets some of it pass that enforce mode would not, see `lockdown-proxy logs suggest`';

function formatAnswer({
  answer,
  client,
  since,
  exchanges,
  time,
  target,
  reason,
  rule,
  fixRule,
  fix,
  ...rest
}: Answer): string {
  const counted = plural(exchanges, 'exchange');
  const at = `${plain(target ?? 'no target')}${time === null ? '' : ` at ${timeText(Date.parse(time))}`}`;
  const heads: Readonly<Record<Answer['answer'], string>> = {
    never_seen: `${client}: never seen since ${timeText(Date.parse(since))}`,
    refused: `${client}: refused, the last time for ${at}`,
    not_signed_in: `${client}: not signed in, the last time for ${at}`,
    failed: `${client}: let through, and failed behind the proxy, the last time for ${at}`,
    allowed: `${client}: all allowed (${counted}), the last time for ${at}`,
  };
  const lines = [
    heads[answer],
    reason === null || answer === 'allowed'
      ? null
      : `  reason  ${plain(reason)}${rule === null ? '' : ` (${plain(rule)})`}`,
    `  fix     ${plain(fix)}`,
    fixRule === null ? null : `            ${plain(fixRule)}`,
    rest.otherTargetsRefused === 0
      ? null
      : `  more    ${plural(rest.otherTargetsRefused, 'other target')} refused: \`lockdown-proxy logs denied --client ${client}\``,
  ];
  return `${lines.filter((line) => line !== null).join('\n')}\n`;
}
