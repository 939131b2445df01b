/** What several workers say as one: metrics, the status page, and how often somebody may guess. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { StatusView } from '../../src/observe/status/view.ts';
import { createDestination, echo } from '../support/destination.ts';
import type { Destination } from '../support/destination.ts';
import { operateProxy, writeSettings } from '../support/operated-proxy.ts';
import type { OperatedProxy } from '../support/operated-proxy.ts';
import { connectRaw, parseMessage } from '../support/raw-client.ts';
import { createTempFolder } from '../support/temp-folder.ts';
import { openTunnel } from '../support/tunnel.ts';
import type { TunnelOptions } from '../support/tunnel.ts';
import { basic, passwords, userLines } from '../support/users.ts';

let destination: Destination;
beforeAll(async () => {
  destination = await createDestination(echo);
});
afterAll(() => destination.close());

const target = () => `127.0.0.1:${destination.port}`;
const start = (config = '') => operateProxy({ rules: [`ip:${target()}`], config: `workers: 2\n${config}` });
const openAll = (proxy: OperatedProxy, count: number, to = target(), options: TunnelOptions = {}) =>
  Promise.all(Array.from({ length: count }, () => openTunnel(proxy.port, to, options)));

async function adminOf(proxy: OperatedProxy): Promise<string> {
  return `http://${String((await proxy.said('started'))['admin'])}`;
}

/** The samples of a scrape by name and labels. */
async function scrape(proxy: OperatedProxy): Promise<ReadonlyMap<string, number>> {
  const text = await (await fetch(`${await adminOf(proxy)}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]));
}

const counted = (samples: ReadonlyMap<string, number>, verdict: string, reason: string) =>
  samples.get(`lockdown_proxy_exchanges_total{kind="tunnel",verdict="${verdict}",reason="${reason}"}`);

/** Scrapes until a sample has this value; the line of an exchange may be ahead of its count. */
async function scrapeUntil(
  proxy: OperatedProxy,
  holds: (samples: ReadonlyMap<string, number>) => boolean,
): Promise<ReadonlyMap<string, number>> {
  for (;;) {
    const samples = await scrape(proxy);
    if (holds(samples)) return samples;
  }
}

test('/metrics is the sum of what was done, and no count goes down with a worker', async () => {
  await using proxy = await start();
  for (let at = 0; at < 60; at++) await (await openTunnel(proxy.port, 'www.example.com:443'))[Symbol.asyncDispose]();
  const ended = await openAll(proxy, 40, target(), { early: 'four' });
  await Promise.all(ended.map((tunnel) => tunnel.contentOf(4)));
  await Promise.all(ended.map((tunnel) => tunnel[Symbol.asyncDispose]()));
  const open = await openAll(proxy, 20, target(), { early: 'twelve bytes' });
  await Promise.all(open.map((tunnel) => tunnel.contentOf(12)));
  const samples = await scrapeUntil(proxy, (found) => counted(found, 'allow', 'none') === 40);
  expect(counted(samples, 'deny', 'not_on_allowlist')).toBe(60);
  expect(samples.get('lockdown_proxy_tunnels_open')).toBe(20);
  expect(samples.get('lockdown_proxy_workers')).toBe(2);
  expect(samples.get('lockdown_proxy_config_generation')).toBe(1);
  expect(samples.get('lockdown_proxy_bytes_total{direction="up"}')).toBe(40 * 4 + 20 * 12);
  expect(samples.get('lockdown_proxy_bytes_total{direction="down"}')).toBe(40 * 4 + 20 * 12);
  expect(samples.get('lockdown_proxy_connect_seconds_count')).toBe(40);
  expect(samples.get('lockdown_proxy_access_log_dropped_total')).toBe(0);
  expect(samples.get('process_start_time_seconds')).toBeGreaterThan(0);

  const { workers } = (await proxy.ask('status')) as { workers: readonly { pid: number }[] };
  for (const { pid } of workers) process.kill(pid, 'SIGKILL');
  await proxy.said('worker_started', 1);
  const later = await scrape(proxy);
  expect(counted(later, 'allow', 'none')).toBe(40);
  expect(counted(later, 'deny', 'not_on_allowlist')).toBe(60);
  expect(later.get('lockdown_proxy_bytes_total{direction="up"}')).toBe(40 * 4 + 20 * 12);
  expect(later.get('lockdown_proxy_connect_seconds_bucket{le="+Inf"}')).toBe(40);
  expect(later.get('lockdown_proxy_tunnels_open')).toBe(0);
  expect(later.get('lockdown_proxy_workers')).toBe(2);
});

test('the status page shows every worker and what they did together', async () => {
  await using proxy = await start('mode: report');
  const tunnels = await openAll(proxy, 40, target(), { early: 'x' });
  await Promise.all(tunnels.map((tunnel) => tunnel.contentOf(1)));
  const refused = await openAll(proxy, 30, 'www.example.com:8443');
  expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([403]));
  await Promise.all(refused.map((tunnel) => tunnel[Symbol.asyncDispose]()));
  await scrapeUntil(proxy, (found) => counted(found, 'deny', 'not_on_allowlist') === 30);
  const response = await fetch(`${await adminOf(proxy)}/status/events`);
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body!) {
    text += decoder.decode(chunk as Uint8Array);
    if (text.endsWith('\n\n')) break;
  }
  const view = JSON.parse(text.replace(/^data: /, '')) as StatusView;
  expect(view.workers).toHaveLength(2);
  expect(view.workers.reduce((all, worker) => all + worker.tunnels, 0)).toBe(40);
  expect(view).toMatchObject({
    totals: { tunnels: 40 },
    readiness: { status: 'ready', details: ['report_mode'] },
    config: { generation: 1, mode: 'report', rules: 1 },
    refusals: [{ target: 'www.example.com:8443', count: 30 }],
  });
  expect(view.tunnels).toHaveLength(40);
  expect(view.outcomes).toEqual([{ verdict: 'deny', reason: 'not_on_allowlist', count: 30 }]);
});

test('guesses count over all workers: the sixth is refused unhashed wherever it arrives', async () => {
  const folder = createTempFolder();
  writeSettings(folder, 'workers: 2\nauth: { usersFile: ./users }', ['www.example.com']);
  folder.write('users', `${userLines.join('\n')}\n`);
  await using proxy = await operateProxy({ folder });
  const signIn = async (localAddress: string, password: string) => {
    await using wire = await connectRaw(proxy.port, { localAddress });
    await wire.write(`CONNECT h.test:443 HTTP/1.1\r\nProxy-Authorization: ${basic('ann', password)}\r\n\r\n`);
    return parseMessage((await wire.all()).toString()).status;
  };
  const statuses: number[] = [];
  for (let at = 0; at < 5; at++) statuses.push(await signIn('127.0.1.1', `guess ${at}`));
  expect(statuses).toEqual([407, 407, 407, 407, 407]);
  const blocked = await Promise.all(Array.from({ length: 20 }, () => signIn('127.0.1.1', passwords.ann)));
  expect(blocked).toEqual(blocked.map(() => 429));
  const elsewhere = await Promise.all(Array.from({ length: 20 }, () => signIn('127.0.1.2', passwords.ann)));
  expect(elsewhere).toEqual(elsewhere.map(() => 403));
  folder.remove();
});

test('a refused client gets ten lines a minute from all workers together', async () => {
  await using proxy = await start('networks: ["127.0.0.2/32"]');
  const refused = await openAll(proxy, 40);
  expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([403]));
  await Promise.all(refused.map((tunnel) => tunnel[Symbol.asyncDispose]()));
  proxy.signal('SIGTERM');
  expect(await proxy.exited).toBe(0);
  expect(proxy.records).toHaveLength(10);
  expect(proxy.errors.match(/"event":"refused"/g)).toHaveLength(1);
  expect(proxy.errors).toMatch(/"event":"refused_repeats",.*"count":39/);
});
