/**
 * The thread of the datacenter ranges: fetches, reads and guards them apart from the thread that carries tunnels, which
 * a document of some megabytes would stall. Entry of a worker thread; `ranges-offload.ts` starts it.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { readCache } from './range-cache.ts';
import type { RangesJob, RangesReport } from './ranges-offload.ts';
import { packReport } from './ranges-pack.ts';
import { refreshRanges } from './ranges-refresh.ts';

async function run(job: RangesJob): Promise<RangesReport> {
  if (job.kind === 'refresh')
    return { kind: 'refresh', outcome: await refreshRanges(job.request, new Date(job.nowMs)) };
  return { kind: 'read', cached: readCache(job.cacheDir, job.cloud) };
}

const packed = packReport(await run(workerData as RangesJob));
parentPort?.postMessage(packed, packed.tags === null ? [] : [packed.tags.words.buffer]);
