/** A far server that records every byte it got and behaves as the test says, well or badly. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { TlsOptions } from 'node:tls';
import { createWire } from './wire.ts';
import type { Bytes, Wire } from './wire.ts';

/** What a destination does with each connection; its failures are the connection's end, not the test's. */
export type Behaviour = (wire: Wire) => unknown;

export interface Destination {
  readonly address: string;
  readonly port: number;
  /** Every connection so far, oldest first. */
  readonly connections: readonly Wire[];
  /** All bytes received over all connections, joined. */
  readonly received: Buffer;
  /** Waits for the connection of that index (from 0) and gives it. */
  connection(index?: number): Promise<Wire>;
  /** Stops listening and drops every connection. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Accepts and says nothing; closes when the client has closed. */
export const silent: Behaviour = async (wire) => {
  await wire.all();
  wire.end();
};

/** Accepts and never ends its own direction. */
export const stuck: Behaviour = () => undefined;

/** Sends back whatever arrives, and FIN for FIN. */
export const echo: Behaviour = (wire) => {
  wire.socket.pipe(wire.socket);
};

/** Sends `bytes` at once, before the client has said anything. */
export const speakFirst =
  (bytes: Bytes): Behaviour =>
  (wire) =>
    wire.write(bytes);

/** Reads up to `head` (the end of a request head), then answers with `bytes` and closes its direction. */
export const answerWith =
  (bytes: Bytes, head: string | RegExp | number = '\r\n\r\n'): Behaviour =>
  async (wire) => {
    await wire.until(head);
    wire.end(bytes);
  };

/** Reads until the client's FIN and only then answers: what a relay that drops half-closed connections loses. */
export const answerAfterEnd =
  (bytes: Bytes): Behaviour =>
  async (wire) => {
    await wire.all();
    wire.end(bytes);
  };

/** Sends FIN at once and goes on reading. */
export const halfCloseFirst: Behaviour = (wire) => {
  wire.end();
};

/** Sends RST as soon as `head` has arrived (0: at once). */
export const resetAfter =
  (head: string | RegExp | number): Behaviour =>
  async (wire) => {
    await wire.until(head);
    wire.reset();
  };

/** Listens on `address` (127.0.0.1) and a free port; with `tls` it speaks TLS and records what was inside. */
export async function createDestination(
  behaviour: Behaviour = silent,
  options: { readonly address?: string; readonly port?: number; readonly tls?: TlsOptions } = {},
): Promise<Destination> {
  const connections: Wire[] = [];
  const waiting = new Set<() => void>();
  const sockets = new Set<Socket>();
  const accept = (socket: Socket): void => {
    const wire = createWire(socket);
    connections.push(wire);
    void Promise.resolve(behaviour(wire)).catch(() => wire.socket.destroy());
    for (const check of waiting) check();
  };
  const settings = { allowHalfOpen: true, noDelay: true };
  const server =
    options.tls === undefined
      ? createServer(settings, accept)
      : createTlsServer({ ...options.tls, ...settings }, accept).on('tlsClientError', (_error, socket) =>
          socket.destroy(),
        );
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen(options.port ?? 0, options.address ?? '127.0.0.1');
  await once(server, 'listening');
  const { address, port } = server.address() as AddressInfo;

  const close = async (): Promise<void> => {
    if (!server.listening) return;
    const gone = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await gone;
  };
  return {
    address,
    port,
    connections,
    get received() {
      return Buffer.concat(connections.map((wire) => wire.received));
    },
    connection: (index = 0) =>
      new Promise((resolve) => {
        const check = (): void => {
          const wire = connections[index];
          if (wire === undefined) return;
          waiting.delete(check);
          resolve(wire);
        };
        waiting.add(check);
        check();
      }),
    close,
    [Symbol.asyncDispose]: close,
  };
}
