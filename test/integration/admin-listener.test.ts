/** The admin listener: what it says, whom it refuses, and that no client gets there through the proxy. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { createDestination, echo } from '../support/destination.ts';
import { createDnsServer } from '../support/dns-server.ts';
import { operateProxy } from '../support/operated-proxy.ts';
import { startProxy } from '../support/proxy.ts';
import { connectRaw, parseMessage } from '../support/raw-client.ts';
import { openTunnel, plainLoopback } from '../support/tunnel.ts';

/** What comes back to these bytes until the listener closes. */
async function ask(port: number, bytes: string) {
  await using wire = await connectRaw(port);
  await wire.write(Buffer.from(bytes, 'latin1'));
  const text = (await wire.all()).toString('latin1');
  return parseMessage(text);
}

const get = (path: string, { method = 'GET', host = 'localhost' } = {}): string =>
  `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;

test('metrics show exchanges that ended and bytes of a tunnel that is still open', async () => {
  await using destination = await createDestination(echo);
  const target = `127.0.0.1:${destination.port}`;
  await using proxy = await startProxy({ config: plainLoopback, rules: [`ip:${target}`] });
  await using refused = await openTunnel(proxy.port, '20.1.2.3:443');
  expect(refused.status).toBe(403);
  await proxy.record();
  await using tunnel = await openTunnel(proxy.port, target, { early: 'through' });
  await tunnel.contentOf(7);
  const { status, rest, fields } = await ask(proxy.app.admin.port, get('/metrics'));
  expect(status).toBe(200);
  expect(fields.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  expect(fields.get('cache-control')).toBe('no-store');
  expect(rest).toContain('exchanges_total{kind="tunnel",verdict="deny",reason="not_on_allowlist"} 1\n');
  expect(rest).toContain('lockdown_proxy_tunnels_open 1\n');
  expect(rest).toContain('lockdown_proxy_bytes_total{direction="up"} 7\n');
});

test.each([
  ['an unknown path', get('/secrets'), 404],
  ['no path: it leads to the status page', get('/'), 302],
  ['another method', get('/metrics', { method: 'POST' }), 405],
  ['HEAD', get('/metrics', { method: 'HEAD' }), 200],
  ['a query', get('/healthz?x=1'), 200],
  ['a name that somebody pointed here', get('/metrics', { host: 'evil.example' }), 421],
  ['an address of somebody else', get('/metrics', { host: '203.0.113.5:3129' }), 421],
  ['loopback with a port', get('/healthz', { host: '127.0.0.1:3129' }), 200],
  ['loopback in IPv6', get('/healthz', { host: '[::1]:3129' }), 200],
  ['no HTTP', 'hello\r\n\r\n', 400],
  ['a huge head', `GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ${'a'.repeat(60_000)}\r\n\r\n`, 431],
])('%s is answered and closed', async (_, bytes, status) => {
  await using proxy = await startProxy();
  const answer = await ask(proxy.app.admin.port, bytes);
  expect(answer.status).toBe(status);
  if (status === 405) expect(answer.fields.get('allow')).toBe('GET, HEAD');
  if (bytes.startsWith('HEAD')) expect(answer.rest).toBe('');
});

test('nobody reaches either listener through the proxy, by address or by name, whatever the rules allow', async () => {
  await using dns = await createDnsServer();
  dns.set('own.test', 'A', ['127.77.1.1']);
  await using proxy = await startProxy({
    config: `${plainLoopback}admin: { listen: "127.77.1.1:13129" }\nhealth: { listen: "127.77.1.2:13130" }`,
    rules: ['ip:127.0.0.0/8:13129,13130', 'own.test:13129'],
    resolver: { servers: [dns.server], hostsFile: '/nonexistent' },
  });
  const targets = ['127.77.1.1:13129', '[::ffff:127.77.1.1]:13129', '127.77.1.2:13130', 'own.test:13129'];
  for (const [index, target] of targets.entries()) {
    await using tunnel = await openTunnel(proxy.port, target);
    expect(tunnel.status).toBe(403);
    expect(await proxy.record(index)).toMatchObject({ reason: 'address_forbidden', connectMs: null });
  }
  // The rules do allow their neighbours: nothing listens there, and that is what is said.
  await using neighbour = await openTunnel(proxy.port, '127.77.1.3:13129');
  expect(neighbour.startLine).toContain('502 Connection refused');
});

test('an address that is taken fails the start, and leaves nothing open', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  await expect(startProxy({ config: `health: { listen: "127.0.0.1:${port}" }` })).rejects.toThrow('EADDRINUSE');
  taken.close();
});

test('a reload that failed is a detail and a metric, and readiness stays', async () => {
  await using proxy = await operateProxy({ config: 'reload: { watch: false }', rules: ['a.example.com'] });
  const port = Number(
    String((await proxy.said('started'))['admin'])
      .split(':')
      .at(-1),
  );
  expect(JSON.parse((await ask(port, get('/readyz'))).rest)).toEqual({ status: 'ready', ready: true, details: [] });
  proxy.writeRules('*.net');
  await proxy.ask('reload');
  const { status, rest } = await ask(port, get('/readyz'));
  expect([status, JSON.parse(rest)]).toEqual([200, { status: 'ready', ready: true, details: ['reload_failed'] }]);
  expect((await ask(port, get('/metrics'))).rest).toContain('lockdown_proxy_config_last_reload_success 0\n');
  proxy.writeRules('b.example.com');
  await proxy.ask('reload');
  expect(JSON.parse((await ask(port, get('/readyz'))).rest)).toMatchObject({ details: [] });
});

test('a proxy that drains says 503 on both listeners as long as it lives', async () => {
  await using destination = await createDestination(echo);
  const target = `127.0.0.1:${destination.port}`;
  const config = `${plainLoopback}health: { listen: "127.0.0.1:0" }`;
  await using proxy = await startProxy({ config, rules: [`ip:${target}`] });
  await using tunnel = await openTunnel(proxy.port, target, { early: 'x' });
  await tunnel.contentOf(1);
  const { admin, health } = proxy.app;
  expect(await ask(health!.port, get('/readyz'))).toMatchObject({ status: 200, rest: 'ready\n' });
  const stopped = proxy.app.stop(60_000);
  expect(await ask(health!.port, get('/readyz'))).toMatchObject({ status: 503, rest: 'draining\n' });
  expect((await ask(admin.port, get('/readyz'))).status).toBe(503);
  tunnel.wire.end();
  await stopped;
  await expect(connectRaw(admin.port)).rejects.toThrow('ECONNREFUSED');
});
