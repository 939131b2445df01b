/** What every `ranges` command begins with: the configuration, and the ranges a proxy started now would begin with. */
import type { LoadedConfig } from '../config/load.ts';
import type { FoundRanges } from '../state/ranges-held.ts';
import { findRanges } from '../state/ranges-held.ts';
import { tagsInRules } from '../state/ranges-wanted.ts';
import { listFolder as shippedFolder, loadFromDisk } from './load-config.ts';

export interface CurrentRanges extends FoundRanges {
  readonly loaded: LoadedConfig;
  readonly listFolder: string;
  /** The tags that rules name, in lower case. */
  readonly ruleTags: ReadonlySet<string>;
}

/** Reads configuration, lists and ranges. @throws ConfigError with every fault */
export async function currentRanges(file: string | null, listFolder = shippedFolder): Promise<CurrentRanges> {
  const loaded = await loadFromDisk(file);
  const { cloud, ranges } = loaded.config;
  const ruleTags = tagsInRules(loaded.rules);
  const found = findRanges({ cacheDir: ranges.cacheDir, cloud, listFolder, ruleTags });
  return { ...found, loaded, listFolder, ruleTags };
}
