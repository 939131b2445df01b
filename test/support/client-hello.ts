/** The first bytes of TLS connections: a real ClientHello as node:tls sends it, and hand-made ones for what it would not. */
import { Duplex } from 'node:stream';
import { connect } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';

/** Captures the ClientHello that node:tls sends for a server name (null: none). */
export async function captureClientHello(serverName: string | null, options: ConnectionOptions = {}): Promise<Buffer> {
  const whole = Promise.withResolvers<Buffer>();
  let bytes = Buffer.alloc(0);
  const socket = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, callback) {
      bytes = Buffer.concat([bytes, chunk]);
      // Record header: type, version (2), length (2).
      if (bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt16BE(3)) whole.resolve(bytes);
      callback();
    },
  });
  const client = connect({ socket, rejectUnauthorized: false, ...options, servername: serverName ?? '' });
  client.on('error', whole.reject);
  try {
    return await whole.promise;
  } finally {
    client.destroy();
  }
}

export interface HelloOptions {
  /** One name, several (which no client may send), or null for no server_name extension. */
  readonly serverName: string | readonly string[] | null;
  /** Adds an encrypted_client_hello extension; the server name is then the outer one. */
  readonly ech?: boolean;
  /** Splits the handshake message over records of at most so many bytes. */
  readonly recordBytes?: number;
  /** Makes the message larger by a padding extension of so many bytes. */
  readonly paddingBytes?: number;
  /** Leaves the extensions block out, as TLS 1.0 clients did. */
  readonly withoutExtensions?: boolean;
}

const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);
const u24 = (value: number): Buffer => Buffer.from([value >> 16, (value >> 8) & 0xff, value & 0xff]);
const vector16 = (...parts: readonly Buffer[]): Buffer => {
  const body = Buffer.concat(parts);
  return Buffer.concat([u16(body.length), body]);
};
const vector8 = (body: Buffer): Buffer => Buffer.concat([Buffer.from([body.length]), body]);
const extension = (type: number, body: Buffer): Buffer => Buffer.concat([u16(type), vector16(body)]);

/** Cuts a handshake message into TLS records (RFC 8446 section 5.1). */
export function toRecords(message: Uint8Array, recordBytes = 16_384): Buffer {
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += recordBytes) {
    const part = message.subarray(at, at + recordBytes);
    records.push(Buffer.from([22, 3, 1]), u16(part.length), Buffer.from(part));
  }
  return Buffer.concat(records);
}

/** Builds a ClientHello by hand (RFC 8446 section 4.1.2, server_name of RFC 6066 section 3, ECH of RFC 9849). */
export function buildClientHello(options: HelloOptions): Buffer {
  const names = options.serverName === null ? [] : [options.serverName].flat();
  const extensions: Buffer[] = [
    extension(0x002b, vector8(u16(0x0304))), // supported_versions: TLS 1.3
    extension(0x000a, vector16(u16(0x001d))), // supported_groups: x25519
    extension(0x000d, vector16(u16(0x0403), u16(0x0804))), // signature_algorithms: ECDSA P-256, RSA-PSS
    extension(0x0033, vector16(u16(0x001d), vector16(Buffer.alloc(32, 9)))), // key_share
  ];
  if (names.length > 0) {
    const entries = names.map((name) => Buffer.concat([Buffer.from([0]), vector16(Buffer.from(name, 'latin1'))]));
    extensions.push(extension(0x0000, vector16(...entries)));
  }
  if (options.ech === true) {
    // Outer form: type, KDF and AEAD ids, config id, empty encapsulated key, payload.
    const outer = Buffer.concat([Buffer.from([0, 0, 1, 0, 1, 7]), vector16(), vector16(Buffer.alloc(144, 0x5a))]);
    extensions.push(extension(0xfe0d, outer));
  }
  if (options.paddingBytes !== undefined) extensions.push(extension(0x0015, Buffer.alloc(options.paddingBytes)));

  const body = Buffer.concat([
    u16(0x0303),
    Buffer.alloc(32, 0xa5), // random
    vector8(Buffer.alloc(32, 0xc3)), // legacy session id
    vector16(u16(0x1301), u16(0x1302)), // cipher suites
    vector8(Buffer.from([0])), // no compression
    ...(options.withoutExtensions === true ? [] : [vector16(...extensions)]),
  ]);
  return toRecords(Buffer.concat([Buffer.from([1]), u24(body.length), body]), options.recordBytes);
}
