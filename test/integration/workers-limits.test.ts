/** Limits of connections hold over all workers together, and nobody is refused below them. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDestination, echo } from '../support/destination.ts';
import type { Destination } from '../support/destination.ts';
import { operateProxy } from '../support/operated-proxy.ts';
import type { OperatedProxy } from '../support/operated-proxy.ts';
import { openTunnel } from '../support/tunnel.ts';
import type { Tunnel, TunnelOptions } from '../support/tunnel.ts';

let destination: Destination;
beforeAll(async () => {
  destination = await createDestination(echo);
});
afterAll(() => destination.close());

const target = () => `127.0.0.1:${destination.port}`;
const start = (limits: string) =>
  operateProxy({ rules: [`ip:${target()}`], config: `workers: 2\nreload: { watch: false }\nlimits: { ${limits} }` });
const openAll = (proxy: OperatedProxy, count: number, options: TunnelOptions = {}) =>
  Promise.all(Array.from({ length: count }, () => openTunnel(proxy.port, target(), options)));
const isIn = ({ status }: Tunnel) => status === 200;
const close = (tunnels: readonly Tunnel[]) => Promise.all(tunnels.map((tunnel) => tunnel[Symbol.asyncDispose]()));

/** Tries until everything that has ended is known to have: a connection that a client has closed is open for a moment yet. */
async function openWhenFree(proxy: OperatedProxy, count: number): Promise<readonly Tunnel[]> {
  for (;;) {
    const tunnels = await openAll(proxy, count);
    if (tunnels.every(isIn)) return tunnels;
    await close(tunnels);
  }
}

test('of 500 that connect at once as many are let in as the limit says, and no more than 16 above', async () => {
  await using proxy = await start('connections: 100');
  const tunnels = await openAll(proxy, 500);
  const inside = tunnels.filter(isIn);
  expect(inside.length).toBeGreaterThanOrEqual(100);
  expect(inside.length).toBeLessThanOrEqual(116);
  const refused = tunnels.filter((tunnel) => !isIn(tunnel)).map(({ startLine }) => startLine);
  expect(new Set(refused)).toEqual(new Set(['HTTP/1.1 503 Limit reached: connections 100']));
  await close(tunnels);
  await close(await openWhenFree(proxy, 100));
});

test('a small limit holds to the connection, wherever the kernel takes connections to', async () => {
  await using proxy = await start('connections: 3');
  for (let round = 0; round < 20; round++) {
    const held = await openWhenFree(proxy, 3);
    const more = await openAll(proxy, 5);
    expect(more.filter(isIn)).toEqual([]);
    await close([...held, ...more]);
  }
});

test('one client reaches its limit over all workers, and others do not notice', async () => {
  await using proxy = await start('connectionsPerClient: 40');
  const tunnels = await openAll(proxy, 120);
  const inside = tunnels.filter(isIn);
  expect(inside.length).toBeGreaterThanOrEqual(40);
  expect(inside.length).toBeLessThanOrEqual(56);
  const others = await openAll(proxy, 30, { localAddress: '127.0.0.9' });
  expect(others.filter(isIn)).toHaveLength(30);
  await close([...tunnels, ...others]);
});

test('what a killed worker had is free again', async () => {
  await using proxy = await start('connections: 60');
  const tunnels = await openAll(proxy, 60);
  expect(tunnels.filter(isIn)).toHaveLength(60);
  const { workers } = (await proxy.ask('status')) as { workers: readonly { pid: number; tunnels: number }[] };
  const [victim, other] = workers;
  process.kill(victim!.pid, 'SIGKILL');
  await proxy.said('worker_died');
  const more = await openAll(proxy, victim!.tunnels);
  expect(more.filter(isIn)).toHaveLength(victim!.tunnels);
  expect(other!.tunnels + victim!.tunnels).toBe(60);
  await close([...tunnels, ...more]);
});

test('a reload that raises a limit lets more in, and one that lowers it lets nobody else in', async () => {
  await using proxy = await start('connections: 4');
  const held = await openAll(proxy, 4);
  expect(held.filter(isIn)).toHaveLength(4);
  const limit = async (count: number) => {
    const text = proxy.folder.read('config.yaml').replace(/connections: \d+/, `connections: ${count}`);
    proxy.folder.write('config.yaml', text);
    expect(await proxy.ask('reload')).toMatchObject({ result: 'done' });
  };
  await limit(7);
  const more = await openAll(proxy, 6);
  expect(more.filter(isIn)).toHaveLength(3);
  await limit(5);
  await close(held.slice(0, 1));
  const later = await openAll(proxy, 3);
  expect(later.filter(isIn)).toEqual([]);
  await close([...held, ...more, ...later]);
});

test('coming near the limit is said with the connections of all workers', async () => {
  await using proxy = await start('connections: 50');
  const tunnels = await openAll(proxy, 46);
  expect(tunnels.filter(isIn)).toHaveLength(46);
  const near = await proxy.said('limit_near');
  expect(near).toMatchObject({ level: 'warn', limit: 'connections', most: 50 });
  expect([45, 46]).toContain(near['open']);
  await close(tunnels);
});
