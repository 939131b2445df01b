/** Whether large reads work on this platform, found out once at start on a connection of our own over loopback. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { createLargeReads } from './large-reads.ts';
import type { TunnelSocket } from './tunnel-socket.ts';

/** How long the trial may take, in milliseconds; a machine that is slower goes without. */
const budgetMs = 1000;

/** Sends bytes through a socket that was taken over; true when they arrive unchanged, with the end behind them. */
export async function probeLargeReads(): Promise<boolean> {
  const sent = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251));
  const server = createServer({ allowHalfOpen: true });
  const sockets: TunnelSocket[] = [];
  const signal = AbortSignal.timeout(budgetMs);
  try {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening', { signal });
    const accepted = once(server, 'connection', { signal });
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    sockets.push(client);
    client.on('error', () => {});
    const [socket] = (await accepted) as [Socket];
    sockets.push(socket);
    const arrived: Buffer[] = [];
    const taken = createLargeReads().takeOver(socket, (bytes) => arrived.push(Buffer.from(bytes)));
    if (!taken) return false;
    sockets.push(taken);
    taken.on('error', () => {});
    const ended = once(taken, 'end', { signal });
    taken.resume();
    client.end(sent);
    await ended;
    return Buffer.concat(arrived).equals(sent);
  } catch {
    return false;
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}
