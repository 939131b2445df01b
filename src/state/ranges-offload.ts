/** Runs work on the ranges in a thread of its own, bounded in time and memory, that is gone afterwards. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { Cloud } from '../config/config.ts';
import type { Result } from '../errors.ts';
import type { HeldRanges } from './range-cache.ts';
import type { RefreshOutcome, RefreshRequest } from './ranges-refresh.ts';

/** What a thread may be asked for. */
export type RangesJob =
  | { readonly kind: 'refresh'; readonly request: RefreshRequest; readonly nowMs: number }
  | { readonly kind: 'read'; readonly cacheDir: string; readonly cloud: Cloud };

export type RangesReport =
  | { readonly kind: 'refresh'; readonly outcome: RefreshOutcome }
  | { readonly kind: 'read'; readonly cached: Result<HeldRanges> | null };

/** For a whole job, whatever its sources do, in milliseconds. */
const jobMs = 300_000;
/** The heap of a thread, in MiB: a document of the largest size that is fetched, read and written. */
const heapMib = 512;

/** Runs a job; at its end, or when `signal` aborts, nothing of the thread is left. @throws Error when it broke off */
export async function offload(job: RangesJob, signal: AbortSignal): Promise<RangesReport> {
  const { promise, resolve, reject } = Promise.withResolvers<RangesReport>();
  const worker = new Worker(new URL('ranges-thread.ts', import.meta.url), {
    workerData: job,
    resourceLimits: { maxOldGenerationSizeMb: heapMib },
  });
  const timer = setTimeout(() => reject(new Error(`not done within ${jobMs} ms`)), jobMs);
  const abort = () => reject(new Error('broken off'));
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  worker.on('message', resolve);
  worker.on('error', reject);
  worker.on('exit', () => reject(new Error('its thread ended early')));
  try {
    const report = await promise;
    // Taking a whole document over costs some milliseconds, and so does what is made of it: tunnels get a turn between.
    await nextTurn();
    return report;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
    await worker.terminate();
  }
}
