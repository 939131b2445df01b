/** Whatever the segments, however slow the readers, whoever closes first: no byte is changed, lost or doubled. */
import { randomBytes } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { buildClientHello } from '../support/client-hello.ts';
import type { Behaviour } from '../support/destination.ts';
import { createDestination } from '../support/destination.ts';
import { startProxy } from '../support/proxy.ts';
import { connectRaw } from '../support/raw-client.ts';
import { admitLoopback, readAnswer } from '../support/tunnel.ts';
import type { Wire } from '../support/wire.ts';

/** What one side sends, in which pieces, and how it reads. */
const side = fc.record({
  bytes: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 400_000 }), fc.constant(3_000_000)),
  pieces: fc.array(fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 90_000 })), {
    minLength: 1,
    maxLength: 12,
  }),
  /** The event loop turns this often before a piece is taken in; 0 is a quick reader. */
  slowness: fc.integer({ min: 0, max: 4 }),
});
type Side = typeof side extends fc.Arbitrary<infer T> ? T : never;

const exchange = fc.record({
  client: side,
  destination: side,
  /** So many of the client's bytes come in one segment with the CONNECT. */
  early: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 100_000 })),
  /** Who sends its FIN before the other has sent a byte; or neither waits. */
  first: fc.constantFrom('client', 'destination', 'neither'),
  withHello: fc.boolean(),
  /** The CONNECT comes in two segments: then another part of the proxy reads it. */
  isHeadCut: fc.boolean(),
});

const pool = randomBytes(4_000_000);
const hello = buildClientHello({ serverName: null, recordBytes: 40 });

/** Writes in the given pieces, again and again, with a turn of the event loop between them now and then. */
async function sendPieces(wire: Wire, bytes: Buffer, { pieces }: Side): Promise<void> {
  for (let at = 0, count = 0; at < bytes.length; count++) {
    // Small pieces alone would never end; each round of them is followed by a large one.
    const size = (pieces[count % pieces.length] ?? 1) + (count >= 100 ? 50_000 : 0);
    await wire.write(bytes.subarray(at, at + size));
    at += size;
    if (count % 3 === 0) await turn();
  }
  wire.end();
}

function readSlowly(wire: Wire, { slowness }: Side): void {
  if (slowness === 0) return;
  wire.socket.on('data', () => {
    wire.socket.pause();
    void (async () => {
      for (let count = 0; count < slowness * 3; count++) await turn();
      wire.socket.resume();
    })();
  });
}

test('every byte arrives once and in order, both ways, through any half-close', { timeout: 60_000 }, async () => {
  let behaviour: Behaviour = () => undefined;
  await using destination = await createDestination((wire) => behaviour(wire));
  await using proxy = await startProxy({
    config: admitLoopback,
    rules: [`ip:127.0.0.1:${destination.port}`, `ip:127.0.0.2:${destination.port} tls off`],
  });
  await using twin = await createDestination((wire) => behaviour(wire), {
    address: '127.0.0.2',
    port: destination.port,
  });
  let index = 0;
  const property = fc.asyncProperty(exchange, async (drawn) => {
    const { client, destination: far, early, first, withHello, isHeadCut } = drawn;
    const content = pool.subarray(0, client.bytes);
    const up = withHello ? Buffer.concat([hello, content]) : content;
    const down = pool.subarray(pool.length - far.bytes);
    const farSide = Promise.withResolvers<Buffer>();
    behaviour = async (wire) => {
      try {
        readSlowly(wire, far);
        if (first === 'client') await wire.all();
        await sendPieces(wire, down, far);
        farSide.resolve(await wire.all());
      } catch (error) {
        farSide.reject(error);
      }
    };
    const address = withHello ? destination.address : twin.address;
    await using wire = await connectRaw(proxy.port);
    readSlowly(wire, client);
    const head = Buffer.from(`CONNECT ${address}:${destination.port} HTTP/1.1\r\n\r\n`);
    const withHead = first === 'destination' ? (withHello ? hello.length : 0) : early;
    if (isHeadCut) await wire.write(head.subarray(0, 20));
    // The proxy has accepted and read that before the rest comes.
    for (let count = 0; count < 5; count++) await turn();
    await wire.write(Buffer.concat([head.subarray(isHeadCut ? 20 : 0), up.subarray(0, withHead)]));
    const tunnel = await readAnswer(wire);
    if (first === 'destination') await tunnel.rest();
    await sendPieces(wire, up.subarray(withHead), client);
    const [received, receivedFar] = await Promise.all([tunnel.rest(), farSide.promise]);
    expect(receivedFar.equals(up), 'upload').toBe(true);
    expect(received.equals(down), 'download').toBe(true);
    const record = await proxy.record(index++);
    expect(record).toMatchObject({ verdict: 'allow', bytesUp: up.length, bytesDown: down.length });
    if (first !== 'neither') expect(record.endedBy).toBe(first);
  });
  await fc.assert(property, { numRuns: 200, endOnFailure: true });
  expect(proxy.records).toHaveLength(200);
});
