/** Whether a document that parsed may replace the ranges in force. Pure: the same answer for a feed, a file and a test. */
import { countPrefixes, eachPrefix } from '../../address/flat-prefixes.ts';
import type { FlatPrefixes } from '../../address/flat-prefixes.ts';
import { formatPrefix } from '../../address/ip.ts';
import type { RangesDocument, Tag } from './document.ts';
import { quote } from './quote.ts';
import { shortestLength, splitSpecial, tooWide } from './special.ts';
import { wantedNames } from './wanted.ts';

export interface GuardOptions {
  /** Names of tags, in any case; `NAME*` means all that begin so. Empty: no tag is missed or compared. */
  readonly wantedTags: readonly string[];
  readonly cloud: keyof typeof cloudNames;
  /** How many percent of its prefixes a wanted tag may lose at once. */
  readonly maxShrinkPercent: number;
  /** Takes shrunk and grown tags, and nothing else that would be refused. */
  readonly force: boolean;
}

export type GuardVerdict =
  | { readonly ok: true; readonly document: RangesDocument; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly message: string };

/** What the documents call the clouds of the configuration. */
export const cloudNames = { public: 'Public', usgov: 'AzureGovernment', china: 'China' } as const;

/** How many percent a wanted tag may grow at once. */
const maxGrowthPercent = 100;
/** How many prefixes or tags one warning names. */
const maxNamed = 5;

/**
 * Judges `next` against what it claims, what is wanted of it and what it replaces. Sizes are compared in prefixes, not in
 * addresses: one wide prefix would outweigh a thousand lost ones, and the two families have no common measure. What
 * is published once without a tag leaves its rules matching nothing, so that is a warning; without any wanted tag it is
 * no document for this purpose, and refused.
 */
export function guardRanges(
  next: RangesDocument,
  previous: RangesDocument | null,
  options: GuardOptions,
): GuardVerdict {
  const names = wantedNames(options.wantedTags, next, ...(previous ? [previous] : []));
  const cleaned = withoutSpecial(next, names);
  const message =
    faultOfCloud(next, options.cloud) ??
    faultOfWidth(next) ??
    (cleaned.ok ? faultOfPresence(cleaned.document, names) : cleaned.message) ??
    (cleaned.ok && previous && !options.force ? faultOfSize(cleaned.document, previous, names, options) : null);
  if (message !== null || !cleaned.ok) return { ok: false, message: message ?? '' };
  const { document, warnings } = cleaned;
  return {
    ok: true,
    document,
    warnings: [...warnings, ...warnOfNumber(document, previous), ...warnOfMissing(document, names)],
  };
}

/** A hand-kept list or a legacy file knows no cloud; the feeds do, and have to say it. */
function faultOfCloud({ cloud, format }: RangesDocument, wanted: GuardOptions['cloud']): string | null {
  const expected = cloudNames[wanted];
  if (cloud === null) {
    const hasCloud = format === 'service-tags' || format === 'discovery';
    return hasCloud ? `cloud: expected "${expected}", found nothing` : null;
  }
  return cloud.toLowerCase() === expected.toLowerCase() ? null : `cloud: expected "${expected}", found ${quote(cloud)}`;
}

function faultOfWidth({ tags }: RangesDocument): string | null {
  for (const { name, prefixes } of tags.values()) {
    const wide = tooWide(prefixes);
    if (countPrefixes(wide) === 0) continue;
    return `${name}: ${show(wide)} is too wide; at least /${shortestLength[4]} for IPv4 and /${shortestLength[6]} for IPv6`;
  }
  return null;
}

/** Drops what no datacenter has, or refuses where a wanted tag holds it. */
function withoutSpecial(next: RangesDocument, names: ReadonlyMap<string, string>): GuardVerdict {
  const tags = new Map<string, Tag>();
  const warnings: string[] = [];
  for (const [key, tag] of next.tags) {
    const { special, rest } = splitSpecial(tag.prefixes);
    if (countPrefixes(special) === 0) {
      tags.set(key, tag);
      continue;
    }
    if (names.has(key)) return { ok: false, message: `${tag.name}: special-purpose addresses: ${show(special)}` };
    tags.set(key, { ...tag, prefixes: rest });
    warnings.push(`${tag.name}: special-purpose addresses dropped: ${show(special)}`);
  }
  return { ok: true, document: { ...next, tags }, warnings };
}

function faultOfPresence(document: RangesDocument, names: ReadonlyMap<string, string>): string | null {
  const missing = missingOf(document, names);
  return names.size > 0 && missing.length === names.size
    ? `none of the wanted tags is in it: ${shorten(missing)}`
    : null;
}

function faultOfSize(
  document: RangesDocument,
  previous: RangesDocument,
  names: ReadonlyMap<string, string>,
  { maxShrinkPercent }: GuardOptions,
): string | null {
  for (const [key, name] of names) {
    const [before, after] = [sizeOf(previous, key), sizeOf(document, key)];
    // A tag that is gone is a warning of its own; one that is new has nothing to be compared with.
    if (before === 0 || after === 0) continue;
    const percent = ((after - before) * 100) / before;
    const change = `${name}: from ${before} to ${after} prefixes`;
    if (-percent > maxShrinkPercent) return `${change}, a loss of over ${maxShrinkPercent} %`;
    if (percent > maxGrowthPercent) return `${change}, a growth of over ${maxGrowthPercent} %`;
  }
  return null;
}

/** It went down three times in seven years of honest files, so it proves nothing. */
function warnOfNumber({ changeNumber: now }: RangesDocument, previous: RangesDocument | null): readonly string[] {
  const before = previous?.changeNumber ?? null;
  return now === null || before === null || now >= before ? [] : [`changeNumber went down from ${before} to ${now}`];
}

function warnOfMissing(document: RangesDocument, names: ReadonlyMap<string, string>): readonly string[] {
  const missing = missingOf(document, names);
  return missing.length === 0 ? [] : [`tags without prefixes, rules that name them match nothing: ${shorten(missing)}`];
}

function missingOf(document: RangesDocument, names: ReadonlyMap<string, string>): readonly string[] {
  return [...names].flatMap(([key, name]) => (sizeOf(document, key) === 0 ? [name] : []));
}

function sizeOf({ tags }: RangesDocument, key: string): number {
  const tag = tags.get(key);
  return tag ? countPrefixes(tag.prefixes) : 0;
}

function show(flat: FlatPrefixes): string {
  return shorten(Array.from(eachPrefix(flat), formatPrefix));
}

function shorten(names: readonly string[]): string {
  const shown = names.slice(0, maxNamed).join(', ');
  return names.length > maxNamed ? `${shown} and ${names.length - maxNamed} more` : shown;
}
