/** What happened lately, for the status page: refusals and credentials of the last hour, in bounded memory. */
import type { ExchangeRecord } from '../../proxy/exchange.ts';
import { withoutQuery, withoutSecrets, withoutUserinfo } from '../escape.ts';
import type { AuthCounter, ClientAuth } from '../log-auth.ts';
import { createAuth } from '../log-auth.ts';
import { mergePaths } from '../log-denied.ts';
import type { LogRecord } from '../log-record.ts';
import type { Counted, Tally } from '../log-tally.ts';
import { createTally } from '../log-tally.ts';
import type { RefusedTarget } from './figures.ts';
import { mergeAuth, mergeRefusedTargets } from './merge.ts';

export interface Recent {
  note(record: ExchangeRecord): void;
  refusedTargets(): readonly RefusedTarget[];
  auth(): { readonly clients: readonly ClientAuth[]; readonly signedIn: readonly string[] };
}

/** What is told is at least so old and at most twice: the older half is let go when the newer is full. */
const halfMs = 1_800_000;
const maxTargets = 1000;
const maxAuthClients = 1000;
const maxClients = 20;
/** How many of each a page shows. */
const maxShown = 50;

interface Entry extends Counted {
  last: LogRecord | null;
  path: string | null;
  readonly clients: Set<string>;
}

interface Half {
  readonly beganMs: number;
  readonly targets: Tally<Entry>;
  readonly auth: AuthCounter;
}

export function createRecent(now: () => number): Recent {
  const begin = (): Half => ({
    beganMs: now(),
    targets: createTally<Entry>(() => ({ count: 0, last: null, path: null, clients: new Set() }), maxTargets),
    auth: createAuth(maxAuthClients),
  });
  let halves: readonly Half[] = [begin()];
  const current = (): readonly Half[] => {
    const [newest] = halves;
    const age = now() - (newest?.beganMs ?? 0);
    if (age >= halfMs) halves = age >= 2 * halfMs || !newest ? [begin()] : [begin(), newest];
    return halves;
  };

  return {
    note(exchange) {
      const isNamed = exchange.user !== null || exchange.authFailure !== null;
      const isRefused = exchange.verdict !== 'allow' && exchange.verdict !== 'challenge';
      if (!isNamed && !isRefused) return;
      const record = toLogRecord(exchange);
      const [half] = current();
      if (isNamed) half?.auth.add(record);
      // A line with `authFailure` has its own table, with the cause.
      if (isRefused && exchange.authFailure === null && half) noteRefused(half.targets, record);
    },
    refusedTargets: () => mergeRefusedTargets(current().map(({ targets }) => describe(targets))).slice(0, maxShown),
    auth() {
      const { clients, signedIn } = mergeAuth(
        current().map(({ auth }) => {
          const result = auth.result();
          return { clients: result.clients, signedIn: [...result.signedIn] };
        }),
      );
      return { clients: clients.slice(0, maxShown), signedIn: signedIn.slice(0, maxAuthClients) };
    },
  };
}

/** What never came to a target is told by its reason alone: a flood of it would push out everything else. */
function noteRefused(targets: Tally<Entry>, record: LogRecord): void {
  const { kind, target, reason, verdict, client, path } = record;
  const entry = targets.at(JSON.stringify([kind, target, reason, verdict]));
  entry.count += 1;
  entry.path = entry.last === null ? path : mergePaths(entry.path, path);
  entry.last = record;
  if (entry.clients.size < maxClients) entry.clients.add(client);
}

function describe(targets: Tally<Entry>): readonly RefusedTarget[] {
  return targets.ranked().flatMap(([, { last, count, path, clients }]) => {
    if (last === null) return [];
    const { kind, client, target, reason, rule, ruleText, address, hint, time, verdict } = last;
    const said = { kind, client, target, path, reason, rule, ruleText, address, hint };
    return [{ count, lastMs: time, verdict, clients: [...clients], said }];
  });
}

/** The exchange as its line would be read back: what may not stand in a log may not stand on a page. */
function toLogRecord(record: ExchangeRecord): LogRecord {
  return {
    time: record.endTime,
    event: 'access',
    kind: record.kind,
    client: record.client,
    user: record.user,
    userAgent: record.userAgent === null ? null : withoutSecrets(record.userAgent),
    method: record.method,
    target: record.target === null ? null : withoutUserinfo(record.target),
    path: record.path === null ? null : withoutQuery(record.path),
    verdict: record.verdict,
    reason: record.reason ?? record.wouldDeny,
    authFailure: record.authFailure,
    authScheme: record.authScheme,
    rule: record.rule,
    ruleText: record.ruleText,
    status: record.status,
    address: record.address,
    connectMs: record.connectMs,
    durationMs: record.durationMs,
    bytesUp: record.bytesUp,
    bytesDown: record.bytesDown,
    hint: record.hint,
    suppressed: 0,
  };
}
