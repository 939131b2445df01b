/** When the feed asks, what it says, and what it takes; the clock and the thread are the test's own. */
import { describe, expect, it } from 'vitest';
import { parseRangesDocument } from '../../../src/policy/ranges/parse.ts';
import { writeAttempt } from '../../../src/state/range-attempt.ts';
import { readCache, writeCache } from '../../../src/state/range-cache.ts';
import type { HeldRanges } from '../../../src/state/range-cache.ts';
import { fetchBudget, rangeEndpoints } from '../../../src/state/range-endpoints.ts';
import { createRangeFeed } from '../../../src/state/range-feed.ts';
import type { RangesJob, RangesReport } from '../../../src/state/ranges-offload.ts';
import type { RefreshOutcome } from '../../../src/state/ranges-refresh.ts';
import { compactRanges, serviceTagsJson } from '../../support/ranges-publisher.ts';
import { noParent } from '../../support/ranges-request.ts';
import { createTempFolder } from '../../support/temp-folder.ts';
import type { TempFolder } from '../../support/temp-folder.ts';

const startMs = Date.parse('2026-01-10T00:00:00Z');
const hourMs = 3_600_000;
const calm = { failures: [], cacheFault: null } as const;
const refused = { ...calm, outcome: 'refused', ranges: null, message: 'url: it is HTML' } as const;
const unchanged = { ...calm, outcome: 'unchanged', ranges: null, provenance: null, warnings: [] } as const;

function ranges(sha256: string, tags: Readonly<Record<string, readonly string[]>> = {}): HeldRanges {
  const parsed = parseRangesDocument(serviceTagsJson({ tags }));
  if (!parsed.ok) throw new Error(parsed.message);
  const fetchedAt = new Date(startMs).toISOString();
  const from = { source: 'url', place: 'https://feed.example/x', etag: null, date: null, changeNumber: 1 } as const;
  return { document: parsed.value, provenance: { cloud: 'public', ...from, sha256, fetchedAt } };
}

/** A feed whose jobs the test answers, one after the other; `look` is what the timer would do. */
function createFeed(
  folder: TempFolder,
  options: { rules?: readonly string[]; embedded?: string; answers?: RefreshOutcome[] } = {},
) {
  let nowMs = startMs;
  folder.write('ranges/public.txt', compactRanges({ Storage: ['20.1.0.0/16'] }, options.embedded ?? '2026-01-05'));
  let look: (() => Promise<void>) | null = null;
  const jobs: RangesJob[] = [];
  const said: [string, string, Record<string, unknown> | undefined][] = [];
  const taken: HeldRanges[] = [];
  const answers = options.answers ?? [];
  const feed = createRangeFeed(
    {
      cloud: 'public',
      ranges: {
        source: 'auto',
        refreshHours: 24,
        cacheDir: folder.path,
        maxShrinkPercent: 40,
        staleAfterDays: 8,
        resolveNames: [],
      },
      source: { type: 'auto' },
      parent: noParent,
      ruleTags: new Set(options.rules ?? ['storage']),
      listFolder: folder.path,
      endpoints: rangeEndpoints('public'),
      budget: fetchBudget,
    },
    {
      log: {
        info: (event, fields) => void said.push(['info', event, fields]),
        warn: (event, fields) => void said.push(['warn', event, fields]),
      },
      offload: async (job): Promise<RangesReport> => {
        jobs.push(job);
        if (job.kind === 'read') return { kind: 'read', cached: readCache(job.cacheDir, job.cloud) };
        const outcome = answers.shift();
        if (!outcome) throw new Error('its thread ended early');
        return { kind: 'refresh', outcome };
      },
      now: () => nowMs,
      random: () => 0.5,
      every: (_ms, run) => {
        look = run;
        return () => (look = null);
      },
      onRanges: (held) => taken.push(held),
    },
  );
  feed.start();
  return {
    feed,
    jobs,
    said,
    taken,
    isLooking: () => look !== null,
    events: () => said.map(([, event]) => event),
    /** Lets so much time go by, then lets the feed look at the clock. */
    after: async (ms: number): Promise<void> => {
      nowMs += ms;
      await look?.();
    },
  };
}

