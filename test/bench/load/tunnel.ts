/** One tunnel, as the load opens it: through a proxy by CONNECT, through a relay or to the destination directly without. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';

/** Where the load connects for a peer. */
export interface Route {
  readonly tunnelPort: number;
  /** Where plain HTTP goes; for a proxy the same port. */
  readonly plainPort: number;
  /** What to name in CONNECT; null: the port itself leads to the destination. */
  readonly authority: string | null;
  /** Host and port of plain URLs. */
  readonly plainAuthority: string;
}

export interface Tunnel {
  write(bytes: Uint8Array): void;
  /** Writes; resolves when the system has taken the bytes. */
  send(bytes: Uint8Array): Promise<void>;
  /** Resolves when `count` more bytes have come; rejects when the tunnel ends before. */
  receive(count: number): Promise<void>;
  /** Closes our half. */
  end(): void;
  destroy(): void;
  /** Resolves when both halves are closed, well or badly. */
  readonly closed: Promise<void>;
}

export const proxyHost = '127.0.0.1';
/** Shared by all sockets: what is read is looked at once, in the callback, and never kept. */
const buffer = Buffer.allocUnsafeSlow(1 << 20);

/** Opens a tunnel; resolves when the 200 is there, or without CONNECT when connected. */
export function openTunnel(route: Route): Promise<Tunnel> {
  const opened = Promise.withResolvers<Tunnel>();
  const closed = Promise.withResolvers<void>();
  let head = '';
  let isOpen = false;
  let received = 0;
  let wanted = 0;
  let waiting: PromiseWithResolvers<void> | null = null;

  const onRead = (size: number, bytes: Uint8Array): boolean => {
    if (isOpen) received += size;
    else readHead(Buffer.from(bytes.buffer, bytes.byteOffset, size).toString('latin1'));
    if (waiting && received >= wanted) {
      waiting.resolve();
      waiting = null;
    }
    return true;
  };
  const readHead = (text: string) => {
    head += text;
    if (!head.includes('\r\n\r\n')) return;
    if (/^HTTP\/1\.[01] 200 /.test(head)) open();
    else fail(new Error(`CONNECT refused: ${head.slice(0, head.indexOf('\r'))}`));
  };
  const open = () => {
    isOpen = true;
    opened.resolve(tunnel);
  };
  const fail = (error: Error) => {
    opened.reject(error);
    waiting?.reject(error);
    waiting = null;
    socket.destroy();
  };

  const socket: Socket = connect({
    host: proxyHost,
    port: route.tunnelPort,
    noDelay: true,
    allowHalfOpen: true,
    onread: { buffer, callback: onRead },
  });
  socket.on('error', fail);
  socket.on('end', () => socket.end());
  socket.on('close', () => {
    fail(new Error(isOpen ? `tunnel closed after ${received} bytes` : 'closed before the 200'));
    closed.resolve();
  });
  socket.on('connect', () => {
    if (route.authority === null) open();
    else socket.write(`CONNECT ${route.authority} HTTP/1.1\r\nHost: ${route.authority}\r\n\r\n`);
  });

  const tunnel: Tunnel = {
    write: (bytes) => void socket.write(bytes),
    send: (bytes) => new Promise((resolve, reject) => socket.write(bytes, (e) => (e ? reject(e) : resolve()))),
    receive(count) {
      wanted += count;
      if (received >= wanted) return Promise.resolve();
      if (socket.destroyed) return Promise.reject(new Error(`tunnel closed after ${received} bytes`));
      waiting = Promise.withResolvers();
      return waiting.promise;
    },
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
    closed: closed.promise,
  };
  return opened.promise;
}
