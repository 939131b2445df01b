/** Fields on their way through: what belongs to one connection ends at the proxy, in both directions. */
import { describe, expect, test } from 'vitest';
import {
  answer,
  answerOnly,
  exchangeBytes,
  expectRefusal,
  fieldsOf,
  forbidCrashes,
  startForwarding,
} from '../support/forwarding.ts';
import { startProxy } from '../support/proxy.ts';
import { connectRaw } from '../support/raw-client.ts';

forbidCrashes();

/** What the destination got for a GET with these field lines. */
async function sentWith(fields: string): Promise<string> {
  await using forwarding = await startForwarding();
  const { origin, destination } = forwarding;
  const text = await exchangeBytes(forwarding, `GET ${origin}/ HTTP/1.1\r\n${fields}Connection: close\r\n\r\n`);
  expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  return destination.received.toString('latin1');
}

/** What the client got for an answer with these field lines. */
async function answeredWith(fields: string): Promise<string> {
  await using forwarding = await startForwarding(answerOnly(`HTTP/1.1 200 OK\r\n${fields}Content-Length: 2\r\n\r\nok`));
  return await exchangeBytes(forwarding, `GET ${forwarding.origin}/ HTTP/1.1\r\nConnection: close\r\n\r\n`);
}

const endingHere = [
  'Keep-Alive: timeout=5\r\n',
  'TE: trailers\r\n',
  'Trailer: X-Sum\r\n',
  'Upgrade: h2c\r\n',
  'Proxy-Connection: keep-alive\r\n',
  'Proxy-Authorization: Basic c2VjcmV0\r\n',
  'proxy-AUTHORIZATION: Basic c2VjcmV0\r\n',
  'Proxy-Authenticate: Basic\r\n',
  'Proxy-Status: other\r\n',
];

describe('fields of one connection do not reach the destination', () => {
  test.each(endingHere)('%j', async (field) => {
    const sent = await sentWith(field);
    expect([...fieldsOf(sent).keys()]).toEqual(['host', 'via', 'connection']);
    expect(sent).not.toContain('c2VjcmV0');
  });

  test.each([
    ['Connection: close, X-Foo\r\n', ['x-foo']],
    ['Connection: X-Foo\r\nConnection: x-BAR , ,X-Baz\r\n', ['x-foo', 'x-bar', 'x-baz']],
    ['Proxy-Connection: X-Foo\r\n', ['x-foo']],
    ['Connection:X-Foo,Authorization\r\n', ['x-foo', 'authorization']],
  ])('nor what %j names', async (lines, names) => {
    const sent = await sentWith(`X-Foo: 1\r\nX-Bar: 2\r\nx-baz: 3\r\nAuthorization: x\r\nX-Kept: 4\r\n${lines}`);
    const got = fieldsOf(sent);
    for (const name of ['x-foo', 'x-bar', 'x-baz', 'authorization']) expect(got.has(name)).toBe(!names.includes(name));
    expect(got.get('x-kept')).toBe('4');
    expect(got.get('connection')).toBe('close');
  });

  test.each(['Host', 'Content-Length', 'Transfer-Encoding', 'Via'])(
    'but a Connection line cannot take %s away',
    async (name) => {
      await using forwarding = await startForwarding(async (wire) => {
        await wire.until(/\r\n\r\n(?:hi|2\r\nhi\r\n0\r\n\r\n)$/);
        await wire.write(answer('ok'));
      });
      const { origin, destination } = forwarding;
      const isChunked = name === 'Transfer-Encoding';
      const framing = isChunked ? 'Transfer-Encoding: chunked\r\n' : 'Content-Length: 2\r\n';
      await exchangeBytes(
        forwarding,
        `POST ${origin}/ HTTP/1.1\r\nHost: a\r\nVia: 1.1 before\r\n${framing}Connection: close, ${name}\r\n\r\n` +
          (isChunked ? '2\r\nhi\r\n0\r\n\r\n' : 'hi'),
      );
      const got = fieldsOf(destination.received.toString('latin1'));
      expect(got.has(name.toLowerCase())).toBe(true);
      expect(got.get('via')).toMatch(/^1\.1 before, 1\.1 lockdown-proxy-/);
    },
  );
});

