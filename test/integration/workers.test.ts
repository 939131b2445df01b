/** Several workers in place of one process: what clients and operators may notice of it, and what they may not. */
import { execFileSync } from 'node:child_process';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RunningStatus } from '../../src/cli/running-status.ts';
import { createDestination, echo } from '../support/destination.ts';
import type { Destination } from '../support/destination.ts';
import type { OperatedProxy } from '../support/operated-proxy.ts';
import { operateProxy } from '../support/operated-proxy.ts';
import { openTunnel } from '../support/tunnel.ts';
import type { Tunnel } from '../support/tunnel.ts';

let destination: Destination;
beforeAll(async () => {
  destination = await createDestination(echo);
});
afterAll(() => destination.close());

const target = () => `127.0.0.1:${destination.port}`;
const rule = () => `ip:${target()}`;
const two = 'workers: 2\n';

const start = (config = '') => operateProxy({ rules: [rule()], config: two + config });
const statusOf = async (proxy: OperatedProxy) => (await proxy.ask('status')) as RunningStatus;
const openAll = (proxy: OperatedProxy, count: number) =>
  Promise.all(Array.from({ length: count }, () => openTunnel(proxy.port, target(), { early: 'x' })));

/** Opens tunnels until each worker has some; the kernel shares them out as it likes. */
async function openInBoth(
  proxy: OperatedProxy,
): Promise<{ readonly tunnels: Tunnel[]; readonly status: RunningStatus }> {
  const tunnels: Tunnel[] = [];
  for (;;) {
    tunnels.push(...(await openAll(proxy, 20)));
    await Promise.all(tunnels.map((tunnel) => tunnel.contentOf(1)));
    const status = await statusOf(proxy);
    if (status.workers.length === 2 && status.workers.every((worker) => worker.tunnels > 0)) return { tunnels, status };
  }
}

/** Whether bytes still go there and back. */
async function flows(tunnel: Tunnel): Promise<boolean> {
  const before = tunnel.content.length;
  await tunnel.wire.write('y').catch(() => {});
  return tunnel.contentOf(before + 1).then(
    () => true,
    () => false,
  );
}

test('both workers take part, and `status`, `tunnels list` and `tunnels close` speak of all', async () => {
  await using proxy = await start();
  const { tunnels, status } = await openInBoth(proxy);
  expect(status.tunnelsOpen).toBe(tunnels.length);
  const listed = (await proxy.ask('tunnels')) as readonly { id: string }[];
  expect(listed).toHaveLength(tunnels.length);
  for (const { id } of listed) await proxy.ask('close', id);
  await Promise.all(tunnels.map((tunnel) => tunnel.rest()));
  await expect(proxy.ask('close', listed[0]!.id)).rejects.toThrow('no tunnel');
  const printed = await proxy.command('status');
  expect(printed.out).toMatch(/^workers {2}2: \d+ with 0 tunnels, \d+ with 0 tunnels$/m);
});

test('a worker that is killed takes its own tunnels with it and no others, and is replaced', async () => {
  await using proxy = await start();
  const { tunnels, status } = await openInBoth(proxy);
  const [victim, other] = status.workers;
  process.kill(victim!.pid, 'SIGKILL');
  expect(await proxy.said('worker_died')).toMatchObject({ worker: victim!.pid, how: 'SIGKILL' });
  // New connections are served all the while.
  const during = await openAll(proxy, 20);
  expect(during.map(({ status: code }) => code)).toEqual(during.map(() => 200));
  await proxy.said('worker_started');
  const alive = (await Promise.all(tunnels.map(flows))).filter(Boolean);
  expect(alive).toHaveLength(other!.tunnels);
  expect((await statusOf(proxy)).workers.map(({ pid }) => pid)).toEqual(
    expect.arrayContaining([other!.pid, expect.any(Number)]),
  );
});

test('a reload holds in every worker when it is acknowledged, and reaches those that start later', async () => {
  await using proxy = await start('reload: { watch: false }');
  const { tunnels, status } = await openInBoth(proxy);
  proxy.writeRules(rule(), `deny ${rule()}`);
  const began = performance.now();
  expect(await proxy.ask('reload')).toMatchObject({ result: 'done', closedTunnels: tunnels.length });
  expect(performance.now() - began).toBeLessThan(1000);
  await Promise.all(tunnels.map((tunnel) => tunnel.rest()));
  process.kill(status.workers[0]!.pid, 'SIGKILL');
  await proxy.said('worker_started');
  const refused = await openAll(proxy, 40);
  expect(new Set(refused.map(({ startLine }) => startLine))).toEqual(
    new Set(['HTTP/1.1 403 Denied by rule rules.txt:3']),
  );
});

test('reloads that meet a worker in its start reach it', async () => {
  await using proxy = await start('reload: { watch: false }');
  const { workers } = await statusOf(proxy);
  process.kill(workers[0]!.pid, 'SIGKILL');
  await proxy.said('worker_died');
  const state = { isStarted: false };
  void proxy.said('worker_started').then(() => (state.isStarted = true));
  let count = 0;
  while (!state.isStarted) {
    proxy.writeRules(rule(), `deny www${count++}.example.com`);
    expect(await proxy.ask('reload')).toMatchObject({ result: 'done' });
  }
  const refused = await Promise.all(
    Array.from({ length: 40 }, () => openTunnel(proxy.port, `www${count - 1}.example.com:443`)),
  );
  expect(new Set(refused.map(({ startLine }) => startLine))).toEqual(
    new Set(['HTTP/1.1 403 Denied by rule rules.txt:3']),
  );
  expect(proxy.errors.match(/"worker_died"/g)).toHaveLength(1);
});

