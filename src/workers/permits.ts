/**
 * What the ledger of the primary and the leases of a worker say to each other. A key is what is limited: `''` for all
 * connections, a client's address for those of one client. Messages of each side arrive in the order of their sending.
 */
import type { Limit } from '../proxy/connections.ts';

export type ToLedger =
  /** So many connections wait for a permit; answered with one `granted`. One ask a key at a time. */
  | { readonly type: 'ask'; readonly key: string; readonly wanted: number }
  /** Permits that are not used any more. */
  | { readonly type: 'back'; readonly key: string; readonly count: number }
  /** Permits for connections that were let in without, while the allowance was wider. */
  | { readonly type: 'claim'; readonly key: string; readonly count: number }
  /** Every permit that was not used when the recall arrived. */
  | { readonly type: 'recalled'; readonly key: string; readonly round: number; readonly count: number };

export type ToLeases =
  /** 0: the limit is reached. */
  | { readonly type: 'granted'; readonly key: string; readonly count: number }
  | { readonly type: 'recall'; readonly key: string; readonly round: number }
  | { readonly type: 'allowance'; readonly allowance: Allowance };

/** What each worker lets in of a key without a permit. */
export type Allowance = Readonly<Record<Limit, number>>;

/** The key of all connections. */
export const allKey = '';

export function limitNameOf(key: string): Limit {
  return key === allKey ? 'connections' : 'connectionsPerClient';
}

/**
 * The allowance of each of so many workers under a limit: together at most 8 a worker or 2 % above it, and nothing where
 * that would be much of a small limit.
 */
export function allowanceUnder(limit: number, workers: number): number {
  const above = Math.max(8 * workers, limit * 0.02);
  return Math.floor(Math.min(above / workers, limit / (4 * workers)));
}
