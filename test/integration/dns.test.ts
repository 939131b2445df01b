/** What the proxy asks of DNS, how long it keeps the answers, and what it says when there are none. */
import { expect, test } from 'vitest';
import { createDestination, echo } from '../support/destination.ts';
import { createDnsServer } from '../support/dns-server.ts';
import type { DnsServer } from '../support/dns-server.ts';
import type { TestProxy } from '../support/proxy.ts';
import { startProxy } from '../support/proxy.ts';
import { createTempFolder } from '../support/temp-folder.ts';
import { openTunnel, plainLoopback } from '../support/tunnel.ts';

const proxyOver = (dns: DnsServer, rules: readonly string[], limits = ''): Promise<TestProxy> =>
  startProxy({
    config: `${plainLoopback}${limits}`,
    rules,
    resolver: { servers: [dns.server], hostsFile: '/nonexistent' },
  });

test.for([
  ['does not exist', 'NXDOMAIN', 'DNS failed: far.test does not exist'],
  ['fails at its server', 'SERVFAIL', 'DNS failed: far.test server failure'],
  ['is refused by its server', 'REFUSED', 'DNS failed: far.test query refused'],
  ['has no address', [], 'DNS failed: far.test has no address'],
] as const)('a name that %s is answered with 502', async ([, reply, phrase]) => {
  await using dns = await createDnsServer();
  dns.set('far.test', 'A', reply);
  dns.set('far.test', 'AAAA', reply);
  await using proxy = await proxyOver(dns, ['https://far.test']);
  await using tunnel = await openTunnel(proxy.port, 'far.test:443');
  expect(tunnel.startLine).toBe(`HTTP/1.1 502 ${phrase}`);
  expect(tunnel.fields.get('proxy-status')).toContain('error=dns_error');
  const told = { rule: '/test/rules.txt:2', ruleText: 'https://far.test' };
  const failed = { verdict: 'error', reason: 'dns_failed', status: 502, connectMs: null };
  expect(await proxy.record()).toMatchObject({ ...failed, ...told });
});

test('a DNS server that stays silent is given up at the budget with 504', async () => {
  await using dns = await createDnsServer();
  dns.set('far.test', 'A', 'silence');
  dns.set('far.test', 'AAAA', 'silence');
  await using proxy = await proxyOver(dns, ['https://far.test'], 'limits: { dnsMs: 400 }');
  await using tunnel = await openTunnel(proxy.port, 'far.test:443');
  expect(tunnel.startLine).toBe('HTTP/1.1 504 DNS timeout: far.test');
  const record = await proxy.record();
  expect(record).toMatchObject({ verdict: 'error', reason: 'dns_timeout', status: 504 });
  expect(record.durationMs).toBeLessThan(1500);
});

test('one family without an answer does not keep the other from being dialled', async () => {
  await using dns = await createDnsServer();
  await using destination = await createDestination(echo);
  dns.set('half.test', 'A', ['127.0.0.1']);
  dns.set('half.test', 'AAAA', 'SERVFAIL');
  await using proxy = await proxyOver(dns, [`https://half.test:${destination.port}`]);
  await using tunnel = await openTunnel(proxy.port, `half.test:${destination.port}`, { early: 'hi' });
  expect((await tunnel.contentOf(2)).toString()).toBe('hi');
});

test('a server that drops the questions of one family does not cost a name its whole budget', async () => {
  await using dns = await createDnsServer();
  await using destination = await createDestination(echo);
  dns.set('half.test', 'A', ['127.0.0.1']);
  dns.set('half.test', 'AAAA', 'silence');
  await using proxy = await proxyOver(dns, [`https://half.test:${destination.port}`], 'limits: { dnsMs: 15000 }');
  await using tunnel = await openTunnel(proxy.port, `half.test:${destination.port}`);
  expect(tunnel.status).toBe(200);
});

test('a name is looked up once, and the address judged then is the one dialled', async () => {
  await using dns = await createDnsServer();
  await using destination = await createDestination(echo);
  dns.ttlSeconds = 0;
  dns.set('rebind.test', 'A', ['127.0.0.1'], ['169.254.169.254']);
  dns.set('rebind.test', 'AAAA', []);
  const target = `rebind.test:${destination.port}`;
  await using proxy = await proxyOver(dns, [`https://${target}`]);
  await using first = await openTunnel(proxy.port, target, { early: 'hi' });
  expect((await first.contentOf(2)).toString()).toBe('hi');
  expect(dns.queries.map((query) => query.type).sort()).toEqual(['A', 'AAAA']);
  // The second exchange sees the second answer, and is judged by that one.
  await using second = await openTunnel(proxy.port, target);
  expect(second.startLine).toBe('HTTP/1.1 403 Azure metadata unreachable through a proxy; set no_proxy');
  expect(await proxy.record()).toMatchObject({ verdict: 'deny', reason: 'azure_platform_address', address: null });
  expect(destination.connections).toHaveLength(1);
});

