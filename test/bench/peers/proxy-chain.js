/** proxy-chain as a forward proxy: a set of names, an access log in a file. Arguments: port, list of names, log file, workers. */
import cluster from 'node:cluster';
import { createWriteStream, readFileSync } from 'node:fs';
import process from 'node:process';
import { RequestError, Server } from 'proxy-chain';

const [port, list, log, workers] = process.argv.slice(2);

function serve() {
  const allowed = new Set(readFileSync(list, 'utf8').split('\n'));
  const lines = createWriteStream(log, { flags: 'a' });
  const open = new Map();
  const server = new Server({
    port: Number(port),
    host: '127.0.0.1',
    prepareRequestFunction({ connectionId, request, hostname }) {
      if (!allowed.has(hostname)) throw new RequestError('Not on the list', 403);
      open.set(connectionId, { method: request.method, url: request.url, client: request.socket.remoteAddress });
      return {};
    },
  });
  server.on('connectionClosed', ({ connectionId, stats }) => {
    const asked = open.get(connectionId);
    open.delete(connectionId);
    lines.write(`${JSON.stringify({ time: new Date(), ...asked, ...stats })}\n`);
  });
  return server.listen();
}

if (Number(workers) > 1 && cluster.isPrimary) {
  for (let count = 0; count < Number(workers); count++) cluster.fork();
} else await serve();
