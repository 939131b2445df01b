/** Before a tunnel flows, its ClientHello must name the host that was asked for. */
import { once } from 'node:events';
import { connect as connectTls } from 'node:tls';
import { afterAll, expect, test } from 'vitest';
import { createAuthority, createCertificate } from '../support/certificates.ts';
import { buildClientHello, captureClientHello } from '../support/client-hello.ts';
import type { Destination } from '../support/destination.ts';
import { createDestination, echo, silent, speakFirst, stuck } from '../support/destination.ts';
import type { TestProxy } from '../support/proxy.ts';
import { startProxy } from '../support/proxy.ts';
import { createTempFolder } from '../support/temp-folder.ts';
import { admitLoopback, openTunnel } from '../support/tunnel.ts';

/** Fatal alert access_denied (49) in its record. */
const alert = Buffer.from([21, 3, 3, 0, 2, 2, 49]);
const host = 'far.test';

const folder = createTempFolder();
const hostsFile = folder.write('hosts', `127.0.0.1 ${host}\n`);
afterAll(() => folder.remove());

/** A proxy that allows the destination as `far.test`, with the ClientHello looked at unless `config` says otherwise. */
const proxyTo = (destination: Destination, config = '', clause = ''): Promise<TestProxy> =>
  startProxy({
    config: admitLoopback + config,
    rules: [`https://${host}:${destination.port} ${clause}`],
    resolver: { servers: ['127.0.0.1:9'], hostsFile },
  });

test.for([
  ['another server name', buildClientHello({ serverName: 'evil.test' }), 'tls_name_mismatch', alert],
  ['the name of its parent domain', buildClientHello({ serverName: 'test' }), 'tls_name_mismatch', alert],
  ['a name under it', buildClientHello({ serverName: 'a.far.test' }), 'tls_name_mismatch', alert],
  ['no server name', buildClientHello({ serverName: null }), 'tls_name_missing', alert],
  ['no extensions at all', buildClientHello({ serverName: null, withoutExtensions: true }), 'tls_name_missing', alert],
  ['another outer name of ECH', buildClientHello({ serverName: 'evil.test', ech: true }), 'tls_name_mismatch', alert],
  ['two names', buildClientHello({ serverName: [host, 'evil.test'] }), 'not_tls', null],
  ['SSH', Buffer.from('SSH-2.0-OpenSSH_9.6\r\n'), 'not_tls', null],
  ['plain HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: far.test\r\n\r\n'), 'not_tls', null],
  ['a byte that begins nothing', Buffer.from([0]), 'not_tls', null],
  ['a TLS alert', alert, 'not_tls', null],
  ['an HTTP/2 preface', Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), 'not_tls', null],
] as const)(
  'a client that sends %s is closed and logged, and nothing reaches the destination',
  async ([, hello, reason, answer]) => {
    await using destination = await createDestination(silent);
    await using proxy = await proxyTo(destination);
    await using tunnel = await openTunnel(proxy.port, `${host}:${destination.port}`, { early: hello });
    expect(tunnel.status).toBe(200);
    expect(await tunnel.rest()).toEqual(answer ?? Buffer.alloc(0));
    expect(await proxy.record()).toMatchObject({ verdict: 'deny', reason, status: 200, bytesUp: 0, bytesDown: 0 });
    const far = await destination.connection();
    await far.closed;
    expect(destination.received.length).toBe(0);
  },
);

