/** A listener that speaks TLS: what comes before the handshake, what ends it, and that everything works behind it. */
import { once } from 'node:events';
import { connect as connectTls } from 'node:tls';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Certificate } from '../support/certificates.ts';
import { createAuthority, createCertificate } from '../support/certificates.ts';
import { captureClientHello } from '../support/client-hello.ts';
import { createDestination, echo, resetAfter } from '../support/destination.ts';
import { answer, answerEach, endingOf, expectRefusal, fieldsOf, forbidCrashes } from '../support/forwarding.ts';
import { startProxy } from '../support/proxy.ts';
import type { TestProxyOptions } from '../support/proxy.ts';
import { connectRaw } from '../support/raw-client.ts';
import { connectSecure } from '../support/tls-client.ts';
import { admitLoopback, plainLoopback, readAnswer } from '../support/tunnel.ts';

forbidCrashes();

let authority: Certificate;
let leaf: Certificate;
beforeAll(async () => {
  authority = await createAuthority();
  leaf = await createCertificate(authority, ['proxy.test', '127.0.0.1']);
});

const startSecure = (options: TestProxyOptions = {}) =>
  startProxy({
    listeners: '[{ address: "127.0.0.1:0", tls: { cert: ./cert.pem, key: ./key.pem } }]',
    files: { 'cert.pem': leaf.cert, 'key.pem': leaf.key },
    ...options,
  });
const trusting = () => ({ ca: authority.cert });
/** Fatal alert access_denied (49) in its record. */
const alert = Buffer.from([21, 3, 3, 0, 2, 2, 49]);

