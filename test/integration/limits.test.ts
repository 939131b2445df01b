/** What one client, and all of them together, may hold open; and how a proxy under a limit recovers. */
import { expect, test } from 'vitest';
import { createDestination, echo, silent } from '../support/destination.ts';
import { startProxy } from '../support/proxy.ts';
import { connectRaw } from '../support/raw-client.ts';
import { admitLoopback, openTunnel, plainLoopback, readAnswer } from '../support/tunnel.ts';

test('connections beyond limits.connections get 503 that names the limit, and a freed place is given again', async () => {
  await using destination = await createDestination(echo);
  await using proxy = await startProxy({
    config: `${plainLoopback}limits: { connections: 3 }`,
    rules: [`ip:127.0.0.1:${destination.port}`],
  });
  const target = `127.0.0.1:${destination.port}`;
  const tunnels = await Promise.all([1, 2, 3].map(() => openTunnel(proxy.port, target)));
  expect(tunnels.map((tunnel) => tunnel.status)).toEqual([200, 200, 200]);
  await using refused = await readAnswer(await connectRaw(proxy.port, { localAddress: '127.0.0.2' }));
  expect(refused.startLine).toBe('HTTP/1.1 503 Limit reached: connections 3');
  expect(refused.fields.get('proxy-status')).toContain('connection_limit_reached');
  refused.wire.end();
  const record = await proxy.record();
  expect(record).toMatchObject({ kind: 'connection', reason: 'limit_reached', status: 503, client: '127.0.0.2' });
  expect(record.hint).toBe('raise limits.connections');
  // The refused one took no place, and the one that ends gives its own back.
  tunnels[0]?.wire.end();
  await proxy.record(1);
  await using later = await openTunnel(proxy.port, target);
  expect(later.status).toBe(200);
  await Promise.all(tunnels.map((tunnel) => tunnel[Symbol.asyncDispose]()));
});

test('connections beyond connectionsPerClient are refused to that client alone', async () => {
  await using destination = await createDestination(echo);
  await using proxy = await startProxy({
    config: `${plainLoopback}limits: { connectionsPerClient: 2 }`,
    rules: [`ip:127.0.0.1:${destination.port}`],
  });
  const target = `127.0.0.1:${destination.port}`;
  await using first = await openTunnel(proxy.port, target);
  await using second = await openTunnel(proxy.port, target);
  await using refused = await readAnswer(await connectRaw(proxy.port));
  expect(refused.startLine).toBe('HTTP/1.1 503 Limit reached: connectionsPerClient 2');
  await using other = await openTunnel(proxy.port, target, { localAddress: '127.0.0.2' });
  expect([first.status, second.status, other.status]).toEqual([200, 200, 200]);
});

test('idle connections that never ask for anything count against the limit too', async () => {
  await using proxy = await startProxy({ config: 'limits: { connectionsPerClient: 2 }' });
  await using first = await connectRaw(proxy.port);
  await using second = await connectRaw(proxy.port);
  await using refused = await readAnswer(await connectRaw(proxy.port));
  expect(refused.status).toBe(503);
  first.end();
  second.end();
});

test('places are given back however a connection ended', async () => {
  await using destination = await createDestination(silent);
  await using proxy = await startProxy({
    config: `${plainLoopback}limits: { connections: 2, clientHelloMs: 100 }`,
    rules: [`ip:127.0.0.1:${destination.port}`],
  });
  const target = `127.0.0.1:${destination.port}`;
  for (let round = 0; round < 12; round++) {
    await using tunnel = await openTunnel(proxy.port, round % 4 === 3 ? 'not.test:443' : target);
    expect(tunnel.status).toBe(round % 4 === 3 ? 403 : 200);
    if (round % 4 === 0) tunnel.wire.reset();
    else if (round % 4 === 1) tunnel.wire.end();
    else if (round % 4 === 2) (await destination.connection(destination.connections.length - 1)).reset();
    else tunnel.wire.end();
    await tunnel.wire.closed;
    await proxy.record(round);
  }
  expect(proxy.records.map((record) => record.status)).not.toContain(503);
});

test('so it is when a client goes before its ClientHello', async () => {
  await using destination = await createDestination(silent);
  await using proxy = await startProxy({
    config: `${admitLoopback}limits: { connections: 2 }`,
    rules: [`ip:127.0.0.1:${destination.port}`],
  });
  for (let round = 0; round < 6; round++) {
    await using tunnel = await openTunnel(proxy.port, `127.0.0.1:${destination.port}`);
    expect(tunnel.status).toBe(200);
    tunnel.wire.end();
    await tunnel.wire.closed;
    await proxy.record(round);
  }
});

test('so it is when both ends were busy enough for large reads', async () => {
  await using destination = await createDestination(echo);
  await using proxy = await startProxy({
    config: `${plainLoopback}limits: { connections: 2 }`,
    rules: [`ip:127.0.0.1:${destination.port}`],
  });
  const bytes = 4 << 20;
  for (let round = 0; round < 6; round++) {
    await using tunnel = await openTunnel(proxy.port, `127.0.0.1:${destination.port}`);
    expect(tunnel.status).toBe(200);
    await Promise.all([tunnel.wire.write(Buffer.alloc(bytes, 'x')), tunnel.contentOf(bytes)]);
    tunnel.wire.end();
    await tunnel.wire.closed;
    await proxy.record(round);
  }
});

test('a stop ends tunnels, each with its line, and leaves nothing open', async () => {
  await using destination = await createDestination(echo);
  await using proxy = await startProxy({ config: plainLoopback, rules: [`ip:127.0.0.1:${destination.port}`] });
  const target = `127.0.0.1:${destination.port}`;
  const tunnels = await Promise.all(Array.from({ length: 20 }, () => openTunnel(proxy.port, target, { early: 'x' })));
  await Promise.all(tunnels.map((tunnel) => tunnel.contentOf(1)));
  const started = performance.now();
  await proxy.app.stop(0);
  expect(performance.now() - started).toBeLessThan(900);
  expect(proxy.records.map((record) => record.endedBy)).toEqual(Array.from({ length: 20 }, () => 'drain'));
  await Promise.all(tunnels.map((tunnel) => tunnel.wire.all()));
  await Promise.all(destination.connections.map((wire) => wire.closed));
});
