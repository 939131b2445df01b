/** `ranges export`: the ranges of some tags for use elsewhere, as commands for a network security group, JSON or text. */
import process from 'node:process';
import { formatPrefix } from '../address/ip.ts';
import { aggregatePrefixes } from '../policy/ranges/aggregate.ts';
import type { RangesDocument } from '../policy/ranges/document.ts';
import { findTag } from '../policy/ranges/find.ts';
import { formatNsg, toNsgRules } from '../policy/ranges/nsg.ts';
import { quote } from '../policy/ranges/quote.ts';

export interface RangesExportOptions {
  readonly document: RangesDocument;
  /** At least one, in any case. */
  readonly tags: readonly string[];
  /** `nsg`, `json`, `text`, or several of them with commas. */
  readonly format: string;
  readonly json: boolean;
  readonly out: (text: string) => void;
  /** Where a refusal goes; standard error unless given. */
  readonly err?: (text: string) => void;
}

const formats = ['nsg', 'json', 'text'] as const;

/**
 * Prints the union of the tags, aggregated; `--json` alone means the format `json`. Gives 1 for an unknown tag or
 * format, and then prints nothing: a part of the ranges would look like the whole.
 */
export function runRangesExport(options: RangesExportOptions): number {
  const { document, out, err = (text) => void process.stderr.write(text) } = options;
  const wanted = options.json ? ['json'] : options.format.split(',');
  const found = options.tags.map((name) => findTag(document, name));
  const faults = [
    ...wanted
      .filter((name) => !isFormat(name))
      .map((name) => `unknown format ${quote(name)}; one of ${formats.join(', ')}`),
    ...found.flatMap((result) => (result.ok ? [] : [result.message])),
    ...(found.length === 0 ? ['name at least one tag: --tag Storage.WestEurope'] : []),
  ];
  for (const fault of faults) err(`lockdown-proxy: ${fault}\n`);
  if (faults.length > 0) return 1;

  const tags = new Map(
    found.flatMap((result) => (result.ok ? [[result.value.name, result.value.prefixes] as const] : [])),
  );
  const names = [...tags.keys()];
  const prefixes = aggregatePrefixes(tags.values());
  const { cloud, changeNumber, date } = document;
  for (const format of wanted.filter(isFormat)) {
    if (format === 'nsg') out(formatNsg(toNsgRules(prefixes, names), names));
    else if (format === 'text') out(prefixes.map((prefix) => `${formatPrefix(prefix)}\n`).join(''));
    else out(`${JSON.stringify({ cloud, changeNumber, date, tags: names, prefixes: prefixes.map(formatPrefix) })}\n`);
  }
  return 0;
}

function isFormat(name: string): name is (typeof formats)[number] {
  return formats.some((known) => known === name);
}
