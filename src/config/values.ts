/** Values of the configuration that are more than text: endpoints, networks, lists by name. */
import { hostPort, parseAddress, parsePrefix, prefixContains } from '../address/ip.ts';
import type { Prefix } from '../address/ip.ts';
import { privatePrefixes } from '../address/special-purpose.ts';
import type { Result } from '../errors.ts';
import { didYouMean } from '../policy/nearest.ts';

/** An address and port to listen on; port 0 lets the system choose. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** Gives the subnets that this machine's interfaces lie in; asked only where `auto` stands. */
export type OwnNetworks = () => readonly Prefix[];

/** A word in `networks` that stands for prefixes. */
export type NetworkWord = 'private' | 'auto';

/** The lists that come with the product, for each cloud. */
export const shippedLists: readonly string[] = [
  'azure-backup',
  'azure-identity',
  'azure-arm',
  'certificates',
  'windows-update',
  'defender',
  'azure-monitor',
  'site-recovery',
  'azure-arc',
  'ubuntu',
  'rhel',
  'suse',
];

/** Reads `IP:PORT` or `[IPv6]:PORT`; names are refused, for what one listens on must not hang on a lookup. */
export function parseEndpoint(text: string): Result<Endpoint> {
  const [, bracketed, plain = '', portText = ''] = /^(?:\[([^\]]*)\]|([^:]*)):(\d*)$/.exec(text) ?? [];
  const address = parseAddress(bracketed ?? plain);
  const port = /^(?:0|[1-9]\d{0,4})$/.test(portText) ? Number(portText) : Infinity;
  if (address !== null && (address.family === 6) === (bracketed !== undefined) && port <= 65535) {
    return { ok: true, value: { address: address.text, port } };
  }
  const bare = parseAddress(text);
  const right = bare === null ? rightEndpoint(plain, portText) : hostPort(bare.text, 3128);
  return { ok: false, message: `\`${text}\` is not IP:PORT; write "${right}"` };
}

function rightEndpoint(host: string, port: string): string {
  const known = host === 'localhost' ? '127.0.0.1' : (parseAddress(host)?.text ?? '0.0.0.0');
  return hostPort(known, /^[1-9]\d{0,4}$/.test(port) && Number(port) <= 65535 ? Number(port) : 3128);
}

/** Reads an entry of `networks`: a prefix or a word for some. */
export function parseNetwork(text: string): Result<Prefix | NetworkWord> {
  if (text === 'private' || text === 'auto') return { ok: true, value: text };
  if (!/^[a-z]+$/i.test(text)) return parsePrefix(text);
  const hint = didYouMean(text, ['private', 'auto']) || '; write `private`, `auto` or prefixes';
  return { ok: false, message: `unknown network \`${text}\`${hint}` };
}

/** Reads the realm of a challenge: it goes into a header field, between quotes (RFC 9110 section 5.6.4). */
export function parseRealm(text: string): Result<string> {
  if (/^[\x20-\x7e]+$/.test(text)) return { ok: true, value: text };
  return { ok: false, message: 'write printable ASCII characters, at least one' };
}

const loopback = readPrefixes(['127.0.0.0/8', '::1/128']);
const privateNetworks = readPrefixes(['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7']);

/** The prefixes that the entries of `networks` admit. */
export function expandNetworks(entries: readonly (Prefix | NetworkWord)[], own: OwnNetworks): readonly Prefix[] {
  return entries.flatMap((entry) => {
    if (entry === 'private') return [...loopback, ...privateNetworks];
    return entry === 'auto' ? [...loopback, ...own()] : [entry];
  });
}

/** Whether the prefix is no wider than private space or loopback. */
export function isInsidePrivateSpace(prefix: Prefix): boolean {
  return [...privatePrefixes, ...loopback].some((space) => holds(space, prefix));
}

/** Whether the prefix lies in loopback or holds all of it. */
export function touchesLoopback(prefix: Prefix): boolean {
  return loopback.some((space) => holds(space, prefix) || holds(prefix, space));
}

/** Whether two endpoints cannot both be bound: `0.0.0.0` and `::` take every address of their port. */
export function collides(a: Endpoint, b: Endpoint): boolean {
  if (a.port !== b.port || a.port === 0) return false;
  return a.address === b.address || takesAll(a, b) || takesAll(b, a);
}

/** `::` listens for IPv4 as well. */
function takesAll(wide: Endpoint, other: Endpoint): boolean {
  return wide.address === '::' || (wide.address === '0.0.0.0' && parseAddress(other.address)?.family === 4);
}

function holds(outer: Prefix, inner: Prefix): boolean {
  if (outer.address.family !== inner.address.family || outer.length > inner.length) return false;
  return prefixContains(outer, inner.address);
}

function readPrefixes(texts: readonly string[]): readonly Prefix[] {
  return texts.flatMap((text) => {
    const prefix = parsePrefix(text);
    return prefix.ok ? [prefix.value] : [];
  });
}
