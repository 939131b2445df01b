/**
 * The network around a proxy's machine, out of namespaces: a client in its subnet, one in another subnet, and an internet
 * with public addresses, where what the shipped lists let out is served over TLS.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { createAuthority, createCertificate } from '../support/certificates.ts';
import { connectNamespaces, makeNamespace, untilSaid } from './namespace.ts';
import type { Namespace } from './namespace.ts';

/** What the shipped lists let out, and a client that has no business here. */
export const account = { host: 'pod01-rec2.wcus.backup.windowsazure.com', address: '20.60.1.2' } as const;
export const publicClient = '52.1.2.3';
/** Where the proxy is, in the subnet of `near`. */
export const proxyAddress = '10.77.0.4';
/** The hosts file of the proxy's machine: there is no DNS. */
export const hosts = `127.0.0.1 localhost\n${account.address} ${account.host}\n`;

export interface Network extends AsyncDisposable {
  readonly machine: Namespace;
  /** 10.77.0.10, in the subnet of the proxy. */
  readonly near: Namespace;
  /** 10.78.0.10, in another subnet. */
  readonly far: Namespace;
  readonly internet: Namespace;
  /** Asks the account through the proxy; gives what came, and the proxy's status behind a blank. */
  fetchFrom(client: Namespace, ...options: readonly string[]): string;
}

export async function layNetwork(): Promise<Network> {
  const folder = mkdtempSync(join(tmpdir(), 'lockdown-proxy-account-'));
  const [machine, near, far, internet] = [makeNamespace({ hosts }), makeNamespace(), makeNamespace(), makeNamespace()];
  connectNamespaces(machine, `${proxyAddress}/24`, near, '10.77.0.10/24');
  connectNamespaces(machine, '10.78.0.1/24', far, '10.78.0.10/24');
  connectNamespaces(machine, '10.99.0.1/30', internet, '10.99.0.2/30');
  far.ip('route', 'add', '10.77.0.0/24', 'via', '10.78.0.1');
  internet.ip('route', 'add', '10.77.0.0/24', 'via', '10.99.0.1');
  for (const address of [account.address, publicClient]) {
    internet.ip('address', 'add', `${address}/32`, 'dev', 'lo');
    machine.ip('route', 'add', `${address}/32`, 'via', '10.99.0.2');
  }
  const { key, cert } = await createCertificate(await createAuthority(), [account.host]);
  writeFileSync(join(folder, 'key.pem'), key);
  writeFileSync(join(folder, 'cert.pem'), cert);
  const serve = `
    const { readFileSync } = require('node:fs');
    const [, folder, host] = process.argv;
    const pem = (name) => readFileSync(folder + '/' + name + '.pem');
    require('node:https').createServer({ key: pem('key'), cert: pem('cert') }, (request, response) => response.end('stored'))
      .listen(443, host, () => console.log('listening'));`;
  await untilSaid(internet.start([process.execPath, '-e', serve, folder, account.address]), 'listening');
  return {
    machine,
    near,
    far,
    internet,
    fetchFrom(client, ...options) {
      const argv = ['curl', '-sk', '-m', '20', '-w', ' %{http_connect}', '-x', `http://${proxyAddress}:3128`];
      return client.run([...argv, ...options, `https://${account.host}/`]).out;
    },
    async [Symbol.asyncDispose]() {
      for (const one of [internet, far, near, machine]) await one.remove();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
