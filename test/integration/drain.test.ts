/** Stopping: what is under way may finish until the deadline, nothing new is taken, and every exchange has its line. */
import { connect } from 'node:net';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { echo, silent } from '../support/destination.ts';
import type { Behaviour } from '../support/destination.ts';
import { answer, endingOf, expectRefusal, fieldsOf, forbidCrashes, startForwarding } from '../support/forwarding.ts';

forbidCrashes();

const longMs = 30_000;

/** Answers when told to. */
function answerWhen(told: Promise<void>, before = '', behind = answer('late')): Behaviour {
  return async (wire) => {
    await wire.until('\r\n\r\n');
    if (before !== '') await wire.write(before);
    await told;
    await wire.write(behind);
  };
}

/** Resolves with the error code of a new connection to a port. */
async function knock(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
  return error.code ?? '';
}

test('with nothing under way it is done at once', async () => {
  await using forwarding = await startForwarding();
  const { proxy } = forwarding;
  const started = performance.now();
  await proxy.app.stop(longMs);
  expect(performance.now() - started).toBeLessThan(1000);
  expect(proxy.records).toEqual([]);
  expect(await knock(proxy.port)).toBe('ECONNREFUSED');
});

test('a request under way finishes, and its answer says that no other is taken', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  await using forwarding = await startForwarding(answerWhen(promise));
  const { origin, proxy, destination } = forwarding;
  await using client = await forwarding.connect();
  await client.write(`GET ${origin}/ HTTP/1.1\r\n\r\n`);
  await (await destination.connection()).until('\r\n\r\n');
  let isStopped = false;
  const stopping = proxy.app.stop(longMs).then(() => (isStopped = true));
  expect(await knock(proxy.port)).toBe('ECONNREFUSED');
  expect(isStopped).toBe(false);
  resolve();
  const text = (await client.all()).toString();
  expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(fieldsOf(text).get('connection')).toBe('close');
  expect(text.endsWith('\r\n\r\nlate')).toBe(true);
  await stopping;
  expect(proxy.records).toEqual([expect.objectContaining({ status: 200, verdict: 'allow', endedBy: 'destination' })]);
});

test('an answer whose head is already out finishes, and its connection closes behind it', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  await using forwarding = await startForwarding(
    answerWhen(promise, 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf ', 'whole'),
  );
  const { origin, proxy } = forwarding;
  await using client = await forwarding.connect();
  await client.write(`GET ${origin}/ HTTP/1.1\r\n\r\n`);
  await client.until('half ');
  const stopping = proxy.app.stop(longMs);
  resolve();
  expect(await endingOf(client)).toBe('closed');
  expect(client.text.endsWith('\r\n\r\nhalf whole')).toBe(true);
  await stopping;
  expect(proxy.records).toHaveLength(1);
});

test('a body under way goes up to its end', async () => {
  await using forwarding = await startForwarding(async (wire) => {
    await wire.until('whole');
    await wire.write(answer('got it'));
  });
  const { origin, proxy, destination } = forwarding;
  await using client = await forwarding.connect();
  await client.write(`POST ${origin}/ HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf `);
  await (await destination.connection()).until('half ');
  const stopping = proxy.app.stop(longMs);
  await client.write('whole');
  expect((await client.all()).toString().endsWith('\r\n\r\ngot it')).toBe(true);
  await stopping;
});

describe('a connection without a request under way closes at once', () => {
  test.each([
    ['kept from an earlier request', (origin: string) => `GET ${origin}/ HTTP/1.1\r\n\r\n`, '\r\n\r\nok'],
    ['in the middle of a head', () => 'GET http://half', ''],
    ['that has said nothing', () => '', ''],
  ])('%s', async (_, bytes, until) => {
    // A tunnel keeps the drain going, so that the connection closes by itself and not with the process.
    await using forwarding = await startForwarding(async (wire) => {
      if ((await wire.until(4)) === 'GET ') {
        await wire.until('\r\n\r\n');
        await wire.write(answer('ok'));
      } else await wire.write('held');
    }, 'tlsServerName: off');
    const { origin, proxy, destination } = forwarding;
    await using tunnel = await forwarding.connect();
    await tunnel.write(`CONNECT 127.0.0.1:${destination.port} HTTP/1.1\r\n\r\nhold it`);
    await tunnel.until('held');
    await using client = await forwarding.connect();
    await client.write(bytes(origin));
    await client.until(until);
    // The proxy has accepted it once a connection behind it was answered.
    await using behind = await forwarding.connect();
    await behind.write('x\r\n\r\n');
    await behind.until('\r\n\r\n');
    const stopping = proxy.app.stop(longMs);
    await endingOf(client);
    expect(client.text.endsWith(until)).toBe(true);
    client.end();
    await client.closed;
    await tunnel.write('still open');
    await (await destination.connection()).until('still open');
    tunnel.end();
    (await destination.connection()).end();
    await stopping;
    // One for the request behind, one for the tunnel, one for the request that was answered if there was one.
    expect(proxy.records).toHaveLength(until === '' ? 2 : 3);
  });
});

