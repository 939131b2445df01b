/** A parent proxy for what the product fetches itself: it forwards and tunnels everything to one port of loopback. */
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { IncomingMessage, RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import type { Certificate } from './certificates.ts';

export interface FetchParent extends AsyncDisposable {
  readonly port: number;
  /** The request lines so far without their version, oldest first. */
  readonly asked: readonly string[];
}

export interface FetchParentOptions {
  /** `user:password` that it wants; nobody is asked unless given. */
  readonly credential?: string;
  /** What it answers to who has the credential, instead of passing on. */
  readonly status?: number;
  /** Speaks TLS to its clients. */
  readonly tls?: Certificate;
}

/** Listens on a free port; `port` is where everything goes, whatever host it was asked for. */
export async function createFetchParent(port: number, options: FetchParentOptions = {}): Promise<FetchParent> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const refusalFor = ({ method, url, headers }: IncomingMessage): number | null => {
    asked.push(`${method} ${url}`);
    const wanted = `Basic ${Buffer.from(options.credential ?? '').toString('base64')}`;
    if (options.credential !== undefined && headers['proxy-authorization'] !== wanted) return 407;
    return options.status ?? null;
  };
  const listener: RequestListener = (incoming, response) => {
    const refusal = refusalFor(incoming);
    if (refusal !== null) {
      response.writeHead(refusal, { 'proxy-authenticate': 'Basic realm="x"' }).end();
      return;
    }
    const { pathname, search } = new URL(incoming.url ?? '');
    const { 'proxy-authorization': _ours, ...headers } = incoming.headers;
    request({ port, host: '127.0.0.1', path: pathname + search, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    }).end();
  };
  const server = options.tls ? createTlsServer(options.tls, listener) : createServer(listener);
  server.on('connect', (incoming: IncomingMessage, socket: Socket) => {
    socket.on('error', () => undefined);
    const refusal = refusalFor(incoming);
    if (refusal !== null) {
      socket.end(`HTTP/1.1 ${refusal} No\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    const onward = connect({ port, host: '127.0.0.1' }, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      socket.pipe(onward).pipe(socket);
    });
    onward.on('error', () => socket.destroy());
    socket.on('close', () => onward.destroy());
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    async [Symbol.asyncDispose]() {
      const gone = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await gone;
    },
  };
}
