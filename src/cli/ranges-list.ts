/** `ranges list`: the prefixes of one tag as they were published. */
import process from 'node:process';
import { eachPrefix } from '../address/flat-prefixes.ts';
import { formatPrefix } from '../address/ip.ts';
import type { RangesDocument } from '../policy/ranges/document.ts';
import { findTag } from '../policy/ranges/find.ts';

export interface RangesListOptions {
  readonly document: RangesDocument;
  /** In any case. */
  readonly tag: string;
  readonly json: boolean;
  readonly out: (text: string) => void;
  /** Where a refusal goes; standard error unless given. */
  readonly err?: (text: string) => void;
}

/** Prints one prefix a line; gives 1, with the nearest names, where no tag has the name. */
export function runRangesList(options: RangesListOptions): number {
  const { document, json, out, err = (text) => void process.stderr.write(text) } = options;
  const found = findTag(document, options.tag);
  if (!found.ok) {
    err(`lockdown-proxy: ${found.message}\n`);
    return 1;
  }
  const { name, region, service } = found.value;
  const prefixes = Array.from(eachPrefix(found.value.prefixes), formatPrefix);
  out(
    json
      ? `${JSON.stringify({ tag: name, region, service, prefixes })}\n`
      : prefixes.map((line) => `${line}\n`).join(''),
  );
  return 0;
}
