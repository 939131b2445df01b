import { describe, expect, test } from 'vitest';

import type { ClientHello } from '../../../src/message/client-hello.ts';
import { ClientHelloReader } from '../../../src/message/client-hello.ts';
import { buildClientHello, captureClientHello, toRecords } from '../../support/client-hello.ts';

const malformed = { type: 'not_tls', why: 'malformed ClientHello' };

const read = (bytes: Uint8Array | string, maxBytes?: number): ClientHello =>
  new ClientHelloReader(maxBytes).push(Buffer.from(bytes as string, 'latin1'));

/** The handshake message inside a hello that was built as one record. */
const messageOf = (hello: Buffer): Buffer => hello.subarray(5);

const vector = (...parts: readonly (Uint8Array | readonly number[])[]): Buffer => {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  return Buffer.concat([Buffer.from([body.length >> 8, body.length & 0xff]), body]);
};

/** A ClientHello with these extension bytes and nothing else unusual. */
function helloWith(extensions: Uint8Array, trailing: readonly number[] = []): Buffer {
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 7),
    Buffer.from([0, 0, 2, 0x13, 0x01, 1, 0]),
    vector(extensions),
    Buffer.from(trailing),
  ]);
  return toRecords(Buffer.concat([Buffer.from([1, 0, body.length >> 8, body.length & 0xff]), body]));
}

const serverName = (data: Uint8Array): Buffer => Buffer.concat([Buffer.from([0, 0]), vector(data)]);
const hostName = (name: string): Buffer => Buffer.concat([Buffer.from([0]), vector(Buffer.from(name, 'latin1'))]);

