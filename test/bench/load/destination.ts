/** The far server, a process of its own: does what the opening of each tunnel says, and answers plain HTTP on a second port. */
import type { Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import process from 'node:process';
import { readLarge } from './large-reads.ts';
import type { Frame } from './opening.ts';
import { readOpening } from './opening.ts';
import { answerPlain } from './plain-answer.ts';

const block = Buffer.alloc(1 << 20, 0x5a);
const oneByte = Buffer.from([0x06]);
/** Every address that `localhost` may be; not every machine has the second. */
const addresses = ['127.0.0.1', '::1'];

function serve(socket: Socket): void {
  let opening: Buffer = Buffer.alloc(0);
  const onOpening = (bytes: Buffer) => {
    opening = opening.length === 0 ? bytes : Buffer.concat([opening, bytes]);
    const read = readOpening(opening);
    if (!read) return;
    socket.off('data', onOpening);
    perform(socket, read.frame, opening.subarray(read.end));
  };
  // Proxies that cannot half-close reset what they no longer want.
  socket.on('error', () => socket.destroy());
  socket.on('end', () => socket.end());
  socket.on('data', onOpening);
}

function perform(socket: Socket, { task, count }: Frame, rest: Buffer): void {
  if (task === 'down') {
    socket.resume();
    sendBytes(socket, count);
  } else if (task === 'up') {
    let left = count - rest.length;
    const reader = readLarge(socket, (bytes) => {
      left -= bytes;
      if (left === 0) reader.write(oneByte);
    });
    reader.on('error', () => reader.destroy());
    reader.on('end', () => reader.end());
  } else if (task === 'echo') {
    if (rest.length > 0) socket.write(rest);
    socket.on('data', (bytes) => socket.write(bytes));
  } else {
    socket.removeAllListeners('end');
    socket.on('end', () => socket.end(block.subarray(0, count)));
    socket.resume();
  }
}

function sendBytes(socket: Socket, count: number): void {
  let left = count;
  const send = () => {
    while (left > 0) {
      const size = Math.min(left, block.length);
      left -= size;
      if (!socket.write(block.subarray(0, size))) return;
    }
    socket.off('drain', send);
  };
  socket.on('drain', send);
  send();
}

/** The same port on every loopback address there is. */
async function listen(onConnection: (socket: Socket) => void): Promise<number> {
  let port = 0;
  for (const host of addresses) {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, onConnection);
    const bound = await bind(server, host, port);
    if (port === 0 && bound === null) throw new Error(`cannot listen on ${host}`);
    port = bound ?? port;
  }
  return port;
}

function bind(server: Server, host: string, port: number): Promise<number | null> {
  return new Promise((resolve) => {
    server.once('error', () => resolve(null));
    server.listen({ host, port, backlog: 4096 }, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : null);
    });
  });
}

process.on('disconnect', () => process.exit());
process.send?.({ tunnelPort: await listen(serve), plainPort: await listen(answerPlain) });
