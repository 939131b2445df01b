/** curl with an HTTPS proxy (`-x https://`): a client certificate as the user, and what a refused one looks like. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Certificate } from '../support/certificates.ts';
import { createAuthority, createCertificate, createClientCertificate } from '../support/certificates.ts';
import type { TempFolder } from '../support/temp-folder.ts';
import { createTempFolder } from '../support/temp-folder.ts';
import { passwords, userLines } from '../support/users.ts';
import { run } from './child.ts';
import type { Finished } from './child.ts';
import { startProxy } from './running-proxy.ts';
import type { RunningProxy } from './running-proxy.ts';
import { startStorageAccount } from './storage-account.ts';
import type { StorageAccount } from './storage-account.ts';

const isRoot = process.getuid?.() === 0;
const host = 'devaccount.blob.core.windows.net';

let storage: StorageAccount;
let authority: Certificate;
let leaf: Certificate;
let folder: TempFolder;

/** Starts a proxy that speaks TLS, and asks for a certificate where `clientCa` is to be had. */
const start = (
  rules: readonly string[],
  users: readonly string[] = [],
  clientCa = authority.cert,
): Promise<RunningProxy> =>
  startProxy(rules, users, {
    tls: '{ cert: ./cert.pem, key: ./key.pem, clientCa: ./ca.pem }',
    files: { 'cert.pem': leaf.cert, 'key.pem': leaf.key, 'ca.pem': clientCa },
  });

async function get(
  proxy: RunningProxy,
  scheme: string,
  client: Certificate | null,
  ...options: string[]
): Promise<Finished> {
  const proof = client
    ? ['--proxy-cert', folder.write('client.pem', client.cert), '--proxy-key', folder.write('client.key', client.key)]
    : [];
  const trust = ['--cacert', storage.caFile, '--proxy-cacert', folder.write('proxy-ca.pem', authority.cert)];
  return run('curl', ['-sSv', '-x', proxy.url, ...trust, ...proof, ...options, `${scheme}://${host}/backups/greeting`]);
}

describe.skipIf(!isRoot)('curl over TLS to the proxy (root only: ports 80 and 443 and the hosts file)', () => {
  beforeAll(async () => {
    storage = await startStorageAccount();
    authority = await createAuthority();
    leaf = await createCertificate(authority, ['127.0.0.1']);
    folder = createTempFolder();
  });
  afterAll(async () => {
    folder?.remove();
    await storage?.[Symbol.asyncDispose]();
  });

  describe.each(['https', 'http'])('%s', (scheme) => {
    const rules = [`${scheme}://${host} user vm1@contoso.example`];

    it('passes with a client certificate, and the log names its user', async () => {
      await using proxy = await start(rules);
      const client = await createClientCertificate(authority, { commonName: 'vm1', email: 'vm1@contoso.example' });
      const { code, stdout, stderr } = await get(proxy, scheme, client);
      expect(code, stderr).toBe(0);
      if (scheme === 'http') expect(stdout).toContain(storage.plainBody);
      else expect(stderr).toContain('Server: Azurite-Blob');
      const { lines } = await proxy.stop();
      expect(lines).toHaveLength(1);
      expect(lines[0]).toMatchObject({ verdict: 'allow', user: 'vm1@contoso.example', authFailure: null });
    });

    it('is asked for one without, and passes by Basic where there is a users file', async () => {
      await using proxy = await start([`${scheme}://${host} user ann`], userLines);
      const refused = await get(proxy, scheme, null);
      expect(refused.stderr).toContain('407 Proxy Authentication Required');
      const { code, stderr } = await get(proxy, scheme, null, '-U', `ann:${passwords.ann}`);
      expect(code, stderr).toBe(0);
      const { lines } = await proxy.stop();
      expect(lines.map(({ verdict, user }) => [verdict, user])).toEqual([
        ['challenge', null],
        ['allow', 'ann'],
      ]);
    });

    it('gets nowhere with a certificate of another authority', async () => {
      await using proxy = await start(rules);
      const client = await createClientCertificate(await createAuthority(), { commonName: 'vm1@contoso.example' });
      const { code } = await get(proxy, scheme, client);
      expect(code).not.toBe(0);
      const { lines } = await proxy.stop();
      expect(lines[0]).toMatchObject({ kind: 'connection', reason: 'malformed_request', user: null });
      expect(lines[0]?.hint).toMatch(/^client certificate refused: /);
    });
  });

  it('a proxy URL that says http:// is told what to change', async () => {
    await using proxy = await start([`https://${host}`]);
    const { stderr } = await get({ ...proxy, url: proxy.url.replace('https', 'http') }, 'https', null);
    expect(stderr).toContain('400 Plain HTTP on the TLS proxy port');
  });
});
