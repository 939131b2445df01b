/** The lists that `allowlist` names: found, read and parsed, with the fault where one cannot be. */
import { basename, dirname, isAbsolute, join } from 'node:path';
import type { Prefix } from '../address/ip.ts';
import type { Fault } from '../errors.ts';
import { parseAllowlist } from '../policy/allowlist.ts';
import type { ParsedAllowlist } from '../policy/allowlist.ts';
import { didYouMean } from '../policy/nearest.ts';
import type { Cloud } from './config.ts';
import { shippedLists } from './values.ts';

/** One list that was read. */
export interface List {
  /** The path that was given to `readFile`. */
  readonly path: string;
  /** What findings and logs call it. */
  readonly file: string;
  /** Whether it came with the product. */
  readonly shipped: boolean;
  readonly text: string;
  readonly parsed: ParsedAllowlist;
}

export interface ListOptions {
  readonly readFile: (path: string) => string;
  /** The configuration file, whose folder relative paths start from; null for the defaults. */
  readonly file: string | null;
  /** The folder of the shipped lists, which has one folder for each cloud. */
  readonly listFolder: string;
  readonly cloud: Cloud;
  readonly groups: ReadonlyMap<string, readonly Prefix[]>;
  readonly usersConfigured: boolean;
  /** The service tags that rules may name; asked only if a list names one. Null: there are no ranges. */
  readonly knownTags: () => KnownTags | null;
}

/** The tags of the ranges that are held, in lower case. */
export interface KnownTags {
  readonly tags: ReadonlySet<string>;
  /** What is to be said beside a tag that is not among them. */
  readonly hint: string;
}

/** A path of the configuration: relative ones start from the folder of its file. */
export function resolvePath(file: string | null, path: string): string {
  return file === null || isAbsolute(path) ? path : join(dirname(file), path);
}

/** Reads the lists in the order of `entries`; `report` tells of an entry that cannot be read. */
export function readLists(
  entries: readonly string[],
  options: ListOptions,
  report: (severity: Fault['severity'], entry: number, message: string) => void,
): readonly List[] {
  const lists: List[] = [];
  for (const [index, entry] of entries.entries()) {
    if (entries.indexOf(entry) !== index) {
      report('note', index, `\`${entry}\` stands in the list already; left out`);
      continue;
    }
    const shipped = !/[./\\]/.test(entry);
    if (shipped && !shippedLists.includes(entry)) {
      const hint = didYouMean(entry, shippedLists) || `; shipped are ${shippedLists.join(', ')}`;
      report('fault', index, `no shipped list is called \`${entry}\` (write a file as \`./${entry}\`)${hint}`);
      continue;
    }
    const path = shipped ? join(options.listFolder, options.cloud, `${entry}.txt`) : resolvePath(options.file, entry);
    const text = readText(path, options.readFile);
    if (!text.ok) {
      const of = shipped ? ` of the cloud ${options.cloud}` : '';
      report('fault', index, `cannot read the list \`${entry}\`${of}: ${text.message}`);
      continue;
    }
    // A shipped list is named the same wherever the product is installed: logs are compared across machines.
    const file = shipped ? join(basename(options.listFolder), options.cloud, `${entry}.txt`) : path;
    const { groups, usersConfigured } = options;
    const known = /\btag:/i.test(text.value) ? options.knownTags() : null;
    const tags = { knownTags: known?.tags ?? null, unknownTagHint: known?.hint ?? '' };
    const parsed = parseAllowlist(text.value, { file, groups, ...tags, usersConfigured });
    lists.push({ path, file, shipped, text: text.value, parsed });
  }
  return lists;
}

type Text = { readonly ok: true; readonly value: string } | { readonly ok: false; readonly message: string };

/** Reads a file, with what the system says against it in words. */
export function readText(path: string, readFile: (path: string) => string): Text {
  try {
    return { ok: true, value: readFile(path) };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const plain = reasons[code] ?? (error instanceof Error ? error.message : 'unknown error');
    return { ok: false, message: `${plain} (${path})` };
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'a part of its path is no folder',
  EISDIR: 'it is a folder; name a file',
  EACCES: 'this user may not read it',
  EPERM: 'this user may not read it',
};
