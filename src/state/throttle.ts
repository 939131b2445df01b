/**
 * Who may have a password verified now: tables of failures by address, by user and address, and by user, over an
 * injected clock. Nothing here verifies, waits or has a timer.
 *
 * Five failures block an address, and a user at an address, for a second, and each further one for twice as long, up to
 * a minute. Somebody who guesses one user's password from many addresses is stopped by neither: what strangers may get
 * wrong for one user is a budget that they share. Addresses from which the user signed in lately are outside of it, and
 * whoever failed least goes first, so that a new address with the right password is not kept out by those that guess.
 */
import type { BoundedTable } from './throttle-table.ts';
import { createBoundedTable } from './throttle-table.ts';

export interface Throttle {
  /** How this user stands at this address. */
  standingOf(user: string, address: string): Standing;
  /** Whether one more verification may begin now; it then counts as under way until `end`. */
  begin(user: string, address: string): boolean;
  /** Ends a verification that began; `isRight` null takes it back as if it had never been. */
  end(user: string, address: string, isRight: boolean | null): void;
  /** Notes a success that needed no verification. */
  noteSuccess(user: string, address: string): void;
}

export interface Standing {
  /** For how long there is no verification, in milliseconds; 0: there may be one. */
  readonly blockedMs: number;
  /** Who goes first where not all can: less is sooner, and above 0 are those that failed before. */
  readonly rank: number;
  /** Whether strangers have used up what they may get wrong for this user, and this address is one of theirs. */
  readonly isSpent: boolean;
}

export interface ThrottleOptions {
  /** Milliseconds that never go back. */
  readonly now: () => number;
  readonly maxEntries?: number;
}

const maxEntries = 10_000;
const failuresBeforeBlock = 5;
const firstBlockMs = 1000;
const longestBlockMs = 60_000;
/** Failures longer ago than this are forgotten. */
const forgetAfterMs = 10 * 60_000;
/** How long a success makes an address known for its user: over a night. */
const knownForMs = 24 * 3_600_000;
/** What strangers may get wrong for one user at once, and how many more each second. */
const budgetSize = 20;
const budgetPerSecond = 1;

/** Failures of one key and the verifications that may yet become some. */
interface Failures {
  readonly count: number;
  readonly lastAt: number;
  readonly blockedUntil: number;
  readonly underWay: number;
}

/** What is left of a user's budget at a moment. */
interface Budget {
  readonly left: number;
  readonly at: number;
}

const none: Failures = { count: 0, lastAt: -Infinity, blockedUntil: -Infinity, underWay: 0 };

export function createThrottle(options: ThrottleOptions): Throttle {
  const { now } = options;
  const most = options.maxEntries ?? maxEntries;
  const byAddress = createBoundedTable<Failures>(most);
  const byPair = createBoundedTable<Failures>(most);
  const budgets = createBoundedTable<Budget>(most);
  const knownUntil = createBoundedTable<number>(most);
  const pairOf = createPairOf();

  function failuresOf(table: BoundedTable<Failures>, key: string): Failures {
    const entry = table.get(key) ?? none;
    return now() - entry.lastAt > forgetAfterMs ? { ...none, underWay: entry.underWay } : entry;
  }

  function keep(table: BoundedTable<Failures>, key: string, entry: Failures): void {
    if (entry.count === 0 && entry.underWay === 0) table.delete(key);
    else table.set(key, entry);
  }

  function isKnown(pair: string): boolean {
    return (knownUntil.get(pair) ?? -Infinity) > now();
  }

  function budgetOf(user: string): number {
    const budget = budgets.get(user);
    if (!budget) return budgetSize;
    return Math.min(budgetSize, budget.left + ((now() - budget.at) / 1000) * budgetPerSecond);
  }

  /** A full budget needs no entry. */
  function spend(user: string, count: number): void {
    const left = Math.min(budgetSize, budgetOf(user) - count);
    if (left === budgetSize) budgets.delete(user);
    else budgets.set(user, { left, at: now() });
  }

  /** The keys whose failures count against this attempt: a known user is not held up by others at the same address. */
  function keysOf(user: string, address: string): readonly (readonly [BoundedTable<Failures>, string])[] {
    const pair = pairOf(user, address);
    return isKnown(pair)
      ? [[byPair, pair]]
      : [
          [byPair, pair],
          [byAddress, address],
        ];
  }

  function noteSuccess(user: string, address: string): void {
    const pair = pairOf(user, address);
    knownUntil.set(pair, now() + knownForMs);
    keep(byPair, pair, { ...none, underWay: failuresOf(byPair, pair).underWay });
  }

  return {
    standingOf(user, address) {
      const pair = pairOf(user, address);
      const own = failuresOf(byPair, pair);
      if (isKnown(pair)) return { blockedMs: Math.max(0, own.blockedUntil - now()), rank: -1, isSpent: false };
      const others = failuresOf(byAddress, address);
      return {
        blockedMs: Math.max(0, own.blockedUntil - now(), others.blockedUntil - now()),
        rank: Math.max(own.count, others.count),
        isSpent: budgetOf(user) < 1,
      };
    },
    begin(user, address) {
      const pair = pairOf(user, address);
      // Those under way may all fail: no more begin than would be let fail one after the other.
      const hasRoom = keysOf(user, address).every(([table, key]) => {
        const { count, underWay } = failuresOf(table, key);
        return underWay < Math.max(1, failuresBeforeBlock - count);
      });
      if (!hasRoom || (!isKnown(pair) && budgetOf(user) < 1)) return false;
      if (!isKnown(pair)) spend(user, 1);
      for (const [table, key] of [[byPair, pair] as const, [byAddress, address] as const]) {
        const entry = failuresOf(table, key);
        keep(table, key, { ...entry, underWay: entry.underWay + 1 });
      }
      return true;
    },
    end(user, address, isRight) {
      const pair = pairOf(user, address);
      for (const [table, key] of [[byPair, pair] as const, [byAddress, address] as const]) {
        const entry = failuresOf(table, key);
        const underWay = Math.max(0, entry.underWay - 1);
        keep(table, key, isRight === false ? failedOnceMore({ ...entry, underWay }, now()) : { ...entry, underWay });
      }
      // Only what went wrong is paid for.
      if (isRight !== false && !isKnown(pair)) spend(user, -1);
      if (isRight === true) noteSuccess(user, address);
    },
    noteSuccess,
  };
}

/** Names a user at an address. One attempt asks for the same many times: the last is kept, for a new text is hashed anew. */
function createPairOf(): (user: string, address: string) => string {
  let last = { user: '', address: '', pair: ' ' };
  return (user, address) => {
    if (last.user !== user || last.address !== address) last = { user, address, pair: `${address} ${user}` };
    return last.pair;
  };
}

function failedOnceMore(entry: Failures, at: number): Failures {
  const count = entry.count + 1;
  const over = count - failuresBeforeBlock;
  const blockMs = over < 0 ? 0 : Math.min(longestBlockMs, firstBlockMs * 2 ** over);
  return { ...entry, count, lastAt: at, blockedUntil: blockMs === 0 ? entry.blockedUntil : at + blockMs };
}
