/** What the load process can be asked to do, and what it tells of it. Times in seconds and milliseconds, as they say. */
import type { Route } from './tunnel.ts';

export type Job =
  /** Moves `bytes` through each of `tunnels` tunnels at once. */
  | { readonly type: 'down'; readonly route: Route; readonly tunnels: number; readonly bytes: number }
  | { readonly type: 'up'; readonly route: Route; readonly tunnels: number; readonly bytes: number }
  /** Opens tunnels, gets one byte back through each and closes it; `inFlight` at a time. */
  | { readonly type: 'connections'; readonly route: Route; readonly count: number; readonly inFlight: number }
  /** One after the other: connects, and round trips of one byte in one tunnel. */
  | { readonly type: 'latency'; readonly route: Route; readonly connects: number; readonly roundTrips: number }
  /** Plain HTTP over `inFlight` client connections, kept where the peer keeps them. */
  | { readonly type: 'requests'; readonly route: Route; readonly count: number; readonly inFlight: number }
  /** Opens tunnels and leaves them open; `release` closes all of them. */
  | { readonly type: 'hold'; readonly route: Route; readonly count: number; readonly inFlight: number }
  | { readonly type: 'release' }
  /** Half-closes a tunnel and waits for what the destination says then. */
  | { readonly type: 'half-close'; readonly route: Route };

export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
}

/** What each job gives back. */
export interface Outcomes {
  readonly down: { readonly seconds: number };
  readonly up: { readonly seconds: number };
  readonly connections: { readonly seconds: number };
  /** In milliseconds. */
  readonly latency: { readonly connect: Percentiles; readonly roundTrip: Percentiles };
  /** `opened`: how many client connections it took. */
  readonly requests: { readonly seconds: number; readonly opened: number };
  readonly hold: { readonly held: number };
  readonly release: { readonly released: number };
  readonly 'half-close': { readonly kept: boolean };
}

export type JobReply =
  { readonly ok: true; readonly outcome: unknown } | { readonly ok: false; readonly message: string };
