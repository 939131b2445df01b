/**
 * Request targets by an own strict grammar. The platform's URL parser is never asked: it turns `0x7f.1` and
 * fullwidth digits into 127.0.0.1, and what is judged must be what was sent.
 * Messages go to the client as reason phrases: short ASCII, never an echo of what was sent.
 */
import { hostPort, parseAddress } from '../address/ip.ts';
import type { Address } from '../address/ip.ts';
import type { Result } from '../errors.ts';

/** Whom a request wants to reach. */
export interface Target {
  /** Lower case without a trailing dot, or the canonical text of the address. */
  readonly host: string;
  readonly address: Address | null;
  readonly port: number;
  /** `host:port`, IPv6 in brackets. */
  readonly text: string;
}

/** The parts of an absolute-form request target (RFC 9112 section 3.2.2). */
export interface AbsoluteForm {
  readonly target: Target;
  /** As sent, without the query; `/` if it was empty, `*` for OPTIONS with neither path nor query. */
  readonly path: string;
  /** Without the `?`. May hold credentials: never to be logged. */
  readonly query: string | null;
  /** What goes on to the destination, byte for byte. */
  readonly requestPath: string;
  /** The Host field for the destination. */
  readonly authority: string;
}

const name = /^[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/;
const number = /^(?:\d+|0x[\da-f]*)$/;
/** How nearly every name is written: lower case, no trailing dot, and a last label that no resolver takes for a number. */
const usualName = /^(?:[a-z0-9_-]{1,63}\.)*[a-z_][a-z0-9_-]{0,62}$/;

function fail(message: string): { readonly ok: false; readonly message: string } {
  return { ok: false, message };
}

/**
 * Reads a host: a name of letters, digits, `-` and `_`, an IPv4 address, or an IPv6 address in brackets. One trailing
 * dot is dropped. A name that ends in a number is an IPv4 address to resolvers, so it must be a proper one.
 */
export function parseHost(text: string): Result<{ host: string; address: Address | null }> {
  if (text.length <= 253 && usualName.test(text)) return { ok: true, value: { host: text, address: null } };
  if (text.startsWith('[')) {
    const inner = text.endsWith(']') ? text.slice(1, -1) : '';
    const address = inner.includes(':') ? parseAddress(inner) : null;
    return address === null
      ? fail('Not an IPv6 address in brackets')
      : { ok: true, value: { host: address.text, address } };
  }
  if (text.includes(':') && /^[\da-f:.]+$/i.test(text)) return fail('IPv6 address without brackets');
  if (/[^\0-\x7f]/.test(text)) return fail('Host not ASCII, send its xn-- form');
  const host = text.toLowerCase().replace(/\.$/, '');
  if (host === '') return fail('Host missing');
  if (host.length > 253 || !name.test(host)) return fail('Malformed host');
  if (!number.test(host.slice(host.lastIndexOf('.') + 1))) return { ok: true, value: { host, address: null } };
  const address = parseAddress(host);
  return address === null ? fail('Malformed IPv4 address') : { ok: true, value: { host, address } };
}

/** Splits at the colon in front of the port; an IPv6 address keeps its brackets. `port` is null without colon. */
function splitPort(text: string): { readonly host: string; readonly port: string | null } {
  const colon = text.startsWith('[') ? text.indexOf(':', Math.max(text.indexOf(']'), 0)) : text.lastIndexOf(':');
  return colon < 0 ? { host: text, port: null } : { host: text.slice(0, colon), port: text.slice(colon + 1) };
}

function parsePort(text: string): number | null {
  return /^[1-9]\d{0,4}$/.test(text) && Number(text) <= 65535 ? Number(text) : null;
}

/** `where` ends the messages: "CONNECT target" or "URL". */
function parseTarget(text: string, where: string, defaultPort: number | null): Result<Target> {
  if (text.includes('@')) return fail(`Userinfo in ${where}`);
  const split = splitPort(text);
  const parsed = parseHost(split.host);
  if (!parsed.ok) return fail(`${parsed.message} in ${where}`);
  if (split.port === '' || (split.port ?? defaultPort) === null) return fail(`Port missing in ${where}`);
  const port = split.port === null ? defaultPort : parsePort(split.port);
  if (port === null) return fail(`Port in ${where} not 1 to 65535`);
  return { ok: true, value: { ...parsed.value, port, text: hostPort(parsed.value.host, port) } };
}

/** Reads the target of CONNECT (RFC 9110 section 9.3.6): host and port, nothing else. */
export function parseAuthorityForm(text: string): Result<Target> {
  if (text.includes('@')) return fail('Userinfo in CONNECT target');
  if (text.includes('://')) return fail('CONNECT target must be host:port, not a URL');
  if (/[/?#*]/.test(text)) return fail('CONNECT target must be host:port');
  return parseTarget(text, 'CONNECT target', null);
}

/** Reads the target of a request to forward: an `http` URL and nothing else, whatever the Host field says. */
export function parseAbsoluteForm(text: string, method: string): Result<AbsoluteForm> {
  const scheme = /^([a-z][a-z\d+.-]*):/i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) return fail('Send the whole URL to a proxy, like http://host/path');
  if (scheme === 'https') return fail('Use CONNECT for https URLs');
  if (scheme !== 'http') return fail('Only http URLs are forwarded');
  const rest = text.slice('http:'.length);
  if (!rest.startsWith('//')) return fail('Malformed URL');
  if (rest.includes('#')) return fail('Fragment in URL');

  const [, authority = '', path = '', search] = /^\/\/([^/?]*)([^?]*)(?:\?(.*))?$/s.exec(rest) ?? [];
  const target = parseTarget(authority, 'URL', 80);
  if (!target.ok) return target;
  if (!/^[!-~]*$/.test(path + (search ?? ''))) return fail('URL has a character that must be percent-encoded');

  const query = search ?? null;
  const isWhole = method === 'OPTIONS' && path === '' && query === null;
  const sentPath = isWhole ? '*' : path || '/';
  return {
    ok: true,
    value: {
      target: target.value,
      path: sentPath,
      query,
      requestPath: query === null ? sentPath : `${sentPath}?${query}`,
      authority: target.value.port === 80 ? target.value.text.slice(0, -':80'.length) : target.value.text,
    },
  };
}

/**
 * The path as the most lenient destination would read it, for matching rules and for nothing else: unreserved
 * characters, slashes and dots decoded once, backslashes turned, empty and dot segments removed (RFC 3986 section 6.2.2).
 */
export function normalisePath(path: string): string {
  if (path === '*') return path;
  const decoded = path.replace(/%([\da-f]{2})/gi, (escape, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return /[a-z\d._~/\\-]/i.test(character) ? character : escape;
  });
  const kept: string[] = [];
  const segments = decoded.split(/[/\\]/);
  for (const segment of segments) {
    if (segment === '..') kept.pop();
    else if (segment !== '' && segment !== '.') kept.push(segment);
  }
  const isFolder = ['', '.', '..'].includes(segments.at(-1) ?? '');
  return kept.length === 0 ? '/' : `/${kept.join('/')}${isFolder ? '/' : ''}`;
}
