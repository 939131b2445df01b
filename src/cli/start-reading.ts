/** Reads a configuration for `serve`: for each reload the one on disk, for a start the last good one where that has faults. */
import { resolve } from 'node:path';
import process from 'node:process';
import type { LoadOptions } from '../config/load.ts';
import { inspectConfig } from '../config/load.ts';
import { ConfigError } from '../errors.ts';
import type { LastGood } from '../state/last-good.ts';
import { readLastGood, writeLastGood } from '../state/last-good.ts';
import type { Reading } from '../state/reload.ts';
import type { SourceFiles } from '../state/source-files.ts';
import { readSources } from '../state/source-files.ts';
import { thisMachine } from './load-config.ts';

/** The configuration that is read again and again while a proxy runs. */
export interface DiskConfig {
  /** Reads everything anew. @throws ConfigError with every finding if one of them is a fault */
  read(): Reading;
  /** Every file that the last reading asked for, good or bad, with its text. */
  readonly texts: ReadonlyMap<string, string | null>;
  /** The last one that was in force, kept from an earlier run, and how to read it; or why there is none. */
  readLastGood(): { readonly reading: Reading; readonly lastGood: LastGood } | null;
  /** Keeps what is in force. @throws what the system says where that cannot be written */
  keep(reading: Reading): void;
}

/** What the machine brings is found out once: a reload is not to ask anybody which cloud this is. */
export async function openDiskConfig(file: string | null): Promise<DiskConfig> {
  const machine = await thisMachine();
  let sources = readSources();
  const read = (from: SourceFiles): Reading => load({ ...machine, file, readFile: from.readFile }, from);
  return {
    read() {
      sources = readSources();
      return read(sources);
    },
    get texts() {
      return sources.texts;
    },
    readLastGood() {
      if (file === null) return null;
      for (const cacheDir of cacheDirsOf({ ...machine, file, readFile: readSources().readFile })) {
        const found = readLastGood(cacheDir, file);
        if (!found.ok) continue;
        const kept = new Map(found.value.texts);
        const disk = readSources();
        // Users, keys and credentials are in no copy: they are read where they stand.
        const from = readSources((path) => kept.get(path) ?? disk.readFile(path));
        try {
          return { reading: read(from), lastGood: found.value };
        } catch (error) {
          if (!(error instanceof ConfigError)) throw error;
        }
      }
      return null;
    },
    keep({ loaded, texts, plainFiles }) {
      if (file === null) return;
      writeLastGood(loaded.config.ranges.cacheDir, {
        file: resolve(file),
        configHash: loaded.hash,
        savedAt: new Date().toISOString(),
        texts: plainFiles.map((path) => [path, texts.get(path) ?? ''] as const),
      });
    },
  };
}

function load(options: LoadOptions, { texts }: SourceFiles): Reading {
  const { lists, ...loaded } = inspectConfig(options);
  if (loaded.findings.some(({ severity }) => severity === 'fault')) throw new ConfigError(loaded.findings);
  const plainFiles = [options.file, ...lists.map(({ path }) => path)].filter((path) => path !== null);
  return { loaded, texts, plainFiles };
}

/** Where the last good may stand: the folder may be all that can still be read of a configuration. */
function cacheDirsOf(options: LoadOptions): ReadonlySet<string> {
  const { config } = inspectConfig(options);
  const written = rawCacheDir(options);
  const state = process.env['STATE_DIRECTORY']?.split(':')[0];
  const salvaged = written === null ? null : inspectConfig({ ...options, ...onlyCacheDir(options, written) }).config;
  const found = [config.ranges.cacheDir, salvaged?.ranges.cacheDir, state];
  return new Set(found.filter((path): path is string => Boolean(path)));
}

/** What stands behind `cacheDir:` in a text that is no YAML any more, or has a fault beside it. */
function rawCacheDir({ file, readFile }: LoadOptions): string | null {
  try {
    const text = file === null ? '' : readFile(file);
    return /\bcacheDir:\s*(?:"([^"\n]+)"|'([^'\n]+)'|([^\s,}#]+))/.exec(text)?.slice(1).find(Boolean) ?? null;
  } catch {
    return null;
  }
}

/** The same file as if it said nothing else, so that a relative path is resolved as it was. */
function onlyCacheDir({ file }: LoadOptions, cacheDir: string): Pick<LoadOptions, 'readFile'> {
  return {
    readFile(path) {
      if (path === file) return `ranges: { cacheDir: ${JSON.stringify(cacheDir)} }\n`;
      throw new Error('not read');
    },
  };
}
