/** A listener that speaks TLS, served by several workers: certificates reload with the rest, in each of them. */
import { chmodSync } from 'node:fs';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RunningStatus } from '../../src/cli/running-status.ts';
import type { Certificate } from '../support/certificates.ts';
import { createAuthority, createCertificate, createClientCertificate } from '../support/certificates.ts';
import { createDestination, echo } from '../support/destination.ts';
import type { Destination } from '../support/destination.ts';
import { operateProxy, writeSettings } from '../support/operated-proxy.ts';
import { createTempFolder } from '../support/temp-folder.ts';
import type { TempFolder } from '../support/temp-folder.ts';
import { connectSecure } from '../support/tls-client.ts';
import { readAnswer } from '../support/tunnel.ts';

let authority: Certificate;
let destination: Destination;
beforeAll(async () => {
  authority = await createAuthority();
  destination = await createDestination(echo);
});
afterAll(() => destination.close());

async function show(folder: TempFolder, name: string): Promise<void> {
  const { cert, key } = await createCertificate(authority, [name, '127.0.0.1']);
  folder.write('proxy.pem', cert);
  chmodSync(folder.write('proxy.key', key), 0o600);
}

test('each worker shows the certificate in force, knows users by theirs, and so does one that starts later', async () => {
  const folder = createTempFolder();
  await show(folder, 'older.test');
  folder.write('clients.pem', authority.cert);
  const target = `127.0.0.1:${destination.port}`;
  writeSettings(folder, 'workers: 2\nreload: { watch: false }', [`ip:${target} user ann@contoso.example`]);
  const tls = '{ cert: ./proxy.pem, key: ./proxy.key, clientCa: ./clients.pem }';
  const listen = `listen: [{ address: "127.0.0.1:0", tls: ${tls} }]`;
  folder.write('config.yaml', folder.read('config.yaml').replace(/^listen: .*$/m, listen));
  await using proxy = await operateProxy({ folder });
  const ann = await createClientCertificate(authority, { commonName: 'Ann', email: 'ann@contoso.example' });

  /** The names shown and the statuses got by many clients at once. */
  const ask = async () => {
    const seen = await Promise.all(
      Array.from({ length: 30 }, async () => {
        await using wire = await connectSecure(proxy.port, { ca: authority.cert, ...ann });
        const name = (wire.socket as TLSSocket).getPeerX509Certificate()?.subjectAltName?.split(',')[0];
        await wire.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
        return `${name} ${(await readAnswer(wire)).status}`;
      }),
    );
    return [...new Set(seen)];
  };
  expect(await ask()).toEqual(['DNS:older.test 200']);
  await show(folder, 'newer.test');
  expect(await proxy.ask('reload')).toMatchObject({ result: 'done' });
  expect(await ask()).toEqual(['DNS:newer.test 200']);
  folder.write('proxy.key', 'no key\n');
  expect(await proxy.ask('reload')).toMatchObject({ result: 'failed' });
  const { workers } = (await proxy.ask('status')) as RunningStatus;
  process.kill(workers[0]!.pid, 'SIGKILL');
  await proxy.said('worker_started');
  expect(await ask()).toEqual(['DNS:newer.test 200']);
  folder.remove();
});
