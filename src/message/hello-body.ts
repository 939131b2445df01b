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

/** Takes numbers and vectors off the front; gives null, from then on, once the bytes end too early. */
class Cursor {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  take(length: number): Uint8Array | null {
    const end = this.#at + length;
    if (end > this.#bytes.length) return null;
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  /** A big-endian number of `size` bytes. */
  number(size: number): number | null {
    return this.take(size)?.reduce((value, byte) => value * 256 + byte, 0) ?? null;
  }

  /** A vector behind a length of `size` bytes, itself `min` bytes or longer. */
  vector(size: number, min: number): Uint8Array | null {
    const length = this.number(size);
    return length === null || length < min ? null : this.take(length);
  }
}

/** Reads the message without its four-byte header; null if it is malformed. */
export function parseHelloBody(bytes: Uint8Array): HelloBody | null {
  const cursor = new Cursor(bytes);
  const version = cursor.number(2);
  const random = cursor.take(32);
  const session = cursor.vector(1, 0);
  const suites = cursor.vector(2, 2);
  const compressions = cursor.vector(1, 1);
  if (version === null || version >> 8 !== 3 || random === null || session === null || session.length > 32) return null;
  if (suites === null || suites.length % 2 !== 0 || compressions === null) return null;
  // TLS 1.2 and older may end here.
  if (cursor.isAtEnd) return { serverName: null, ech: false };
  const block = cursor.vector(2, 0);
  const extensions = block !== null && cursor.isAtEnd ? parseExtensions(block) : null;
  if (extensions === null) return null;

  const ech = extensions.has(echExtension);
  const names = extensions.get(serverNameExtension);
  if (names === undefined) return { serverName: null, ech };
  const serverName = parseServerName(names);
  return serverName === null ? null : { serverName, ech };
}

/** Extensions by type; null also if a type comes twice (RFC 8446 section 4.2), for readers differ on which one counts. */
function parseExtensions(block: Uint8Array): ReadonlyMap<number, Uint8Array> | null {
  const cursor = new Cursor(block);
  const extensions = new Map<number, Uint8Array>();
  while (!cursor.isAtEnd) {
    const type = cursor.number(2);
    const data = cursor.vector(2, 0);
    if (type === null || data === null || extensions.has(type)) return null;
    extensions.set(type, data);
  }
  return extensions;
}

/** The one host name of a server name list (RFC 6066 section 3); other name types have no known form. */
function parseServerName(data: Uint8Array): string | null {
  const list = new Cursor(data);
  const entries = list.vector(2, 1);
  if (entries === null || !list.isAtEnd) return null;
  const entry = new Cursor(entries);
  const type = entry.number(1);
  const name = entry.vector(2, 1);
  if (type !== hostNameType || name === null || !entry.isAtEnd) return null;
  const text = Array.from(name, (byte) => String.fromCharCode(byte)).join('');
  // Literal addresses do not belong here; some clients send IPv4 all the same, which can be judged. Brackets cannot.
  const host = parseHost(text);
  return host.ok && !text.startsWith('[') ? host.value.host : null;
}
