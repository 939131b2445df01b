/** `logs auth`: who is asked for credentials, who fails, and the likely cause. */
import { readFileSync } from 'node:fs';
import { toAsciiJson } from '../../observe/escape.ts';
import type { AuthCause, AuthContext } from '../../observe/log-auth-cause.ts';
import { authCause } from '../../observe/log-auth-cause.ts';
import type { ClientAuth } from '../../observe/log-auth.ts';
import { createAuth } from '../../observe/log-auth.ts';
import { parseUsers } from '../../policy/users.ts';
import type { LogsOptions } from './read.ts';
import { allowedMark, inspect, readRecords } from './read.ts';
import type { Column, Row } from './table.ts';
import { formatTable } from './table.ts';
import { timeText } from './terminal.ts';

const columns: readonly Column[] = [
  { title: 'CLIENT', shrinks: true },
  { title: 'ASKED', align: 'right' },
  { title: 'FAILED', align: 'right' },
  { title: 'LAST SUCCESS' },
  { title: 'USER AGENT', shrinks: true },
  { title: 'CAUSE' },
];

/** Gives 0. */
export async function runLogsAuth(options: LogsOptions): Promise<number> {
  const counted = createAuth();
  // Nobody signed in, and nobody was asked to.
  const anonymous = [allowedMark, '"user":null'];
  const reading = await readRecords(options, (record) => counted.add(record), anonymous);
  const { clients, signedIn, forgotten } = counted.result();
  const context = await authContext(options.config, signedIn);
  const judged = clients.map((auth) => ({ auth, cause: authCause(auth, context) }));
  // Trouble first; among equals the busiest, as they were ranked.
  judged.sort((a, b) => Number(a.cause.cause === 'fine') - Number(b.cause.cause === 'fine'));
  if (options.json) {
    options.out(toAsciiJson(`${JSON.stringify({ clients: judged.map(toJson), forgotten, reading })}\n`));
    return 0;
  }
  const table = formatTable(columns, judged.map(toRow), options.terminal);
  options.out(table === '' ? 'nobody was asked for credentials\n' : table);
  return 0;
}

/** What the configuration knows that the log does not; a users file that cannot be read leaves its questions open. */
export async function authContext(config: string | null, signedIn: ReadonlySet<string>): Promise<AuthContext> {
  const { auth } = (await inspect(config)).config;
  let names: ReadonlySet<string> | null = null;
  try {
    if (auth.usersFile !== null) {
      const { lines } = parseUsers(readFileSync(auth.usersFile, 'utf8'), auth.usersFile);
      names = new Set(lines.map(({ name }) => name));
    }
  } catch {
    names = null;
  }
  return {
    requiredFrom: auth.requiredFrom,
    usersFile: auth.usersFile,
    isKnownUser: (name) => names?.has(name) ?? null,
    signedIn,
  };
}

interface Judged {
  readonly auth: ClientAuth;
  readonly cause: AuthCause;
}

function toRow({ auth, cause }: Judged): Row {
  const { client, challenges, rejected, throttled, upstream, lastSuccess, userAgent } = auth;
  return {
    cells: [
      client,
      String(challenges),
      String(rejected + throttled + upstream),
      timeText(lastSuccess),
      userAgent ?? '-',
      cause.cause === 'fine' ? 'fine' : cause.cause.replaceAll('_', ' '),
    ],
    styles: { 5: cause.cause === 'fine' ? 'green' : 'red' },
    below: cause.advice === null ? [] : [cause.advice],
  };
}

function toJson({ auth, cause }: Judged): object {
  const iso = (time: number | null) => (time === null ? null : new Date(time).toISOString());
  const { client, userAgent, challenges, unanswered, rejected, throttled, upstream, successes } = auth;
  return {
    client,
    userAgent,
    challenges,
    unanswered,
    failures: { rejected, throttled, upstream },
    successes,
    lastChallenge: iso(auth.lastChallenge),
    lastFailure: iso(auth.lastFailure),
    lastSuccess: iso(auth.lastSuccess),
    users: auth.users,
    rejectedUsers: auth.rejectedUsers.map(({ name }) => name),
    ...cause,
  };
}
