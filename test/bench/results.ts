/** The figures of all rounds, and what they come to: medians, spread, ratios. */
import type { Metric, MetricId, Sample } from './metrics.ts';
import { metrics } from './metrics.ts';
import type { Peer } from './peers/catalog.ts';
import { product } from './peers/catalog.ts';

export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly samples: readonly number[];
  /** Median share of a core that the peer used meanwhile; null where it does not matter. */
  readonly busy: number | null;
}

/** One metric over all peers. */
export interface Row {
  readonly metric: Metric;
  readonly cells: ReadonlyMap<string, Summary>;
  /** The best of the forward proxies beside the product; relays and the destination itself do not compete. */
  readonly best: string | null;
  /** The product's median against the best peer's; null where either is missing. */
  readonly ratio: number | null;
}

export interface Results {
  add(peer: Peer, sample: Sample): void;
  /** Says that a peer had to be left out of something, and why. */
  miss(peer: Peer, what: string, why: string): void;
  rows(shown: ReadonlySet<string>): readonly Row[];
  readonly misses: readonly string[];
}

/** `order`: the peers as columns are to stand. */
export function createResults(order: readonly Peer[]): Results {
  const values = new Map<string, { readonly values: number[]; readonly busy: number[] }>();
  const misses: string[] = [];
  const key = (peer: string, metric: string) => `${peer} ${metric}`;

  const row = (metric: Metric & { readonly id: MetricId }): Row => {
    const cells = new Map<string, Summary>();
    for (const { name } of order) {
      const found = values.get(key(name, metric.id));
      if (found) cells.set(name, summarise(found.values, metric.needsBusyPeer ? found.busy : []));
    }
    const best = findBest(metric, cells, order);
    const [own, other] = [cells.get(product)?.median, best === null ? undefined : cells.get(best)?.median];
    return { metric, cells, best, ratio: own !== undefined && other !== undefined ? own / other : null };
  };

  return {
    add(peer, { metric, value, busy }) {
      if (!Number.isFinite(value)) return;
      const place = values.get(key(peer.name, metric)) ?? { values: [], busy: [] };
      values.set(key(peer.name, metric), place);
      place.values.push(value);
      if (busy !== undefined && Number.isFinite(busy)) place.busy.push(busy);
    },
    miss(peer, what, why) {
      const line = `${peer.name}, ${what}: ${why}`;
      if (!misses.includes(line)) misses.push(line);
    },
    rows: (shown) => metrics.filter(({ id }) => shown.has(id)).map(row),
    misses,
  };
}

function findBest(metric: Metric, cells: ReadonlyMap<string, Summary>, order: readonly Peer[]): string | null {
  if (metric.better === null) return null;
  const sign = metric.better === 'lower' ? 1 : -1;
  const rivals = order
    .filter(({ name, role }) => role === 'proxy' && name !== product)
    .flatMap(({ name }) => ({ name, median: cells.get(name)?.median ?? Number.NaN }))
    .filter(({ median }) => Number.isFinite(median))
    .sort((a, b) => sign * (a.median - b.median));
  return rivals[0]?.name ?? null;
}

function summarise(values: readonly number[], busy: readonly number[]): Summary {
  return {
    median: median(values),
    min: Math.min(...values),
    max: Math.max(...values),
    samples: values,
    busy: busy.length === 0 ? null : median(busy),
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = Number.NaN, high = Number.NaN] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[middle]];
  return (low + high) / 2;
}
