/** A tunnel that lives gets a `tunnel-open` line while it does; what never was a tunnel gets none. */
import { expect, test } from 'vitest';
import { createBlackHole } from '../support/black-hole.ts';
import { createDestination, echo, silent } from '../support/destination.ts';
import { startProxy } from '../support/proxy.ts';
import { admitLoopback, openTunnel, plainLoopback } from '../support/tunnel.ts';

test('a tunnel that has lived tunnelOpenAfterMs is said to be open, with its bytes so far', async () => {
  await using destination = await createDestination(echo);
  await using proxy = await startProxy({
    config: `${plainLoopback}log: { tunnelOpenAfterMs: 100 }\nlimits: { idleMs: 400 }`,
    rules: [`ip:127.0.0.1:${destination.port}`],
  });
  await using tunnel = await openTunnel(proxy.port, `127.0.0.1:${destination.port}`, { early: 'hello' });
  await tunnel.contentOf(5);
  const ended = await proxy.record();
  expect(proxy.opened).toHaveLength(1);
  expect(proxy.opened[0]).toMatchObject({
    id: ended.id,
    verdict: 'allow',
    status: 200,
    endedBy: null,
    bytesUp: 5,
    bytesDown: 5,
  });
  expect(proxy.opened[0]!.durationMs).toBeGreaterThanOrEqual(99);
  expect(proxy.opened[0]!.durationMs).toBeLessThan(ended.durationMs);
  expect(ended).toMatchObject({ endedBy: 'idle' });
});

test('a tunnel that ends before tunnelOpenAfterMs is logged once', async () => {
  await using destination = await createDestination(echo);
  await using proxy = await startProxy({ config: plainLoopback, rules: [`ip:127.0.0.1:${destination.port}`] });
  await using tunnel = await openTunnel(proxy.port, `127.0.0.1:${destination.port}`);
  tunnel.wire.end();
  await proxy.record();
  await proxy.app.stop(0);
  expect(proxy.opened).toEqual([]);
  expect(proxy.records).toHaveLength(1);
});

test('a CONNECT that is refused is never said to be open', async () => {
  await using proxy = await startProxy({ config: 'log: { tunnelOpenAfterMs: 0 }', rules: ['https://far.test'] });
  for (const target of ['not.test:443', 'far.test:443', 'malformed']) {
    await using tunnel = await openTunnel(proxy.port, target);
    expect(tunnel.status).toBeGreaterThanOrEqual(400);
  }
  await proxy.app.stop(0);
  expect(proxy.records).toHaveLength(3);
  expect(proxy.opened).toEqual([]);
});

test('a CONNECT whose destination does not answer is never said to be open', async () => {
  await using hole = await createBlackHole();
  await using proxy = await startProxy({
    config: `${plainLoopback}log: { tunnelOpenAfterMs: 50 }\nlimits: { connectMs: 200 }`,
    rules: [`ip:127.0.0.1:${hole.port}`],
  });
  await using tunnel = await openTunnel(proxy.port, `127.0.0.1:${hole.port}`);
  expect(tunnel.status).toBe(504);
  await proxy.record();
  expect(proxy.opened).toEqual([]);
});

test('a tunnel that waits for its ClientHello is not said to be open', async () => {
  await using destination = await createDestination(silent);
  await using proxy = await startProxy({
    config: `${admitLoopback}log: { tunnelOpenAfterMs: 50 }\nlimits: { clientHelloMs: 200 }`,
    rules: [`ip:127.0.0.1:${destination.port}`],
  });
  await using tunnel = await openTunnel(proxy.port, `127.0.0.1:${destination.port}`);
  await tunnel.rest();
  expect(await proxy.record()).toMatchObject({ reason: 'tls_timeout' });
  expect(proxy.opened).toEqual([]);
});
