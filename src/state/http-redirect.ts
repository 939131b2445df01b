/** Where a redirect may lead: to the same owner, encrypted, a few times, and never in a circle. */
import { parseAddress } from '../address/ip.ts';
import { classifyAddress } from '../address/special-purpose.ts';
import type { Result } from '../errors.ts';
import { tenantSuffixes } from '../policy/shared-suffixes.ts';

/**
 * The next URL behind a redirect, or why it is not followed. `visited` begins with the URL first asked for and ends
 * with the one that redirects (RFC 9110 section 15.4 leaves the choice of what to follow to the client).
 */
export function followRedirect(
  from: string,
  location: string | null,
  visited: readonly string[],
  maxRedirects: number,
): Result<string> {
  const to = location === null ? null : URL.parse(location, from);
  if (to === null) return refused('redirects, but not to a URL');
  to.hash = '';
  const place = placeOf(to.href);
  if (visited.includes(to.href)) return refused(`redirects in a circle, to ${place}`);
  if (visited.length > maxRedirects) return refused(`more than ${maxRedirects} redirects; the last to ${place}`);
  if (to.username !== '' || to.password !== '') return refused(`redirects to ${place} with a password in its URL`);
  // Only who began on loopback without TLS may stay there without it.
  const stays = isLoopbackUrl(new URL(from)) && !from.startsWith('https:') && isLoopbackUrl(to);
  if (to.protocol !== 'https:' && !(stays && to.protocol === 'http:')) {
    return refused(`redirects to ${place}, which is not https`);
  }
  if (!haveOneOwner(new URL(from).hostname, to.hostname)) {
    return refused(`redirects to another owner's host, ${place}; if that is meant, name its URL as the source`);
  }
  return { ok: true, value: to.href };
}

/**
 * Whether two hosts are run by one owner, as far as their names tell: they share the name that is registered. Below
 * names that many tenants share, every host is an owner of its own.
 */
export function haveOneOwner(a: string, b: string): boolean {
  if (a === b) return true;
  if (isIp(a) || isIp(b)) return false;
  if (tenantSuffixes.some((suffix) => a.endsWith(`.${suffix}`) || b.endsWith(`.${suffix}`))) return false;
  const registered = registeredName(a);
  return registered !== null && registered === registeredName(b);
}

/** Whether a URL leads to this machine alone, where plain http tells nobody anything. */
export function isLoopbackUrl({ hostname }: URL): boolean {
  const address = parseAddress(hostname.replace(/^\[|\]$/g, ''));
  return hostname === 'localhost' || (address !== null && classifyAddress(address) === 'loopback');
}

/** Two labels, or three below registries such as `co.uk` and `com.au`, whose second label is that short. */
function registeredName(host: string): string | null {
  const labels = host.replace(/\.$/, '').split('.');
  const [second = '', top = ''] = labels.slice(-2);
  const count = top.length === 2 && second.length <= 3 ? 3 : 2;
  return labels.length < count ? null : labels.slice(-count).join('.');
}

function isIp(host: string): boolean {
  return parseAddress(host.replace(/^\[|\]$/g, '')) !== null;
}

/** A URL without what may be secret in it: a signed link carries its credential in the query. */
export function placeOf(url: string): string {
  const parsed = URL.parse(url);
  return parsed === null ? 'what is no URL' : `${parsed.protocol}//${parsed.host}${parsed.pathname}`;
}

function refused(message: string): Result<string> {
  return { ok: false, message };
}