describe('the feed', () => {
  it('asks soon after the start, then once a day', async () => {
    using folder = createTempFolder();
    const { after, jobs, feed } = createFeed(folder, { answers: [unchanged, unchanged] });
    await after(14_000);
    expect(jobs).toEqual([]);
    await after(1000);
    expect(jobs.map(({ kind }) => kind)).toEqual(['refresh']);
    await after(23 * hourMs);
    expect(jobs).toHaveLength(1);
    await after(hourMs);
    expect(jobs).toHaveLength(2);
    expect(feed.status().lastRefreshSucceeded).toBe(true);
  });

  it('asks no sooner than a day after the last success of whatever process', async () => {
    using folder = createTempFolder();
    const succeededAt = new Date(startMs - 20 * hourMs).toISOString();
    writeAttempt(folder.path, 'public', { at: succeededAt, succeededAt, source: 'url', failures: [] });
    const { after, jobs } = createFeed(folder, { answers: [unchanged] });
    await after(3.9 * hourMs);
    expect(jobs).toEqual([]);
    await after(0.2 * hourMs);
    expect(jobs).toHaveLength(1);
  });

  it('does nothing at all while no rule names a tag', async () => {
    using folder = createTempFolder();
    folder.write('ranges-public.txt', 'half');
    const { feed, isLooking, said } = createFeed(folder, { rules: [] });
    expect(isLooking()).toBe(false);
    expect(said).toEqual([]);
    expect(feed.status()).toEqual({
      provenance: null,
      freshMs: null,
      isStale: false,
      lastRefreshSucceeded: null,
      nextRefreshMs: null,
      prefixes: new Map(),
    });
    await feed.stop();
  });

  it('keeps what it holds when a refresh fails, says so, and asks again sooner', async () => {
    using folder = createTempFolder();
    writeCache(folder.path, ranges('a'.repeat(64)));
    const { feed, after, said, taken, jobs } = createFeed(folder, { answers: [refused] });
    const before = feed.held;
    await after(24 * hourMs);
    expect(jobs.at(-1)?.kind).toBe('refresh');
    expect(feed.held).toBe(before);
    expect(taken).toEqual([]);
    const next = new Date(startMs + 24 * hourMs + 60_000).toISOString();
    expect(said).toEqual([['warn', 'ranges_refused', { failures: [], next }]]);
    expect(feed.status()).toMatchObject({ lastRefreshSucceeded: false, nextRefreshMs: Date.parse(next) });
  });

  it('takes a thread that breaks off for a failed refresh', async () => {
    using folder = createTempFolder();
    const { feed, events } = createFeed(folder);
    expect(await feed.refresh()).toMatchObject({ outcome: 'refused', message: 'its thread ended early' });
    expect(events()).toEqual(['ranges_refused']);
  });

  it('joins a refresh that is under way, but for one that is to be forced', async () => {
    using folder = createTempFolder();
    const { feed, jobs } = createFeed(folder, { answers: [refused, unchanged] });
    const [first, second, forced] = await Promise.all([feed.refresh(), feed.refresh(), feed.refresh({ force: true })]);
    expect(second).toBe(first);
    expect(forced.outcome).toBe('unchanged');
    expect(jobs.map((job) => job.kind === 'refresh' && job.request.force)).toEqual([false, true]);
  });

  it('wants what rules name and what backup needs, and hands over no more of what it holds', async () => {
    using folder = createTempFolder();
    writeCache(folder.path, ranges('a'.repeat(64), { Sql: ['20.1.0.0/16'], Other: ['20.2.0.0/16'] }));
    const { feed, jobs } = createFeed(folder, { rules: ['sql'], answers: [unchanged] });
    await feed.refresh();
    const [job] = jobs;
    if (job?.kind !== 'refresh') throw new Error('no refresh');
    expect(job.request.wantedTags).toEqual(expect.arrayContaining(['sql', 'Storage', 'Storage.*', 'AzureBackup']));
    const handed = [...(job.request.held?.document.tags.keys() ?? [])];
    expect(handed).toContain('sql');
    expect(handed).not.toContain('other');
    expect(feed.held?.document.tags.has('other')).toBe(true);
  });

  it('takes what `ranges refresh` has put into the cache, once', async () => {
    using folder = createTempFolder();
    writeCache(folder.path, ranges('a'.repeat(64)));
    const { after, taken, jobs, events } = createFeed(folder);
    await after(5000);
    expect(jobs).toEqual([]);
    writeCache(folder.path, ranges('b'.repeat(64), { Storage: ['20.9.0.0/16'] }));
    await after(5000);
    await after(5000);
    expect(taken.map(({ provenance }) => provenance.sha256)).toEqual(['b'.repeat(64)]);
    expect(jobs.map(({ kind }) => kind)).toEqual(['read']);
    expect(events()).toEqual(['ranges_refreshed']);
  });

  it('does not take a cache that is broken, and says so once', async () => {
    using folder = createTempFolder();
    writeCache(folder.path, ranges('a'.repeat(64)));
    const { after, taken, said } = createFeed(folder);
    await after(5000);
    folder.write('ranges-public.txt', folder.read('ranges-public.txt').slice(0, -10));
    await after(5000);
    await after(5000);
    expect(taken).toEqual([]);
    expect(said.map(([, event]) => event)).toEqual(['ranges_ignored']);
  });

  it('warns once a day while no refresh succeeds for longer than is good', async () => {
    using folder = createTempFolder();
    writeCache(folder.path, ranges('a'.repeat(64)));
    const answers = Array.from({ length: 40 }, () => refused);
    const { after, events, feed } = createFeed(folder, { answers });
    for (let day = 0; day < 8; day++) await after(24 * hourMs);
    expect(events()).not.toContain('ranges_stale');
    for (let hours = 0; hours < 48; hours += 6) await after(6 * hourMs);
    expect(events().filter((event) => event === 'ranges_stale')).toHaveLength(2);
    expect(feed.status().isStale).toBe(true);
  });

  it('does not warn of what the first refresh of a process is about to mend', async () => {
    using folder = createTempFolder();
    const { after, events } = createFeed(folder, { embedded: '2020-01-01', answers: [unchanged] });
    await after(5000);
    expect(events()).toEqual([]);
    await after(10_000);
    expect(events()).toEqual(['ranges_refreshed']);
  });

  it('takes nothing any more once it is told to stop', async () => {
    using folder = createTempFolder();
    const outcome = { ...calm, outcome: 'refreshed', ranges: ranges('b'.repeat(64)), warnings: [] } as const;
    const { feed, taken, isLooking, events } = createFeed(folder, { answers: [outcome] });
    const refreshing = feed.refresh();
    const stopped = feed.stop();
    await Promise.all([refreshing, stopped]);
    expect(taken).toEqual([]);
    expect(isLooking()).toBe(false);
    expect(events()).toEqual([]);
  });
});
