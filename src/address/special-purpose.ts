/**
 * What kind of address one is, by the IANA special-purpose address registries (RFC 6890 and its successors).
 * Addresses that carry an IPv4 address inside are judged by that one as well: a gateway on the way would unwrap it.
 */
import type { Address, Prefix } from './ip.ts';
import { addressFromWords, parsePrefix, prefixContains } from './ip.ts';

/** The closed set of classes. `own` and `listener` depend on the machine and are added where a decision is made. */
export type AddressClass =
  | 'public'
  | 'private'
  | 'loopback'
  | 'own'
  | 'listener'
  | 'azure_platform'
  | 'unspecified'
  | 'link_local'
  | 'multicast'
  | 'broadcast'
  | 'reserved'
  | 'benchmarking'
  | 'documentation';

// One line a block. Only what the registries call globally reachable is public; the narrowest block decides.
const blocks: readonly (readonly [string, AddressClass])[] = [
  ['0.0.0.0/0', 'public'],
  ['0.0.0.0/8', 'reserved'], // "this network"
  ['0.0.0.0/32', 'unspecified'],
  ['10.0.0.0/8', 'private'],
  ['100.64.0.0/10', 'private'], // shared between a carrier and its customers, RFC 6598
  ['127.0.0.0/8', 'loopback'],
  ['168.63.129.16/32', 'azure_platform'], // wire server, DNS and probes of the Azure host
  ['169.254.0.0/16', 'link_local'],
  ['169.254.169.254/32', 'azure_platform'], // instance metadata: it hands out this machine's identity
  ['172.16.0.0/12', 'private'],
  ['192.0.0.0/24', 'reserved'], // IETF protocol assignments, its reachable anycast addresses too
  ['192.0.2.0/24', 'documentation'],
  ['192.88.99.0/24', 'reserved'], // 6to4 relays, withdrawn by RFC 7526
  ['192.168.0.0/16', 'private'],
  ['198.18.0.0/15', 'benchmarking'],
  ['198.51.100.0/24', 'documentation'],
  ['203.0.113.0/24', 'documentation'],
  ['224.0.0.0/4', 'multicast'],
  ['240.0.0.0/4', 'reserved'],
  ['255.255.255.255/32', 'broadcast'],

  ['::/0', 'reserved'], // global unicast is 2000::/3; the rest was never given out, or only for what follows
  ['::/128', 'unspecified'],
  ['::1/128', 'loopback'],
  ['64:ff9b::/96', 'public'], // NAT64; its local-use sister 64:ff9b:1::/48 is not globally reachable
  ['2000::/3', 'public'],
  ['2001::/23', 'reserved'], // IETF protocol assignments, but for the reachable ones below
  ['2001::/32', 'public'], // Teredo, judged by what it carries
  ['2001:1::1/128', 'public'], // port control protocol anycast
  ['2001:1::2/128', 'public'], // TURN anycast
  ['2001:1::3/128', 'public'], // DNS-SD service registration anycast
  ['2001:2::/48', 'benchmarking'],
  ['2001:3::/32', 'public'], // AMT
  ['2001:4:112::/48', 'public'], // AS112
  ['2001:db8::/32', 'documentation'],
  ['3fff::/20', 'documentation'],
  ['fc00::/7', 'private'],
  ['fe80::/10', 'link_local'],
  ['fec0::/10', 'reserved'], // site-local, withdrawn by RFC 3879
  ['ff00::/8', 'multicast'],
];

interface Block {
  readonly prefix: Prefix;
  readonly class: AddressClass;
}

function readPrefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new TypeError(`${text}: ${parsed.message}`);
  return parsed.value;
}

const narrowestFirst: readonly Block[] = blocks
  .map(([text, addressClass]) => ({ prefix: readPrefix(text), class: addressClass }))
  .sort((a, b) => b.prefix.length - a.prefix.length);

/** The private space: RFC 1918, RFC 6598 and RFC 4193. */
export const privatePrefixes: readonly Prefix[] = narrowestFirst
  .filter((block) => block.class === 'private')
  .map((block) => block.prefix);

const nat64 = readPrefix('64:ff9b::/96');
const nat64Local = readPrefix('64:ff9b:1::/48');

/**
 * The IPv4 addresses that an IPv6 address carries: IPv4-compatible (RFC 4291), SIIT (RFC 2765), NAT64 (RFC 6052,
 * RFC 8215), 6to4 (RFC 3056), the server and the client of Teredo (RFC 4380), ISATAP (RFC 5214). Empty if none.
 */
export function embeddedAddresses(address: Address): readonly Address[] {
  if (address.family === 4) return [];
  const [a = 0, b = 0, c = 0, d = 0] = address.words;
  const found: number[] = [];
  if (a === 0 && b === 0 && c === 0 && d > 1) found.push(d);
  if (a === 0 && b === 0 && c === 0xffff0000) found.push(d);
  if (prefixContains(nat64, address)) found.push(d);
  if (prefixContains(nat64Local, address)) {
    // The network chooses the length: /48, /56, /64 (all step over bits 64 to 71) or /96.
    found.push(((b & 0xffff) << 16) | ((c >>> 8) & 0xffff));
    found.push(((b & 0xff) << 24) | (c & 0xffffff));
    found.push(((c & 0xffffff) << 8) | (d >>> 24));
    found.push(d);
  }
  if (a >>> 16 === 0x2002) found.push(((a & 0xffff) << 16) | (b >>> 16));
  if (a === 0x20010000) found.push(b, ~d);
  if ((c & 0xfdffffff) === 0x00005efe) found.push(d);
  return found.map((word) => addressFromWords([word >>> 0]));
}

function ownClass(address: Address): AddressClass {
  return narrowestFirst.find((block) => prefixContains(block.prefix, address))?.class ?? 'reserved';
}

/** The gravest of an address's own class and the classes of what it carries. */
export function classifyAddress(address: Address): AddressClass {
  if (address.family === 4) return ownClass(address);
  return embeddedAddresses(address)
    .map(ownClass)
    .reduce((gravest, next) => (gravity(next) > gravity(gravest) ? next : gravest), ownClass(address));
}

const gravities: Readonly<Record<AddressClass, number>> = {
  public: 0,
  private: 1,
  loopback: 1,
  own: 1,
  unspecified: 2,
  link_local: 2,
  multicast: 2,
  broadcast: 2,
  reserved: 2,
  benchmarking: 2,
  documentation: 2,
  listener: 3,
  azure_platform: 4,
};

/** How grave a class is, to name one reason for many addresses: a larger number is graver. */
export function gravity(addressClass: AddressClass): number {
  return gravities[addressClass];
}

/** Whether no rule and no `privateDestinations` can ever let the class through. */
export function isAlwaysForbidden(addressClass: AddressClass): boolean {
  return gravity(addressClass) > gravity('private');
}
