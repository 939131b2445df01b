/** What a TLS listener shows can be replaced while it runs, and what speaks TLS is left to the platform's reads. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ListenerKeys } from '../../src/config/listener-keys.ts';
import { createTlsListener } from '../../src/proxy/tls-listener.ts';
import { bareSockets } from '../support/bare-sockets.ts';
import type { Certificate } from '../support/certificates.ts';
import { createAuthority, createCertificate, createClientCertificate } from '../support/certificates.ts';
import { connectSecure } from '../support/tls-client.ts';

let authority: Certificate;
let older: ListenerKeys;
let newer: ListenerKeys;
let port = 0;
const secured: { readonly socket: TLSSocket; readonly user: string | null }[] = [];
const server = createServer({ allowHalfOpen: true });

beforeAll(async () => {
  authority = await createAuthority();
  older = { ...(await createCertificate(authority, ['older.test', '127.0.0.1'])), clientCa: null };
  newer = { ...(await createCertificate(authority, ['newer.test', '127.0.0.1'])), clientCa: authority.cert };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ({ port } = server.address() as AddressInfo);
});
afterAll(() => {
  for (const { socket } of secured) socket.destroy();
  server.close();
});

/** Has every connection served by this listener from now on. */
function serveWith(listener: ReturnType<typeof createTlsListener>): void {
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    socket.on('error', () => {});
    listener.secure(socket, {
      onSecure: (tls, user) => {
        secured.push({ socket: tls, user });
        tls.on('error', () => {});
        tls.pipe(tls);
      },
      onPlain: () => socket.destroy(),
      onFailed: () => {},
    });
  });
}

const shown = async (client: Partial<Certificate> = {}): Promise<string | undefined> => {
  await using wire = await connectSecure(port, { ca: authority.cert, ...client });
  await wire.write('x');
  await wire.until('x');
  return (wire.socket as TLSSocket).getPeerX509Certificate()?.subject;
};

it('handshakes show the new certificate, with the new client authorities, and open connections stay', async () => {
  const listener = createTlsListener(older, 5000);
  serveWith(listener);
  const client = await createClientCertificate(authority, { commonName: 'backup' });
  await using open = await connectSecure(port, { ca: authority.cert });
  expect(await shown(client)).toBe('CN=older.test');
  expect(secured.at(-1)?.user).toBeNull();

  listener.replaceKeys(newer);
  expect(await shown(client)).toBe('CN=newer.test');
  expect(secured.at(-1)?.user).toBe('backup');
  await open.write('still open');
  await open.until('still open');
});

it('keys that do not serve leave the old ones in place', async () => {
  const listener = createTlsListener(older, 5000);
  serveWith(listener);
  expect(() => listener.replaceKeys({ ...older, key: newer.key })).toThrow();
  expect(await shown()).toBe('CN=older.test');
});

it('the connection of a socket that speaks TLS is not taken from it', async () => {
  serveWith(createTlsListener(older, 5000));
  await shown();
  await using wire = await connectSecure(port, { ca: authority.cert });
  await wire.write('x');
  await wire.until('x');
  const { socket } = secured.at(-1)!;
  socket.unpipe();
  expect(bareSockets().takeOver(socket)).toBeNull();
  expect(socket.destroyed).toBe(false);
});
