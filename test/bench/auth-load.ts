/** A thread of clients for `auth.ts`: signs in, carries data through a tunnel, or guesses; one task after the other. */
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { parentPort } from 'node:worker_threads';
import { basic } from '../support/users.ts';

export type LoadTask =
  /** Listens: sends data without end to whoever says `give`, and 407 to whoever asks for a tunnel. */
  | { readonly type: 'listen' }
  | {
      readonly type: 'sign-in';
      readonly port: number;
      readonly destination: number;
      readonly clients: number;
      readonly password: string;
    }
  | {
      readonly type: 'carry';
      readonly port: number;
      readonly destination: number;
      readonly ms: number;
      readonly password: string;
      /** Null: as many as there are. */
      readonly bytesPerSecond: number | null;
    }
  | {
      readonly type: 'guess';
      readonly port: number;
      readonly perSecond: number;
      readonly ms: number;
      readonly user: string;
    };

/** What a task came to: a port, clients, bytes or answered guesses. */
export interface Load {
  readonly destination: number;
  readonly count: number;
}

/** Guesses come from so many addresses. */
const guessers = 50;
const piece = Buffer.alloc(256 * 1024, 'x');

async function listen(): Promise<Load> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    const give = () => {
      while (!socket.destroyed && socket.write(piece));
    };
    socket.on('data', (bytes) => {
      if (!bytes.includes('CONNECT')) return give();
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    });
    socket.on('drain', give);
  });
  await new Promise<void>((listening) => server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, listening));
  return { destination: (server.address() as AddressInfo).port, count: 0 };
}

/** Asks for a tunnel; gives its socket and the status of the answer, 0 where there was none. */
function open(port: number, destination: number, localAddress: string, value: string) {
  const socket = connect({ host: '127.0.0.1', port, localAddress, noDelay: true });
  socket.write(`CONNECT 127.0.0.1:${destination} HTTP/1.1\r\nProxy-Authorization: ${value}\r\n\r\n`);
  const status = new Promise<number>((resolve) => {
    socket.on('error', () => resolve(0));
    socket.on('close', () => resolve(0));
    socket.once('data', (bytes) => resolve(Number(bytes.toString('latin1', 9, 12))));
  });
  return { socket, status };
}

async function signIn(task: LoadTask & { type: 'sign-in' }): Promise<Load> {
  const { port, destination, clients, password } = task;
  const tunnels = Array.from({ length: clients }, (_, at) =>
    open(port, destination, `127.1.${at >> 7}.${(at & 127) + 1}`, basic(`user${at}`, password)),
  );
  const statuses = await Promise.all(tunnels.map(({ status }) => status));
  for (const { socket } of tunnels) socket.destroy();
  return { destination, count: statuses.filter((status) => status === 200).length };
}

async function carry(task: LoadTask & { type: 'carry' }): Promise<Load> {
  const { port, destination, ms, password, bytesPerSecond } = task;
  const { socket, status } = open(port, destination, '127.2.0.1', basic('tunnel', password));
  if ((await status) !== 200) throw new Error('the tunnel was refused');
  let count = 0;
  const started = performance.now();
  socket.on('data', (bytes: Buffer) => {
    count += bytes.length;
    if (bytesPerSecond !== null) pace(socket, (count / bytesPerSecond) * 1000 - (performance.now() - started));
  });
  socket.write('give');
  await pause(ms);
  socket.destroy();
  return { destination, count };
}

/** Does not read for as long as more has come than the rate allows. */
function pace(socket: Socket, aheadMs: number): void {
  if (aheadMs < 2) return;
  socket.pause();
  setTimeout(() => socket.resume(), aheadMs);
}

/** Guesses at a steady rate whatever comes back; counts the answers. */
async function guess({ port, perSecond, ms, user }: LoadTask & { type: 'guess' }): Promise<Load> {
  const started = performance.now();
  let sent = 0;
  let count = 0;
  while (performance.now() - started < ms) {
    for (; sent < ((performance.now() - started) / 1000) * perSecond; sent++) {
      const { socket, status } = open(port, 9, `127.3.0.${(sent % guessers) + 1}`, basic(user, `guess ${sent}`));
      void status.then((answer) => {
        if (answer === 407 || answer === 429) count++;
        socket.destroy();
      });
    }
    await pause(2);
  }
  return { destination: 0, count };
}

const perform: { readonly [Type in LoadTask['type']]: (task: LoadTask & { readonly type: Type }) => Promise<Load> } = {
  listen,
  'sign-in': signIn,
  carry,
  guess,
};

parentPort?.on('message', (task: LoadTask) => {
  const run = perform[task.type] as (task: LoadTask) => Promise<Load>;
  void run(task).then((load) => parentPort?.postMessage(load, []));
});
