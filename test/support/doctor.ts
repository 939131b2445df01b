/** A patient for the doctor: a real configuration, a real proxy on loopback where asked for, all else stand-ins. */
import { createServer } from 'node:tls';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { parseAddress } from '../../src/address/ip.ts';
import type { Finding } from '../../src/cli/doctor/finding.ts';
import type { Sources } from '../../src/cli/doctor/sources.ts';
import { examine } from '../../src/cli/doctor.ts';
import { inspect } from '../../src/cli/logs/read.ts';
import { NoProxyError } from '../../src/observe/control-ask.ts';
import { dial } from '../../src/proxy/dial.ts';
import { createConnectParent } from '../../src/proxy/parent-connect.ts';
import { createAuthority, createCertificate } from './certificates.ts';

/** Where every name of a healthy world leads; what is dialled is loopback. */
export const publicAddress = '20.60.0.1';

export interface World extends AsyncDisposable {
  readonly sources: Sources;
  /** The port of the server that stands in for every destination. */
  readonly port: number;
}

/** A server with a certificate for all the known names whose Date is `offMs` ahead of the clock here. */
export async function createWorld(changes: Partial<Sources> = {}, offMs = 0): Promise<World> {
  const authority = await createAuthority();
  const names = ['*.blob.core.windows.net', '*.wus.backup.windowsazure.com', 'login.microsoftonline.com'];
  const server = createServer(await createCertificate(authority, names), (socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      const date = new Date(Date.now() + offMs).toUTCString();
      socket.end(`HTTP/1.1 400 Bad Request\r\nDate: ${date}\r\nContent-Length: 0\r\n\r\n`);
    });
  });
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const loopback = parseAddress('127.0.0.1')!;
  const address = parseAddress(publicAddress)!;
  const sources: Sources = {
    askProxy: () => Promise.reject(new NoProxyError('no running proxy at /nowhere')),
    resolve: () => Promise.resolve([address]),
    dnsServers: () => ['10.0.0.2'],
    // Nothing but loopback is ever dialled.
    dial: (addresses, wanted, ms, signal) =>
      dial(
        addresses.map((entry) => ({ ...entry, address: loopback })),
        wanted === 443 ? port : wanted,
        ms,
        signal,
      ),
    connectParent: createConnectParent(),
    authorities: () => [authority.cert],
    ownAddresses: () => [loopback],
    readText: () => null,
    listFolder: () => [],
    rightsOf: () => ({ uid: 0, gid: 0, mode: 0o755, size: 0, isFolder: true }),
    freeSpace: () => Promise.resolve({ freeBytes: 50e9, totalBytes: 100e9 }),
    showUnit: () => Promise.resolve(null),
    isAzure: () => Promise.resolve(false),
    metadataBase: 'http://127.0.0.1:9',
    cores: () => 4,
    uid: 0,
    now: Date.now,
    ...changes,
  };
  return {
    sources,
    port,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, 'close');
    },
  };
}

/** What the doctor finds over a configuration file. */
export function findings(file: string, { sources }: World, hosts: readonly string[] = []): Promise<readonly Finding[]> {
  return examine({ file, hosts, inspect, sources });
}

/** The findings of one check, without those that are only not seen. */
export function of(check: Finding['check'], all: readonly Finding[]): readonly Finding[] {
  return all.filter((finding) => finding.check === check && finding.state !== 'unseen');
}
