/** Clients and destinations that are slow, silent or gone: each wait ends, and the line says whose it was. */
import { expect, test } from 'vitest';
import { silent, stuck } from '../support/destination.ts';
import {
  answer,
  answerOnly,
  endingOf,
  exchangeBytes,
  expectRefusal,
  forbidCrashes,
  startForwarding,
} from '../support/forwarding.ts';
import type { Wire } from '../support/wire.ts';

forbidCrashes();

/** Sends a byte every 50 ms for as long as the connection stands. */
function dribble(wire: Wire, bytes: string): Disposable {
  let at = 0;
  const timer = setInterval(() => wire.socket.write(bytes[at++ % bytes.length]!), 50);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

test('a head that does not come to its end gets 408 at the deadline', async () => {
  await using forwarding = await startForwarding(silent, 'limits: { headerMs: 500 }');
  const started = performance.now();
  const text = await exchangeBytes(forwarding, 'GET http://host.example/ HTTP/1.1\r\nHost: h');
  expect(performance.now() - started).toBeGreaterThan(450);
  const record = await expectRefusal(forwarding.proxy, text, {
    startLine: 'HTTP/1.1 408 Request Timeout',
    reason: 'request_timeout',
  });
  expect(record).toMatchObject({ kind: 'connection', verdict: 'deny' });
  expect(record.hint).toContain('limits.headerMs');
});

test('a head that comes byte by byte gets 408 at the same deadline', async () => {
  await using forwarding = await startForwarding(silent, 'limits: { headerMs: 500 }');
  await using client = await forwarding.connect();
  using _ = dribble(client, 'GET http://host.example/ HTTP/1.1\r\nX: '.padEnd(4000, 'x'));
  const started = performance.now();
  await client.until('\r\n\r\n');
  expect(performance.now() - started).toBeLessThan(2500);
  expect(client.text).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/);
});

test('a second head on a kept connection has the same deadline', async () => {
  await using forwarding = await startForwarding(undefined, 'limits: { headerMs: 500 }');
  await using client = await forwarding.connect();
  await client.write(`GET ${forwarding.origin}/ HTTP/1.1\r\n\r\n`);
  await client.until('\r\n\r\nok');
  await client.write('GET ');
  const text = (await client.all()).toString('latin1');
  await expectRefusal(forwarding.proxy, text.slice(text.indexOf('ok') + 2), {
    startLine: 'HTTP/1.1 408 Request Timeout',
    reason: 'request_timeout',
    index: 1,
  });
});

test('a connection that never says anything is closed without a line', async () => {
  await using forwarding = await startForwarding(silent, 'limits: { headerMs: 500 }');
  await using client = await forwarding.connect();
  expect((await client.all()).length).toBe(0);
  expect(forwarding.proxy.records).toEqual([]);
});

test('a body that stops coming gets 408, and the destination is let go', async () => {
  await using forwarding = await startForwarding(silent, 'limits: { idleMs: 400 }');
  const { origin, proxy, destination } = forwarding;
  const text = await exchangeBytes(forwarding, `POST ${origin}/ HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf`);
  const record = await expectRefusal(proxy, text, {
    startLine: 'HTTP/1.1 408 Request Timeout',
    reason: 'request_timeout',
  });
  expect(record).toMatchObject({ kind: 'forward', verdict: 'deny' });
  const wire = await destination.connection();
  expect(await wire.closed).toBe('closed');
  expect(wire.text.endsWith('\r\n\r\nhalf')).toBe(true);
});

test('a body that comes slowly but comes is not cut', async () => {
  await using forwarding = await startForwarding(async (wire) => {
    await wire.until('x'.repeat(20));
    await wire.write(answer('ok'));
  }, 'limits: { idleMs: 400 }');
  await using client = await forwarding.connect();
  await client.write(`POST ${forwarding.origin}/ HTTP/1.1\r\nContent-Length: 20\r\n\r\n`);
  using _ = dribble(client, 'x');
  expect(await client.until('\r\n\r\nok')).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
});

test('a destination that accepts and stays silent gets the client 504', async () => {
  await using forwarding = await startForwarding(silent, 'limits: { idleMs: 400 }');
  const { origin, proxy, destination } = forwarding;
  const text = await exchangeBytes(forwarding, `GET ${origin}/ HTTP/1.1\r\n\r\n`);
  const record = await expectRefusal(proxy, text, {
    startLine: 'HTTP/1.1 504 Response timeout',
    reason: 'response_timeout',
  });
  expect(record.verdict).toBe('error');
  expect(await (await destination.connection()).closed).toBe('closed');
});

