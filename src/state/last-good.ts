/**
 * The last configuration that was in force, on disk: what a start falls back on when the one that is to be read has
 * faults. It holds the configuration file and the lists. Users, keys and credentials are not in it: they stay in the one
 * place they have, and who was taken out of the users file is out here as well.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Result } from '../errors.ts';
import { writeWhole } from './range-cache.ts';

export interface LastGood {
  /** The configuration file, absolute. */
  readonly file: string;
  readonly configHash: string;
  /** ISO 8601. */
  readonly savedAt: string;
  /** Path and text of the configuration file and of each list, as they were read. */
  readonly texts: readonly (readonly [path: string, text: string])[];
}

/** The first words of the file, with the version of its form; the digest of all that follows comes behind. */
const magic = '# lockdown-proxy last good configuration 1 sha256 ';

/** Where the last good of a configuration file stands: each file has its own, so that two proxies may share a folder. */
export function lastGoodFile(cacheDir: string, file: string): string {
  return join(cacheDir, `last-good-${sha256(resolve(file)).slice(0, 8)}.json`);
}

/** Keeps a configuration, for this user's eyes alone. @throws what the system says where the folder cannot be written */
export function writeLastGood(cacheDir: string, lastGood: LastGood): void {
  const path = lastGoodFile(cacheDir, lastGood.file);
  const body = `${JSON.stringify(lastGood)}\n`;
  writeWhole(path, `${magic}${sha256(body)}\n${body}`, 0o600);
}

/** Reads it back; a file that was cut short, or is of another configuration file, is told and not used. */
export function readLastGood(cacheDir: string, file: string): Result<LastGood> {
  const path = lastGoodFile(cacheDir, file);
  try {
    const text = readFileSync(path, 'utf8');
    const [title = ''] = text.split('\n', 1);
    const body = text.slice(title.length + 1);
    if (title !== `${magic}${sha256(body)}`) return { ok: false, message: `${path} is not whole` };
    // The digest stands for the shape as well: nobody else writes one.
    const lastGood = JSON.parse(body) as LastGood;
    return lastGood.file === resolve(file)
      ? { ok: true, value: lastGood }
      : { ok: false, message: `${path} is another's` };
  } catch (error) {
    return { ok: false, message: error instanceof Error ? error.message : 'unknown error' };
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