describe('the server name is read as the client sent it', () => {
  test.each([
    [{ serverName: 'acct.blob.core.windows.net' }, 'acct.blob.core.windows.net', false],
    [{ serverName: 'ACCT.Blob.Core.Windows.NET.' }, 'acct.blob.core.windows.net', false],
    [{ serverName: '1.2.3.4' }, '1.2.3.4', false],
    [{ serverName: null }, null, false],
    [{ serverName: null, withoutExtensions: true }, null, false],
    [{ serverName: 'outer.example', ech: true }, 'outer.example', true],
    [{ serverName: null, ech: true }, null, true],
    [{ serverName: 'a.example', paddingBytes: 30_000 }, 'a.example', false],
  ])('%j', (options, name, ech) => {
    expect(read(buildClientHello(options))).toEqual({ type: 'hello', serverName: name, ech });
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('from a real client that offers up to %s', async (maxVersion) => {
    const named = await captureClientHello('acct.blob.core.windows.net', { maxVersion });
    expect(read(named)).toEqual({ type: 'hello', serverName: 'acct.blob.core.windows.net', ech: false });
    expect(read(await captureClientHello(null, { maxVersion }))).toEqual({
      type: 'hello',
      serverName: null,
      ech: false,
    });
  });
});

describe('no segmentation and no split into records hides it', () => {
  const expected = { type: 'hello', serverName: 'a.example', ech: false };

  test.each([1, 2, 3, 4, 5, 37, 16_384])('records of %i bytes, pushed byte by byte', (recordBytes) => {
    const reader = new ClientHelloReader();
    const bytes = buildClientHello({ serverName: 'a.example', recordBytes });
    for (const byte of bytes.subarray(0, -1)) expect(reader.push(Uint8Array.of(byte))).toEqual({ type: 'incomplete' });
    expect(reader.push(bytes.subarray(-1))).toEqual(expected);
  });

  test('records of full size', () => {
    expect(read(buildClientHello({ serverName: 'a.example', paddingBytes: 60_000 }))).toEqual(expected);
  });

  test('a verdict stands whatever comes behind it', () => {
    const reader = new ClientHelloReader();
    const hello = buildClientHello({ serverName: 'a.example' });
    expect(reader.push(Buffer.concat([hello, buildClientHello({ serverName: 'b.example' })]))).toEqual(expected);
    expect(reader.push(Buffer.from('GET / HTTP/1.1'))).toEqual(expected);
    const refused = new ClientHelloReader();
    refused.push(Buffer.from('SSH-2.0-x'));
    expect(refused.push(hello)).toEqual({ type: 'not_tls', why: 'SSH' });
  });

  test('pushes without bytes change nothing', () => {
    const reader = new ClientHelloReader();
    expect(reader.push(new Uint8Array())).toEqual({ type: 'incomplete' });
    expect(reader.push(buildClientHello({ serverName: 'a.example' }))).toEqual(expected);
  });
});

describe('what is not TLS is named', () => {
  test.each([
    ['GET / HTTP/1.1\r\n', 'plain HTTP'],
    ['POST /', 'plain HTTP'],
    ['OPTIONS * HTTP/1.1', 'plain HTTP'],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'plain HTTP'],
    ['SSH-2.0-OpenSSH_9.2', 'SSH'],
    ['EHLO me', 'SMTP'],
    ['\x12\x01\x00\x2f', 'SQL Server (TDS)'],
    ['\x03\x00\x00\x13', 'Remote Desktop'],
    ['\x80\x2e\x01\x03\x01', 'SSLv2 hello'],
    ['\x80\x2e\x02\x03\x01', 'no TLS record'],
    ['GOT', 'no TLS record'],
    ['\x00', 'no TLS record'],
    ['\x15\x03\x01\x00\x02\x02\x28', 'no TLS record'],
    ['\x17\x03\x03\x00\x10', 'no TLS record'],
    ['\x16\xfe\xfd\x00\x00', 'no TLS record'],
  ])('%j: %s, in one piece and in bytes', (text, why) => {
    expect(read(text)).toEqual({ type: 'not_tls', why });
    const reader = new ClientHelloReader();
    const verdicts = Array.from(Buffer.from(text, 'latin1'), (byte) => reader.push(Uint8Array.of(byte)));
    expect(verdicts.at(-1)).toEqual({ type: 'not_tls', why });
  });

  test('once more bytes could still tell what it is, they are awaited', () => {
    expect(read('GE')).toEqual({ type: 'incomplete' });
    expect(read('\x80\x2e')).toEqual({ type: 'incomplete' });
  });
});

describe('records that only a lenient reader would take are refused', () => {
  const hello = buildClientHello({ serverName: 'a.example' });
  const message = messageOf(hello);

  test.each([
    ['an empty record in front', [Buffer.from([22, 3, 1, 0, 0]), hello]],
    ['an empty record within', [toRecords(message.subarray(0, 10)), Buffer.from([22, 3, 1, 0, 0])]],
    ['an alert within', [toRecords(message.subarray(0, 10)), Buffer.from([21, 3, 1, 0, 2, 1, 0])]],
    ['a record of another version within', [toRecords(message.subarray(0, 10)), Buffer.from([22, 2, 0, 0, 9])]],
    ['a record over 16,384 bytes', [Buffer.from([22, 3, 1, 0x40, 0x01])]],
    ['a ServerHello', [toRecords(Buffer.from([2, 0, 0, 1, 0]))]],
    ['a ClientHello without a body', [toRecords(Buffer.from([1, 0, 0, 0]))]],
    ['a second message in the record', [toRecords(Buffer.concat([message, message]))]],
  ])('%s', (_case, parts) => {
    expect(read(Buffer.concat(parts))).toEqual(malformed);
  });
});

describe('a ClientHello whose parts do not fit exactly is refused', () => {
  test.each([
    ['two host names', buildClientHello({ serverName: ['a.example', 'b.example'] })],
    [
      'two server_name extensions',
      helloWith(Buffer.concat(['a.example', 'b.example'].map((n) => serverName(vector(hostName(n)))))),
    ],
    ['any extension twice', helloWith(Buffer.from([0, 23, 0, 0, 0, 23, 0, 0]))],
    ['a server_name without a list', helloWith(serverName(Buffer.alloc(0)))],
    ['an empty list', helloWith(serverName(vector()))],
    ['an empty name', helloWith(serverName(vector(hostName(''))))],
    ['another name type', helloWith(serverName(vector([1], vector(Buffer.from('a.example')))))],
    ['bytes behind the list', helloWith(serverName(Buffer.concat([vector(hostName('a.example')), Buffer.from([0])])))],
    ['bytes behind the name', helloWith(serverName(vector(hostName('a.example'), [0])))],
    ['a name longer than its list', helloWith(serverName(vector([0, 0, 99, 97])))],
    ['bytes behind the extensions', helloWith(serverName(vector(hostName('a.example'))), [0])],
    ['an extension longer than the block', helloWith(Buffer.from([0, 0, 0, 9, 1]))],
    ['half an extension', helloWith(Buffer.from([0, 23, 0]))],
    ['a message that ends in the random', toRecords(Buffer.from([1, 0, 0, 4, 3, 3, 1, 2]))],
    [
      'version 2 inside',
      toRecords(
        Buffer.concat([Buffer.from([1, 0, 0, 41, 2, 0]), Buffer.alloc(32), Buffer.from([0, 0, 2, 1, 1, 1, 0])]),
      ),
    ],
    [
      'a session of 33 bytes',
      toRecords(
        Buffer.concat([
          Buffer.from([1, 0, 0, 74, 3, 3]),
          Buffer.alloc(32),
          Buffer.from([33]),
          Buffer.alloc(33),
          Buffer.from([0, 2, 1, 1, 1, 0]),
        ]),
      ),
    ],
    [
      'no cipher suite',
      toRecords(Buffer.concat([Buffer.from([1, 0, 0, 39, 3, 3]), Buffer.alloc(32), Buffer.from([0, 0, 0, 1, 0])])),
    ],
    [
      'half a cipher suite',
      toRecords(Buffer.concat([Buffer.from([1, 0, 0, 40, 3, 3]), Buffer.alloc(32), Buffer.from([0, 0, 1, 1, 1, 0])])),
    ],
    [
      'no compression method',
      toRecords(Buffer.concat([Buffer.from([1, 0, 0, 40, 3, 3]), Buffer.alloc(32), Buffer.from([0, 0, 2, 1, 1, 0])])),
    ],
  ])('%s', (_case, bytes) => {
    expect(read(bytes)).toEqual(malformed);
  });

  test('while the same parts in order pass', () => {
    const expected = { type: 'hello', serverName: 'a.example', ech: false };
    expect(read(helloWith(serverName(vector(hostName('a.example')))))).toEqual(expected);
    expect(read(helloWith(Buffer.alloc(0)))).toEqual({ ...expected, serverName: null });
    const small = [Buffer.from([1, 0, 0, 41, 3, 3]), Buffer.alloc(32), Buffer.from([0, 0, 2, 1, 1, 1, 0])];
    expect(read(toRecords(Buffer.concat(small)))).toEqual({ ...expected, serverName: null });
  });

  test.each([
    'a b',
    'a\0.example',
    'evil.example\0.azure.net',
    'b\xfccher.example',
    '2130706433',
    '0x7f.1',
    '127.1',
    '[::1]',
    '::1',
    'a..b',
    '.',
    '*.a',
    'a:443',
    'a/b',
  ])('the name %j is no host', (name) => {
    expect(read(buildClientHello({ serverName: name }))).toEqual(malformed);
  });
});

describe('no more than the cap is read', () => {
  const bytes = buildClientHello({ serverName: 'a.example', recordBytes: 20 });

  test('a ClientHello that fills it passes, one byte less refuses', () => {
    expect(read(bytes, bytes.length)).toMatchObject({ type: 'hello' });
    expect(read(bytes, bytes.length - 1)).toEqual({
      type: 'not_tls',
      why: `ClientHello over ${bytes.length - 1} bytes`,
    });
  });

  test('a declared length beyond it is refused before it arrives', () => {
    expect(read(Buffer.from([22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff]))).toEqual({
      type: 'not_tls',
      why: 'ClientHello over 65536 bytes',
    });
  });

  test('64 KiB in records of one byte, byte by byte, end in a verdict', () => {
    const reader = new ClientHelloReader();
    const whole = buildClientHello({ serverName: 'a.example', paddingBytes: 20_000, recordBytes: 1 });
    const verdicts = Array.from(whole, (byte) => reader.push(Uint8Array.of(byte)));
    expect(verdicts[65_535]).toEqual({ type: 'incomplete' });
    expect(verdicts[65_536]).toEqual({ type: 'not_tls', why: 'ClientHello over 65536 bytes' });
  });
});
