/** What workers have counted that are gone, so that no sum ever goes down with one of them. */
import { sumCounts } from '../observe/metrics.ts';
import { historyMs } from '../observe/status/figures.ts';
import { mergeFigures } from '../observe/status/merge.ts';
import type { WorkerCounts } from './calls.ts';

export interface Retired {
  /** Keeps what a worker said last; null where it never said anything. */
  add(counts: WorkerCounts | null): void;
  /** All of it as that of one worker; null where there was none. */
  counts(): Promise<WorkerCounts | null>;
}

export function createRetired(now: () => number = Date.now): Retired {
  let kept: WorkerCounts | null = null;
  let adding = Promise.resolve();

  async function keep({ metrics, figures }: WorkerCounts): Promise<void> {
    const { history, ...others } = kept ? mergeFigures([kept.figures, figures]) : figures;
    kept = {
      connections: 0,
      metrics: await sumCounts(kept ? [kept.metrics, metrics] : [metrics]),
      figures: {
        ...others,
        // What it does not do any more is not counted, and by which rules it judged holds nobody back.
        workers: [],
        tunnels: [],
        totals: { ...others.totals, tunnels: 0 },
        config: { ...others.config, generation: Infinity },
        history: history.filter(({ atMs }) => atMs >= now() - historyMs).map((point) => ({ ...point, open: 0 })),
      },
    };
  }

  return {
    add(counts) {
      if (counts) adding = adding.then(() => keep(counts));
    },
    async counts() {
      await adding;
      return kept;
    },
  };
}
