/** Refusals of plain http as a client sees them: whole, explained, and there even while the client is still sending. */
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { buildClientHello } from '../support/client-hello.ts';
import { silent } from '../support/destination.ts';
import {
  endingOf,
  exchangeBytes,
  expectRefusal,
  fieldsOf,
  forbidCrashes,
  startForwarding,
} from '../support/forwarding.ts';

forbidCrashes();

describe('a method that is not passed on gets 405 with those that are', () => {
  test.each(['TRACE', 'PROPFIND', 'LOCK', 'QUERY', 'PURGE', 'M-SEARCH'])('%s', async (method) => {
    await using forwarding = await startForwarding();
    const { origin, destination, proxy } = forwarding;
    const text = await exchangeBytes(forwarding, `${method} ${origin}/ HTTP/1.1\r\n\r\n`);
    await expectRefusal(proxy, text, {
      startLine: `HTTP/1.1 405 Method ${method} not allowed`,
      reason: 'method_not_allowed',
    });
    expect(fieldsOf(text).get('allow')).toBe('GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, MERGE, CONNECT');
    expect(destination.connections).toHaveLength(0);
    expect(proxy.records).toHaveLength(1);
  });
});

describe('a head over limits.headerBytes', () => {
  const long = 'a'.repeat(20_000);

  test.each([
    [
      'in its target gets 414',
      (url: string) => `GET ${url}${long} HTTP/1.1\r\nHost: a\r\n\r\n`,
      '414 Request target too long',
    ],
    ['in an unfinished target gets 414', (url: string) => `GET ${url}${long}`, '414 Request target too long'],
    [
      'in one value gets 431',
      (url: string) => `GET ${url} HTTP/1.1\r\nX: ${long}\r\n\r\n`,
      '431 Request head too large',
    ],
    [
      'in one name gets 431',
      (url: string) => `GET ${url} HTTP/1.1\r\n${long}: x\r\n\r\n`,
      '431 Request head too large',
    ],
    [
      'in many fields gets 431',
      (url: string) => `GET ${url} HTTP/1.1\r\n${'X: y\r\n'.repeat(9000)}\r\n`,
      '431 Request head too large',
    ],
  ])('%s', async (_, bytes, answered) => {
    await using forwarding = await startForwarding();
    const { origin, destination, proxy } = forwarding;
    const text = await exchangeBytes(forwarding, bytes(`${origin}/`));
    const record = await expectRefusal(proxy, text, {
      startLine: `HTTP/1.1 ${answered}`,
      reason: 'malformed_request',
    });
    expect(record.kind).toBe('connection');
    expect(destination.connections).toHaveLength(0);
    expect(proxy.records).toHaveLength(1);
  });

  test('in a field that comes in pieces without a line end gets 431', async () => {
    await using forwarding = await startForwarding();
    await using client = await forwarding.connect();
    await client.write(`GET ${forwarding.origin}/ HTTP/1.1\r\nHost: a\r\nX: `);
    for (let sent = 0; sent < 20_000; sent += 1000) {
      await client.write('a'.repeat(1000));
      // The proxy reads in the turn of the loop between, so that each piece is one to its parser.
      await turn();
    }
    const text = (await client.all()).toString('latin1');
    await expectRefusal(forwarding.proxy, text, {
      startLine: 'HTTP/1.1 431 Request head too large',
      reason: 'malformed_request',
    });
  });

  test('is the configured one', async () => {
    await using forwarding = await startForwarding(undefined, 'limits: { headerBytes: 1024 }');
    const { origin, proxy } = forwarding;
    const fits = await exchangeBytes(
      forwarding,
      `GET ${origin}/${'a'.repeat(900)} HTTP/1.1\r\nConnection: close\r\n\r\n`,
    );
    expect(fits).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    const text = await exchangeBytes(forwarding, `GET ${origin}/${'a'.repeat(1100)} HTTP/1.1\r\n\r\n`);
    await expectRefusal(proxy, text, {
      startLine: 'HTTP/1.1 414 Request target too long',
      reason: 'malformed_request',
      index: 1,
    });
  });
});

describe('TLS on the plain port gets 400, and the line says what to change', () => {
  test.each([
    ['whole', (hello: Buffer) => [hello]],
    ['in one-byte pieces', (hello: Buffer) => [...hello].map((byte) => Buffer.from([byte]))],
  ])('%s', async (_, split) => {
    await using forwarding = await startForwarding();
    await using client = await forwarding.connect();
    for (const piece of split(buildClientHello({ serverName: 'host.example' }))) {
      await client.write(piece);
      await turn();
    }
    const text = (await client.all()).toString('latin1');
    const record = await expectRefusal(forwarding.proxy, text, {
      startLine: 'HTTP/1.1 400 TLS on the plain proxy port',
      reason: 'malformed_request',
    });
    expect(record.hint).toContain('http://');
    expect(forwarding.proxy.records).toHaveLength(1);
  });
});

describe('a refusal arrives whole while the client is still sending 16 KiB, 50 times of 50', () => {
  test.each<readonly [string, (origin: string) => string, number]>([
    ['by policy', () => 'POST http://refused.example/ HTTP/1.1\r\nContent-Length: 16384\r\n\r\n', 403],
    ['of a method', (origin) => `TRACE ${origin}/ HTTP/1.1\r\nContent-Length: 16384\r\n\r\n`, 405],
    [
      'of a loop',
      (origin) => `PUT ${origin}/ HTTP/1.1\r\nVia: 1.1 lockdown-proxy\r\nContent-Length: 16384\r\n\r\n`,
      502,
    ],
    [
      'of a chunked body',
      () => 'POST http://refused.example/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4000\r\n',
      403,
    ],
    ['of an expectation', (origin) => `PUT ${origin}/ HTTP/1.1\r\nExpect: x\r\nContent-Length: 16384\r\n\r\n`, 417],
    ['of a malformed head', (origin) => `POST ${origin}/ HTTP/1.1\r\nX : y\r\n\r\n`, 400],
    ['of a malformed chunk', (origin) => `POST ${origin}/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`, 400],
    ['of what is no HTTP', () => '\x16\x03\x01', 400],
  ])('%s', async (_, head, status) => {
    await using forwarding = await startForwarding(silent);
    const { origin, proxy } = forwarding;
    for (let round = 0; round < 50; round++) {
      await using client = await forwarding.connect();
      await client.write(head(origin) + 'x'.repeat(8192));
      // Half of it comes when the proxy has long said all it has to say.
      await client.until('HTTP/1.1 ');
      for (let sent = 0; sent < 8; sent++) await client.write('x'.repeat(1024));
      expect(await endingOf(client)).toBe('closed');
      client.end();
      expect(await client.closed).toBe('closed');
      expect(client.text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
      const { id } = await proxy.record(round);
      expect(client.text.endsWith(`(lockdown-proxy exchange ${id})\n`)).toBe(true);
    }
    expect(proxy.records).toHaveLength(50);
  });
});

test('a refusal to a client that never closes does not hold its connection', async () => {
  await using forwarding = await startForwarding();
  await using client = await forwarding.connect();
  await client.write('GET http://refused.example/ HTTP/1.1\r\n\r\n');
  await client.all();
  const before = performance.now();
  // The far end is gone once a write is answered with a reset.
  const writing = setInterval(() => client.socket.write('x'), 20);
  expect(await client.closed).toBe('reset');
  clearInterval(writing);
  expect(performance.now() - before).toBeLessThan(3000);
  expect(forwarding.proxy.records).toHaveLength(1);
});
