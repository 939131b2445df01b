/** Whether bare sockets work on this platform, found out once at start on a connection of our own over loopback. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { BareSocket } from './bare-socket.ts';
import { findConnectBare } from './bare-socket.ts';
import type { Connect } from './tunnel-socket.ts';

/** How long the trial may take, in milliseconds; a machine that is slower goes without. */
const budgetMs = 1000;

/** Gives what connects by bare sockets once bytes went there and back unchanged, each end behind them; else null. */
export async function probeBareSocket(): Promise<Connect<BareSocket> | null> {
  const connect = findConnectBare();
  if (!connect) return null;
  const sent = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251));
  const server = createServer({ allowHalfOpen: true }, (accepted) => {
    accepted.on('error', () => {});
    accepted.pipe(accepted);
  });
  const signal = AbortSignal.timeout(budgetMs);
  let socket: BareSocket | null = null;
  try {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening', { signal });
    socket = connect('127.0.0.1', (server.address() as AddressInfo).port);
    await once(socket, 'connect', { signal });
    const arrived: Buffer[] = [];
    socket.on('data', (bytes: Buffer) => arrived.push(bytes));
    const closed = once(socket, 'close', { signal });
    socket.resume();
    socket.write(sent);
    socket.end();
    await closed;
    return Buffer.concat(arrived).equals(sent) ? connect : null;
  } catch {
    return null;
  } finally {
    socket?.destroy();
    server.close();
  }
}