test.for([
  ['the name', buildClientHello({ serverName: host })],
  ['the name in another case', buildClientHello({ serverName: 'FAR.Test' })],
  ['the name with a trailing dot', buildClientHello({ serverName: 'far.test.' })],
  ['the name as outer name of ECH', buildClientHello({ serverName: host, ech: true })],
  ['the name over many records', buildClientHello({ serverName: host, recordBytes: 3 })],
  ['the name in a large hello', buildClientHello({ serverName: host, paddingBytes: 40_000 })],
] as const)('a client that sends %s gets its tunnel, and its hello arrives as it was', async ([, hello]) => {
  await using destination = await createDestination(echo);
  await using proxy = await proxyTo(destination);
  await using tunnel = await openTunnel(proxy.port, `${host}:${destination.port}`, { early: hello.subarray(0, 5) });
  await tunnel.wire.write(hello.subarray(5));
  expect((await tunnel.contentOf(hello.length)).equals(hello)).toBe(true);
  tunnel.wire.end();
  expect(await proxy.record()).toMatchObject({ verdict: 'allow', reason: null, tlsServerName: host });
});

test('a real ClientHello in one-byte segments is read whole and forwarded once', async () => {
  const hello = await captureClientHello(host);
  await using destination = await createDestination(echo);
  await using proxy = await proxyTo(destination);
  await using tunnel = await openTunnel(proxy.port, `${host}:${destination.port}`);
  for (const byte of hello) await tunnel.wire.write(Buffer.from([byte]));
  expect((await tunnel.contentOf(hello.length)).equals(hello)).toBe(true);
});

test('nothing of an unfinished ClientHello reaches the destination', async () => {
  const hello = buildClientHello({ serverName: host });
  await using destination = await createDestination(silent);
  await using proxy = await proxyTo(destination, 'limits: { clientHelloMs: 200 }');
  const { wire } = await openTunnel(proxy.port, `${host}:${destination.port}`, { early: hello.subarray(0, -1) });
  await wire.all();
  const far = await destination.connection();
  await far.closed;
  expect(destination.received.length).toBe(0);
  wire.end();
});

test.for([
  ['in whole reads', 65_536],
  ['in odd reads', 10_007],
])('a ClientHello over 64 KiB is refused at once, though it comes %s', async ([, size]) => {
  const hello = buildClientHello({ serverName: host, paddingBytes: 14_000, recordBytes: 1 });
  expect(hello.length).toBeGreaterThan(65_536);
  await using destination = await createDestination(silent);
  await using proxy = await proxyTo(destination);
  await using tunnel = await openTunnel(proxy.port, `${host}:${destination.port}`);
  for (let at = 0; at < hello.length; at += Number(size)) {
    await tunnel.wire.write(hello.subarray(at, at + Number(size))).catch(() => undefined);
  }
  const record = await proxy.record();
  expect(record).toMatchObject({ verdict: 'deny', reason: 'not_tls' });
  expect(record.durationMs).toBeLessThan(5000);
  expect(destination.received.length).toBe(0);
});

test('a client that gets its 200 and says nothing is closed at clientHelloMs', async () => {
  await using destination = await createDestination(stuck);
  await using proxy = await proxyTo(destination, 'limits: { clientHelloMs: 200 }');
  await using tunnel = await openTunnel(proxy.port, `${host}:${destination.port}`);
  expect(tunnel.status).toBe(200);
  expect((await tunnel.rest()).length).toBe(0);
  const record = await proxy.record();
  expect(record).toMatchObject({ verdict: 'deny', reason: 'tls_timeout', status: 200 });
  expect(record.durationMs).toBeGreaterThanOrEqual(200);
  expect(record.durationMs).toBeLessThan(1500);
});

test('a client that sends a byte now and then does not stretch clientHelloMs', async () => {
  const hello = buildClientHello({ serverName: host, paddingBytes: 4000 });
  await using destination = await createDestination(stuck);
  await using proxy = await proxyTo(destination, 'limits: { clientHelloMs: 300 }');
  await using tunnel = await openTunnel(proxy.port, `${host}:${destination.port}`);
  for (let at = 0; at < hello.length && !tunnel.wire.socket.readableEnded; at++) {
    await tunnel.wire.write(hello.subarray(at, at + 1)).catch(() => undefined);
    // Another connection's whole life between two bytes takes long enough.
    await using probe = await openTunnel(proxy.port, 'not.test:443');
    expect(probe.status).toBe(403);
  }
  await tunnel.rest();
  const ended = proxy.records.filter((record) => record.target === `${host}:${destination.port}`);
  expect(ended.map((record) => record.reason)).toEqual(['tls_timeout']);
  expect(destination.received.length).toBe(0);
});

