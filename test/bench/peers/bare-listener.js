/** The least that Node can listen with, as the measure of a start: says 200 to whatever comes. Argument: port. */
import { createServer } from 'node:net';
import process from 'node:process';

createServer((socket) => {
  socket.on('error', () => {});
  socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\n\r\n'));
}).listen(Number(process.argv[2]), '127.0.0.1');
