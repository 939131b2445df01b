/** IP addresses and prefixes: one strict reading, one canonical spelling, numbers for comparison. */
import ipaddr from 'ipaddr.js';

import type { Result } from '../errors.ts';

/** One address in its only spelling; an IPv4-mapped IPv6 address is the IPv4 address. */
export interface Address {
  readonly family: 4 | 6;
  /** Dotted quad, or RFC 5952 in lower case. */
  readonly text: string;
  /** One (IPv4) or four (IPv6) unsigned 32-bit words, most significant first. */
  readonly words: readonly number[];
}

/** An address and how many of its leading bits count; the others are zero. */
export interface Prefix {
  readonly address: Address;
  readonly length: number;
}

const quad = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/;
const dottedTail = /^(.*:)(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})$/;

/** Strict IPv4: `inet_aton` spellings (octal, hex, fewer parts) name other machines to other readers. */
function readQuad(text: string): number | null {
  const [, ...octets] = quad.exec(text)?.map(Number) ?? [];
  return octets.length === 4 && octets.every((octet) => octet < 256) ? joinWord(octets, 8) : null;
}

function joinWord(parts: readonly number[], bits: number): number {
  return parts.reduce((word, part) => ((word << bits) | part) >>> 0, 0);
}

function readWords(text: string): readonly number[] | null {
  if (!text.includes(':')) {
    const word = readQuad(text);
    return word === null ? null : [word];
  }
  // The library takes zone ids, and reads `::1.2.3.4` as `::ffff:1.2.3.4`: it only ever sees hexadecimal groups.
  const tail = dottedTail.exec(text);
  let groups = text;
  if (tail !== null) {
    const word = readQuad(tail[2] ?? '');
    if (word === null) return null;
    groups = `${tail[1]}${(word >>> 16).toString(16)}:${(word & 0xffff).toString(16)}`;
  }
  if (!/^[0-9a-f:]+$/i.test(groups) || !ipaddr.IPv6.isValid(groups)) return null;
  const parts = ipaddr.IPv6.parse(groups).parts;
  return [0, 2, 4, 6].map((at) => joinWord(parts.slice(at, at + 2), 16));
}

function isMapped(words: readonly number[]): boolean {
  return words.length === 4 && words[0] === 0 && words[1] === 0 && words[2] === 0xffff;
}

/** The address of one (IPv4) or four (IPv6) words; mapped addresses fold, so that no rule is passed by spelling. */
export function addressFromWords(words: readonly number[]): Address {
  const own = isMapped(words) ? words.slice(3) : words;
  if (own.length === 1) {
    const [word = 0] = own;
    return {
      family: 4,
      text: `${word >>> 24}.${(word >>> 16) & 0xff}.${(word >>> 8) & 0xff}.${word & 0xff}`,
      words: own,
    };
  }
  const parts = own.flatMap((word) => [word >>> 16, word & 0xffff]);
  return { family: 6, text: new ipaddr.IPv6(parts).toRFC5952String(), words: own };
}

/**
 * Reads an address, or gives null. Four decimal parts without leading zeros, or IPv6 (RFC 4291 section 2.2)
 * without zone id or brackets.
 */
export function parseAddress(text: string): Address | null {
  const words = readWords(text);
  return words === null ? null : addressFromWords(words);
}

/** The bits of word number `at` that a prefix of `length` bits covers. */
function wordMask(length: number, at: number): number {
  const bits = Math.min(Math.max(length - 32 * at, 0), 32);
  return bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0;
}

/**
 * Reads a prefix, or a bare address as the prefix that holds it alone. Host bits that are set are refused, because
 * one cannot know whether the address or the length was meant; the message names the right form.
 */
export function parsePrefix(text: string): Result<Prefix> {
  const slash = text.indexOf('/');
  const words = readWords(slash < 0 ? text : text.slice(0, slash));
  if (words === null) return { ok: false, message: 'Not an IP prefix, write it like 10.1.0.0/16 or 2001:db8::/32' };
  const widest = words.length * 32;
  const digits = slash < 0 ? String(widest) : text.slice(slash + 1);
  const length = /^(?:0|[1-9]\d{0,2})$/.test(digits) ? Number(digits) : Infinity;
  if (length > widest) return { ok: false, message: `Prefix length must be a number from 0 to ${widest}` };

  const network = words.map((word, at) => (word & wordMask(length, at)) >>> 0);
  const address = addressFromWords(network);
  const prefix = { address, length: address.family === 4 && widest === 128 ? length - 96 : length };
  if (network.some((word, at) => word !== words[at])) {
    return { ok: false, message: `Host bits are set, write ${formatPrefix(prefix)}` };
  }
  return { ok: true, value: prefix };
}

/** The prefix that holds this address alone. */
export function hostPrefix(address: Address): Prefix {
  return { address, length: hostLength(address.family) };
}

/** Whether a prefix holds one address alone. */
export function isHostPrefix({ address, length }: Prefix): boolean {
  return length === hostLength(address.family);
}

/** The length of a prefix of one address: all of its bits. */
export function hostLength(family: Address['family']): number {
  return family === 4 ? 32 : 128;
}

/** The one spelling of a prefix, always with its length. */
export function formatPrefix(prefix: Prefix): string {
  return `${prefix.address.text}/${prefix.length}`;
}

/** Whether the address lies in the prefix; never across families. */
export function prefixContains(prefix: Prefix, address: Address): boolean {
  if (prefix.address.family !== address.family) return false;
  const { words } = prefix.address;
  for (let at = 0; at < words.length; at++) {
    if ((((address.words[at] ?? 0) ^ (words[at] ?? 0)) & wordMask(prefix.length, at)) !== 0) return false;
  }
  return true;
}

/** `host:port`, an IPv6 address in brackets (RFC 3986 section 3.2.2). */
export function hostPort(host: string, port: number): string {
  // Joined, for it goes into log lines: an object with a concatenated text takes JSON.stringify three times as long.
  return [host.includes(':') ? `[${host}]` : host, port].join(':');
}
