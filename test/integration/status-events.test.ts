/** What feeds the status page: its events, how many may follow, what the browser is told, what several processes add up to. */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:http';
import { expect, test } from 'vitest';
import type { StatusFigures } from '../../src/observe/status/figures.ts';
import { mergeFigures } from '../../src/observe/status/merge.ts';
import type { StatusView } from '../../src/observe/status/view.ts';
import { startProxy } from '../support/proxy.ts';
import { openTunnel } from '../support/tunnel.ts';

async function fetchFrom(port: number, path: string): Promise<IncomingMessage> {
  const [response] = (await once(get({ host: '127.0.0.1', port, path, agent: false }), 'response')) as [
    IncomingMessage,
  ];
  response.on('error', () => {});
  return response;
}

async function firstView(response: IncomingMessage): Promise<StatusView> {
  let text = '';
  response.setEncoding('utf8');
  while (!text.endsWith('\n\n')) text += String((await once(response, 'data'))[0]);
  return JSON.parse(text.replace(/^data: /, '')) as StatusView;
}

test('a refusal is in the first event with its rule, and a challenge is no refusal', async () => {
  await using proxy = await startProxy({
    config: 'auth: { usersFile: ./users, requiredFrom: ["127.0.0.2/32"] }',
    users: ['ann:$2y$04$abcdefghijklmnopqrstuuW0Y1yXz8q1Jm4M8xJ0a3yH1vX0Y7eXK'],
    rules: ['a.example.com'],
  });
  for (const [localAddress, target] of [
    ['127.0.0.1', 'b.example.com:443'],
    ['127.0.0.1', 'b.example.com:443'],
    ['127.0.0.2', 'a.example.com:443'],
  ] as const) {
    await using tunnel = await openTunnel(proxy.port, target, { localAddress });
    expect(tunnel.status).toBeGreaterThan(400);
  }
  await proxy.record(2);
  const response = await fetchFrom(proxy.app.admin.port, '/status/events');
  expect(response.headers['content-type']).toBe('text/event-stream; charset=utf-8');
  const view = await firstView(response);
  response.destroy();
  expect(view.refusals).toMatchObject([
    { target: 'b.example.com:443', count: 2, reason: 'not_on_allowlist', fixRule: 'b.example.com' },
  ]);
  expect(view.auth).toMatchObject([{ client: '127.0.0.2', challenges: 1, cause: 'cannot_authenticate' }]);
  expect(view.outcomes).toContainEqual({ verdict: 'challenge', reason: 'credentials_missing', count: 1 });
});

test('so many may follow, the next is refused at once, and metrics are still served', async () => {
  await using proxy = await startProxy();
  const { port } = proxy.app.admin;
  const followers = await Promise.all(Array.from({ length: 20 }, () => fetchFrom(port, '/status/events')));
  expect(followers.map(({ statusCode }) => statusCode)).toEqual(Array.from({ length: 20 }, () => 200));
  const refused = await fetchFrom(port, '/status/events');
  expect(refused.statusCode).toBe(503);
  expect((await fetchFrom(port, '/metrics')).statusCode).toBe(200);
  for (const follower of followers) follower.destroy();
});

test.each(['/status', '/status/status.js', '/status/uplot.js'])(
  '%s may load nothing from elsewhere, run nothing inline and stand in no frame',
  async (path) => {
    await using proxy = await startProxy();
    const { statusCode, headers } = await fetchFrom(proxy.app.admin.port, path);
    expect(statusCode).toBe(200);
    const policy = String(headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain('unsafe');
    expect(headers['x-content-type-options']).toBe('nosniff');
  },
);

const point = { atMs: 5000, up: 1, down: 2, open: 3, allowed: 4, refused: 5, failed: 6 };
const figures = (pid: number, generation: number, more: Partial<StatusFigures> = {}): StatusFigures => ({
  readiness: { status: 'ready', ready: true, details: [] },
  sinceMs: 1000 + pid,
  workers: [{ pid, startMs: 0, tunnels: 3, rssBytes: 1, cpu: null }],
  config: { generation, hash: `h${generation}`, mode: 'enforce', rules: 1, lists: [] },
  lastReload: null,
  ranges: null,
  totals: { bytesUp: 10, bytesDown: 20, tunnels: 3, droppedLines: 1 },
  outcomes: [{ verdict: 'allow', reason: null, count: 2 }],
  history: [point],
  refusedTargets: [],
  auth: { clients: [], signedIn: [] },
  tunnels: [],
  ...more,
});

test('several processes add up; what they share is told as the last of them has it', () => {
  const later = { ...point, atMs: 10_000 };
  const merged = mergeFigures([figures(2, 5), figures(1, 4, { history: [point, later] })]);
  expect(merged.workers.map(({ pid }) => pid)).toEqual([1, 2]);
  expect(merged.sinceMs).toBe(1001);
  expect(merged.config.generation).toBe(4);
  expect(merged.totals).toEqual({ bytesUp: 20, bytesDown: 40, tunnels: 6, droppedLines: 2 });
  expect(merged.outcomes).toEqual([{ verdict: 'allow', reason: null, count: 4 }]);
  const both = { atMs: 5000, up: 2, down: 4, open: 6, allowed: 8, refused: 10, failed: 12 };
  expect(merged.history).toEqual([both, later]);
});

test('figures go over a channel between processes as they are', () => {
  const sent = figures(1, 1);
  expect(JSON.parse(JSON.stringify(sent))).toEqual(sent);
});