test('a destination that does not read the body gets the client 504, not 408', async () => {
  await using forwarding = await startForwarding((wire) => void wire.socket.pause(), 'limits: { idleMs: 400 }');
  const { origin, proxy } = forwarding;
  await using client = await forwarding.connect();
  await client.write(`POST ${origin}/ HTTP/1.1\r\nContent-Length: 104857600\r\n\r\n`);
  client.socket.write(Buffer.alloc(104_857_600));
  expect(await proxy.record()).toMatchObject({ reason: 'response_timeout', status: 504 });
});

test('an answer that stops coming is cut when idle, and the line says so', async () => {
  await using forwarding = await startForwarding(
    answerOnly('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'),
    'limits: { idleMs: 400 }',
  );
  const { origin, proxy, destination } = forwarding;
  const text = await exchangeBytes(forwarding, `GET ${origin}/ HTTP/1.1\r\n\r\n`);
  expect(text.endsWith('\r\n\r\nhalf')).toBe(true);
  expect(await proxy.record()).toMatchObject({ status: 200, verdict: 'allow', reason: null, endedBy: 'idle' });
  await (
    await destination.connection()
  ).closed;
  expect(proxy.records).toHaveLength(1);
});

test('a client that has closed its half still gets its answer', async () => {
  await using forwarding = await startForwarding();
  const { origin, proxy } = forwarding;
  await using client = await forwarding.connect();
  client.end(`GET ${origin}/ HTTP/1.1\r\n\r\n`);
  expect((await client.all()).toString('latin1').endsWith('\r\n\r\nok')).toBe(true);
  expect(await client.closed).toBe('closed');
  expect(await proxy.record()).toMatchObject({ status: 200, verdict: 'allow', endedBy: 'destination' });
});

test('a client that has closed its half and waits in vain is cut after limits.halfCloseMs', async () => {
  await using forwarding = await startForwarding(silent, 'limits: { idleMs: 60000, halfCloseMs: 400 }');
  const { origin, proxy, destination } = forwarding;
  await using client = await forwarding.connect();
  client.end(`GET ${origin}/ HTTP/1.1\r\n\r\n`);
  expect((await client.all()).toString('latin1')).toMatch(/^HTTP\/1\.1 504 Response timeout\r\n/);
  expect(await (await destination.connection()).closed).toBe('closed');
  expect(await proxy.record()).toMatchObject({ reason: 'response_timeout' });
});

test('a client that resets while it waits frees the destination at once', async () => {
  await using forwarding = await startForwarding(silent);
  const { origin, proxy, destination } = forwarding;
  await using client = await forwarding.connect();
  await client.write(`GET ${origin}/ HTTP/1.1\r\n\r\n`);
  const wire = await destination.connection();
  await wire.until('\r\n\r\n');
  const started = performance.now();
  client.reset();
  await wire.closed;
  expect(performance.now() - started).toBeLessThan(1000);
  expect(await proxy.record()).toMatchObject({ verdict: 'allow', reason: null, status: null, endedBy: 'client' });
  expect(proxy.records).toHaveLength(1);
});

test('a client that resets in the middle of its body frees the destination at once', async () => {
  await using forwarding = await startForwarding(silent);
  const { origin, proxy, destination } = forwarding;
  await using client = await forwarding.connect();
  await client.write(`POST ${origin}/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`);
  const wire = await destination.connection();
  await wire.until('hello');
  client.reset();
  await endingOf(wire);
  expect(wire.text).not.toContain('0\r\n\r\n');
  expect(await proxy.record()).toMatchObject({ endedBy: 'client' });
  expect(proxy.records).toHaveLength(1);
});

test.each(['reset', 'destroy'] as const)(
  'a client that goes (%s) in the middle of an answer frees the destination at once',
  async (how) => {
    await using forwarding = await startForwarding(async (wire) => {
      await wire.until('\r\n\r\n');
      wire.socket.on('drain', () => void wire.socket.write(Buffer.alloc(65_536)));
      wire.socket.write('HTTP/1.1 200 OK\r\n\r\n');
      while (wire.socket.write(Buffer.alloc(65_536)));
    });
    const { origin, proxy, destination } = forwarding;
    await using client = await forwarding.connect();
    await client.write(`GET ${origin}/ HTTP/1.1\r\n\r\n`);
    await client.until(100_000);
    if (how === 'reset') client.reset();
    else client.socket.destroy();
    await endingOf(await destination.connection());
    expect(await proxy.record()).toMatchObject({ status: 200, verdict: 'allow', reason: null, endedBy: 'client' });
    expect(proxy.records).toHaveLength(1);
  },
);

test('a destination that refuses the connection gets the client 502', async () => {
  await using forwarding = await startForwarding(stuck);
  await forwarding.destination.close();
  const text = await exchangeBytes(forwarding, `GET ${forwarding.origin}/ HTTP/1.1\r\n\r\n`);
  await expectRefusal(forwarding.proxy, text, {
    startLine: `HTTP/1.1 502 Connection refused: 127.0.0.1:${forwarding.destination.port}`,
    reason: 'connect_refused',
  });
});
