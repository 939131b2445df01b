/** One client connection for many requests: kept when it can be, closed when it must be, never with another's bytes. */
import { describe, expect, test } from 'vitest';
import { answerWith } from '../support/destination.ts';
import {
  answer,
  answerEach,
  answerOnly,
  endingOf,
  fieldsOf,
  forbidCrashes,
  startForwarding,
} from '../support/forwarding.ts';

forbidCrashes();

test('a connection takes one request after another, each with its own line', async () => {
  let count = 0;
  await using forwarding = await startForwarding(answerEach(() => answer(`answer ${++count};`)));
  const { origin, proxy, destination } = forwarding;
  await using client = await forwarding.connect();
  for (const round of [1, 2, 3]) {
    await client.write(`GET ${origin}/${round} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await client.until(`answer ${round};`);
  }
  expect(fieldsOf(client.text).get('connection')).toBe('keep-alive');
  await proxy.record(2);
  expect(proxy.records.map(({ path, status, clientPort }) => [path, status, clientPort])).toEqual(
    [1, 2, 3].map((round) => [`/${round}`, 200, client.socket.localPort]),
  );
  expect(new Set(proxy.records.map(({ id }) => id)).size).toBe(3);
  expect(destination.connections).toHaveLength(1);
  expect(fieldsOf((await destination.connection()).text).get('connection')).toBe('keep-alive');
});

test('an HTTP/1.0 client that asks for it keeps its connection too', async () => {
  await using forwarding = await startForwarding(answerEach(() => answer('ok')));
  await using client = await forwarding.connect();
  for (const round of [1, 2]) {
    await client.write(`GET ${forwarding.origin}/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`);
    await client.until(new RegExp(`(?:[^]*\r\n\r\nok){${round}}`));
  }
  expect(fieldsOf(client.text).get('connection')).toBe('keep-alive');
});

test('a connection that waits too long for its next request is closed without a line', async () => {
  await using forwarding = await startForwarding(undefined, 'limits: { keepAliveMs: 200 }');
  await using client = await forwarding.connect();
  await client.write(`GET ${forwarding.origin}/ HTTP/1.1\r\n\r\n`);
  await client.until('\r\n\r\nok');
  expect(await endingOf(client)).toBe('closed');
  expect(client.text.endsWith('\r\n\r\nok')).toBe(true);
  expect(forwarding.proxy.records).toHaveLength(1);
});

describe('a connection closes behind', () => {
  test.each([
    ['a request that says close', 'GET', 'HTTP/1.1', 'Connection: close\r\n', ''],
    ['a request that says Close, spelled so', 'GET', 'HTTP/1.1', 'connection: X-Foo, CLOSE\r\n', ''],
    ['an HTTP/1.0 request', 'GET', 'HTTP/1.0', '', ''],
    ['a request answered before its body came', 'POST', 'HTTP/1.1', 'Content-Length: 1000\r\n', 'some'],
    [
      'a request answered before its chunks ended',
      'POST',
      'HTTP/1.1',
      'Transfer-Encoding: chunked\r\n',
      '4\r\nsome\r\n',
    ],
  ])('%s', async (_, method, version, fields, body) => {
    await using forwarding = await startForwarding(answerWith(answer('ok')));
    const { origin, proxy } = forwarding;
    await using client = await forwarding.connect();
    await client.write(`${method} ${origin}/ ${version}\r\n${fields}\r\n${body}`);
    expect(await endingOf(client)).toBe('closed');
    expect(fieldsOf(client.text).get('connection')).toBe('close');
    expect(client.text.endsWith('\r\n\r\nok')).toBe(true);
    expect(await proxy.record()).toMatchObject({ status: 200, verdict: 'allow', reason: null });
    expect(proxy.records).toHaveLength(1);
  });
});

test('what is left of a body that the destination did not wait for is never taken for a request', async () => {
  await using forwarding = await startForwarding(answerOnly(answer('early')));
  const { origin, proxy, destination } = forwarding;
  await using client = await forwarding.connect();
  const hidden = `GET ${origin}/hidden HTTP/1.1\r\nHost: a\r\n\r\n`;
  await client.write(`POST ${origin}/ HTTP/1.1\r\nContent-Length: ${hidden.length * 20}\r\n\r\n`);
  await client.until('early');
  for (let at = 0; at < 20; at++) client.socket.write(hidden);
  await endingOf(client);
  expect(client.text.match(/HTTP\/1\.1 /g)).toHaveLength(1);
  expect(destination.connections).toHaveLength(1);
  expect(proxy.records).toHaveLength(1);
});

test('the early answer to a large body arrives whole while the client is still sending', async () => {
  const early = 'e'.repeat(30_000);
  await using forwarding = await startForwarding(answerOnly(answer(early)));
  for (let round = 0; round < 20; round++) {
    await using client = await forwarding.connect();
    await client.write(`POST ${forwarding.origin}/ HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n`);
    await client.write('x'.repeat(8192));
    await client.until('HTTP/1.1 ');
    for (let sent = 0; sent < 8; sent++) await client.write('x'.repeat(1024));
    expect(await endingOf(client)).toBe('closed');
    client.end();
    expect(await client.closed).toBe('closed');
    expect(client.text.endsWith(`\r\n\r\n${early}`)).toBe(true);
  }
});

test('empty lines between requests are no request', async () => {
  await using forwarding = await startForwarding(answerEach(() => answer('ok')));
  await using client = await forwarding.connect();
  await client.write(
    `\r\n\r\nGET ${forwarding.origin}/ HTTP/1.1\r\n\r\n\r\n\r\nGET ${forwarding.origin}/ HTTP/1.1\r\nConnection: close\r\n\r\n`,
  );
  const text = (await client.all()).toString();
  expect(text.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2);
  expect(forwarding.proxy.records).toHaveLength(2);
});