test('a server that speaks first is not heard before the verdict, and is heard whole after it', async () => {
  await using destination = await createDestination(speakFirst('220 ready\r\n'));
  await using proxy = await proxyTo(destination);
  await using refused = await openTunnel(proxy.port, `${host}:${destination.port}`);
  await refused.wire.write(buildClientHello({ serverName: 'evil.test' }));
  expect(await refused.rest()).toEqual(alert);
  await using tunnel = await openTunnel(proxy.port, `${host}:${destination.port}`);
  expect(tunnel.content.length).toBe(0);
  await tunnel.wire.write(buildClientHello({ serverName: host }));
  expect((await tunnel.contentOf(11)).toString()).toBe('220 ready\r\n');
});

test.for([
  ['nothing', Buffer.alloc(0), { verdict: 'allow', reason: null }],
  [
    'half a ClientHello',
    buildClientHello({ serverName: host }).subarray(0, 20),
    { verdict: 'deny', reason: 'not_tls' },
  ],
] as const)('a client that half-closes behind %s ends its tunnel', async ([, bytes, expected]) => {
  await using destination = await createDestination(silent);
  await using proxy = await proxyTo(destination);
  await using tunnel = await openTunnel(proxy.port, `${host}:${destination.port}`);
  tunnel.wire.end(bytes);
  await tunnel.wire.closed;
  expect(await proxy.record()).toMatchObject({ ...expected, status: 200 });
  await (
    await destination.connection()
  ).closed;
  expect(destination.received.length).toBe(0);
});

test('a whole ClientHello and a half-close behind it still get the answer', async () => {
  const hello = buildClientHello({ serverName: host });
  await using destination = await createDestination(echo);
  await using proxy = await proxyTo(destination);
  await using tunnel = await openTunnel(proxy.port, `${host}:${destination.port}`);
  tunnel.wire.end(hello);
  expect((await tunnel.rest()).equals(hello)).toBe(true);
});

test.for([
  ['tls off on its rule', '', 'tls off', null],
  ['tlsServerName: off', 'tlsServerName: off', '', null],
  ['tlsServerName: report', 'tlsServerName: report', '', 'not_tls'],
] as const)('with %s anything may flow', async ([, config, clause, wouldDeny]) => {
  await using destination = await createDestination(echo);
  await using proxy = await proxyTo(destination, config, clause);
  await using tunnel = await openTunnel(proxy.port, `${host}:${destination.port}`, { early: 'SSH-2.0-x\r\n' });
  expect((await tunnel.contentOf(11)).toString()).toBe('SSH-2.0-x\r\n');
  tunnel.wire.end();
  const verdict = wouldDeny ? 'would_deny' : 'allow';
  expect(await proxy.record()).toMatchObject({ verdict, wouldDeny, status: 200 });
});

test('TLS itself works through the tunnel, end to end', async () => {
  const authority = await createAuthority();
  const certificate = await createCertificate(authority, [host]);
  await using destination = await createDestination(echo, { tls: certificate });
  await using proxy = await proxyTo(destination);
  const { wire } = await openTunnel(proxy.port, `${host}:${destination.port}`);
  wire.socket.removeAllListeners('data');
  const secure = connectTls({ socket: wire.socket, servername: host, ca: authority.cert });
  await once(secure, 'secureConnect');
  const sent = Buffer.alloc(1_000_000, 'secret ');
  secure.write(sent);
  let received = 0;
  for await (const bytes of secure as AsyncIterable<Buffer>) {
    received += bytes.length;
    if (received === sent.length) break;
  }
  secure.destroy();
  expect(await proxy.record()).toMatchObject({ verdict: 'allow', tlsServerName: host });
});
