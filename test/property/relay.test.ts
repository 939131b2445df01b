/** Whatever is sent in whatever pieces, to whoever reads how slowly: no byte is changed, lost or doubled on its way. */
import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { array, assert, asyncProperty, boolean, constant, integer, oneof, record } from 'fast-check';
import type { Arbitrary } from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LargeReads } from '../../src/proxy/large-reads.ts';
import { createLargeReads } from '../../src/proxy/large-reads.ts';
import { Deadlines } from '../../src/proxy/deadlines.ts';
import { relay } from '../../src/proxy/relay.ts';
import type { Connect, TunnelSocket } from '../../src/proxy/tunnel-socket.ts';
import { connectPlain } from '../../src/proxy/tunnel-socket.ts';
import { bareSockets } from '../support/bare-sockets.ts';
import { socketPair } from '../support/socket-pair.ts';

/** What one end does: the pieces that it sends, and how it reads. */
interface End {
  /** Bytes of each piece; between two the event loop turns so many times. */
  readonly pieces: readonly { readonly bytes: number; readonly turns: number }[];
  /** Pauses after every so many bytes, for so many turns; 0: never. */
  readonly pauseAfter: number;
  readonly pauseTurns: number;
}

const piece = record({
  // Around the sizes at which reads change their kind as well.
  bytes: oneof(
    integer({ min: 1, max: 100 }),
    integer({ min: 16_000, max: 17_000 }),
    integer({ min: 65_000, max: 66_000 }),
    integer({ min: 100_000, max: 1_200_000 }),
  ),
  turns: integer({ min: 0, max: 3 }),
});
const end: Arbitrary<End> = record({
  pieces: array(piece, { maxLength: 8 }),
  pauseAfter: oneof(constant(0), integer({ min: 1, max: 300_000 })),
  pauseTurns: integer({ min: 1, max: 5 }),
});

/** Bytes of which no stretch is like another: a lost or doubled one shifts all behind it. */
function stream(size: number, seed: number): Buffer {
  const words = new Uint32Array(Math.ceil(size / 4) + 1);
  let state = seed;
  for (let at = 0; at < words.length; at++) words[at] = state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Buffer.from(words.buffer, 0, size);
}

/** What a relay runs over. */
interface Over {
  readonly isLarge: boolean;
  readonly ofClient: (accepted: Socket) => TunnelSocket;
  readonly toDestination: Connect<TunnelSocket>;
}

const bare = bareSockets();
const ofBare = (accepted: Socket): TunnelSocket => bare.takeOver(accepted)!;
const small: LargeReads = { isFull: () => false, begin: () => {} };

async function layRelay({ isLarge, ofClient, toDestination }: Over, early: readonly Buffer[]) {
  const [[client, accepted], [destinationSide, destination]] = await Promise.all([
    socketPair(connectPlain),
    socketPair(toDestination),
  ]);
  const clientSide = ofClient(accepted);
  for (const socket of [client, destination, clientSide, destinationSide] as EventEmitter[])
    socket.on('error', () => {});
  const counts = { bytesUp: 0, bytesDown: 0 };
  const done = new Promise<string>((onEnd) => {
    relay(clientSide, destinationSide, early, {
      deadlines: new Deadlines(),
      idleMs: 60_000,
      halfCloseMs: 60_000,
      signal: new AbortController().signal,
      counts,
      largeReads: isLarge ? createLargeReads() : small,
      onEnd,
    });
  });
  return { client, destination, counts, done };
}

async function send(socket: Socket, data: Buffer, { pieces }: End): Promise<void> {
  let at = 0;
  for (const { bytes, turns } of pieces) {
    if (socket.destroyed) return;
    socket.write(data.subarray(at, (at += bytes)));
    for (let count = 0; count < turns; count++) await turn();
  }
}

/** Collects until the end, or until the connection is gone. */
async function receive(socket: Socket, { pauseAfter, pauseTurns }: End): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let since = 0;
  socket.on('data', (chunk: Buffer) => {
    chunks.push(Buffer.from(chunk));
    since += chunk.length;
    if (pauseAfter === 0 || since < pauseAfter) return;
    since = 0;
    socket.pause();
    void (async () => {
      for (let count = 0; count < pauseTurns; count++) await turn();
      socket.resume();
    })();
  });
  socket.resume();
  await new Promise<void>((over) => void socket.once('end', over).once('close', () => over()));
  return Buffer.concat(chunks);
}

const sizeOf = ({ pieces }: End): number => pieces.reduce((sum, { bytes }) => sum + bytes, 0);

describe.each([
  ['the sockets of the platform', { isLarge: false, ofClient: (accepted) => accepted, toDestination: connectPlain }],
  ['bare sockets', { isLarge: false, ofClient: ofBare, toDestination: bare.connect }],
  ['bare sockets with large reads', { isLarge: true, ofClient: ofBare, toDestination: bare.connect }],
  ['large reads of one end', { isLarge: true, ofClient: (accepted) => accepted, toDestination: bare.connect }],
] satisfies [string, Over][])('over %s', (_name, over) => {
  test('both directions arrive whole, and each ends for itself', async () => {
    await assert(
      asyncProperty(end, end, array(integer({ min: 1, max: 70_000 }), { maxLength: 2 }), async (up, down, first) => {
        const early = first.map((size, at) => stream(size, 77 + at));
        const [sentUp, sentDown] = [stream(sizeOf(up), 1), stream(sizeOf(down), 2)];
        const { client, destination, counts, done } = await layRelay(over, early);
        const received = Promise.all([receive(destination, down), receive(client, up)]);
        await Promise.all([send(client, sentUp, up), send(destination, sentDown, down)]);
        // The client ends its half; what the destination says after that still arrives.
        client.end();
        destination.write('behind');
        destination.end();
        const [atDestination, atClient] = await received;
        expect(atDestination.equals(Buffer.concat([...early, sentUp]))).toBe(true);
        expect(atClient.equals(Buffer.concat([sentDown, Buffer.from('behind')]))).toBe(true);
        await done;
        expect(counts).toEqual({ bytesUp: atDestination.length, bytesDown: atClient.length });
      }),
      { numRuns: 250 },
    );
  }, 120_000);

  test('a reset reaches the other side, which has a beginning of what was sent and nothing else', async () => {
    await assert(
      asyncProperty(end, boolean(), async (sent, isClient) => {
        const data = stream(sizeOf(sent), 3);
        const { client, destination, done } = await layRelay(over, []);
        const [from, to] = isClient ? [client, destination] : [destination, client];
        const gone = new Promise((closed) => to.once('close', closed));
        const received = receive(to, sent);
        await send(from, data, sent);
        from.resetAndDestroy();
        const got = await received;
        expect(got.equals(data.subarray(0, got.length))).toBe(true);
        await gone;
        expect(to.readableEnded).toBe(false);
        expect(await done).toBe(isClient ? 'client' : 'destination');
      }),
      { numRuns: 100 },
    );
  }, 120_000);
});
