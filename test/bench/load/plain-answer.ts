/** The plain HTTP end: the same short answer to every request, for as little work as can be. */
import type { Socket } from 'node:net';

const body = 'x'.repeat(1024);
const head = (connection: string) =>
  `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\nConnection: ${connection}\r\n\r\n`;
const kept = head('keep-alive') + body;
const closing = head('close') + body;
const headEnd = '\r\n\r\n';

/** Answers each head that comes; requests have no bodies here. A proxy that asks for a close, or speaks 1.0, gets it. */
export function answerPlain(socket: Socket): void {
  let text = '';
  socket.setEncoding('latin1');
  socket.on('error', () => socket.destroy());
  socket.on('end', () => socket.end());
  socket.on('data', (piece) => {
    text += String(piece);
    for (let end = text.indexOf(headEnd); end >= 0; end = text.indexOf(headEnd)) {
      const request = text.slice(0, end);
      text = text.slice(end + headEnd.length);
      const closes = /^\S+ \S+ HTTP\/1\.0/.test(request) || /\r\nconnection:[^\r]*close/i.test(request);
      if (closes) socket.end(closing);
      else socket.write(kept);
    }
  });
}
