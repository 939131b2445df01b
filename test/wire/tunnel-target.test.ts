/** Which CONNECT targets are read, and as what: one strict grammar, before any rule and any look-up. */
import { expect, test } from 'vitest';
import { createDestination, echo } from '../support/destination.ts';
import type { DnsServer } from '../support/dns-server.ts';
import { createDnsServer } from '../support/dns-server.ts';
import type { TestProxy } from '../support/proxy.ts';
import { startProxy } from '../support/proxy.ts';
import { connectRaw } from '../support/raw-client.ts';
import { admitLoopback, openTunnel, plainLoopback, readAnswer } from '../support/tunnel.ts';

/** Everything is allowed that a rule can allow, so that only the grammar stands between a target and DNS. */
const generous = (dns: DnsServer): Promise<TestProxy> =>
  startProxy({
    config: `${admitLoopback}ranges: { resolveNames: ["*"] }`,
    rules: ['ip:127.0.0.0/8:443', '.example.test', 'host', 'localhost'],
    resolver: { servers: [dns.server], hostsFile: '/nonexistent' },
  });

const malformed: readonly (readonly [target: string, phrase: string])[] = [
  ['host', 'Port missing in CONNECT target'],
  ['host:', 'Port missing in CONNECT target'],
  ['host:0', 'Port in CONNECT target not 1 to 65535'],
  ['host:65536', 'Port in CONNECT target not 1 to 65535'],
  ['host:+443', 'Port in CONNECT target not 1 to 65535'],
  ['host:0443', 'Port in CONNECT target not 1 to 65535'],
  ['host:https', 'Port in CONNECT target not 1 to 65535'],
  ['host:443:443', ''],
  ['host:4 43', ''],
  ['host:443%20', ''],
  [':443', ''],
  ['u:p@host:443', 'Userinfo in CONNECT target'],
  ['u%3Ap@host:443', 'Userinfo in CONNECT target'],
  ['http://host:443/', 'CONNECT target must be host:port, not a URL'],
  ['https://host:443', 'CONNECT target must be host:port, not a URL'],
  ['host:443/x', 'CONNECT target must be host:port'],
  ['host:443?x', 'CONNECT target must be host:port'],
  ['host:443#x', ''],
  ['/', 'CONNECT target must be host:port'],
  ['*', 'CONNECT target must be host:port'],
  ['*:443', 'CONNECT target must be host:port'],
  ['[host]:443', ''],
  ['[[host]]:443', ''],
  ['[::1]443', ''],
  ['[::1:443', ''],
  ['[127.0.0.1]:443', ''],
  ['[fe80::1%25eth0]:443', ''],
  ['::1:443', 'IPv6 address without brackets in CONNECT target'],
  ['host..:443', 'Malformed host in CONNECT target'],
  ['.host:443', 'Malformed host in CONNECT target'],
  ['a..example.test:443', 'Malformed host in CONNECT target'],
  ['h%6fst:443', 'Malformed host in CONNECT target'],
  ['host\\:443', ''],
  ['host,example.test:443', 'Malformed host in CONNECT target'],
  [`${'a'.repeat(64)}.example.test:443`, 'Malformed host in CONNECT target'],
  [`${'a.'.repeat(130)}example.test:443`, 'Malformed host in CONNECT target'],
  ['b\xc3\xbccher.example.test:443', ''],
  ['host\0.example.test:443', ''],
  ['2130706433:443', 'Malformed IPv4 address in CONNECT target'],
  ['0x7f000001:443', 'Malformed IPv4 address in CONNECT target'],
  ['0x7f.1:443', 'Malformed IPv4 address in CONNECT target'],
  ['0177.0.0.1:443', 'Malformed IPv4 address in CONNECT target'],
  ['127.1:443', 'Malformed IPv4 address in CONNECT target'],
  ['127.0.0.256:443', 'Malformed IPv4 address in CONNECT target'],
  ['127.0.0.01:443', 'Malformed IPv4 address in CONNECT target'],
  ['1.2.3.4.5:443', 'Malformed IPv4 address in CONNECT target'],
];

test.for(malformed)('CONNECT %s is malformed: 400, nothing looked up', async ([target, phrase]) => {
  await using dns = await createDnsServer();
  await using proxy = await generous(dns);
  await using wire = await connectRaw(proxy.port);
  await wire.write(`CONNECT ${target} HTTP/1.1\r\n\r\n`);
  const answer = await readAnswer(wire);
  expect(answer.startLine).toContain(`HTTP/1.1 400 ${phrase}`);
  expect((await answer.rest()).length).toBe(Number(answer.fields.get('content-length')));
  const record = await proxy.record();
  expect(record).toMatchObject({ verdict: 'deny', reason: 'malformed_request', status: 400, address: null });
  expect(dns.queries).toEqual([]);
  expect(proxy.records).toHaveLength(1);
});

