/** Addresses that are refused, in every spelling and by whatever way they come: asked for, by DNS, or among good ones. */
import { describe, expect, test } from 'vitest';
import { createDestination, silent } from '../support/destination.ts';
import { createDnsServer } from '../support/dns-server.ts';
import { startProxy } from '../support/proxy.ts';
import { admitLoopback, openTunnel, plainLoopback } from '../support/tunnel.ts';

const forbidden = [
  '0.0.0.0',
  '0.1.2.3',
  '169.254.1.1',
  '192.0.0.1',
  '192.0.2.1',
  '198.18.0.1',
  '198.51.100.1',
  '203.0.113.1',
  '224.0.0.1',
  '240.0.0.1',
  '255.255.255.255',
  '::',
  '::127.0.0.1',
  '::ffff:0.0.0.0',
  '100::1',
  '2001:db8::1',
  'fe80::1',
  'fec0::1',
  'ff02::1',
];
const platform = [
  '169.254.169.254',
  '168.63.129.16',
  '::ffff:169.254.169.254',
  '::ffff:a9fe:a9fe',
  '::ffff:a83f:8110',
  '::169.254.169.254',
  '::ffff:0:168.63.129.16',
  '64:ff9b::a9fe:a9fe',
  '64:ff9b:1::a9fe:a9fe',
  '2002:a9fe:a9fe::1',
  '2001:0:a9fe:a9fe::1',
];
const cases = [
  ...forbidden.map((address) => ({ address, reason: 'address_forbidden' })),
  ...platform.map((address) => ({ address, reason: 'azure_platform_address' })),
];
/** Everything that a configuration can open, opened. */
const wideOpen = {
  config: 'mode: report\nprivateDestinations: ["0.0.0.0/0", "::/0"]\nranges: { resolveNames: ["*"] }',
  rules: ['ip:0.0.0.0/0:80,443,32526', 'ip:[::/0]:80,443,32526', 'bad.test'],
};

describe('always forbidden, whatever rules, private destinations and mode say', () => {
  test.for(cases)('$address as CONNECT target: 403 $reason', async ({ address, reason }) => {
    await using proxy = await startProxy(wideOpen);
    const host = address.includes(':') ? `[${address}]` : address;
    for (const port of [80, 443, 32526]) {
      await using tunnel = await openTunnel(proxy.port, `${host}:${port}`);
      expect(tunnel.status).toBe(403);
    }
    await proxy.app.stop(0);
    const seen = proxy.records.map((record) => [record.verdict, record.reason, record.address, record.connectMs]);
    expect(seen).toEqual(Array.from({ length: 3 }, () => ['deny', reason, null, null]));
  });

  test.for(cases)('$address as the answer of DNS: 403 $reason', async ({ address, reason }) => {
    await using dns = await createDnsServer();
    dns.set('bad.test', address.includes(':') ? 'AAAA' : 'A', [address]);
    await using proxy = await startProxy({
      ...wideOpen,
      resolver: { servers: [dns.server], hostsFile: '/nonexistent' },
    });
    await using tunnel = await openTunnel(proxy.port, 'bad.test:443');
    expect(tunnel.status).toBe(403);
    expect(await proxy.record()).toMatchObject({ verdict: 'deny', reason, address: null, connectMs: null });
  });
});

test('the metadata address says what to set instead', async () => {
  await using proxy = await startProxy(wideOpen);
  await using tunnel = await openTunnel(proxy.port, '169.254.169.254:80');
  expect(tunnel.startLine).toBe('HTTP/1.1 403 Azure metadata unreachable through a proxy; set no_proxy');
  expect(tunnel.fields.get('proxy-status')).toContain('error=destination_ip_prohibited');
});

test('one always-forbidden address among good ones refuses the name, and nothing is dialled', async () => {
  await using dns = await createDnsServer();
  await using destination = await createDestination(silent);
  dns.set('mixed.test', 'A', ['127.0.0.1', '169.254.169.254', '127.0.0.1']);
  await using proxy = await startProxy({
    config: plainLoopback,
    rules: [`https://mixed.test:${destination.port}`],
    resolver: { servers: [dns.server], hostsFile: '/nonexistent' },
  });
  await using tunnel = await openTunnel(proxy.port, `mixed.test:${destination.port}`);
  expect(tunnel.status).toBe(403);
  expect(await proxy.record()).toMatchObject({ reason: 'azure_platform_address' });
  expect(destination.connections).toHaveLength(0);
});

test('one forbidden address in the other family refuses the name too', async () => {
  await using dns = await createDnsServer();
  await using destination = await createDestination(silent);
  dns.set('mixed.test', 'A', ['127.0.0.1']);
  dns.set('mixed.test', 'AAAA', ['fe80::1']);
  await using proxy = await startProxy({
    config: plainLoopback,
    rules: [`https://mixed.test:${destination.port}`],
    resolver: { servers: [dns.server], hostsFile: '/nonexistent' },
  });
  await using tunnel = await openTunnel(proxy.port, `mixed.test:${destination.port}`);
  expect(tunnel.startLine).toBe('HTTP/1.1 403 Address not allowed: fe80::1');
  expect(destination.connections).toHaveLength(0);
});

