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

/** Takes the client's bytes as they come; after a verdict every push returns it again. */
export interface ClientHelloReader {
  push(bytes: Uint8Array): ClientHello;
}

const handshakeRecord = 22;
const clientHelloMessage = 1;
const messageHeaderBytes = 4;
const maxRecordBytes = 2 ** 14;

const incomplete: ClientHello = { type: 'incomplete' };
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

/** Makes a reader that gives up, as `not_tls`, when `maxBytes` hold no whole ClientHello. */
export function createClientHelloReader(maxBytes = 65_536): ClientHelloReader {
  const tooLarge: ClientHello = { type: 'not_tls', why: `ClientHello over ${maxBytes} bytes` };
  let verdict = incomplete;
  let seen = 0;
  let opening = '';
  const recordHeader = new Uint8Array(5);
  let recordHeaderFill = 0;
  let recordLeft = 0;
  let message = new Uint8Array(1024);
  let messageFill = 0;
  let messageEnd = messageHeaderBytes;

  const judgeOpening = (byte: number): ClientHello => {
    opening += String.fromCharCode(byte);
    const why = nameOpening(opening);
    return why === null ? incomplete : { type: 'not_tls', why };
  };

  const readRecordHeader = (byte: number): ClientHello => {
    if (opening !== '' || (seen === 0 && byte !== handshakeRecord)) return judgeOpening(byte);
    recordHeader[recordHeaderFill++] = byte;
    if (recordHeaderFill < recordHeader.length) return incomplete;
    recordHeaderFill = 0;
    const [type, major, , high = 0, low = 0] = recordHeader;
    recordLeft = (high << 8) | low;
    if (major !== 3) return seen < recordHeader.length ? { type: 'not_tls', why: 'no TLS record' } : malformed;
    // A record without payload is forbidden (RFC 8446 section 5.1) and would be work for nothing.
    const isSound = type === handshakeRecord && recordLeft > 0 && recordLeft <= maxRecordBytes;
    return isSound ? incomplete : malformed;
  };

  // Doubles, so that a length which was only declared costs no memory.
  const append = (bytes: Uint8Array): void => {
    if (messageFill + bytes.length > message.length) {
      const grown = new Uint8Array(Math.max(message.length * 2, messageFill + bytes.length));
      grown.set(message);
      message = grown;
    }
    message.set(bytes, messageFill);
    messageFill += bytes.length;
    recordLeft -= bytes.length;
  };

  const readMessageHeader = (): ClientHello => {
    const [type, high = 0, middle = 0, low = 0] = message;
    const length = (high << 16) | (middle << 8) | low;
    if (type !== clientHelloMessage || length === 0) return malformed;
    messageEnd = messageHeaderBytes + length;
    return messageEnd > maxBytes ? tooLarge : incomplete;
  };

  const readMessage = (bytes: Uint8Array): ClientHello => {
    append(bytes);
    if (messageFill < messageEnd) return incomplete;
    if (messageEnd === messageHeaderBytes) return readMessageHeader();
    // The client has nothing more to say before the server answers: another message behind the first is a trick.
    if (recordLeft > 0) return malformed;
    const body = parseHelloBody(message.subarray(messageHeaderBytes, messageEnd));
    return body === null ? malformed : { type: 'hello', ...body };
  };

  return {
    push(bytes) {
      let at = 0;
      while (verdict.type === 'incomplete' && at < bytes.length) {
        if (seen === maxBytes) {
          verdict = tooLarge;
        } else if (recordLeft === 0) {
          verdict = readRecordHeader(bytes[at] ?? 0);
          at += 1;
          seen += 1;
        } else {
          const length = Math.min(recordLeft, messageEnd - messageFill, bytes.length - at, maxBytes - seen);
          verdict = readMessage(bytes.subarray(at, at + length));
          at += length;
          seen += length;
        }
      }
      return verdict;
    },
  };
}