test('what counts from the next start on is as it was for a worker that is started later, too', async () => {
  await using proxy = await start('reload: { watch: false }');
  const { status } = await openInBoth(proxy);
  const changed = proxy.folder
    .read('config.yaml')
    .replace(/listen: \["127.0.0.1:0"\]/, 'listen: ["127.0.0.1:0", "[::1]:0"]');
  proxy.folder.write('config.yaml', `${changed}log: { format: squid }\n`);
  expect(await proxy.ask('reload')).toMatchObject({ result: 'done', needsRestart: ['listen', 'log.format'] });
  for (const { pid } of status.workers) process.kill(pid, 'SIGKILL');
  await proxy.said('worker_started', 1);
  await using refused = await openTunnel(proxy.port, 'www.example.com:443');
  expect(refused.status).toBe(403);
  expect(await proxy.record()).toMatchObject({ status: 403, target: 'www.example.com:443' });
});

test('a reload with a fault leaves every worker as it was', async () => {
  await using proxy = await start('reload: { watch: false }');
  proxy.writeRules('*');
  expect(await proxy.ask('reload')).toMatchObject({ result: 'failed' });
  const tunnels = await openAll(proxy, 20);
  expect(tunnels.map(({ status }) => status)).toEqual(tunnels.map(() => 200));
});

test.each([
  ['a file', 'log: { access: ./access.log }', (proxy: OperatedProxy) => proxy.folder.read('access.log')],
  ['standard output', '', (proxy: OperatedProxy) => proxy.records.map((line) => `${JSON.stringify(line)}\n`).join('')],
])('the access log in %s has every line, each of them whole', async (_name, config, read) => {
  await using proxy = await start(config);
  const ids = new Set<string>();
  for (let round = 0; round < 5; round++) {
    const tunnels = await openAll(proxy, 60);
    await Promise.all(tunnels.map((tunnel) => tunnel[Symbol.asyncDispose]()));
  }
  proxy.signal('SIGTERM');
  expect(await proxy.exited).toBe(0);
  const lines = read(proxy).trimEnd().split('\n');
  for (const line of lines) ids.add((JSON.parse(line) as { id: string }).id);
  expect(ids.size).toBe(300);
  expect(lines).toHaveLength(300);
});

test('SIGUSR2 moves every worker to the new log file', async () => {
  await using proxy = await start('log: { access: ./access.log }');
  const place = (name: string) => join(proxy.folder.path, name);
  renameSync(place('access.log'), place('access.log.1'));
  proxy.signal('SIGUSR2');
  await proxy.ask('status');
  const tunnels = await openAll(proxy, 40);
  await Promise.all(tunnels.map((tunnel) => tunnel[Symbol.asyncDispose]()));
  proxy.signal('SIGTERM');
  expect(await proxy.exited).toBe(0);
  expect(proxy.folder.read('access.log.1')).toBe('');
  expect(proxy.folder.read('access.log').split('\n')).toHaveLength(41);
});

test('SIGTERM drains every worker: tunnels are cut at the deadline, each has its line, the exit is 0', async () => {
  await using proxy = await start('drain: { deadlineMs: 500 }');
  const { tunnels, status } = await openInBoth(proxy);
  proxy.signal('SIGTERM');
  expect(await proxy.said('draining')).toMatchObject({ tunnels: tunnels.length });
  expect(await statusOf(proxy)).toMatchObject({ draining: true, tunnelsOpen: tunnels.length });
  expect(await proxy.exited).toBe(0);
  expect(proxy.records.map(({ endedBy }) => endedBy)).toEqual(tunnels.map(() => 'drain'));
  for (const { pid } of status.workers) expect(isAlive(pid)).toBe(false);
});

test('a second signal ends every process at once', async () => {
  await using proxy = await start();
  const { status } = await openInBoth(proxy);
  proxy.signal('SIGTERM');
  await proxy.said('draining');
  proxy.signal('SIGTERM');
  expect(await proxy.exited).toBe(1);
  for (const { pid } of status.workers) await untilGone(pid);
});

test('workers whose primary was killed stop accepting, drain and end', async () => {
  await using proxy = await start('drain: { deadlineMs: 300 }');
  const { tunnels, status } = await openInBoth(proxy);
  proxy.signal('SIGKILL');
  await proxy.exited;
  expect(await Promise.all(tunnels.map(flows))).toEqual(tunnels.map(() => true));
  for (const { pid } of status.workers) await untilGone(pid);
  await expect(openTunnel(proxy.port, target())).rejects.toThrow();
});

function isAlive(pid: number): boolean {
  try {
    return execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).trim()[0] !== 'Z';
  } catch {
    return false;
  }
}

async function untilGone(pid: number): Promise<void> {
  while (isAlive(pid)) await new Promise((resolve) => setImmediate(resolve));
}
