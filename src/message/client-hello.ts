/**
 * The first flight of a TLS client, read out of any segmentation and any split into records (RFC 8446 sections 4.1.2
 * and 5.1). Each verdict depends on the bytes alone and never on how they arrived. Nothing is read twice, so a client
 * that sends single bytes costs no more than its bytes.
 */
import { parseHelloBody } from './hello-body.ts';

/** What the bytes so far are. `why` is short ASCII for logs and never repeats what was sent. */
export type ClientHello =
  | { readonly type: 'incomplete' }
  | { readonly type: 'not_tls'; readonly why: string }
  | {
      readonly type: 'hello';
      /** Lower case, no trailing dot; null if the client names no server. */
      readonly serverName: string | null;
      /** Encrypted ClientHello is offered: `serverName` is the outer name, or ECH is only rehearsed (GREASE). */
      readonly ech: boolean;
    };

const handshakeRecord = 22;
const clientHelloMessage = 1;
const recordHeaderBytes = 5;
const messageHeaderBytes = 4;
const maxRecordBytes = 2 ** 14;

const incomplete: ClientHello = { type: 'incomplete' };
const nothing = new Uint8Array(0);
const malformed: ClientHello = { type: 'not_tls', why: 'malformed ClientHello' };

/** How other protocols begin, so that a log says what the client spoke instead. */
const openings: readonly (readonly [string, string])[] = [
  ...['GET ', 'HEAD ', 'POST ', 'PUT ', 'PATCH ', 'DELETE ', 'OPTIONS ', 'CONNECT ', 'TRACE ', 'PRI * '].map(
    (opening) => [opening, 'plain HTTP'] as const,
  ),
  ['SSH-', 'SSH'],
  ['EHLO ', 'SMTP'],
  ['HELO ', 'SMTP'],
  ['\x12\x01', 'SQL Server (TDS)'],
  ['\x03\x00', 'Remote Desktop'],
];

/** Names what began with `text`, or null while more could still tell. */
function nameOpening(text: string): string | null {
  const isVersion2 = text.charCodeAt(0) >= 0x80;
  if (isVersion2 && text.length < 3) return null;
  if (isVersion2 && text.charCodeAt(2) === clientHelloMessage) return 'SSLv2 hello';
  const match = openings.find(([opening]) => text.startsWith(opening));
  if (match !== undefined) return match[1];
  return openings.some(([opening]) => opening.startsWith(text)) ? null : 'no TLS record';
}

/**
 * Takes the client's bytes as they come and gives up, as `not_tls`, when `maxBytes` hold no whole ClientHello. After a
 * verdict every push returns it again.
 */
export class ClientHelloReader {
  readonly #maxBytes: number;
  #verdict = incomplete;
  #seen = 0;
  #opening = '';
  readonly #recordHeader: number[] = [];
  #recordLeft = 0;
  readonly #messageHeader: number[] = [];
  #bodyLength = 0;
  #body = nothing;
  #bodyFill = 0;

  constructor(maxBytes = 65_536) {
    this.#maxBytes = maxBytes;
  }

  push(bytes: Uint8Array): ClientHello {
    let at = 0;
    while (this.#verdict.type === 'incomplete' && at < bytes.length) {
      let length = 1;
      if (this.#seen === this.#maxBytes) {
        this.#verdict = this.#tooLarge();
      } else if (this.#recordLeft === 0) {
        this.#verdict = this.#readRecordHeader(bytes[at] ?? 0);
      } else if (this.#messageHeader.length < messageHeaderBytes) {
        this.#recordLeft -= 1;
        this.#verdict = this.#readMessageHeader(bytes[at] ?? 0);
      } else {
        const missing = this.#bodyLength - this.#bodyFill;
        length = Math.min(this.#recordLeft, missing, bytes.length - at, this.#maxBytes - this.#seen);
        this.#recordLeft -= length;
        this.#verdict = this.#readBody(bytes.subarray(at, at + length));
      }
      at += length;
      this.#seen += length;
    }
    return this.#verdict;
  }

  #judgeOpening(byte: number): ClientHello {
    this.#opening += String.fromCharCode(byte);
    const why = nameOpening(this.#opening);
    return why === null ? incomplete : { type: 'not_tls', why };
  }

  #readRecordHeader(byte: number): ClientHello {
    if (this.#opening !== '' || (this.#seen === 0 && byte !== handshakeRecord)) return this.#judgeOpening(byte);
    if (this.#recordHeader.push(byte) < recordHeaderBytes) return incomplete;
    const [type, major, , high = 0, low = 0] = this.#recordHeader.splice(0);
    this.#recordLeft = (high << 8) | low;
    if (major !== 3) return this.#seen < recordHeaderBytes ? { type: 'not_tls', why: 'no TLS record' } : malformed;
    // A record without payload is forbidden (RFC 8446 section 5.1) and would be work for nothing.
    const isSound = type === handshakeRecord && this.#recordLeft > 0 && this.#recordLeft <= maxRecordBytes;
    return isSound ? incomplete : malformed;
  }

  #readMessageHeader(byte: number): ClientHello {
    if (this.#messageHeader.push(byte) < messageHeaderBytes) return incomplete;
    const [type, high = 0, middle = 0, low = 0] = this.#messageHeader;
    this.#bodyLength = (high << 16) | (middle << 8) | low;
    if (type !== clientHelloMessage || this.#bodyLength === 0) return malformed;
    return messageHeaderBytes + this.#bodyLength > this.#maxBytes ? this.#tooLarge() : incomplete;
  }

  #readBody(bytes: Uint8Array): ClientHello {
    // Most come whole and are read where they are.
    const isWhole = bytes.length === this.#bodyLength;
    if (!isWhole) this.#append(bytes);
    if (!isWhole && this.#bodyFill < this.#bodyLength) return incomplete;
    // The client has nothing more to say before the server answers: another message behind the first is a trick.
    if (this.#recordLeft > 0) return malformed;
    const found = parseHelloBody(isWhole ? bytes : this.#body.subarray(0, this.#bodyLength));
    return found === null ? malformed : { type: 'hello', serverName: found.serverName, ech: found.ech };
  }

  /** Doubles, so that a length which was only declared costs no memory. */
  #append(bytes: Uint8Array): void {
    const filled = this.#bodyFill + bytes.length;
    if (filled > this.#body.length) {
      const grown = new Uint8Array(Math.max(this.#body.length * 2, filled));
      grown.set(this.#body);
      this.#body = grown;
    }
    this.#body.set(bytes, this.#bodyFill);
    this.#bodyFill = filled;
  }

  #tooLarge(): ClientHello {
    return { type: 'not_tls', why: `ClientHello over ${this.#maxBytes} bytes` };
  }
}
