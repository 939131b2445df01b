/** The `ranges` commands: each begins with the ranges a proxy started now would begin with, and prints text or JSON. */
import process from 'node:process';
import { ConfigError } from '../errors.ts';
import type { RangesDocument } from '../policy/ranges/document.ts';
import { currentRanges } from './ranges-current.ts';
import type { RangesExportOptions } from './ranges-export.ts';
import { runRangesExport } from './ranges-export.ts';
import type { RangesFindOptions } from './ranges-find.ts';
import { runRangesFind } from './ranges-find.ts';
import type { RangesListOptions } from './ranges-list.ts';
import { runRangesList } from './ranges-list.ts';
import type { RefreshSettings } from './ranges-refresh.ts';
import { refreshCache } from './ranges-refresh.ts';
import { formatRangesReport, reportRanges } from './ranges-status.ts';

export interface RangesOptions {
  /** The configuration file; null for the embedded defaults. */
  readonly config: string | null;
  readonly json: boolean;
  readonly out: (text: string) => void;
  /** The folder of the shipped lists and embedded ranges; this installation's unless given. */
  readonly listFolder?: string;
}

/** Gives 0, or 1 where there are no ranges at all or the configuration has faults. */
export function runRangesStatus(options: RangesOptions): Promise<number> {
  return sayingFaults(async () => {
    const current = await currentRanges(options.config, options.listFolder);
    const report = reportRanges(current, Date.now());
    options.out(options.json ? `${JSON.stringify(report)}\n` : formatRangesReport(report, Date.now()));
    return report.inForce === null ? 1 : 0;
  });
}

/** Gives 0 if the cache now holds what the source has, else 1; one line says which. */
export function runRangesRefresh(options: RangesOptions & RefreshSettings): Promise<number> {
  return sayingFaults(async () => {
    const current = await currentRanges(options.config, options.listFolder);
    const { ok, line, outcome } = await refreshCache(current, options, new Date());
    const { ranges, ...said } = outcome;
    const json = { ok, provenance: ranges?.provenance ?? null, ...said };
    options.out(options.json ? `${JSON.stringify(json)}\n` : `${line}\n`);
    return ok ? 0 : 1;
  });
}

/** What a command over the ranges in force is asked, without the ranges. */
export type Query =
  | ({ readonly command: 'list' } & Pick<RangesListOptions, 'tag'>)
  | ({ readonly command: 'find' } & Pick<RangesFindOptions, 'address'>)
  | ({ readonly command: 'export' } & Pick<RangesExportOptions, 'tags' | 'format'>);

/** Runs `list`, `find` or `export` over the ranges in force. Gives 0, or 1 where the question has no answer. */
export function runRangesQuery(options: RangesOptions, query: Query): Promise<number> {
  return sayingFaults(async () => {
    const { held } = await currentRanges(options.config, options.listFolder);
    if (held === null) {
      process.stderr.write('lockdown-proxy: there are no datacenter ranges; `ranges refresh` fetches them\n');
      return 1;
    }
    const code = answer(query, { ...options, document: held.document });
    if (code !== 0 && held.provenance.source === 'embedded') {
      process.stderr.write(
        'lockdown-proxy: the embedded ranges hold the tags of backup alone; `ranges refresh` fetches all\n',
      );
    }
    return code;
  });
}

function answer(query: Query, over: RangesOptions & { readonly document: RangesDocument }): number {
  switch (query.command) {
    case 'list':
      return runRangesList({ ...over, tag: query.tag });
    case 'find':
      return runRangesFind({ ...over, address: query.address });
    case 'export':
      return runRangesExport({ ...over, tags: query.tags, format: query.format });
    default:
      return query satisfies never;
  }
}

/** Faults of the configuration go where every command puts them. */
async function sayingFaults(run: () => Promise<number>): Promise<number> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
}
