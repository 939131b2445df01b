/** What became of a destination before the relay began is not lost on the client. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { expect, test } from 'vitest';
import { Deadlines } from '../../src/proxy/deadlines.ts';
import { createLargeReads } from '../../src/proxy/large-reads.ts';
import { relay } from '../../src/proxy/relay.ts';
import { connectPlain } from '../../src/proxy/tunnel-socket.ts';

async function socketPair(): Promise<readonly [Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const near = connectPlain('127.0.0.1', (server.address() as AddressInfo).port);
  const [[far]] = (await Promise.all([accepted, once(near, 'connect')])) as [[Socket], unknown];
  server.close();
  for (const socket of [near, far]) socket.on('error', () => {});
  return [near, far];
}

test.each([
  ['closed its half', 'end', (far: Socket) => far.end(), 'end'],
  ['was reset', 'close', (far: Socket) => far.resetAndDestroy(), 'ECONNRESET'],
])('a destination that %s beforehand', async (_name, event, act, expected) => {
  const [client, clientSide] = await socketPair();
  const [destinationSide, far] = await socketPair();
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