describe('behind the handshake', () => {
  it('a tunnel carries bytes both ways, half-closes kept, and its line is that of any tunnel', async () => {
    await using destination = await createDestination(echo);
    await using proxy = await startSecure({ config: plainLoopback, rules: [`ip:127.0.0.1:${destination.port}`] });
    await using client = await connectSecure(proxy.port, trusting());
    await client.write(`CONNECT 127.0.0.1:${destination.port} HTTP/1.1\r\n\r\nearly, `);
    await using tunnel = await readAnswer(client);
    expect(tunnel.startLine).toBe('HTTP/1.1 200 Connection established');
    await client.write('late');
    client.end();
    expect((await tunnel.rest()).toString()).toBe('early, late');
    const record = await proxy.record();
    expect(record).toMatchObject({ kind: 'tunnel', client: '127.0.0.1', verdict: 'allow', user: null, bytesUp: 11 });
  });

  it('a large body passes whole in both directions', async () => {
    await using destination = await createDestination(echo);
    await using proxy = await startSecure({ config: plainLoopback, rules: [`ip:127.0.0.1:${destination.port}`] });
    await using client = await connectSecure(proxy.port, trusting());
    await client.write(`CONNECT 127.0.0.1:${destination.port} HTTP/1.1\r\n\r\n`);
    await using tunnel = await readAnswer(client);
    const sent = Buffer.alloc(8 * 1024 * 1024, 'lockdown');
    void client.write(sent);
    expect((await tunnel.contentOf(sent.length)).equals(sent)).toBe(true);
  });

  it('a reset of the destination ends the tunnel', async () => {
    await using destination = await createDestination(resetAfter(1));
    await using proxy = await startSecure({ config: plainLoopback, rules: [`ip:127.0.0.1:${destination.port}`] });
    await using client = await connectSecure(proxy.port, trusting());
    await client.write(`CONNECT 127.0.0.1:${destination.port} HTTP/1.1\r\n\r\nx`);
    await endingOf(client);
    client.end();
    expect(await proxy.record()).toMatchObject({ endedBy: 'destination' });
  });

  it('the ClientHello inside the tunnel is judged as ever', async () => {
    await using destination = await createDestination(echo);
    await using proxy = await startSecure({ config: admitLoopback, rules: [`ip:127.0.0.1:${destination.port}`] });
    await using client = await connectSecure(proxy.port, trusting());
    await client.write(`CONNECT 127.0.0.1:${destination.port} HTTP/1.1\r\n\r\n`);
    await using tunnel = await readAnswer(client);
    await client.write(await captureClientHello('evil.test'));
    expect(await tunnel.rest()).toEqual(alert);
    expect(destination.received.length).toBe(0);
    client.end();
    expect(await proxy.record()).toMatchObject({ reason: 'tls_name_mismatch' });
  });

  it('plain http is forwarded, several requests on one connection', async () => {
    await using destination = await createDestination(answerEach(() => answer('ok')));
    await using proxy = await startSecure({ config: admitLoopback, rules: [`http://127.0.0.1:${destination.port}`] });
    await using client = await connectSecure(proxy.port, trusting());
    const request = `GET http://127.0.0.1:${destination.port}/x HTTP/1.1\r\nHost: x\r\n`;
    await client.write(`${request}\r\n`);
    await client.until('\r\n\r\nok');
    await client.write(`${request}Connection: close\r\n\r\n`);
    const text = (await client.all()).toString('latin1');
    expect(text.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2);
    expect(destination.connections).toHaveLength(1);
  });

  it('a refusal arrives whole while the client is still sending', async () => {
    await using proxy = await startSecure();
    await using client = await connectSecure(proxy.port, trusting());
    await client.write(`CONNECT other.test:443 HTTP/1.1\r\n\r\n${'x'.repeat(16 * 1024)}`);
    const text = (await client.all()).toString('latin1');
    await expectRefusal(proxy, text, { startLine: /^HTTP\/1\.1 403 Not on allowlist/, reason: 'not_on_allowlist' });
  });

  it.each([
    ['garbage', 'GARBAGE\r\n\r\n', /^HTTP\/1\.1 400 Malformed request/],
    ['a head that is too large', `GET http://x/ HTTP/1.1\r\nA: ${'a'.repeat(20_000)}\r\n\r\n`, /^HTTP\/1\.1 431 /],
  ])('%s is answered as on the plain port', async (_name, bytes, startLine) => {
    await using proxy = await startSecure();
    await using client = await connectSecure(proxy.port, trusting());
    await client.write(bytes);
    const text = (await client.all()).toString('latin1');
    client.end();
    const record = await expectRefusal(proxy, text, { startLine, reason: 'malformed_request' });
    expect(record.kind).not.toBe('tunnel');
  });

  it('a slow head is answered at its deadline', async () => {
    await using proxy = await startSecure({ config: 'limits: { headerMs: 300 }' });
    await using client = await connectSecure(proxy.port, trusting());
    await client.write('GET http://x/ HTTP/1.1\r\n');
    expect((await client.all()).toString()).toMatch(/^HTTP\/1\.1 408 /);
  });
});

describe('before the handshake', () => {
  it('the address of the client is judged, and all it gets is an alert', async () => {
    await using proxy = await startSecure({ config: 'networks: [10.0.0.0/8]' });
    await using client = await connectRaw(proxy.port);
    expect(await client.all()).toEqual(alert);
    client.end();
    const record = await proxy.record();
    expect(record).toMatchObject({ kind: 'connection', reason: 'client_outside_network', bytesDown: alert.length });
    expect(record.hint).toBe('networks: ["127.0.0.1/32"] admits it');
  });

  it('so are the limits: a handshake counts as a connection from its accept', async () => {
    await using proxy = await startSecure({ config: 'limits: { connections: 1 }' });
    await using first = await connectRaw(proxy.port);
    await first.write('\x16');
    await using second = await connectRaw(proxy.port);
    expect(await second.all()).toEqual(alert);
    second.end();
    expect(await proxy.record()).toMatchObject({ reason: 'limit_reached', kind: 'connection' });
    first.reset();
    await proxy.record(1);
    await using third = await connectSecure(proxy.port, trusting());
    expect(third.socket.destroyed).toBe(false);
  });
});