describe('fields of one connection do not reach the client', () => {
  test.each(endingHere)('%j', async (field) => {
    const text = await answeredWith(field);
    expect([...fieldsOf(text).keys()].sort()).toEqual(['connection', 'content-length', 'via']);
    expect(text.endsWith('\r\n\r\nok')).toBe(true);
  });

  test('nor what its Connection lines name', async () => {
    const text = await answeredWith(
      'Connection: X-Foo, close\r\nX-Foo: 1\r\nconnection: X-BAR\r\nX-Bar: 2\r\nX-Kept: 3\r\n',
    );
    const got = fieldsOf(text);
    expect(got.has('x-foo')).toBe(false);
    expect(got.has('x-bar')).toBe(false);
    expect(got.get('x-kept')).toBe('3');
    expect(got.get('connection')).toBe('close');
  });
});

describe('end-to-end fields go on, each line with its value', () => {
  const lines = [
    'X-Twice: 1',
    'x-twice: 2',
    'Cookie: a=b',
    'X-Latin: \xe9\xff',
    'X-Empty:',
    'constructor: c',
    'X-Tab: a\tb',
  ];

  test('to the destination, behind Host', async () => {
    const sent = await sentWith(lines.map((line) => `${line}\r\n`).join(''));
    expect(sent).toMatch(/^GET \/ HTTP\/1\.1\r\nHost: /);
    for (const line of lines.slice(2, 4)) expect(sent).toContain(`\r\n${line}\r\n`);
    expect(fieldsOf(sent).get('x-twice')).toBe('1, 2');
    expect(fieldsOf(sent).get('x-empty')).toBe('');
    expect(fieldsOf(sent).get('constructor')).toBe('c');
    expect(fieldsOf(sent).get('x-tab')).toBe('a\tb');
  });

  test('to the client, in their order', async () => {
    const answered = [...lines, 'Set-Cookie: a=1', 'Set-Cookie: b=2', 'Date: now', 'WWW-Authenticate: Basic'];
    const text = await answeredWith(answered.map((line) => `${line}\r\n`).join(''));
    const got = text.split('\r\n').slice(1, answered.length + 1);
    expect(got.map((line) => line.replace(/:\s*/, ':'))).toEqual(answered.map((line) => line.replace(/:\s*/, ':')));
  });

  test('more of them than the platform counts by default', async () => {
    const sent = await sentWith('a:\r\n'.repeat(3000) + 'X-Last: 1\r\n');
    expect(sent.match(/^a:/gm)).toHaveLength(3000);
    expect(fieldsOf(sent).get('x-last')).toBe('1');
  });
});

describe('Via', () => {
  test.each([
    ['1.1', 'Via: 1.0 fred, 1.1 example.com (Apache)\r\n', '1.0 fred, 1.1 example.com (Apache), 1.1 lockdown-proxy-'],
    ['1.0', '', '1.0 lockdown-proxy-'],
  ])('of a request over HTTP/%s with %j tells the destination', async (version, field, expected) => {
    await using forwarding = await startForwarding();
    const { origin, destination } = forwarding;
    await exchangeBytes(forwarding, `GET ${origin}/ HTTP/${version}\r\n${field}Connection: close\r\n\r\n`);
    const via = fieldsOf(destination.received.toString('latin1')).get('via');
    expect(via?.startsWith(expected)).toBe(true);
    expect(via?.slice(expected.length)).toMatch(/^[\da-f]{8}$/);
  });

  test('of an answer tells the client', async () => {
    await using forwarding = await startForwarding(
      answerOnly('HTTP/1.0 200 OK\r\nVia: 1.1 far\r\nContent-Length: 2\r\n\r\nok'),
    );
    const text = await exchangeBytes(forwarding, `GET ${forwarding.origin}/ HTTP/1.1\r\nConnection: close\r\n\r\n`);
    expect(fieldsOf(text).get('via')).toMatch(/^1\.1 far, 1\.0 lockdown-proxy-[\da-f]{8}$/);
  });

  test.each([
    'Via: 1.1 lockdown-proxy\r\n',
    'Via: 1.1 Lockdown-PROXY (comment, with a comma)\r\n',
    'Via: 1.0 fred, HTTP/1.1 lockdown-proxy\r\n',
    'Via: 1.1 fred\r\nvia: 1.1 lockdown-proxy\r\n',
    'Connection: Via\r\nVia: 1.1 lockdown-proxy\r\n',
  ])('with our own name in %j is a loop: 502, nothing dialled', async (field) => {
    await using forwarding = await startForwarding();
    const { origin, destination, proxy } = forwarding;
    const text = await exchangeBytes(forwarding, `GET ${origin}/ HTTP/1.1\r\n${field}\r\n`);
    await expectRefusal(proxy, text, { startLine: 'HTTP/1.1 502 Loop detected', reason: 'loop_detected' });
    expect(text).toContain('error=proxy_loop_detected;');
    expect(destination.connections).toHaveLength(0);
  });

  test.each([
    'Via: 1.1 lockdown-proxy-1f2e3d4c\r\n',
    'Via: 1.1 fred (lockdown-proxy)\r\n',
    'Via: 1.1 a.lockdown-proxy\r\n',
  ])('with a name that is not ours in %j is none', async (field) => {
    expect(await sentWith(field)).toContain('GET / HTTP/1.1\r\n');
  });

  test("with this instance's name is a loop", async () => {
    await using forwarding = await startForwarding();
    const { origin, destination, proxy } = forwarding;
    await exchangeBytes(forwarding, `GET ${origin}/ HTTP/1.1\r\nConnection: close\r\n\r\n`);
    const via = fieldsOf(destination.received.toString('latin1')).get('via');
    const text = await exchangeBytes(forwarding, `GET ${origin}/ HTTP/1.1\r\nVia: ${via}\r\n\r\n`);
    await expectRefusal(proxy, text, { startLine: 'HTTP/1.1 502 Loop detected', reason: 'loop_detected', index: 1 });
    expect(destination.connections).toHaveLength(1);
  });
});

