/** Finds the configuration and reads it from disk, for every command the same. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import type { Config } from '../config/config.ts';
import type { KnownTags } from '../config/lists.ts';
import type { LoadedConfig, LoadOptions } from '../config/load.ts';
import { loadConfig } from '../config/load.ts';
import { detectCloud } from '../state/cloud.ts';
import { ownSubnets } from '../state/machine.ts';
import type { RangesDocument } from '../policy/ranges/document.ts';
import { findRanges } from '../state/ranges-held.ts';
import { tagsInRules } from '../state/ranges-wanted.ts';

/** Where a package puts the configuration. */
const packagedFile = '/etc/lockdown-proxy/config.yaml';
/** Where the shipped lists stand, a folder for each cloud, and the embedded ranges in `ranges/`. */
export const listFolder = fileURLToPath(new URL('../../allowlist', import.meta.url));

/** The file that is meant: the option, else `$LOCKDOWN_PROXY_CONFIG`, else the package's; null: the defaults. */
export function findConfigFile(option: string | undefined): string | null {
  return option ?? (process.env['LOCKDOWN_PROXY_CONFIG'] || null) ?? (existsSync(packagedFile) ? packagedFile : null);
}

/** What this machine and this installation bring to a configuration. */
export async function thisMachine(): Promise<Omit<LoadOptions, 'file' | 'readFile'>> {
  return { listFolder, cloud: await detectCloud(), networks: () => ownSubnets(), knownTags, fileMode, now: Date.now };
}

/** Windows has permissions of another kind, which these bits do not tell. */
function fileMode(path: string): number | null {
  return process.platform === 'win32' ? null : (statSync(path, { throwIfNoEntry: false })?.mode ?? null);
}

/** The tags of the ranges that this configuration begins with, from the cache or embedded. */
function knownTags({ cloud, ranges: { cacheDir } }: Config): KnownTags | null {
  const { held } = findRanges({ cacheDir, cloud, listFolder, ruleTags: new Set() });
  if (held === null) return null;
  const isEmbedded = held.provenance.source === 'embedded';
  const hint = '; the embedded ranges hold the tags of backup alone, and a refresh brings the others';
  const tags = new Set(Array.from(held.document.tags.values(), ({ name }) => name));
  return { tags, hint: isEmbedded ? hint : '' };
}

/** Reads config and lists. @throws ConfigError with every fault */
export async function loadFromDisk(file: string | null): Promise<LoadedConfig> {
  return loadConfig({ file, readFile: (path) => readFileSync(path, 'utf8'), ...(await thisMachine()) });
}

/** The datacenter ranges that a proxy started now would begin with; null where no rule names a tag, or there are none. */
export function rangesOnDisk({ config, rules }: LoadedConfig): RangesDocument | null {
  const { cloud, ranges } = config;
  const ruleTags = tagsInRules(rules);
  if (ruleTags.size === 0) return null;
  return findRanges({ cacheDir: ranges.cacheDir, cloud, listFolder, ruleTags }).held?.document ?? null;
}
