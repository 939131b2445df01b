/**
 * A small HTTP server for questions about the proxy. It answers GET and HEAD on known paths, cheaply and in bounds: a
 * few connections, small heads, short waits, nothing that is kept by a cache.
 */
import { createServer, STATUS_CODES } from '../proxy/node-http.ts';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Endpoint } from '../config/values.ts';
import { lingeringClose } from '../proxy/respond.ts';

export interface TextAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  /** More fields of the answer. */
  readonly fields?: Readonly<Record<string, string>>;
}

/** What answers on each path. */
export type Pages = Readonly<Record<string, (request: IncomingMessage) => TextAnswer | Promise<TextAnswer>>>;

export interface AnswerServerOptions {
  readonly pages: Pages;
  /** Paths whose answer to GET goes on and on: each takes the response, or gives what is answered instead. */
  readonly streams?: Readonly<Record<string, (response: ServerResponse) => TextAnswer | null>>;
  /** Whether whoever connects is answered at all; others are closed without a word. */
  readonly admits?: (socket: Socket) => boolean;
  /** Why a request is not answered although its path is known; null: it is. */
  readonly refuses?: (request: IncomingMessage) => TextAnswer | null;
  /** Told of what should never happen. */
  readonly onBug: (error: unknown) => void;
}

export interface AnswerServer {
  /** Where it listens, with the port that was bound. */
  readonly bound: Endpoint;
  close(): void;
}

/** Scrapers and probes are few; whoever opens more is not served. */
const maxConnections = 100;
const headBytes = 8192;
const headMs = 5000;
const idleMs = 15_000;

/** Binds and serves. @throws the system's error when the address cannot be bound */
export async function openAnswerServer(
  { address, port }: Endpoint,
  options: AnswerServerOptions,
): Promise<AnswerServer> {
  const server = createServer(
    {
      maxHeaderSize: headBytes,
      headersTimeout: headMs,
      requestTimeout: headMs,
      keepAliveTimeout: idleMs,
      connectionsCheckingInterval: 1000,
    },
    (request, response) => {
      void answerTo(request, response, options).then((answer) => {
        if (answer === null) return;
        const { status, contentType, body, fields } = answer;
        // A body is read by nobody here, and whoever was refused may start anew.
        if (status >= 400 || hasBody(request)) response.shouldKeepAlive = false;
        response.writeHead(status, {
          'Content-Type': contentType,
          'Content-Length': Buffer.byteLength(body),
          'Cache-Control': 'no-store',
          'X-Content-Type-Options': 'nosniff',
          ...fields,
          ...(status === 405 && { Allow: 'GET, HEAD' }),
        });
        response.end(request.method === 'HEAD' ? undefined : body);
      });
    },
  );
  server.maxConnections = maxConnections;
  server.on('connection', (socket: Socket) => {
    socket.on('error', () => socket.destroy());
    if (options.admits?.(socket) === false) socket.destroy();
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => refuseHead(error, socket as Socket));
  await bind(server, address, port);
  server.on('error', options.onBug);
  const { address: boundAddress, port: boundPort } = server.address() as AddressInfo;
  return {
    bound: { address: boundAddress, port: boundPort },
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** A line of text. */
export function plainText(status: number, text: string): TextAnswer {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${text}\n` };
}

/** Null: a stream has taken the response. */
async function answerTo(
  request: IncomingMessage,
  response: ServerResponse,
  options: AnswerServerOptions,
): Promise<TextAnswer | null> {
  const { pages, streams = {} } = options;
  const refusal = options.refuses?.(request);
  if (refusal) return refusal;
  const [path = ''] = (request.url ?? '').split('?');
  const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
  const stream = Object.hasOwn(streams, path) ? streams[path] : undefined;
  if (!page && !stream) return plainText(404, `not found; known here: ${knownPaths(pages)}`);
  if (request.method !== 'GET' && (request.method !== 'HEAD' || stream)) return plainText(405, 'only GET and HEAD');
  try {
    if (stream) return stream(response);
    return (await page?.(request)) ?? null;
  } catch (error) {
    options.onBug(error);
    return plainText(500, 'internal error');
  }
}

/** What is asked for by hand; the parts of a page are not. */
function knownPaths(pages: Pages): string {
  return Object.keys(pages)
    .filter((path) => path.lastIndexOf('/') === 0)
    .join(', ');
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

/** A head that is too large, too slow or no HTTP: the answer has to arrive although more may be on its way. */
function refuseHead(error: NodeJS.ErrnoException, socket: Socket): void {
  if (socket.destroyed || !socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  // The parser stumbles again over every piece that follows; the first time counts.
  if (socket.writableEnded) return;
  const statuses: Readonly<Record<string, number>> = {
    HPE_HEADER_OVERFLOW: 431,
    ERR_HTTP_REQUEST_TIMEOUT: 408,
  };
  const status = statuses[error.code ?? ''] ?? 400;
  socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  lingeringClose(socket);
}

function bind(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
