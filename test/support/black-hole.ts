/** A port that never answers: its listener accepts nothing and its queue is full, so that every SYN is dropped. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { Worker } from 'node:worker_threads';

export interface BlackHole extends AsyncDisposable {
  readonly address: string;
  readonly port: number;
}

/** Listens, says its port, and never turns its event loop again. */
const program = `
  const { parentPort, workerData } = require('node:worker_threads');
  const server = require('node:net').createServer();
  server.listen({ ...workerData, backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });
`;
/** A queue of length 1 holds two connections (Linux counts from 0). */
const queued = 2;

/** Opens a black hole on a loopback address and, unless it is given, a free port. */
export async function createBlackHole(address = '127.0.0.1', port = 0): Promise<BlackHole> {
  const worker = new Worker(program, { eval: true, workerData: { host: address, port } });
  const [bound] = (await once(worker, 'message')) as [number];
  const fillers = Array.from({ length: queued }, () => connect({ host: address, port: bound }));
  for (const socket of fillers) socket.on('error', () => undefined);
  await Promise.all(fillers.map((socket) => once(socket, 'connect')));
  return {
    address,
    port: bound,
    async [Symbol.asyncDispose]() {
      for (const socket of fillers) socket.destroy();
      await worker.terminate();
    },
  };
}
