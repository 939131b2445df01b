/** Challenges, failures and successes by client: what tells a normal challenge from a client that never answers. */
import type { LogRecord } from './log-record.ts';
import type { Counted } from './log-tally.ts';
import { createTally } from './log-tally.ts';

/** A name that was refused; whether the users file held it, where the line says so. */
export interface RejectedUser {
  readonly name: string;
  readonly isKnown: boolean | null;
}

/** One program of one client: two on a machine may differ in whether they can sign in. */
export interface ClientAuth {
  readonly client: string;
  readonly userAgent: string | null;
  readonly challenges: number;
  /** Challenges since the last success, or all if there was none. */
  readonly unanswered: number;
  readonly rejected: number;
  readonly throttled: number;
  /** Times the parent proxy refused our own credential. */
  readonly upstream: number;
  readonly successes: number;
  /** Milliseconds since 1970; null: never. */
  readonly lastChallenge: number | null;
  readonly lastFailure: number | null;
  readonly lastSuccess: number | null;
  /** Names that were refused, some of them. */
  readonly rejectedUsers: readonly RejectedUser[];
  /** Names that signed in, some of them. */
  readonly users: readonly string[];
  /** Schemes other than Basic that came, in lower case. */
  readonly otherSchemes: readonly string[];
  /** The last line that asked for credentials. */
  readonly challenge: LogRecord | null;
}

export interface AuthCounter {
  add(record: LogRecord): void;
  /** Those that were challenged or failed, by client; `signedIn` are all clients that had a success. */
  result(): {
    readonly clients: readonly ClientAuth[];
    readonly signedIn: ReadonlySet<string>;
    readonly forgotten: number;
  };
}

interface Entry extends Counted {
  client: string;
  userAgent: string | null;
  challenges: number;
  unanswered: number;
  rejected: number;
  throttled: number;
  upstream: number;
  successes: number;
  lastChallenge: number | null;
  lastFailure: number | null;
  lastSuccess: number | null;
  readonly rejectedUsers: Map<string, boolean | null>;
  readonly users: Set<string>;
  readonly otherSchemes: Set<string>;
  challenge: LogRecord | null;
}

const maxNames = 5;

/** Counts what concerns credentials; an open tunnel with a user is a success before it ends. */
export function createAuth(maxClients?: number): AuthCounter {
  const entries = createTally<Entry>(newEntry, maxClients);
  return {
    add(record) {
      const { client, userAgent, user, authFailure, event, verdict } = record;
      const isChallenge = verdict === 'challenge' || authFailure === 'missing';
      const isSuccess = user !== null && authFailure === null && !(record.reason ?? '').startsWith('credentials_');
      if (!isChallenge && !isSuccess && authFailure === null) return;
      const entry = entries.at(`${client} ${userAgent ?? ''}`);
      entry.client = client;
      entry.userAgent = userAgent;
      if (isChallenge) noteChallenge(entry, record);
      else if (isSuccess) noteSuccess(entry, record, user);
      else if (event === 'access') noteFailure(entry, record);
    },
    result() {
      const clients = entries.ranked().map(([, entry]) => toClientAuth(entry));
      return {
        clients: clients.filter((auth) => auth.challenges + auth.rejected + auth.throttled + auth.upstream > 0),
        signedIn: new Set(clients.filter(({ lastSuccess }) => lastSuccess !== null).map(({ client }) => client)),
        forgotten: entries.forgotten,
      };
    },
  };
}

function newEntry(): Entry {
  return {
    count: 0,
    client: '',
    userAgent: null,
    challenges: 0,
    unanswered: 0,
    rejected: 0,
    throttled: 0,
    upstream: 0,
    successes: 0,
    lastChallenge: null,
    lastFailure: null,
    lastSuccess: null,
    rejectedUsers: new Map(),
    users: new Set(),
    otherSchemes: new Set(),
    challenge: null,
  };
}

function noteChallenge(entry: Entry, record: LogRecord): void {
  entry.count += 1;
  entry.challenges += 1;
  if (record.time > (entry.lastSuccess ?? -Infinity)) entry.unanswered += 1;
  entry.lastChallenge = later(entry.lastChallenge, record.time);
  entry.challenge = record;
}

function noteSuccess(entry: Entry, { time, event }: LogRecord, user: string): void {
  // Ranked by trouble: a client that signs in all day is no news.
  if (event === 'access') entry.successes += 1;
  entry.unanswered = 0;
  entry.lastSuccess = later(entry.lastSuccess, time);
  addName(entry.users, user);
}

function noteFailure(entry: Entry, { time, authFailure, authScheme, user, hint }: LogRecord): void {
  entry.count += 1;
  if (authFailure === 'upstream') {
    entry.upstream += 1;
    return;
  }
  if (authFailure === 'throttled') entry.throttled += 1;
  else entry.rejected += 1;
  entry.lastFailure = later(entry.lastFailure, time);
  const { rejectedUsers } = entry;
  if (user !== null && authFailure === 'rejected' && (rejectedUsers.has(user) || rejectedUsers.size < maxNames)) {
    rejectedUsers.set(user, wasKnown(hint));
  }
  const scheme = authScheme?.toLowerCase() ?? 'basic';
  if (scheme !== 'basic') addName(entry.otherSchemes, scheme);
}

function wasKnown(hint: string | null): boolean | null {
  if (hint === 'wrong password') return true;
  return hint?.startsWith('no such user') ? false : null;
}

function later(known: number | null, time: number): number {
  return Math.max(known ?? -Infinity, time);
}

function addName(names: Set<string>, name: string): void {
  if (names.size < maxNames) names.add(name);
}

function toClientAuth(entry: Entry): ClientAuth {
  const { rejectedUsers, users, otherSchemes } = entry;
  const rejected = [...rejectedUsers].map(([name, isKnown]) => ({ name, isKnown }));
  return { ...entry, rejectedUsers: rejected, users: [...users], otherSchemes: [...otherSchemes] };
}
