/**
 * The ranges on disk: one file a cloud, a line with a digest, a line of provenance, the ranges in the project's compact
 * text. Who wrote it may have been cut short, so it counts only if the digest is that of all that follows.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Cloud } from '../config/config.ts';
import type { Result } from '../errors.ts';
import { formatCompact } from '../policy/ranges/compact.ts';
import { guardRanges } from '../policy/ranges/guard.ts';
import { parseRangesDocument } from '../policy/ranges/parse.ts';
import type { RangesDocument } from '../policy/ranges/document.ts';
import { fetchBudget } from './range-endpoints.ts';
import type { SourceName } from './range-sources.ts';

/** Where ranges came from, and when. */
export interface RangesProvenance {
  readonly cloud: Cloud;
  readonly source: SourceName | 'embedded';
  /** The URL without its query, or the file; null for the embedded ranges. */
  readonly place: string | null;
  readonly etag: string | null;
  /** `YYYY-MM-DD`, where the document or its name tells it. */
  readonly date: string | null;
  readonly changeNumber: number | null;
  /** Of the parsed ranges, in hexadecimal digits: equal for equal ranges, however they were published. */
  readonly sha256: string;
  /** ISO 8601; null for the embedded ranges. */
  readonly fetchedAt: string | null;
}

/** Ranges together with where they came from. */
export interface HeldRanges {
  readonly document: RangesDocument;
  readonly provenance: RangesProvenance;
}

/** The first words of a cache file, with the version of its form; the digest follows. */
const magic = '# lockdown-proxy ranges cache 1 sha256 ';

/** The cache file of a cloud. */
export function cacheFile(cacheDir: string, cloud: Cloud): string {
  return join(cacheDir, `ranges-${cloud}.txt`);
}

/** Whether there is a cache of a cloud at all, good or not. */
export function hasCache(cacheDir: string, cloud: Cloud): boolean {
  return existsSync(cacheFile(cacheDir, cloud));
}

/** Reads the cache of a cloud: null where there is none, else the ranges or why they cannot be used, in a line. */
export function readCache(cacheDir: string, cloud: Cloud): Result<HeldRanges> | null {
  const path = cacheFile(cacheDir, cloud);
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) return null;
    if (!found.isFile()) return refused(path, 'it is no file');
    if (found.size > fetchBudget.maxBytes) return refused(path, `it has more than ${fetchBudget.maxBytes} bytes`);
    return readText(path, readFileSync(path, 'utf8'), cloud);
  } catch (error) {
    return refused(path, error instanceof Error ? error.message : 'unknown error');
  }
}

function readText(path: string, text: string, cloud: Cloud): Result<HeldRanges> {
  const [title = '', line = ''] = text.split('\n', 2);
  if (!title.startsWith(magic)) return refused(path, 'it was not written by this product');
  const rest = text.slice(title.length + 1);
  if (title.slice(magic.length) !== sha256(rest)) return refused(path, 'it is not whole; its digest is another');
  // The digest stands for the shape of the line as well: nobody else writes one.
  const provenance = JSON.parse(line.slice(1)) as RangesProvenance;
  if (provenance.cloud !== cloud) return refused(path, `it is of the cloud ${provenance.cloud}`);
  const parsed = parseRangesDocument(rest.slice(line.length + 1));
  if (!parsed.ok) return refused(path, parsed.message);
  // What stands on a disk is held to the same rules as what comes over the wire, but for the comparison.
  const guarded = guardRanges(parsed.value, null, { wantedTags: [], cloud, maxShrinkPercent: 100, force: true });
  if (!guarded.ok) return refused(path, guarded.message);
  return { ok: true, value: { document: guarded.document, provenance } };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function refused(path: string, why: string): Result<HeldRanges> {
  return { ok: false, message: `the cached ranges in ${path} are ignored: ${why}` };
}

/** Writes ranges as the cache of their cloud. @throws what the system says where the folder cannot be written */
export function writeCache(cacheDir: string, { document, provenance }: HeldRanges): void {
  const text = `# ${JSON.stringify(provenance)}\n${formatCompact(document)}`;
  writeWhole(cacheFile(cacheDir, provenance.cloud), `${magic}${sha256(text)}\n${text}`);
}

/** Writes a file so that a reader finds the old one or the new one whole, also after a power cut. */
export function writeWhole(path: string, text: string, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    writeFileSync(temporary, text, { flag: 'wx', mode, flush: true });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncFolder(dirname(path));
}

/** A name is on disk once its folder is; not every file system lets a folder be synced. */
function syncFolder(path: string): void {
  try {
    const folder = openSync(path, 'r');
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  } catch {
    // The rename itself stands; only its order against a power cut is then the file system's.
  }
}
