/** Several requests in one piece: answered in order, each judged for itself, and nothing served behind a refusal. */
import { describe, expect, test } from 'vitest';
import { answerWith, silent } from '../support/destination.ts';
import type { Behaviour } from '../support/destination.ts';
import { answer, answerEach, endingOf, expectRefusal, forbidCrashes, startForwarding } from '../support/forwarding.ts';

forbidCrashes();

/** Answers each request with its path, the first one only when `first` is told to. */
function echoPaths(first: Promise<void> = Promise.resolve()): Behaviour {
  return answerEach(async (head) => {
    const path = head.split(' ')[1] ?? '';
    if (path === '/1') await first;
    return answer(`path ${path};`);
  });
}

const get = (origin: string, path: string, fields = ''): string => `GET ${origin}${path} HTTP/1.1\r\n${fields}\r\n`;
const last = 'Connection: close\r\n';
const bodiesOf = (text: string): string[] => text.match(/path \/\w+;/g) ?? [];

test('answers come in the order of the requests, however late the first', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  await using forwarding = await startForwarding(echoPaths(promise));
  const { origin, proxy, destination } = forwarding;
  await using client = await forwarding.connect();
  await client.write(get(origin, '/1') + get(origin, '/2') + get(origin, '/3', last));
  await (await destination.connection()).until('\r\n\r\n');
  expect(destination.connections).toHaveLength(1);
  resolve();
  expect(bodiesOf((await client.all()).toString())).toEqual(['path /1;', 'path /2;', 'path /3;']);
  await proxy.record(2);
  expect(proxy.records.map(({ path }) => path)).toEqual(['/1', '/2', '/3']);
});

test('a hundred requests in one piece are all answered', async () => {
  await using forwarding = await startForwarding(echoPaths());
  await using client = await forwarding.connect();
  const paths = Array.from({ length: 100 }, (_, index) => `/n${index}`);
  await client.write(paths.map((path, index) => get(forwarding.origin, path, index === 99 ? last : '')).join(''));
  expect(bodiesOf((await client.all()).toString())).toEqual(paths.map((path) => `path ${path};`));
});

test('bodies and requests behind them keep apart', async () => {
  await using forwarding = await startForwarding(async (wire) => {
    const head = await wire.until('\r\n\r\n');
    wire.end(answer(`path ${head.split(' ')[1]};`));
  });
  const { origin, destination } = forwarding;
  await using client = await forwarding.connect();
  const hidden = get('http://127.0.0.1', '/hidden');
  await client.write(
    `POST ${origin}/1 HTTP/1.1\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}` +
      `DELETE ${origin}/2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n` +
      get(origin, '/3', last),
  );
  expect(bodiesOf((await client.all()).toString())).toEqual(['path /1;', 'path /2;', 'path /3;']);
  expect(destination.connections).toHaveLength(3);
});

test('a refused request is answered in its turn, and those behind it are not served', async () => {
  await using forwarding = await startForwarding(echoPaths());
  const { origin, proxy, destination } = forwarding;
  await using client = await forwarding.connect();
  await client.write(get(origin, '/1') + get('http://refused.example', '/') + get(origin, '/3'));
  const text = (await client.all()).toString();
  const refusal = text.slice(text.indexOf('path /1;') + 8);
  await expectRefusal(proxy, refusal, { startLine: /^HTTP\/1\.1 403 /, reason: 'not_on_allowlist', index: 1 });
  expect(destination.connections).toHaveLength(1);
  expect(proxy.records).toHaveLength(2);
});

describe('what cannot be read behind whole requests is refused when they are answered', () => {
  test.each([
    ['no HTTP', 'garbage\r\n\r\n', 'malformed_request', 400],
    ['garbage that does not end', 'garbage\r\n\r\n'.repeat(3000), 'malformed_request', 400],
    ['a malformed field', 'GET http://h/ HTTP/1.1\r\nX : y\r\n\r\n', 'malformed_request', 400],
    ['a head too large', `GET http://h/ HTTP/1.1\r\nX: ${'y'.repeat(20_000)}`, 'malformed_request', 431],
    ['a head that does not end in time', 'GET http://h/ HTTP/1.1\r\n', 'request_timeout', 408],
  ])('%s', async (_, bytes, reason, status) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    await using forwarding = await startForwarding(echoPaths(promise), 'limits: { headerMs: 500 }');
    const { origin, proxy } = forwarding;
    await using client = await forwarding.connect();
    await client.write(get(origin, '/1') + get(origin, '/2') + bytes);
    // Longer than the deadline of the head behind, which must not cost the request in front its answer.
    if (status === 408) setTimeout(resolve, 1200);
    else resolve();
    const text = (await client.all()).toString('latin1');
    client.end();
    expect(bodiesOf(text)).toEqual(['path /1;', 'path /2;']);
    const refusal = text.slice(text.indexOf('path /2;') + 8);
    await expectRefusal(proxy, refusal, { startLine: new RegExp(`^HTTP/1\\.1 ${status} `), reason, index: 2 });
    expect(proxy.records.map((record) => record.kind)).toEqual(['forward', 'forward', 'connection']);
  });

  test('a malformed body of a request that waits for its turn', async () => {
    await using forwarding = await startForwarding(echoPaths());
    const { origin, proxy, destination } = forwarding;
    await using client = await forwarding.connect();
    await client.write(`${get(origin, '/1')}POST ${origin}/2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`);
    const text = (await client.all()).toString();
    const refusal = text.slice(text.indexOf('path /1;') + 8);
    const record = await expectRefusal(proxy, refusal, {
      startLine: /^HTTP\/1\.1 400 /,
      reason: 'malformed_request',
      index: 1,
    });
    expect(record).toMatchObject({ kind: 'forward', path: '/2' });
    expect(destination.connections).toHaveLength(1);
    expect(proxy.records).toHaveLength(2);
  });
});

