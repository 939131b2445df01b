/** What is measured, and how each figure reads. */

/** What is done with a peer, one after the other; each gives the figures of its metrics. */
export const steps = ['down', 'up', 'connections', 'latency', 'requests', 'half-close', 'start', 'idle'] as const;
export type Step = (typeof steps)[number];

export interface Metric {
  readonly id: string;
  readonly step: Step;
  readonly title: string;
  readonly digits: number;
  /** Null: there is no best, it only says how a peer behaves. */
  readonly better: 'lower' | 'higher' | null;
  /** A rate or a time that the load could be the limit of, and not the peer. */
  readonly needsBusyPeer?: boolean;
}

const lower = 'lower';
const higher = 'higher';

export const metrics = [
  { id: 'cpu-down', step: 'down', title: 'CPU s a GB, down', digits: 2, better: lower },
  { id: 'rate-down', step: 'down', title: 'GB/s, down', digits: 2, better: higher, needsBusyPeer: true },
  { id: 'cpu-up', step: 'up', title: 'CPU s a GB, up', digits: 2, better: lower },
  { id: 'rate-up', step: 'up', title: 'GB/s, up', digits: 2, better: higher, needsBusyPeer: true },
  { id: 'cpu-connections', step: 'connections', title: 'CPU ms / 1,000 connections', digits: 0, better: lower },
  {
    id: 'connections',
    step: 'connections',
    title: 'connections/s',
    digits: 0,
    better: higher,
    needsBusyPeer: true,
  },
  { id: 'connect-p50', step: 'latency', title: 'connect p50, ms', digits: 3, better: lower },
  { id: 'connect-p99', step: 'latency', title: 'connect p99, ms', digits: 3, better: lower },
  { id: 'round-trip-p50', step: 'latency', title: 'round trip p50, ms', digits: 3, better: lower },
  { id: 'round-trip-p99', step: 'latency', title: 'round trip p99, ms', digits: 3, better: lower },
  { id: 'cpu-requests', step: 'requests', title: 'CPU ms / 1,000 plain requests', digits: 0, better: lower },
  { id: 'requests', step: 'requests', title: 'plain requests/s', digits: 0, better: higher, needsBusyPeer: true },
  { id: 'kept', step: 'requests', title: 'requests a client connection', digits: 0, better: null },
  { id: 'half-close', step: 'half-close', title: 'half-close kept (1 = yes)', digits: 0, better: null },
  { id: 'start', step: 'start', title: 'start to first 200, ms', digits: 0, better: lower },
  { id: 'resident', step: 'start', title: 'resident at start, MB', digits: 1, better: lower },
  { id: 'idle', step: 'idle', title: 'kB / idle tunnel', digits: 1, better: lower },
  { id: 'resident-idle', step: 'idle', title: 'resident with idle tunnels, MB', digits: 1, better: lower },
] as const satisfies readonly Metric[];

export type MetricId = (typeof metrics)[number]['id'];

/** One figure of one peer in one round; `busy` is the share of one core that the peer used meanwhile. */
export interface Sample {
  readonly metric: MetricId;
  readonly value: number;
  readonly busy?: number;
}