test('requests behind the one under way are not served', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  await using forwarding = await startForwarding(answerWhen(promise));
  const { origin, proxy, destination } = forwarding;
  await using client = await forwarding.connect();
  await client.write(`GET ${origin}/1 HTTP/1.1\r\n\r\nGET ${origin}/2 HTTP/1.1\r\n\r\n`);
  await (await destination.connection()).until('\r\n\r\n');
  const stopping = proxy.app.stop(longMs);
  await client.write(`GET ${origin}/3 HTTP/1.1\r\n\r\n`);
  resolve();
  expect((await client.all()).toString().match(/HTTP\/1\.1 /g)).toHaveLength(1);
  await stopping;
  expect(destination.connections).toHaveLength(1);
  expect(proxy.records.map(({ path }) => path)).toEqual(['/1']);
});

describe('at the deadline', () => {
  test('a request without an answer yet gets 503 draining', async () => {
    await using forwarding = await startForwarding(silent);
    const { origin, proxy, destination } = forwarding;
    await using client = await forwarding.connect();
    await client.write(`GET ${origin}/ HTTP/1.1\r\n\r\n`);
    await (await destination.connection()).until('\r\n\r\n');
    const started = performance.now();
    await proxy.app.stop(300);
    expect(performance.now() - started).toBeGreaterThan(280);
    const text = (await client.all()).toString();
    const record = await expectRefusal(proxy, text, {
      startLine: 'HTTP/1.1 503 Proxy is draining',
      reason: 'draining',
    });
    expect(record).toMatchObject({ verdict: 'deny', endedBy: 'drain' });
    expect(await (await destination.connection()).closed).toBe('closed');
    expect(proxy.records).toHaveLength(1);
  });

  test('an answer under way is cut', async () => {
    await using forwarding = await startForwarding(
      answerWhen(Promise.resolve(), 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n', 'half '),
    );
    const { origin, proxy, destination } = forwarding;
    await using client = await forwarding.connect();
    await client.write(`GET ${origin}/ HTTP/1.1\r\n\r\n`);
    await client.until('half ');
    await proxy.app.stop(100);
    await endingOf(client);
    expect(client.text.endsWith('half ')).toBe(true);
    await endingOf(await destination.connection());
    expect(proxy.records).toEqual([
      expect.objectContaining({ status: 200, verdict: 'allow', reason: null, endedBy: 'drain' }),
    ]);
  });

  test('a tunnel is cut', async () => {
    await using forwarding = await startForwarding(echo, 'tlsServerName: off');
    const { proxy, destination } = forwarding;
    await using client = await forwarding.connect();
    await client.write(`CONNECT 127.0.0.1:${destination.port} HTTP/1.1\r\n\r\nthrough`);
    await client.until('through');
    await proxy.app.stop(100);
    await endingOf(client);
    expect(proxy.records).toEqual([
      expect.objectContaining({ kind: 'tunnel', verdict: 'allow', endedBy: 'drain', bytesUp: 7, bytesDown: 7 }),
    ]);
  });

  test('a hundred exchanges of every kind have a line each', async () => {
    await using forwarding = await startForwarding(async (wire) => {
      const head = await wire.until('\r\n\r\n');
      if (head.includes('/begun')) await wire.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf');
    }, 'tlsServerName: off');
    const { origin, proxy, destination } = forwarding;
    const kinds = [
      `GET ${origin}/silent HTTP/1.1\r\n\r\n`,
      `GET ${origin}/begun HTTP/1.1\r\n\r\n`,
      `POST ${origin}/body HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf`,
      `CONNECT 127.0.0.1:${destination.port} HTTP/1.1\r\n\r\n/tunnel\r\n\r\n`,
    ];
    const clients = await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const client = await forwarding.connect();
        await client.write(kinds[index % kinds.length]!);
        return client;
      }),
    );
    for (let index = 0; index < 100; index++) await (await destination.connection(index)).until('\r\n\r\n');
    await proxy.app.stop(100);
    expect(proxy.records).toHaveLength(100);
    expect(new Set(proxy.records.map(({ id }) => id)).size).toBe(100);
    for (const record of proxy.records) expect(record.endedBy).toBe('drain');
    for (const client of clients) await client[Symbol.asyncDispose]();
  });
});
