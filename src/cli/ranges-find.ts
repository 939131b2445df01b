/** `ranges find`: which tags hold an address, and by which prefixes. */
import process from 'node:process';
import { parseAddress } from '../address/ip.ts';
import type { RangesDocument } from '../policy/ranges/document.ts';
import { findAddress } from '../policy/ranges/find.ts';
import { quote } from '../policy/ranges/quote.ts';

export interface RangesFindOptions {
  readonly document: RangesDocument;
  readonly address: string;
  readonly json: boolean;
  readonly out: (text: string) => void;
  /** Where a refusal goes; standard error unless given. */
  readonly err?: (text: string) => void;
}

/** Prints a tag a line with its prefixes; gives 1 for what is no address. That no tag holds it is an answer, so 0. */
export function runRangesFind(options: RangesFindOptions): number {
  const { document, json, out, err = (text) => void process.stderr.write(text) } = options;
  const address = parseAddress(options.address);
  if (address === null) {
    err(`lockdown-proxy: not an IP address: ${quote(options.address)}, write it like 20.60.0.1 or 2603:1030::1\n`);
    return 1;
  }
  const found = findAddress(document, address);
  if (json) {
    const prefixes = new Set(found.flatMap((entry) => entry.prefixes));
    out(`${JSON.stringify({ tags: found.map(({ tag }) => tag), prefixes: [...prefixes] })}\n`);
  } else if (found.length === 0) {
    out(`No tag holds ${address.text}.\n`);
  } else {
    const width = Math.max(...found.map(({ tag }) => tag.length));
    out(found.map(({ tag, prefixes }) => `${tag.padEnd(width)}  ${prefixes.join(' ')}\n`).join(''));
  }
  return 0;
}
