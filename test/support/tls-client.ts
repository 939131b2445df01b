/** A client that speaks TLS to the proxy itself, then raw bytes inside. */
import { once } from 'node:events';
import { connect } from 'node:tls';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { createWire } from './wire.ts';
import type { Wire } from './wire.ts';

/** Connects and waits for the handshake; rejects when it fails. The wire is what is inside. */
export async function connectSecure(port: number, options: ConnectionOptions): Promise<Wire> {
  const socket: TLSSocket = connect({ host: '127.0.0.1', port, allowHalfOpen: true, ...options } as ConnectionOptions);
  await once(socket, 'secureConnect');
  return createWire(socket);
}

/** Speaks TLS over a connection that leads to a server, as through a tunnel, and gives what is inside. */
export async function secureOver(socket: ConnectionOptions['socket'], options: ConnectionOptions): Promise<Wire> {
  const secured = connect({ ...options, ...(socket && { socket }) });
  await once(secured, 'secureConnect');
  return createWire(secured);
}
