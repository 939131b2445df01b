/** `ranges.source`: what its writer means by it. */
import { parseAddress } from '../address/ip.ts';
import { classifyAddress } from '../address/special-purpose.ts';
import type { Result } from '../errors.ts';

/** Where the datacenter ranges are to come from. */
export type RangesSource =
  | { readonly type: 'auto' }
  | { readonly type: 'discovery' }
  | { readonly type: 'url'; readonly url: string }
  | { readonly type: 'file'; readonly path: string };

/** Reads `auto`, `discovery`, a URL or a path; the path is as written. */
export function parseRangesSource(text: string): Result<RangesSource> {
  if (text === 'auto' || text === 'discovery') return { ok: true, value: { type: text } };
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) {
    if (/[./\\]/.test(text)) return { ok: true, value: { type: 'file', path: text } };
    return refused(`\`${text}\` is neither \`auto\`, \`discovery\` nor a URL; write a file as \`./${text}\``);
  }
  const url = URL.parse(text);
  if (url === null || (scheme !== 'https' && scheme !== 'http')) {
    return refused(`\`${scheme}\` URLs cannot be fetched; write an https:// URL or the path of a file`);
  }
  if (url.username !== '' || url.password !== '') return refused('a URL with user or password in it; leave them out');
  // Who can change the ranges on their way can let everything out.
  if (scheme === 'http' && !isLoopback(url.hostname))
    return refused('plain http can be changed on its way; use https://');
  url.hash = '';
  return { ok: true, value: { type: 'url', url: url.href } };
}

function isLoopback(hostname: string): boolean {
  const address = parseAddress(hostname.replace(/^\[|\]$/g, ''));
  return hostname === 'localhost' || (address !== null && classifyAddress(address) === 'loopback');
}

function refused(message: string): Result<RangesSource> {
  return { ok: false, message };
}
