/** Which of a name's addresses is dialled, in which order, and what is said when none answers. */
import { expect, test } from 'vitest';
import { createBlackHole } from '../support/black-hole.ts';
import { createDestination, echo } from '../support/destination.ts';
import { createDnsServer } from '../support/dns-server.ts';
import { startProxy } from '../support/proxy.ts';
import { openTunnel, plainLoopback } from '../support/tunnel.ts';

test('where the first judged address refuses, the second is dialled at once', async () => {
  await using dns = await createDnsServer();
  await using destination = await createDestination(echo, { address: '127.0.0.3' });
  dns.set('two.test', 'A', ['127.0.0.2', '127.0.0.3']);
  await using proxy = await startProxy({
    config: plainLoopback,
    rules: [`https://two.test:${destination.port}`],
    resolver: { servers: [dns.server], hostsFile: '/nonexistent' },
  });
  await using tunnel = await openTunnel(proxy.port, `two.test:${destination.port}`, { early: 'hello' });
  expect((await tunnel.contentOf(5)).toString()).toBe('hello');
  tunnel.wire.end();
  expect(await proxy.record()).toMatchObject({ verdict: 'allow', address: `127.0.0.3:${destination.port}` });
});

test('where the first judged address never answers, the second is dialled beside it', async () => {
  await using dns = await createDnsServer();
  await using hole = await createBlackHole('127.0.0.2');
  await using destination = await createDestination(echo, { address: '127.0.0.3', port: hole.port });
  dns.set('two.test', 'A', ['127.0.0.2', '127.0.0.3']);
  await using proxy = await startProxy({
    config: plainLoopback,
    rules: [`https://two.test:${hole.port}`],
    resolver: { servers: [dns.server], hostsFile: '/nonexistent' },
  });
  await using tunnel = await openTunnel(proxy.port, `two.test:${hole.port}`, { early: 'hello' });
  expect((await tunnel.contentOf(5)).toString()).toBe('hello');
  tunnel.wire.end();
  const record = await proxy.record();
  expect(record).toMatchObject({ verdict: 'allow', address: `127.0.0.3:${destination.port}` });
  expect(record.connectMs).toBeGreaterThanOrEqual(200);
  expect(record.connectMs).toBeLessThan(1000);
});

test('an address that is not allowed is never fallen back to, even when all others fail', async () => {
  await using dns = await createDnsServer();
  await using unlifted = await createDestination(echo, { address: '127.0.0.3' });
  dns.set('two.test', 'A', ['127.0.0.3', '127.0.0.2']);
  await using proxy = await startProxy({
    config: 'privateDestinations: ["127.0.0.2"]\ntlsServerName: off',
    rules: [`https://two.test:${unlifted.port}`],
    resolver: { servers: [dns.server], hostsFile: '/nonexistent' },
  });
  await using tunnel = await openTunnel(proxy.port, `two.test:${unlifted.port}`);
  expect(tunnel.startLine).toBe(`HTTP/1.1 502 Connection refused: 127.0.0.2:${unlifted.port}`);
  expect(await proxy.record()).toMatchObject({ verdict: 'error', reason: 'connect_refused' });
  expect(unlifted.connections).toHaveLength(0);
});

test('IPv4 and IPv6 addresses take turns, so that a family without a way out costs no more than a moment', async () => {
  await using dns = await createDnsServer();
  await using destination = await createDestination(echo, { address: '::1' });
  dns.set('both.test', 'A', ['127.0.0.2']);
  dns.set('both.test', 'AAAA', ['::1']);
  await using proxy = await startProxy({
    config: plainLoopback,
    rules: [`https://both.test:${destination.port}`],
    resolver: { servers: [dns.server], hostsFile: '/nonexistent' },
  });
  await using tunnel = await openTunnel(proxy.port, `both.test:${destination.port}`, { early: 'hello' });
  expect((await tunnel.contentOf(5)).toString()).toBe('hello');
  tunnel.wire.end();
  expect(await proxy.record()).toMatchObject({ address: `[::1]:${destination.port}` });
});

test('a destination that never answers is given up at the connect budget with 504', async () => {
  await using hole = await createBlackHole();
  await using proxy = await startProxy({
    config: `${plainLoopback}limits: { connectMs: 300 }`,
    rules: [`ip:127.0.0.1:${hole.port}`],
  });
  await using tunnel = await openTunnel(proxy.port, `127.0.0.1:${hole.port}`);
  expect(tunnel.startLine).toBe(`HTTP/1.1 504 Connect timeout: 127.0.0.1:${hole.port}`);
  expect(tunnel.fields.get('proxy-status')).toContain('connection_timeout');
  const record = await proxy.record();
  expect(record).toMatchObject({ verdict: 'error', reason: 'connect_timeout', status: 504, address: null });
  expect(record.durationMs).toBeLessThan(1500);
});

test('the connect budget is for all addresses together, however many a name has', async () => {
  await using dns = await createDnsServer();
  await using hole = await createBlackHole('0.0.0.0');
  const addresses = Array.from({ length: 40 }, (_, index) => `127.0.1.${index + 1}`);
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);
  process.on('warning', onWarning);
  dns.set('many.test', 'A', addresses);
  await using proxy = await startProxy({
    config: `${plainLoopback}limits: { connectMs: 700 }`,
    rules: [`https://many.test:${hole.port}`],
    resolver: { servers: [dns.server], hostsFile: '/nonexistent' },
  });
  await using tunnel = await openTunnel(proxy.port, `many.test:${hole.port}`);
  expect(tunnel.status).toBe(504);
  const record = await proxy.record();
  expect(record).toMatchObject({ reason: 'connect_timeout', status: 504 });
  expect(record.durationMs).toBeLessThan(2000);
  process.off('warning', onWarning);
  // Listeners that pile up on a socket or a signal, one an address, would be warned of.
  expect(warnings).toEqual([]);
});

test('a stop while a destination does not answer ends the attempt with 503', async () => {
  await using hole = await createBlackHole();
  await using proxy = await startProxy({ config: plainLoopback, rules: [`ip:127.0.0.1:${hole.port}`] });
  const dialling = openTunnel(proxy.port, `127.0.0.1:${hole.port}`);
  // The second client came later, so once it is answered the first is dialling.
  await using other = await openTunnel(proxy.port, 'not.test:443');
  expect(other.status).toBe(403);
  const stopped = proxy.app.stop(0);
  await using tunnel = await dialling;
  expect(tunnel.startLine).toBe('HTTP/1.1 503 Proxy is draining');
  await stopped;
  expect(proxy.records.map((record) => record.reason)).toEqual(['not_on_allowlist', 'draining']);
});