test('what comes behind a request that closes the connection is dropped', async () => {
  await using forwarding = await startForwarding(echoPaths());
  const { origin, proxy, destination } = forwarding;
  for (const behind of [get(origin, '/2'), 'garbage\r\n\r\n', '\r\n', '\x16\x03\x01']) {
    await using client = await forwarding.connect();
    await client.write(get(origin, '/1', last) + behind);
    const text = (await client.all()).toString('latin1');
    expect(bodiesOf(text)).toEqual(['path /1;']);
    expect(text.match(/HTTP\/1\.1 /g)).toHaveLength(1);
  }
  expect(proxy.records).toHaveLength(4);
  expect(destination.connections).toHaveLength(4);
});

test('behind an offer to upgrade nothing is read on the same connection', async () => {
  await using forwarding = await startForwarding(echoPaths());
  const { origin, destination } = forwarding;
  for (const rest of ['', 'POST']) {
    await using client = await forwarding.connect();
    await client.write(get(origin, '/1', 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n') + rest);
    const text = (await client.all()).toString();
    expect(bodiesOf(text)).toEqual(['path /1;']);
    expect(text).toContain('\r\nConnection: close\r\n');
  }
  expect(destination.received.toString()).not.toMatch(/upgrade/i);
});

describe('a CONNECT behind an unanswered request closes the connection, and no tunnel comes of it', () => {
  test.each(['in one piece', 'later'])('%s', async (when) => {
    await using forwarding = await startForwarding(silent);
    const { origin, proxy, destination } = forwarding;
    await using client = await forwarding.connect();
    const connect = `CONNECT 127.0.0.1:${destination.port} HTTP/1.1\r\n\r\nearly bytes`;
    await client.write(get(origin, '/1') + (when === 'later' ? '' : connect));
    if (when === 'later') {
      await (await destination.connection()).until('\r\n\r\n');
      client.socket.write(connect);
    }
    await endingOf(client);
    expect(client.text).toBe('');
    await proxy.record(when === 'later' ? 1 : 0);
    await proxy.record(1);
    // Each of the two requests has its line, the first one even if nothing was asked for it yet.
    expect(proxy.records).toHaveLength(2);
    expect(proxy.records).toContainEqual(expect.objectContaining({ kind: 'connection', reason: 'malformed_request' }));
    for (const wire of destination.connections) {
      await wire.closed;
      expect(wire.text).toMatch(/^GET \/1 /);
      expect(wire.text).not.toContain('early');
    }
  });

  test('behind an answered one it opens a tunnel', async () => {
    await using forwarding = await startForwarding(answerWith(answer('hello')), 'tlsServerName: off');
    const { origin, proxy, destination } = forwarding;
    await using client = await forwarding.connect();
    await client.write(get(origin, '/1'));
    await client.until('hello');
    await client.write(`CONNECT 127.0.0.1:${destination.port} HTTP/1.1\r\n\r\nthrough the tunnel\r\n\r\n`);
    await client.until(/200 Connection established\r\n\r\n[^]*hello$/);
    expect((await destination.connection(1)).text).toBe('through the tunnel\r\n\r\n');
    client.end();
    (await destination.connection(1)).end();
    expect(await proxy.record(1)).toMatchObject({ kind: 'tunnel', verdict: 'allow' });
  });
});

test('a client that goes while its requests wait leaves nothing behind', async () => {
  await using forwarding = await startForwarding(silent);
  const { origin, proxy, destination } = forwarding;
  await using client = await forwarding.connect();
  await client.write(get(origin, '/1').repeat(40));
  await (await destination.connection()).until('\r\n\r\n');
  client.reset();
  expect(await proxy.record()).toMatchObject({ endedBy: 'client' });
  expect(await (await destination.connection()).closed).toBe('closed');
  await proxy.app.stop(1000);
  expect(proxy.records).toHaveLength(1);
  expect(destination.connections).toHaveLength(1);
});