describe('a handshake', () => {
  it.each([
    [
      'with no TLS version from 1.2 on',
      { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
      'no TLS version from 1.2 on',
    ],
    ['for HTTP/2 alone', { ALPNProtocols: ['h2'] }, 'HTTP/2 alone'],
  ] as const)('%s fails with an alert, and the log says why', async (_name, options, hint) => {
    await using proxy = await startSecure();
    const socket = connectTls({ host: '127.0.0.1', port: proxy.port, ...trusting(), ...options } as object);
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toMatch(/^ERR_SSL_TLSV1_ALERT_/);
    const record = await proxy.record();
    expect(record).toMatchObject({ kind: 'connection', verdict: 'deny', reason: 'malformed_request' });
    expect(record.hint).toContain(hint);
  });

  it('that the client gives up because it does not trust the certificate is told so', async () => {
    await using proxy = await startSecure();
    const socket = connectTls({ host: '127.0.0.1', port: proxy.port });
    await once(socket, 'error');
    expect(await proxy.record()).toMatchObject({ kind: 'connection', reason: 'malformed_request' });
  });

  it.each([
    ['stalls', (hello: Buffer) => hello.subarray(0, 20)],
    ['is announced and does not come', () => Buffer.from([0x16])],
  ])('that %s ends at the deadline of a head', async (_name, cut) => {
    await using proxy = await startSecure({ config: 'limits: { headerMs: 200 }' });
    await using client = await connectRaw(proxy.port);
    await client.write(cut(await captureClientHello(null)));
    await endingOf(client);
    const record = await proxy.record();
    expect(record).toMatchObject({ kind: 'connection', reason: 'request_timeout' });
    expect(record.hint).toContain('limits.headerMs');
  });

  it.each([
    ['before a byte', '', 0],
    ['inside', '\x16\x03\x01\x00\xc8', 1],
  ])('that the client leaves %s ends at once', async (_name, bytes, lines) => {
    await using proxy = await startSecure();
    await using client = await connectRaw(proxy.port);
    await client.write(bytes);
    client.end();
    await endingOf(client);
    await using next = await connectSecure(proxy.port, trusting());
    await next.write('GET / HTTP/1.1\r\n\r\n');
    await next.all();
    expect((await proxy.record(lines)).hint).toBeNull();
    expect(proxy.records).toHaveLength(lines + 1);
  });

  it('that is plain HTTP is answered in plain HTTP, and the log says what to change', async () => {
    await using proxy = await startSecure();
    await using client = await connectRaw(proxy.port);
    await client.write('CONNECT far.test:443 HTTP/1.1\r\nHost: far.test\r\n\r\n');
    const text = (await client.all()).toString('latin1');
    client.end();
    const record = await expectRefusal(proxy, text, {
      startLine: 'HTTP/1.1 400 Plain HTTP on the TLS proxy port',
      reason: 'malformed_request',
    });
    expect(record.hint).toContain('its proxy URL has to begin with https://');
    expect(fieldsOf(text).get('connection')).toBe('close');
  });
});

describe('a drain', () => {
  it('ends handshakes and idle connections and lets a tunnel finish', async () => {
    await using destination = await createDestination(echo);
    const proxy = await startSecure({ config: plainLoopback, rules: [`ip:127.0.0.1:${destination.port}`] });
    await using begun = await connectRaw(proxy.port);
    await begun.write('\x16');
    await using idle = await connectSecure(proxy.port, trusting());
    await using client = await connectSecure(proxy.port, trusting());
    await client.write(`CONNECT 127.0.0.1:${destination.port} HTTP/1.1\r\n\r\n`);
    await client.until('\r\n\r\n');
    const stopped = proxy.app.stop(5000);
    await endingOf(begun);
    await endingOf(idle);
    await client.write('still here');
    await client.until('still here');
    client.end();
    await stopped;
    expect(proxy.records.find(({ kind }) => kind === 'tunnel')).toMatchObject({ verdict: 'allow', endedBy: 'client' });
  });
});