test('private addresses among good ones are left out, and the good ones serve', async () => {
  await using dns = await createDnsServer();
  await using lifted = await createDestination((wire) => wire.write('lifted'), { address: '127.0.0.2' });
  await using unlifted = await createDestination(silent, { address: '127.0.0.3', port: lifted.port });
  dns.set('mixed.test', 'A', ['10.1.2.3', '127.0.0.3', '127.0.0.2']);
  await using proxy = await startProxy({
    config: 'privateDestinations: ["127.0.0.2"]\ntlsServerName: off',
    rules: [`https://mixed.test:${lifted.port}`],
    resolver: { servers: [dns.server], hostsFile: '/nonexistent' },
  });
  await using tunnel = await openTunnel(proxy.port, `mixed.test:${lifted.port}`);
  expect((await tunnel.contentOf(6)).toString()).toBe('lifted');
  expect(unlifted.connections).toHaveLength(0);
});

test.for(['127.0.0.1', '10.1.2.3', '172.16.0.1', '192.168.1.1', '100.64.0.1', '::1', 'fd00::1'])(
  'an allowed name that resolves to %s is refused unless that is a private destination',
  async (address) => {
    await using dns = await createDnsServer();
    dns.set('inside.test', address.includes(':') ? 'AAAA' : 'A', [address]);
    await using proxy = await startProxy({
      rules: ['https://inside.test', 'ip:0.0.0.0/0', 'ip:[::/0]'],
      resolver: { servers: [dns.server], hostsFile: '/nonexistent' },
    });
    await using named = await openTunnel(proxy.port, 'inside.test:443');
    expect(named.startLine).toBe(`HTTP/1.1 403 Private address ${address}`);
    const literal = address.includes(':') ? `[${address}]` : address;
    await using bare = await openTunnel(proxy.port, `${literal}:443`);
    expect(bare.startLine).toBe(`HTTP/1.1 403 Private address ${address}`);
    expect(await proxy.record()).toMatchObject({ verdict: 'deny', reason: 'address_private', address: null });
  },
);

test('a private destination still needs a rule', async () => {
  await using destination = await createDestination(silent);
  await using proxy = await startProxy({ config: admitLoopback, rules: ['https://known.test'] });
  await using tunnel = await openTunnel(proxy.port, `127.0.0.1:${destination.port}`);
  expect(tunnel.startLine).toBe(`HTTP/1.1 403 Not on allowlist: 127.0.0.1:${destination.port}`);
  expect(destination.connections).toHaveLength(0);
});

test('a bare public address is refused while the rules are names, without a reverse look-up', async () => {
  await using dns = await createDnsServer();
  await using proxy = await startProxy({
    rules: ['https://known.test', '*.blob.core.windows.net'],
    resolver: { servers: [dns.server], hostsFile: '/nonexistent' },
  });
  await using tunnel = await openTunnel(proxy.port, '20.60.1.2:443');
  expect(tunnel.startLine).toBe('HTTP/1.1 403 Not on allowlist: 20.60.1.2:443');
  expect(dns.queries).toEqual([]);
});

/** Whichever port the system chooses for a listener, these rules allow it. */
const anyPort = Array.from({ length: 65_535 - 1023 }, (_, index) => index + 1024).join(',');

test.for([
  ['its address', '127.0.0.1:0', '127.0.0.1'],
  ['its address inside an IPv6 one', '127.0.0.1:0', '[::ffff:127.0.0.1]'],
  ['a name', '127.0.0.1:0', 'self.test'],
  ['any loopback address where it listens on all', '0.0.0.0:0', '127.0.0.77'],
  ['a name where it listens on all', '0.0.0.0:0', 'self.test'],
  ['the IPv6 loopback where it listens on all', '[::]:0', '[::1]'],
] as const)("the proxy's own listener is refused by %s, whatever is opened", async ([, listen, host]) => {
  await using dns = await createDnsServer();
  dns.set('self.test', 'A', ['127.0.0.1']);
  await using proxy = await startProxy({
    listen,
    config: `${plainLoopback}mode: report`,
    rules: [`ip:127.0.0.0/8:${anyPort}`, `ip:[::1]:${anyPort}`, `self.test:${anyPort}`],
    resolver: { servers: [dns.server], hostsFile: '/nonexistent' },
  });
  await using tunnel = await openTunnel(proxy.port, `${host}:${proxy.port}`);
  expect(tunnel.startLine).toMatch(/^HTTP\/1.1 403 Address not allowed: /);
  expect(await proxy.record()).toMatchObject({ reason: 'address_forbidden', address: null });
});
