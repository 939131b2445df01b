/** Connects by a bare socket, which the platform of the tests has to have. */
import { findConnectBare } from '../../src/proxy/bare-socket.ts';
import type { TunnelSocket } from '../../src/proxy/tunnel-socket.ts';

export function connectBare(address: string, port: number): TunnelSocket {
  const connect = findConnectBare();
  if (!connect) throw new Error('no bare sockets here');
  return connect(address, port);
}
