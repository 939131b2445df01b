/** What became of the last refresh, kept beside the cache, so that `ranges status` can say it in a process of its own. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cloud } from '../config/config.ts';
import { writeWhole } from './range-cache.ts';
import type { SourceName } from './range-sources.ts';

/** A source that gave nothing that could be taken, and why, in a line. */
export interface SourceFailure {
  readonly source: SourceName;
  readonly why: string;
}

export interface RangesAttempt {
  /** ISO 8601. */
  readonly at: string;
  /** When a refresh last succeeded, this one or one before it; ISO 8601. */
  readonly succeededAt: string | null;
  /** The source whose ranges were taken, or were those held already; null if none. */
  readonly source: SourceName | null;
  /** The sources that were asked before, or in vain. */
  readonly failures: readonly SourceFailure[];
}

function attemptFile(cacheDir: string, cloud: Cloud): string {
  return join(cacheDir, `ranges-${cloud}.last.json`);
}

/** The last attempt; null where none is recorded or its record cannot be read. */
export function readAttempt(cacheDir: string, cloud: Cloud): RangesAttempt | null {
  try {
    const value = JSON.parse(readFileSync(attemptFile(cacheDir, cloud), 'utf8')) as Partial<RangesAttempt> | null;
    if (typeof value?.at !== 'string' || !Array.isArray(value.failures)) return null;
    const { at, succeededAt = null, source = null, failures } = value;
    return { at, succeededAt, source, failures };
  } catch {
    return null;
  }
}

/** Records an attempt. @throws what the system says where the folder cannot be written */
export function writeAttempt(cacheDir: string, cloud: Cloud, attempt: RangesAttempt): void {
  writeWhole(attemptFile(cacheDir, cloud), `${JSON.stringify(attempt)}\n`);
}