describe('Expect: 100-continue', () => {
  const head = (origin: string, more = ''): string =>
    `POST ${origin}/ HTTP/1.1\r\nHost: lies\r\nExpect: 100-continue\r\nContent-Length: 4\r\n${more}\r\n`;

  test('is judged first: a refused client is never told to go on', async () => {
    await using proxy = await startProxy({ rules: ['http://allowed.example'] });
    const text = await exchangeBytes({ connect: () => connectRaw(proxy.port) }, head('http://refused.example'));
    await expectRefusal(proxy, text, {
      startLine: 'HTTP/1.1 403 Not on allowlist: refused.example:80',
      reason: 'not_on_allowlist',
    });
  });

  test('is answered once the destination is connected, and its fields are cleaned just the same', async () => {
    await using forwarding = await startForwarding(async (wire) => {
      await wire.until(/\r\n\r\nbody$/);
      await wire.write(answer('ok'));
    });
    const { origin, destination } = forwarding;
    await using client = await forwarding.connect();
    await client.write(head(origin, 'Proxy-Authorization: Basic c2VjcmV0\r\nConnection: X-Foo\r\nX-Foo: 1\r\n'));
    expect(await client.until('\r\n\r\n')).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    expect(destination.connections).toHaveLength(1);
    await client.write('body');
    await client.until('ok');
    const sent = destination.received.toString('latin1');
    expect([...fieldsOf(sent).keys()]).toEqual(['host', 'content-length', 'via', 'connection']);
    expect(fieldsOf(sent).get('host')).toBe(`127.0.0.1:${destination.port}`);
    expect(sent).toMatch(/^POST \/ HTTP\/1\.1\r\n/);
  });

  test('gets no 100 when the destination cannot be reached', async () => {
    await using forwarding = await startForwarding();
    await forwarding.destination.close();
    const text = await exchangeBytes(forwarding, head(forwarding.origin));
    await expectRefusal(forwarding.proxy, text, { startLine: /^HTTP\/1\.1 502 /, reason: 'connect_refused' });
  });

  test('gets one 100, however many the destination sends', async () => {
    await using forwarding = await startForwarding(
      answerOnly(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n${answer('ok')}`),
    );
    await using client = await forwarding.connect();
    await client.write(`${head(forwarding.origin, 'Connection: close\r\n')}body`);
    const text = (await client.all()).toString();
    expect(text.match(/100 Continue/g)).toHaveLength(1);
    expect(text.endsWith('\r\n\r\nok')).toBe(true);
  });

  test('means nothing in HTTP/1.0', async () => {
    await using forwarding = await startForwarding();
    const { origin, destination } = forwarding;
    const text = await exchangeBytes(
      forwarding,
      `POST ${origin}/ HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody`,
    );
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(fieldsOf(destination.received.toString('latin1')).has('expect')).toBe(false);
  });

  test.each([
    'Expect: 200-ok\r\n',
    'Expect: 100-continue, x\r\n',
    'Expect: 100-continue;q=1\r\n',
    'Expect: x\r\nExpect: 100-continue\r\n',
  ])('an expectation that nobody knows, %j, gets 417 and nothing is dialled', async (field) => {
    await using forwarding = await startForwarding();
    const { origin, destination, proxy } = forwarding;
    const text = await exchangeBytes(forwarding, `GET ${origin}/ HTTP/1.1\r\n${field}\r\n`);
    await expectRefusal(proxy, text, {
      startLine: 'HTTP/1.1 417 Expectation not known',
      reason: 'malformed_request',
    });
    expect(destination.connections).toHaveLength(0);
  });
});
