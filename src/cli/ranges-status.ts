/** `ranges status`: which datacenter ranges are in force, where they came from, how old they are. */
import { countPrefixes } from '../address/flat-prefixes.ts';
import { backupTags } from '../policy/ranges/wanted.ts';
import type { RangesAttempt } from '../state/range-attempt.ts';
import { readAttempt } from '../state/range-attempt.ts';
import type { RangesProvenance } from '../state/range-cache.ts';
import { createRefreshClock } from '../state/range-clock.ts';
import { readEmbedded } from '../state/ranges-held.ts';
import type { CurrentRanges } from './ranges-current.ts';

/** The shape of `ranges status --json`. */
export interface RangesReport {
  readonly cloud: string;
  readonly inForce: RangesProvenance | null;
  readonly embedded: { readonly date: string | null; readonly changeNumber: number | null } | null;
  /** How many prefixes each tag has that rules name or backup needs. */
  readonly prefixes: Readonly<Record<string, number>>;
  /** Whether some rule names a tag; nothing is fetched until one does. */
  readonly isUsed: boolean;
  readonly lastAttempt: RangesAttempt | null;
  /** About when, as ISO 8601; null where no refresh has succeeded yet, or none is wanted. */
  readonly nextRefresh: string | null;
  readonly isStale: boolean;
  readonly staleAfterDays: number;
  readonly notes: readonly string[];
}

/** Gathers what a proxy started now would go by, and what is on record of the last refresh. */
export function reportRanges(current: CurrentRanges, nowMs: number): RangesReport {
  const { held, ruleTags, listFolder, notes } = current;
  const { cloud, ranges } = current.loaded.config;
  const embedded = readEmbedded(listFolder, cloud);
  const lastAttempt = readAttempt(ranges.cacheDir, cloud);
  const succeededMs = timeOf(lastAttempt?.succeededAt ?? held?.provenance.fetchedAt);
  const documentMs = timeOf(held?.provenance.date);
  const clock = createRefreshClock({ ...ranges, succeededMs, documentMs, nowMs, random: () => 0.5 });
  const named = backupTags.filter((tag) => !tag.endsWith('*'));
  const shown = new Map([...named, ...ruleTags].map((tag) => [tag.toLowerCase(), tag]));
  const prefixes = [...shown].map(([key, name]) => {
    const tag = held?.document.tags.get(key);
    return [tag?.name ?? name, tag === undefined ? 0 : countPrefixes(tag.prefixes)] as const;
  });
  const isUsed = ruleTags.size > 0;
  return {
    cloud,
    inForce: held?.provenance ?? null,
    embedded: embedded.ok ? pickNumbers(embedded.value.provenance) : null,
    prefixes: Object.fromEntries(prefixes),
    isUsed,
    lastAttempt,
    nextRefresh: isUsed && succeededMs !== null ? new Date(clock.dueMs).toISOString() : null,
    isStale: clock.isStale(nowMs),
    staleAfterDays: ranges.staleAfterDays,
    notes,
  };
}

function pickNumbers({ date, changeNumber }: RangesProvenance): RangesReport['embedded'] {
  return { date, changeNumber };
}

/** The report as an operator reads it. */
export function formatRangesReport(report: RangesReport, nowMs: number): string {
  const { cloud, inForce, embedded, lastAttempt } = report;
  const lines = [`Datacenter ranges of the cloud ${cloud}`];
  const add = (name: string, value: string) => lines.push(`  ${name.padEnd(10)}${value}`);
  if (inForce === null) {
    add('in force', 'none: every tag matches nothing');
  } else {
    add('in force', inForce.place === null ? inForce.source : `${inForce.source}, ${inForce.place}`);
    add('published', published(inForce, nowMs));
    if (inForce.fetchedAt !== null) add('fetched', `${inForce.fetchedAt}${ageOf(inForce.fetchedAt, nowMs)}`);
    add('sha256', inForce.sha256);
  }
  add('embedded', embedded === null ? 'none' : published(embedded, nowMs));
  if (lastAttempt !== null) {
    const { at, source, failures, succeededAt } = lastAttempt;
    const outcome = source === null ? `failed; the last to succeed: ${succeededAt ?? 'none'}` : `${source} answered`;
    add('refresh', `${at}${ageOf(at, nowMs)}: ${outcome}`);
    for (const failure of failures) add('', `not ${failure.source}: ${failure.why}`);
  }
  if (!report.isUsed) add('next', 'none: no rule names a tag');
  else add('next', report.nextRefresh === null ? 'soon after a proxy starts' : `about ${report.nextRefresh}`);
  for (const [tag, count] of Object.entries(report.prefixes)) add('tag', `${tag}: ${count} prefixes`);
  // The ranges that came along may be new or old; that nothing has been fetched is what can be mended.
  const succeededAt = lastAttempt?.succeededAt ?? inForce?.fetchedAt ?? null;
  const since = succeededAt === null ? 'yet' : `for over ${report.staleAfterDays} days`;
  if (report.isStale) add('warning', `stale: no refresh has succeeded ${since}`);
  for (const note of report.notes) add('warning', note);
  return `${lines.join('\n')}\n`;
}

function published({ date, changeNumber }: NonNullable<RangesReport['embedded']>, nowMs: number): string {
  const number = changeNumber === null ? 'without change number' : `change number ${changeNumber}`;
  return `${date === null ? 'no date' : `${date}${ageOf(date, nowMs)}`}, ${number}`;
}

function ageOf(date: string, nowMs: number): string {
  const hours = Math.floor((nowMs - (timeOf(date) ?? nowMs)) / 3_600_000);
  if (hours < 1) return '';
  const [count, unit] = hours < 48 ? [hours, 'hour'] : [Math.floor(hours / 24), 'day'];
  return ` (${count} ${unit}${count === 1 ? '' : 's'} ago)`;
}

function timeOf(text: string | null | undefined): number | null {
  const ms = Date.parse(text ?? '');
  return Number.isNaN(ms) ? null : ms;
}