test('userinfo in a CONNECT target is in no line and in no answer', async () => {
  await using proxy = await startProxy({ rules: ['https://host'] });
  await using tunnel = await openTunnel(proxy.port, 'alice:hunter2@host:443');
  expect(tunnel.status).toBe(400);
  expect((await tunnel.wire.all()).toString()).not.toMatch(/alice|hunter2/);
  await proxy.record();
  expect(JSON.stringify([proxy.records, proxy.said, proxy.opened])).not.toMatch(/alice|hunter2/);
});

test.for([
  ['upper case', 'FAR.Example.TEST'],
  ['a trailing dot', 'far.example.test.'],
  ['both', 'FAR.example.test.'],
])('a host in %s is the host', async ([, host]) => {
  await using dns = await createDnsServer();
  await using destination = await createDestination(echo);
  dns.set('far.example.test', 'A', ['127.0.0.1']);
  await using proxy = await startProxy({
    config: plainLoopback,
    rules: [`https://far.example.test:${destination.port}`],
    resolver: { servers: [dns.server], hostsFile: '/nonexistent' },
  });
  await using tunnel = await openTunnel(proxy.port, `${host}:${destination.port}`, { early: 'hi' });
  expect((await tunnel.contentOf(2)).toString()).toBe('hi');
  tunnel.wire.end();
  expect(await proxy.record()).toMatchObject({ target: `far.example.test:${destination.port}`, verdict: 'allow' });
  expect(new Set(dns.queries.map((query) => query.name))).toEqual(new Set(['far.example.test']));
});

test('an xn-- host is compared as it is', async () => {
  await using dns = await createDnsServer();
  await using proxy = await startProxy({
    rules: ['https://xn--bcher-kva.test'],
    resolver: { servers: [dns.server], hostsFile: '/nonexistent' },
  });
  await using allowed = await openTunnel(proxy.port, 'XN--BCHER-KVA.test:443');
  expect(allowed.startLine).toBe('HTTP/1.1 502 DNS failed: xn--bcher-kva.test does not exist');
  await using other = await openTunnel(proxy.port, 'bcher-kva.test:443');
  expect(other.status).toBe(403);
});

test.for([
  ['no Host field', '', 200],
  ['the bare host, as Java sends it', 'Host: far.example.test\r\n', 200],
  ['host and port', 'Host: far.example.test:PORT\r\n', 200],
  ['another spelling of the same', 'Host: FAR.example.test.:PORT\r\n', 200],
  ['another host', 'Host: other.example.test\r\n', 400],
  ['another port', 'Host: far.example.test:444\r\n', 400],
  ['an empty host', 'Host: \r\n', 400],
  ['userinfo', 'Host: u:p@far.example.test\r\n', 400],
  ['two Host fields, though equal', 'Host: far.example.test\r\nHost: far.example.test\r\n', 400],
] as const)('a CONNECT with %s is judged by that', async ([, field, status]) => {
  await using dns = await createDnsServer();
  await using destination = await createDestination(echo);
  dns.set('far.example.test', 'A', ['127.0.0.1']);
  await using proxy = await startProxy({
    config: plainLoopback,
    rules: [`https://far.example.test:${destination.port}`],
    resolver: { servers: [dns.server], hostsFile: '/nonexistent' },
  });
  await using wire = await connectRaw(proxy.port);
  const fields = field.replace('PORT', String(destination.port));
  await wire.write(`CONNECT far.example.test:${destination.port} HTTP/1.1\r\n${fields}\r\n`);
  expect((await readAnswer(wire)).status).toBe(status);
  expect(destination.connections).toHaveLength(status === 200 ? 1 : 0);
  if (status === 400) expect(dns.queries).toEqual([]);
});

test.for([
  ['evilblob.core.windows.net', 403],
  ['blob.core.windows.net.evil.com', 403],
  ['blob.core.windows.net', 403],
  ['blob.core.windows.net.', 403],
  ['.blob.core.windows.net', 400],
  ['acct.blob.core.windows.net.evil.com', 403],
  ['acct.blob.core.windows.net@evil.com', 400],
  ['acct-blob.core.windows.net', 403],
  ['acct.blob.core.windows.net', 502],
  ['a.b.blob.core.windows.net', 502],
  ['ACCT.BLOB.CORE.WINDOWS.NET.', 502],
] as const)('against *.blob.core.windows.net, %s is answered with %i', async ([host, status]) => {
  await using dns = await createDnsServer();
  await using proxy = await startProxy({
    rules: ['*.blob.core.windows.net'],
    resolver: { servers: [dns.server], hostsFile: '/nonexistent' },
  });
  await using tunnel = await openTunnel(proxy.port, `${host}:443`);
  expect(tunnel.status).toBe(status);
  expect(dns.queries.length > 0).toBe(status === 502);
});
