/**
 * The inside of a ClientHello message (RFC 8446 section 4.1.2), read for the server name alone. Every length must fit
 * exactly: where a lenient reader and a strict one disagree on the name, the judged one would not be the one served.
 */
import { parseHost } from './request-target.ts';

/** What a ClientHello says about whom it is for. */
export interface HelloBody {
  readonly serverName: string | null;
  readonly ech: boolean;
}

const serverNameExtension = 0;
const echExtension = 0xfe0d;
const hostNameType = 0;
/** With a trailing dot; no host name is longer (RFC 1035 section 2.3.4). */
const maxNameBytes = 254;

/** A stretch of the message: where it begins in the bytes, and where it ends. */
interface Span {
  readonly start: number;
  readonly end: number;
}

/** Takes numbers and vectors off the front of a stretch; gives null, from then on, once the bytes end too early. */
class Cursor {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, { start, end }: Span) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#end;
  }

  take(length: number): Span | null {
    const start = this.#at;
    const end = start + length;
    if (end > this.#end) return null;
    this.#at = end;
    return { start, end };
  }

  /** A big-endian number of `size` bytes. */
  number(size: number): number | null {
    const end = this.#at + size;
    if (end > this.#end) return null;
    let value = 0;
    for (; this.#at < end; this.#at++) value = value * 256 + (this.#bytes[this.#at] ?? 0);
    return value;
  }

  /** A vector behind a length of `size` bytes, itself `min` bytes or longer. */
  vector(size: number, min: number): Span | null {
    const length = this.number(size);
    return length === null || length < min ? null : this.take(length);
  }
}

const lengthOf = ({ start, end }: Span) => end - start;

/** Reads the message without its four-byte header; null if it is malformed. */
export function parseHelloBody(bytes: Uint8Array): HelloBody | null {
  const cursor = new Cursor(bytes, { start: 0, end: bytes.length });
  const version = cursor.number(2);
  const random = cursor.take(32);
  const session = cursor.vector(1, 0);
  const suites = cursor.vector(2, 2);
  const compressions = cursor.vector(1, 1);
  if (version === null || version >> 8 !== 3 || random === null || session === null || lengthOf(session) > 32)
    return null;
  if (suites === null || lengthOf(suites) % 2 !== 0 || compressions === null) return null;
  // TLS 1.2 and older may end here.
  if (cursor.isAtEnd) return { serverName: null, ech: false };
  const block = cursor.vector(2, 0);
  const extensions = block !== null && cursor.isAtEnd ? parseExtensions(bytes, block) : null;
  if (extensions === null) return null;

  const { names, ech } = extensions;
  if (names === null) return { serverName: null, ech };
  const serverName = parseServerName(bytes, names);
  return serverName === null ? null : { serverName, ech };
}

/**
 * The extensions that matter here. Null also if a type comes twice (RFC 8446 section 4.2), for readers differ on which
 * one counts.
 */
function parseExtensions(bytes: Uint8Array, block: Span): { names: Span | null; ech: boolean } | null {
  const cursor = new Cursor(bytes, block);
  const types: number[] = [];
  let names: Span | null = null;
  while (!cursor.isAtEnd) {
    const type = cursor.number(2);
    const data = cursor.vector(2, 0);
    if (type === null || data === null) return null;
    types.push(type);
    if (type === serverNameExtension) names = data;
  }
  return hasTwice(types) ? null : { names, ech: types.includes(echExtension) };
}

/** A set costs more than to look through a few again and again; through many that would cost their square. */
function hasTwice(types: readonly number[]): boolean {
  if (types.length > 64) return new Set(types).size < types.length;
  return types.some((type, at) => types.indexOf(type) < at);
}

/** The one host name of a server name list (RFC 6066 section 3); other name types have no known form. */
function parseServerName(bytes: Uint8Array, data: Span): string | null {
  const list = new Cursor(bytes, data);
  const entries = list.vector(2, 1);
  if (entries === null || !list.isAtEnd) return null;
  const entry = new Cursor(bytes, entries);
  const type = entry.number(1);
  const name = entry.vector(2, 1);
  if (type !== hostNameType || name === null || !entry.isAtEnd) return null;
  if (lengthOf(name) > maxNameBytes) return null;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + name.start, lengthOf(name)).toString('latin1');
  // Literal addresses do not belong here; some clients send IPv4 all the same, which can be judged. Brackets cannot.
  const host = parseHost(text);
  return host.ok && !text.startsWith('[') ? host.value.host : null;
}
