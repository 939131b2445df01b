/** Bugs, sockets and ends of workers that nobody wishes for. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RunningStatus } from '../../src/cli/running-status.ts';
import { bindSharedSocket, canShareSockets } from '../../src/workers/shared-socket.ts';
import { createDestination, echo } from '../support/destination.ts';
import type { Destination } from '../support/destination.ts';
import { operateProxy, writeSettings } from '../support/operated-proxy.ts';
import type { OperatedProxy } from '../support/operated-proxy.ts';
import { createTempFolder } from '../support/temp-folder.ts';
import { openTunnel } from '../support/tunnel.ts';
import type { Tunnel } from '../support/tunnel.ts';

let destination: Destination;
beforeAll(async () => {
  destination = await createDestination(echo);
});
afterAll(() => destination.close());

const target = () => `127.0.0.1:${destination.port}`;
const statusOf = async (proxy: OperatedProxy) => (await proxy.ask('status')) as RunningStatus;

/** Makes a bug that a test can set off: a listener that throws, in workers alone. */
const bug = `if (process.argv[1]?.endsWith('worker-main.ts')) process.on('SIGWINCH', () => { throw new Error('a bug'); });`;

test('a bug in a worker is logged, lets its tunnels go on for a while, and brings another worker at once', async () => {
  const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(bug)}` };
  await using proxy = await operateProxy({ rules: [`ip:${target()}`], config: 'workers: 2', env });
  const tunnels: Tunnel[] = [];
  let status: RunningStatus;
  do {
    tunnels.push(await openTunnel(proxy.port, target(), { early: 'x' }));
    status = await statusOf(proxy);
  } while (!status.workers.every((worker) => worker.tunnels > 0));
  const [failing] = status.workers;
  process.kill(failing!.pid, 'SIGWINCH');
  expect(await proxy.said('uncaught_exception')).toMatchObject({
    worker: failing!.pid,
    error: { type: 'Error', message: 'a bug', stack: expect.stringContaining('at ') },
  });
  await proxy.said('worker_started');
  // Every tunnel still flows, those of the failing worker too.
  for (const tunnel of tunnels) {
    await tunnel.wire.write('y');
    expect((await tunnel.contentOf(2)).toString()).toBe('xy');
  }
  expect((await statusOf(proxy)).tunnelsOpen).toBe(tunnels.length);
  expect(await proxy.said('worker_died')).toMatchObject({ worker: failing!.pid, how: 1 });
  expect((await statusOf(proxy)).tunnelsOpen).toBe(tunnels.length - failing!.tunnels);
  expect(proxy.records.map(({ endedBy }) => endedBy)).toEqual(Array.from({ length: failing!.tunnels }, () => 'drain'));
  const after = await Promise.all(Array.from({ length: 20 }, () => openTunnel(proxy.port, target())));
  expect(after.map((tunnel) => tunnel.status)).toEqual(after.map(() => 200));
});

test('a worker that does not take in new rules is ended, and the reload holds everywhere', async () => {
  await using proxy = await operateProxy({ rules: [`ip:${target()}`], config: 'workers: 2\nreload: { watch: false }' });
  const [stuck] = (await statusOf(proxy)).workers;
  process.kill(stuck!.pid, 'SIGSTOP');
  proxy.writeRules(`deny ip:${target()}`);
  expect(await proxy.ask('reload')).toMatchObject({ result: 'done' });
  expect(await proxy.said('worker_stuck')).toMatchObject({ worker: stuck!.pid });
  await proxy.said('worker_started');
  const refused = await Promise.all(Array.from({ length: 20 }, () => openTunnel(proxy.port, target())));
  expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([403]));
});

test('an address that is taken ends the start with 1, and leaves no process behind', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const folder = createTempFolder();
  writeSettings(folder, 'workers: 2', []);
  const { port } = taken.address() as AddressInfo;
  folder.write('config.yaml', folder.read('config.yaml').replace('127.0.0.1:0', `127.0.0.1:${port}`));
  await expect(operateProxy({ folder })).rejects.toThrow(/ended with 1: .*"event":"start_failed".*EADDRINUSE/s);
  taken.close();
  folder.remove();
});

test('an access log in a named pipe has one writer, for several would tear lines', async () => {
  const folder = createTempFolder();
  const pipe = join(folder.path, 'access.pipe');
  execFileSync('mkfifo', [pipe]);
  const reader = spawn('sh', ['-c', 'exec 3<>"$0"; echo; exec cat <&3', pipe], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  const lines = new Promise<readonly string[]>((resolve) => {
    reader.stdout.on('data', (part: Buffer) => {
      text += part.toString();
      if (text.split('\n').length === 42) resolve(text.trim().split('\n'));
    });
  });
  await once(reader.stdout, 'data');
  writeSettings(folder, 'workers: 2\nlog: { access: ./access.pipe }', []);
  await using proxy = await operateProxy({ folder });
  for (const { pid } of (await statusOf(proxy)).workers) {
    const folderOf = `/proc/${pid}/fd`;
    expect(readdirSync(folderOf).map((fd) => linkOf(`${folderOf}/${fd}`))).not.toContain(pipe);
  }
  const tunnels = await Promise.all(Array.from({ length: 40 }, () => openTunnel(proxy.port, 'www.example.com:443')));
  expect(new Set(tunnels.map((tunnel) => tunnel.status))).toEqual(new Set([403]));
  expect(new Set((await lines).map((line) => (JSON.parse(line) as { id: string }).id)).size).toBe(40);
  reader.kill();
  folder.remove();
});

test('listening sockets can be shared here, and one that is bound does not accept by itself', async () => {
  expect(canShareSockets()).toBe(true);
  const socket = bindSharedSocket({ address: '127.0.0.1', port: 0 });
  expect(() => bindSharedSocket({ address: '192.0.2.1', port: 0 })).toThrow('EADDRNOTAVAIL');
  expect(socket.bound).toMatchObject({ address: '127.0.0.1', port: expect.any(Number) });
  await expect(openTunnel(socket.bound.port, target())).rejects.toThrow('ECONNREFUSED');
  socket.close();
});

/** Where a descriptor leads; one that is closed meanwhile leads nowhere. */
function linkOf(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}