test('an answer serves later exchanges until its TTL has run out', async () => {
  await using dns = await createDnsServer();
  await using destination = await createDestination(echo);
  dns.ttlSeconds = 60;
  dns.set('kept.test', 'A', ['127.0.0.1'], ['127.0.0.9']);
  dns.set('kept.test', 'AAAA', []);
  const target = `kept.test:${destination.port}`;
  await using proxy = await proxyOver(dns, [`https://${target}`]);
  for (let count = 0; count < 3; count++) {
    await using tunnel = await openTunnel(proxy.port, target);
    expect(tunnel.status).toBe(200);
  }
  expect(dns.queries).toHaveLength(2);
});

test('exchanges that begin together share one look-up', async () => {
  await using dns = await createDnsServer();
  await using destination = await createDestination(echo);
  dns.set('crowd.test', 'A', ['127.0.0.1']);
  dns.set('crowd.test', 'AAAA', []);
  const target = `crowd.test:${destination.port}`;
  await using proxy = await proxyOver(dns, [`https://${target}`]);
  const tunnels = await Promise.all(Array.from({ length: 20 }, () => openTunnel(proxy.port, target)));
  expect(tunnels.map((tunnel) => tunnel.status)).toEqual(Array.from({ length: 20 }, () => 200));
  expect(dns.queries).toHaveLength(2);
  await Promise.all(tunnels.map((tunnel) => tunnel[Symbol.asyncDispose]()));
});

test('a failed look-up is not repeated for every try of a client that insists', async () => {
  await using dns = await createDnsServer();
  await using proxy = await proxyOver(dns, ['https://gone.test']);
  for (let count = 0; count < 5; count++) {
    await using tunnel = await openTunnel(proxy.port, 'gone.test:443');
    expect(tunnel.status).toBe(502);
  }
  expect(dns.queries.length).toBeLessThanOrEqual(4);
});

test('of a thousand records only so many are taken, and the first of them serves', async () => {
  await using dns = await createDnsServer();
  const addresses = Array.from({ length: 1000 }, (_, index) => `127.1.${index >> 8}.${index & 255}`);
  await using destination = await createDestination(echo, { address: '127.1.0.0' });
  dns.set('huge.test', 'A', addresses);
  dns.set('huge.test', 'AAAA', []);
  const target = `huge.test:${destination.port}`;
  await using proxy = await proxyOver(dns, [`https://${target}`]);
  await using tunnel = await openTunnel(proxy.port, target, { early: 'hi' });
  expect((await tunnel.contentOf(2)).toString()).toBe('hi');
  expect(dns.queries.some((query) => query.transport === 'tcp')).toBe(true);
  await destination.close();
  await using refused = await openTunnel(proxy.port, target);
  expect(refused.startLine).toMatch(/^HTTP\/1.1 502 Connection refused: 127\.1\.0\.0:\d+ and 31 more$/);
});

test('the hosts file speaks before DNS, in any case and with a trailing dot', async () => {
  using folder = createTempFolder();
  await using dns = await createDnsServer();
  await using destination = await createDestination(echo);
  const hostsFile = folder.write(
    'hosts',
    '# a comment\n127.0.0.1\tother.test  Pinned.Test # own\r\nnot-an-address x.test\n',
  );
  await using proxy = await startProxy({
    config: plainLoopback,
    rules: [`https://pinned.test:${destination.port}`],
    resolver: { servers: [dns.server], hostsFile },
  });
  await using tunnel = await openTunnel(proxy.port, `PINNED.test.:${destination.port}`, { early: 'hi' });
  expect((await tunnel.contentOf(2)).toString()).toBe('hi');
  expect(dns.queries).toEqual([]);
});

test('the hosts file holds for every one of the first exchanges, though they begin together', async () => {
  using folder = createTempFolder();
  await using dns = await createDnsServer();
  await using destination = await createDestination(echo);
  const hostsFile = folder.write('hosts', '127.0.0.1 pinned.test\n');
  const target = `pinned.test:${destination.port}`;
  await using proxy = await startProxy({
    config: plainLoopback,
    rules: [`https://${target}`],
    resolver: { servers: [dns.server], hostsFile },
  });
  const tunnels = await Promise.all(Array.from({ length: 20 }, () => openTunnel(proxy.port, target)));
  expect(tunnels.map((tunnel) => tunnel.status)).toEqual(Array.from({ length: 20 }, () => 200));
  expect(dns.queries).toEqual([]);
  await Promise.all(tunnels.map((tunnel) => tunnel[Symbol.asyncDispose]()));
});

test('a hosts file that lies is judged like DNS', async () => {
  using folder = createTempFolder();
  const hostsFile = folder.write('hosts', '169.254.169.254 pinned.test\n');
  await using proxy = await startProxy({
    config: plainLoopback,
    rules: ['https://pinned.test'],
    resolver: { servers: ['127.0.0.1:9'], hostsFile },
  });
  await using tunnel = await openTunnel(proxy.port, 'pinned.test:443');
  expect(tunnel.status).toBe(403);
  expect(await proxy.record()).toMatchObject({ reason: 'azure_platform_address', address: null });
});
