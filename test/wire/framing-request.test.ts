/** Requests whose framing two readers could take apart differently: refused, and nothing of them goes on. */
import { describe, expect, test } from 'vitest';
import { exchangeBytes, expectRefusal, fieldsOf, forbidCrashes, startForwarding } from '../support/forwarding.ts';

forbidCrashes();

const chunked = '5\r\nhello\r\n0\r\n\r\n';

describe('a request with ambiguous framing gets 400 and its connection closes, nothing reaches the destination', () => {
  test.each<readonly [string, string, string]>([
    ['Content-Length before Transfer-Encoding', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', chunked],
    ['Transfer-Encoding before Content-Length', 'Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', chunked],
    ['two different lengths', 'Content-Length: 5\r\nContent-Length: 6\r\n', 'hello!'],
    ['two equal lengths', 'Content-Length: 5\r\nContent-Length: 5\r\n', 'hello'],
    ['a list of lengths', 'Content-Length: 5, 5\r\n', 'hello'],
    ['a sign before the length', 'Content-Length: +5\r\n', 'hello'],
    ['a negative length', 'Content-Length: -5\r\n', 'hello'],
    ['a hexadecimal length', 'Content-Length: 0x5\r\n', 'hello'],
    ['a length that could be octal', 'Content-Length: 010\r\n', 'hello1234567'],
    ['a length with a fraction', 'Content-Length: 5.0\r\n', 'hello'],
    ['an empty length', 'Content-Length:\r\n', 'hello'],
    ['a length over 64 bits', 'Content-Length: 99999999999999999999\r\n', 'hello'],
    ['a length no number holds', 'Content-Length: 9007199254740993\r\n', 'hello'],
    ['an unknown coding', 'Transfer-Encoding: xchunked\r\n', chunked],
    ['a coding before chunked', 'Transfer-Encoding: gzip, chunked\r\n', chunked],
    ['a coding behind chunked', 'Transfer-Encoding: chunked, identity\r\n', chunked],
    ['chunked twice', 'Transfer-Encoding: chunked, chunked\r\n', chunked],
    ['chunked on two lines', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', chunked],
    ['a coding with a parameter', 'Transfer-Encoding: chunked;q=1\r\n', chunked],
    ['a vertical tab before chunked', 'Transfer-Encoding: \vchunked\r\n', chunked],
    ['identity', 'Transfer-Encoding: identity\r\n', 'hello'],
    ['an empty coding', 'Transfer-Encoding:\r\n', chunked],
    ['a folded field', 'X: a\r\n b\r\n', ''],
    ['a folded Transfer-Encoding', 'Transfer-Encoding:\r\n chunked\r\n', chunked],
    ['a space before the colon', 'X : a\r\n', ''],
    ['a space before the colon of Content-Length', 'Content-Length : 5\r\n', 'hello'],
    ['a tab before the colon', 'Transfer-Encoding\t: chunked\r\n', chunked],
    ['a space before the first field', ' X: a\r\n', ''],
    ['a bare CR in a value', 'X: a\rY: b\r\n', ''],
    ['a bare CR that hides a length', 'X: a\rContent-Length: 5\r\n', 'hello'],
    ['a bare LF behind a field', 'X: a\nY: b\r\n', ''],
    ['a NUL in a value', 'X: a\0b\r\n', ''],
    ['a control byte in a value', 'X: a\x01b\r\n', ''],
    ['a DEL in a value', 'X: a\x7fb\r\n', ''],
    ['a NUL in a name', 'X\0: a\r\n', ''],
    ['a byte over ASCII in a name', 'X\xe9: a\r\n', ''],
    ['an empty name', ': a\r\n', ''],
    ['a line without colon', 'Xa\r\n', ''],
    ['two Host fields', 'Host: a\r\nHost: a\r\n', ''],
  ])('%s', async (_, fields, body) => {
    await using forwarding = await startForwarding();
    const { proxy, destination, origin } = forwarding;
    const text = await exchangeBytes(forwarding, `POST ${origin}/ HTTP/1.1\r\n${fields}\r\n${body}`);
    await expectRefusal(proxy, text, { startLine: /^HTTP\/1\.1 400 \S/, reason: 'malformed_request' });
    expect(destination.connections).toHaveLength(0);
    expect(proxy.records).toHaveLength(1);
  });

  test.each<readonly [string, (url: string) => string]>([
    ['Transfer-Encoding on HTTP/1.0', (url) => `POST ${url} HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n${chunked}`],
    ['no version (HTTP/0.9)', (url) => `GET ${url}\r\n\r\n`],
    ['HTTP/2.0', (url) => `GET ${url} HTTP/2.0\r\n\r\n`],
    ['HTTP/1.2', (url) => `GET ${url} HTTP/1.2\r\n\r\n`],
    ['the HTTP/2 preface', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a method in lower case', (url) => `get ${url} HTTP/1.1\r\n\r\n`],
    ['an unknown method', (url) => `STEAL ${url} HTTP/1.1\r\n\r\n`],
    ['a space in the URL', (url) => `GET ${url} x HTTP/1.1\r\n\r\n`],
    ['a tab behind the method', (url) => `GET\t${url} HTTP/1.1\r\n\r\n`],
    ['lines that end in LF', (url) => `GET ${url} HTTP/1.1\nHost: a\n\n`],
    ['lines that end in CR', (url) => `GET ${url} HTTP/1.1\rHost: a\r\r`],
    ['the greeting of SOCKS', () => '\x05\x01\x00'],
  ])('%s', async (_, bytes) => {
    await using forwarding = await startForwarding();
    const { proxy, destination, origin } = forwarding;
    const text = await exchangeBytes(forwarding, bytes(`${origin}/`));
    await expectRefusal(proxy, text, { startLine: /^HTTP\/1\.1 400 \S/, reason: 'malformed_request' });
    expect(destination.connections).toHaveLength(0);
    expect(proxy.records).toHaveLength(1);
  });
});

test('what came behind a refused head is never served as a request', async () => {
  await using forwarding = await startForwarding();
  const { proxy, destination, origin } = forwarding;
  const second = `GET ${origin}/second HTTP/1.1\r\nHost: a\r\n\r\n`;
  const text = await exchangeBytes(
    forwarding,
    `POST ${origin}/ HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${second.repeat(3)}`,
  );
  await expectRefusal(proxy, text, { startLine: /^HTTP\/1\.1 400 /, reason: 'malformed_request' });
  expect(destination.connections).toHaveLength(0);
});

test.each([
  ['Content-Length: 5\r\n', 'hello'],
  ['Content-Length:\t5 \r\n', 'hello'],
  ['Content-Length: 0\r\n', ''],
  ['Transfer-Encoding: Chunked\r\n', chunked],
  ['', ''],
])('POST with %j is framed for the destination as it was framed by the client', async (fields, body) => {
  await using forwarding = await startForwarding(async (wire) => {
    await wire.until(/\r\n\r\n(?:hello|5\r\nhello\r\n0\r\n\r\n)?$/);
    await wire.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  });
  const { destination, origin } = forwarding;
  const text = await exchangeBytes(forwarding, `POST ${origin}/ HTTP/1.1\r\nConnection: close\r\n${fields}\r\n${body}`);
  expect(text).toMatch(/^HTTP\/1\.1 200 /);
  const sent = destination.received.toString('latin1');
  const isChunked = fields.startsWith('Transfer');
  expect(sent.slice(sent.indexOf('\r\n\r\n') + 4)).toBe(body);
  expect(fieldsOf(sent).get('transfer-encoding')).toBe(isChunked ? 'chunked' : undefined);
  expect(fieldsOf(sent).get('content-length')).toBe(isChunked ? undefined : String(body.length));
});
