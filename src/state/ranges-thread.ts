/**
 * The thread of the datacenter ranges: fetches, reads and guards them apart from the thread that carries tunnels, which
 * a document of some megabytes would stall. Entry of a worker thread; `ranges-offload.ts` starts it.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { RangesDocument, Tag } from '../policy/ranges/document.ts';
import { readCache } from './range-cache.ts';
import type { HeldRanges } from './range-cache.ts';
import type { RangesJob, RangesReport } from './ranges-offload.ts';
import { refreshRanges } from './ranges-refresh.ts';

/** A document whose prefixes all lie in one buffer, which changes hands as it is. */
function pack(document: RangesDocument): { readonly document: RangesDocument; readonly buffer: ArrayBuffer } {
  const tags = [...document.tags];
  const words = tags.reduce((sum, [, { prefixes }]) => sum + prefixes.v4.length + prefixes.v6.length, 0);
  const buffer = new ArrayBuffer(words * Uint32Array.BYTES_PER_ELEMENT);
  let at = 0;
  const move = (from: Uint32Array): Uint32Array => {
    const to = new Uint32Array(buffer, at, from.length);
    to.set(from);
    at += to.byteLength;
    return to;
  };
  const moved = tags.map(([key, tag]): [string, Tag] => {
    const prefixes = { v4: move(tag.prefixes.v4), v6: move(tag.prefixes.v6) };
    return [key, { ...tag, prefixes }];
  });
  return { document: { ...document, tags: new Map(moved) }, buffer };
}

async function run(job: RangesJob): Promise<RangesReport> {
  if (job.kind === 'refresh')
    return { kind: 'refresh', outcome: await refreshRanges(job.request, new Date(job.nowMs)) };
  return { kind: 'read', cached: readCache(job.cacheDir, job.cloud) };
}

function rangesOf(report: RangesReport): HeldRanges | null {
  if (report.kind === 'refresh') return report.outcome.ranges;
  return report.cached?.ok ? report.cached.value : null;
}

function withRanges(report: RangesReport, ranges: HeldRanges): RangesReport {
  if (report.kind === 'read') return { kind: 'read', cached: { ok: true, value: ranges } };
  const { outcome } = report;
  return outcome.outcome === 'refreshed' ? { kind: 'refresh', outcome: { ...outcome, ranges } } : report;
}

const report = await run(workerData as RangesJob);
const ranges = rangesOf(report);
if (ranges === null) {
  parentPort?.postMessage(report, []);
} else {
  const { document, buffer } = pack(ranges.document);
  parentPort?.postMessage(withRanges(report, { ...ranges, document }), [buffer]);
}
