/** Both ends of one connection over loopback, the accepted one paused. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { told } from '../../src/proxy/listeners.ts';
import type { Connect, TunnelSocket } from '../../src/proxy/tunnel-socket.ts';

/** The end that connects, and the one that was accepted. */
export async function socketPair<S extends TunnelSocket>(connectTo: Connect<S>): Promise<readonly [S, Socket]> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const accepted = once(server, 'connection');
  const near = connectTo('127.0.0.1', port);
  const connected = told(near, 'connect');
  const [far] = (await accepted) as [Socket];
  server.close();
  await connected;
  return [near, far];
}
