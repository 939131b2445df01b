/** A side that does not read holds the other back: the proxy keeps little, and loses nothing once reading goes on. */
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createDestination } from '../support/destination.ts';
import { startProxy } from '../support/proxy.ts';
import { openTunnel, plainLoopback } from '../support/tunnel.ts';
import type { Wire } from '../support/wire.ts';

const megabyte = 1024 * 1024;
/** More than all socket buffers on the way hold (4 to 6 MiB each on Linux), and than the proxy may keep beside them. */
const large = Buffer.alloc(64 * megabyte, 'The quick brown fox jumps over the lazy dog. ');
const kept = 32 * megabyte;

/** Reads in pieces with turns of the event loop between them. */
function readSlowly(wire: Wire): void {
  wire.socket.on('data', () => {
    wire.socket.pause();
    void turn().then(() => wire.socket.resume());
  });
}

test('a destination that does not read holds an upload back until the idle timer ends it', async () => {
  await using destination = await createDestination((wire) => wire.socket.pause());
  await using proxy = await startProxy({
    config: `${plainLoopback}limits: { idleMs: 400 }`,
    rules: [`ip:127.0.0.1:${destination.port}`],
  });
  await using tunnel = await openTunnel(proxy.port, `127.0.0.1:${destination.port}`);
  tunnel.wire.socket.write(large);
  const record = await proxy.record();
  expect(record).toMatchObject({ endedBy: 'idle', verdict: 'allow' });
  expect(record.bytesUp).toBeGreaterThan(0);
  expect(record.bytesUp).toBeLessThan(kept);
});

test('a client that does not read holds a download back until the idle timer ends it', async () => {
  await using destination = await createDestination((wire) => void wire.socket.write(large));
  await using proxy = await startProxy({
    config: `${plainLoopback}limits: { idleMs: 400 }`,
    rules: [`ip:127.0.0.1:${destination.port}`],
  });
  await using tunnel = await openTunnel(proxy.port, `127.0.0.1:${destination.port}`);
  tunnel.wire.socket.pause();
  const record = await proxy.record();
  expect(record).toMatchObject({ endedBy: 'idle', verdict: 'allow' });
  expect(record.bytesDown).toBeLessThan(kept);
});

test('bytes sent before the 200 are held up to a limit, and the rest waits in the client', async () => {
  await using destination = await createDestination((wire) => wire.socket.pause());
  await using proxy = await startProxy({ config: plainLoopback, rules: [`ip:127.0.0.1:${destination.port}`] });
  await using tunnel = await openTunnel(proxy.port, `127.0.0.1:${destination.port}`, {
    early: large.subarray(0, 2 * megabyte),
  });
  expect(tunnel.status).toBe(200);
  const far = await destination.connection();
  far.socket.resume();
  await far.until(2 * megabyte);
  expect(far.received.equals(large.subarray(0, 2 * megabyte))).toBe(true);
});

test('large transfers both ways at once arrive whole through slow readers', { timeout: 60_000 }, async () => {
  const farSide = Promise.withResolvers<Buffer>();
  await using destination = await createDestination((wire) => {
    readSlowly(wire);
    wire.end(large);
    wire.all().then(farSide.resolve, farSide.reject);
  });
  await using proxy = await startProxy({ config: plainLoopback, rules: [`ip:127.0.0.1:${destination.port}`] });
  await using tunnel = await openTunnel(proxy.port, `127.0.0.1:${destination.port}`);
  readSlowly(tunnel.wire);
  tunnel.wire.end(large);
  const [down, up] = await Promise.all([tunnel.rest(), farSide.promise]);
  expect(up.equals(large)).toBe(true);
  expect(down.equals(large)).toBe(true);
  expect(await proxy.record()).toMatchObject({ bytesUp: large.length, bytesDown: large.length, verdict: 'allow' });
});
