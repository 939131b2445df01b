/** The ranges a process begins with: what the last refresh left on disk, else what the product brings along. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cloud } from '../config/config.ts';
import type { Result } from '../errors.ts';
import { digestRanges } from '../policy/ranges/digest.ts';
import { parseRangesDocument } from '../policy/ranges/parse.ts';
import type { HeldRanges } from './range-cache.ts';
import { readCache } from './range-cache.ts';

export interface HeldOptions {
  readonly cacheDir: string;
  readonly cloud: Cloud;
  /** The folder of the shipped lists, which has the embedded ranges in `ranges/`. */
  readonly listFolder: string;
  /** The tags that rules name, in lower case. */
  readonly ruleTags: ReadonlySet<string>;
}

/** What was found, and what is to be said of what could not be used. */
export interface FoundRanges {
  /** Null where there are no ranges at all: every tag then matches nothing. */
  readonly held: HeldRanges | null;
  readonly notes: readonly string[];
}

/**
 * The cache where it is whole and of this cloud, else the embedded ranges. A release may bring newer ranges than a
 * machine that was off for long has in its cache; they serve if they hold every tag that rules name.
 */
export function findRanges(options: HeldOptions): FoundRanges {
  const { cacheDir, cloud, listFolder, ruleTags } = options;
  const cached = readCache(cacheDir, cloud);
  const embedded = readEmbedded(listFolder, cloud);
  const notes = [cached, embedded].flatMap((result) => (result === null || result.ok ? [] : [result.message]));
  const own = embedded.ok ? embedded.value : null;
  if (cached === null || !cached.ok) return { held: own, notes };
  const isNewer = (own?.provenance.date ?? '') > (cached.value.provenance.date ?? '9999');
  const isEnough = own !== null && [...ruleTags].every((tag) => own.document.tags.has(tag));
  return { held: isNewer && isEnough ? own : cached.value, notes };
}

/** The ranges that came with the product: the tags that backup needs, of one cloud. */
export function readEmbedded(listFolder: string, cloud: Cloud): Result<HeldRanges> {
  const path = join(listFolder, 'ranges', `${cloud}.txt`);
  try {
    const text = readFileSync(path, 'utf8');
    const parsed = parseRangesDocument(text);
    if (!parsed.ok) return { ok: false, message: `the embedded ranges in ${path} are ignored: ${parsed.message}` };
    const document = parsed.value;
    const { date, changeNumber } = document;
    const origin = { source: 'embedded', place: null, etag: null, fetchedAt: null } as const;
    return {
      ok: true,
      value: { document, provenance: { cloud, ...origin, date, changeNumber, sha256: digestRanges(document) } },
    };
  } catch (error) {
    const why = error instanceof Error ? error.message : 'unknown error';
    return { ok: false, message: `the embedded ranges are missing: ${why}` };
  }
}
