/** How a refusal reaches the client: a whole HTTP answer that explains itself, and a close that does not destroy it. */
import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { ProxyError } from '../errors.ts';
import { answers } from '../errors.ts';
import type { TunnelSocket } from './tunnel-socket.ts';

/** The name under which the proxy speaks of itself in `Proxy-Status` (RFC 9209) and, with its instance, in `Via`. */
export const productName = 'lockdown-proxy';

/** After an answer, so much more is read and dropped before the socket goes (an unread byte would make it a reset). */
const lingerBytes = 64 * 1024;
const lingerMs = 500;

/** Answers on a bare socket, half-closes, and drops what the client still sends. */
export function refuseOnSocket(socket: TunnelSocket, error: ProxyError, id: string): void {
  if (socket.destroyed || !socket.writable) {
    socket.destroy();
    return;
  }
  const { phrase, fields, body } = answerFor(error, id);
  let head = `HTTP/1.1 ${error.status} ${phrase}\r\n`;
  for (let index = 0; index < fields.length; index += 2) head += `${fields[index]}: ${fields[index + 1]}\r\n`;
  socket.write(Buffer.from(`${head}\r\n${body}`, 'latin1'));
  lingeringClose(socket);
}

/** Fatal alert `access_denied` (RFC 8446 section 6.2) in a TLS 1.2 record, which every version reads. */
export const accessDenied: Uint8Array = Buffer.from([21, 3, 3, 0, 2, 2, 49]);

/** Refuses in the only words that a client understands whose handshake has not begun. */
export function refuseInTls(socket: TunnelSocket): void {
  socket.write(accessDenied);
  lingeringClose(socket);
}

/**
 * Answers on a response that has not begun; the connection then closes as above, through its `destroySoon`, which the
 * server has replaced.
 */
export function refuseOnResponse(socket: Socket, response: ServerResponse, error: ProxyError, id: string): void {
  if (socket.destroyed) return;
  const { phrase, fields, body } = answerFor(error, id);
  response.sendDate = false;
  response.writeHead(error.status, phrase, fields);
  response.end(body);
}

/** Ends a connection in the middle of an answer. To HTTP/1.0 a plain close could look like the answer's end. */
export function cutOff(socket: Socket, httpVersion: string): void {
  if (httpVersion === '1.0') reset(socket);
  else socket.destroy();
}

/** Ends a connection so that its end cannot be taken for an orderly one; in TLS the missing close_notify says so. */
export function reset(socket: TunnelSocket): void {
  if (socket instanceof TLSSocket) socket.destroy();
  else socket.resetAndDestroy();
}

/**
 * Ends what is said to a peer. To one that has said all itself and was told all, a close says the same as a half-close
 * and saves it.
 */
export function endAfter(socket: TunnelSocket): void {
  if (socket.readableEnded && socket.writableLength === 0 && !(socket instanceof TLSSocket)) socket.destroy();
  else socket.end();
}

/** Half-closes and reads on until the client closes, 64 KiB came or 500 ms went by. */
export function lingeringClose(socket: TunnelSocket): void {
  let dropped = 0;
  // Whoever read it before reads no more: a parser would pause it, or stumble again over what is only to be dropped.
  socket.removeAllListeners('data');
  const timer = setTimeout(() => socket.destroy(), lingerMs).unref();
  socket.on('data', (bytes: Buffer) => {
    dropped += bytes.length;
    if (dropped > lingerBytes) socket.destroy();
  });
  socket.on('error', () => socket.destroy());
  socket.on('close', () => clearTimeout(timer));
  // When the client has closed its side too and the answer is out, the socket destroys itself.
  socket.end();
  socket.resume();
}

/**
 * Drops the listeners of a socket of the platform once its `close` was heard by all. Node gives each a closure that V8
 * makes in old space for as long as it has not optimised that code: until the next full collection it keeps the socket,
 * and so whatever the socket's listeners hold. With them go four fifths of it.
 */
export function letGoBehind(socket: TunnelSocket): void {
  if (socket instanceof Socket) process.nextTick(letGo, socket);
}

function letGo(socket: Socket): void {
  // The stream's own method would look at its flow again.
  EventEmitter.prototype.removeAllListeners.call(socket);
  socket.on('error', ignore);
}

/** For the errors of a socket that somebody else looks after, or that is gone: without a listener they end the process. */
export function ignore(): void {}

/** `fields` are names and values in turn. */
function answerFor(error: ProxyError, id: string): { phrase: string; fields: string[]; body: string } {
  const phrase = reasonPhrase(error);
  const body = `${phrase} (${productName} exchange ${id})\n`;
  const { reason } = error;
  const fields = [
    'Date',
    new Date().toUTCString(),
    'Content-Type',
    'text/plain; charset=us-ascii',
    'Content-Length',
    String(body.length),
    'Connection',
    'close',
    'Proxy-Status',
    `${productName}; error=${answers[reason].proxyStatus}; details="${reason}"`,
  ];
  for (const [name, value] of error.fields) fields.push(name, value);
  if (reason === 'method_not_allowed')
    fields.push('Allow', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, MERGE, CONNECT');
  return { phrase, fields, body };
}

/** One line of printable ASCII, whatever a detail brought along. */
function reasonPhrase(error: ProxyError): string {
  return error.phrase.replace(/[^\x20-\x7e]/g, '?').slice(0, 400);
}
