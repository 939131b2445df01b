/** Either side may close its half of a tunnel first; the other half goes on, whole. */
import { expect, test } from 'vitest';
import {
  answerAfterEnd,
  createDestination,
  halfCloseFirst,
  silent,
  speakFirst,
  stuck,
} from '../support/destination.ts';
import { createDnsServer } from '../support/dns-server.ts';
import { startProxy } from '../support/proxy.ts';
import { connectRaw } from '../support/raw-client.ts';
import { openTunnel, plainLoopback, readAnswer } from '../support/tunnel.ts';
import type { Wire } from '../support/wire.ts';

/** Says words to a side that no longer listens, until their resets have come back through the proxy. */
async function speakOn(wire: Wire, proxyPort: number): Promise<void> {
  for (let count = 0; count < 3; count++) {
    await wire.write('one more word').catch(() => undefined);
    // Another exchange's answer shows that the proxy has been round its sockets.
    await using probe = await openTunnel(proxyPort, 'not.test:443');
    expect(probe.status).toBe(403);
  }
}

const large = Buffer.alloc(8 * 1024 * 1024, 'The quick brown fox. ');

test('a client that half-closes gets the whole answer of a destination that waited for it', async () => {
  await using destination = await createDestination(answerAfterEnd(large));
  await using proxy = await startProxy({ config: plainLoopback, rules: [`ip:127.0.0.1:${destination.port}`] });
  await using tunnel = await openTunnel(proxy.port, `127.0.0.1:${destination.port}`);
  tunnel.wire.end('the question');
  expect((await tunnel.rest()).equals(large)).toBe(true);
  expect(destination.received.toString()).toBe('the question');
  expect(await proxy.record()).toMatchObject({ bytesUp: 12, bytesDown: large.length, endedBy: 'client' });
});

test('a destination that half-closes first still gets the whole upload', async () => {
  await using destination = await createDestination(halfCloseFirst);
  await using proxy = await startProxy({ config: plainLoopback, rules: [`ip:127.0.0.1:${destination.port}`] });
  await using tunnel = await openTunnel(proxy.port, `127.0.0.1:${destination.port}`);
  expect((await tunnel.rest()).length).toBe(0);
  tunnel.wire.end(large);
  const far = await destination.connection();
  expect((await far.all()).equals(large)).toBe(true);
  expect(await proxy.record()).toMatchObject({ bytesUp: large.length, bytesDown: 0, endedBy: 'destination' });
});

test('a client that half-closes right behind its CONNECT, before the 200, still gets its answer', async () => {
  await using dns = await createDnsServer();
  await using destination = await createDestination(answerAfterEnd('the answer'));
  dns.set('far.test', 'A', ['127.0.0.1']);
  await using proxy = await startProxy({
    config: plainLoopback,
    rules: [`https://far.test:${destination.port}`],
    resolver: { servers: [dns.server], hostsFile: '/nonexistent' },
  });
  await using wire = await connectRaw(proxy.port);
  wire.end(`CONNECT far.test:${destination.port} HTTP/1.1\r\n\r\nthe question`);
  const tunnel = await readAnswer(wire);
  expect(tunnel.status).toBe(200);
  expect((await tunnel.rest()).toString()).toBe('the answer');
  expect(destination.received.toString()).toBe('the question');
});

test('what a destination said and closed before the client spoke arrives whole', async () => {
  await using destination = await createDestination((wire) => wire.end(large.subarray(0, 100_000)));
  await using proxy = await startProxy({ config: plainLoopback, rules: [`ip:127.0.0.1:${destination.port}`] });
  await using tunnel = await openTunnel(proxy.port, `127.0.0.1:${destination.port}`);
  expect((await tunnel.rest()).length).toBe(100_000);
  tunnel.wire.end();
  expect(await tunnel.wire.closed).toBe('closed');
});

test('the answer of a destination that has closed survives what the client still says', async () => {
  const answer = large.subarray(0, 200_000);
  // The destination closes both ways: whatever still comes to it is answered with a reset.
  await using destination = await createDestination((wire) => wire.socket.end(answer, () => wire.socket.destroy()));
  await using proxy = await startProxy({ config: plainLoopback, rules: [`ip:127.0.0.1:${destination.port}`] });
  await using wire = await connectRaw(proxy.port);
  wire.socket.pause();
  await wire.write(`CONNECT 127.0.0.1:${destination.port} HTTP/1.1\r\n\r\n`);
  const far = await destination.connection();
  await far.closed;
  await speakOn(wire, proxy.port);
  wire.socket.resume();
  const tunnel = await readAnswer(wire);
  expect((await tunnel.rest()).equals(answer)).toBe(true);
});

test('the upload of a client that has closed survives what the destination still says', async () => {
  const upload = large.subarray(0, 40_000);
  await using destination = await createDestination(async (wire) => {
    wire.socket.pause();
    await wire.write('greetings nobody waits for');
  });
  await using proxy = await startProxy({ config: plainLoopback, rules: [`ip:127.0.0.1:${destination.port}`] });
  const tunnel = await openTunnel(proxy.port, `127.0.0.1:${destination.port}`);
  const far = await destination.connection();
  tunnel.wire.socket.end(upload, () => tunnel.wire.socket.destroy());
  await tunnel.wire.closed;
  await speakOn(far, proxy.port);
  far.socket.resume();
  expect((await far.all()).equals(upload)).toBe(true);
});

test('a tunnel of which one half is closed ends when nothing has moved for halfCloseMs', async () => {
  await using destination = await createDestination(stuck);
  await using proxy = await startProxy({
    config: `${plainLoopback}limits: { halfCloseMs: 200 }`,
    rules: [`ip:127.0.0.1:${destination.port}`],
  });
  await using tunnel = await openTunnel(proxy.port, `127.0.0.1:${destination.port}`);
  tunnel.wire.end();
  await tunnel.wire.closed;
  const record = await proxy.record();
  expect(record).toMatchObject({ verdict: 'allow', endedBy: 'client', status: 200 });
  expect(record.durationMs).toBeGreaterThanOrEqual(200);
  expect(record.durationMs).toBeLessThan(1500);
});

test('a tunnel on which nothing moves for idleMs is closed on both sides and logged as idle', async () => {
  await using destination = await createDestination(silent);
  await using proxy = await startProxy({
    config: `${plainLoopback}limits: { idleMs: 200 }`,
    rules: [`ip:127.0.0.1:${destination.port}`],
  });
  await using tunnel = await openTunnel(proxy.port, `127.0.0.1:${destination.port}`);
  expect(tunnel.status).toBe(200);
  expect((await tunnel.rest()).length).toBe(0);
  const far = await destination.connection();
  await far.all();
  const record = await proxy.record();
  expect(record).toMatchObject({ verdict: 'allow', endedBy: 'idle', status: 200, bytesUp: 0, bytesDown: 0 });
  expect(record.durationMs).toBeGreaterThanOrEqual(200);
  expect(record.durationMs).toBeLessThan(1500);
  expect(proxy.records).toHaveLength(1);
});

test('a destination that speaks first is heard where no ClientHello is asked for', async () => {
  await using destination = await createDestination(speakFirst('220 ready\r\n'));
  await using proxy = await startProxy({ config: plainLoopback, rules: [`ip:127.0.0.1:${destination.port}`] });
  await using tunnel = await openTunnel(proxy.port, `127.0.0.1:${destination.port}`);
  expect((await tunnel.contentOf(11)).toString()).toBe('220 ready\r\n');
});
