/** Whether bare sockets work on this platform, found out once at start on a connection of our own over loopback. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { BareSocket } from './bare-socket.ts';
import type { BareSockets } from './bare-sockets.ts';
import { findBareSockets } from './bare-sockets.ts';
import { told } from './listeners.ts';

/** How long the trial may take, in milliseconds; a machine that is slower goes without. */
const budgetMs = 1000;

/** Gives them once bytes went from a connected one to an accepted one and back unchanged, each end behind them; else null. */
export async function probeBareSockets(): Promise<BareSockets | null> {
  const bare = findBareSockets();
  if (!bare) return null;
  const sent = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251));
  const server = createServer();
  const signal = AbortSignal.timeout(budgetMs);
  const sockets: BareSocket[] = [];
  try {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening', { signal });
    const isAccepting = bare.accept(server, (socket) => {
      sockets.push(socket);
      socket.on('error', () => {});
      socket.on('end', () => void socket.end());
      const buffer = Buffer.allocUnsafeSlow(1024);
      const callback = (length: number) => void socket.write(Buffer.from(buffer.subarray(0, length)));
      socket.readInto({ buffer: () => buffer, callback }).resume();
    });
    if (!isAccepting) return null;
    const socket = bare.connect('127.0.0.1', (server.address() as AddressInfo).port);
    sockets.push(socket);
    await told(socket, 'connect', signal);
    const arrived: Buffer[] = [];
    socket.on('data', (bytes: Buffer) => arrived.push(bytes));
    const closed = told(socket, 'close', signal);
    socket.resume();
    socket.write(sent);
    socket.end();
    await closed;
    return Buffer.concat(arrived).equals(sent) ? bare : null;
  } catch {
    return null;
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}
