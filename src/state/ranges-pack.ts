/**
 * A report with a whole document, packed for its way between threads: one buffer that changes hands and one list of
 * words. Thousands of objects with an array each would cost the receiver, which carries tunnels, some milliseconds.
 */
import type { FlatPrefixes } from '../address/flat-prefixes.ts';
import type { Tag } from '../policy/ranges/document.ts';
import type { HeldRanges } from './range-cache.ts';
import type { RangesReport } from './ranges-offload.ts';

/** All tags: for each `[key, name, region, service]` in `labels` and its `[v4, v6]` words in `lengths`. */
interface PackedTags {
  readonly labels: readonly (string | null)[];
  readonly lengths: Uint32Array;
  readonly words: Uint32Array<ArrayBuffer>;
}

/** A report whose document has its tags beside it; null where it brought no document. */
export interface PackedReport {
  readonly report: RangesReport;
  readonly tags: PackedTags | null;
}

export function packReport(report: RangesReport): PackedReport {
  const ranges = rangesOf(report);
  if (ranges === null) return { report, tags: null };
  const { document } = ranges;
  return {
    report: withRanges(report, { ...ranges, document: { ...document, tags: new Map() } }),
    tags: packTags(document.tags),
  };
}

export function unpackReport({ report, tags }: PackedReport): RangesReport {
  const ranges = rangesOf(report);
  if (ranges === null || tags === null) return report;
  return withRanges(report, { ...ranges, document: { ...ranges.document, tags: unpackTags(tags) } });
}

function packTags(tags: ReadonlyMap<string, Tag>): PackedTags {
  const all = [...tags];
  const parts = all.flatMap(([, { prefixes }]) => [prefixes.v4, prefixes.v6]);
  const lengths = Uint32Array.from(parts, (part) => part.length);
  const words = new Uint32Array(lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    words.set(part, at);
    at += part.length;
  }
  return { labels: all.flatMap(([key, { name, region, service }]) => [key, name, region, service]), lengths, words };
}

function unpackTags({ labels, lengths, words }: PackedTags): ReadonlyMap<string, Tag> {
  const tags = new Map<string, Tag>();
  let at = 0;
  for (let index = 0; index < lengths.length; index += 2) {
    const [key = '', name = '', region = null, service = null] = labels.slice(index * 2, index * 2 + 4);
    const from = at;
    const middle = from + (lengths[index] ?? 0);
    const end = middle + (lengths[index + 1] ?? 0);
    at = end;
    const tag: Tag = {
      name: name ?? '',
      region,
      service,
      // Rules ask for a few of the thousands: the others need no arrays of their own.
      get prefixes(): FlatPrefixes {
        return { v4: words.subarray(from, middle), v6: words.subarray(middle, end) };
      },
    };
    tags.set(key ?? '', tag);
  }
  return tags;
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
