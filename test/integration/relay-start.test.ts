/** What became of a destination before the relay began is not lost on the client. */
import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { Deadlines } from '../../src/proxy/deadlines.ts';
import { createLargeReads } from '../../src/proxy/large-reads.ts';
import { relay } from '../../src/proxy/relay.ts';
import { connectPlain } from '../../src/proxy/tunnel-socket.ts';
import { socketPair } from '../support/socket-pair.ts';

test.each([
  ['closed its half', 'end', (far: Socket) => far.end(), 'end'],
  ['was reset', 'close', (far: Socket) => far.resetAndDestroy(), 'ECONNRESET'],
])('a destination that %s beforehand', async (_name, event, act, expected) => {
  const [client, clientSide] = await socketPair(connectPlain);
  const [destinationSide, far] = await socketPair(connectPlain);
  for (const socket of [client, clientSide, destinationSide, far]) socket.on('error', () => {});
  const over = new Promise((told) => destinationSide.once(event, told));
  act(far);
  destinationSide.pause();
  await over;
  const heard = new Promise((resolve) => {
    client.once('end', () => resolve('end')).once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
  });
  let ends = 0;
  const done = new Promise<string>((onEnd) => {
    relay(clientSide, destinationSide, [], {
      deadlines: new Deadlines(),
      idleMs: 60_000,
      halfCloseMs: 60_000,
      signal: new AbortController().signal,
      counts: { bytesUp: 0, bytesDown: 0 },
      largeReads: createLargeReads(),
      onEnd: (endedBy) => {
        ends++;
        onEnd(endedBy);
      },
    });
  });
  client.resume();
  expect(await heard).toBe(expected);
  client.destroy();
  far.destroy();
  expect([await done, ends]).toEqual(['destination', 1]);
});
