/** Squid as our parent, and this proxy as Squid's: a real client at one end, a real server at the other. */
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { basic, passwords, userLines } from '../support/users.ts';
import { run } from './child.ts';
import type { Finished } from './child.ts';
import { findFreePort, startProxy } from './running-proxy.ts';
import type { RunningProxy } from './running-proxy.ts';
import { squidCommand, startSquid } from './squid.ts';
import type { Squid, SquidOptions } from './squid.ts';
import { startStorageAccount } from './storage-account.ts';
import type { StorageAccount } from './storage-account.ts';

const isRoot = process.getuid?.() === 0;
const canRun = isRoot && existsSync(squidCommand);
if (!canRun) console.warn('skipped: Squid as parent needs root and the Debian package squid');

const host = 'devaccount.blob.core.windows.net';
const rules = [`https://${host}`, `http://${host}`];
// Its container is private: that the server answers is what counts.
const path = '/backups/greeting';
const credential = 'ours:parent-word';

let storage: StorageAccount;

/** GETs through a proxy by curl, all of its talk kept. */
const get = (proxyPort: number, scheme: 'https' | 'http', ...options: readonly string[]): Promise<Finished> => {
  const argv = ['-sSv', '--cacert', storage.caFile, '-x', `http://127.0.0.1:${proxyPort}`, ...options];
  return run('curl', [...argv, `${scheme}://${host}${path}`]);
};

/** This proxy below a Squid that asks for a credential, and is told `told`. */
async function below(options: SquidOptions & { told?: string; rules?: string[]; upstream?: string }) {
  const stack = new AsyncDisposableStack();
  const squid: Squid = stack.use(await startSquid(options));
  const upstream = [
    `proxy: "http://127.0.0.1:${squid.port}"`,
    ...(options.told === undefined ? [] : ['credentialsFile: ./credential']),
    ...(options.upstream === undefined ? [] : [options.upstream]),
  ];
  const proxy: RunningProxy = stack.use(
    await startProxy(options.rules ?? rules, [], {
      config: [`upstream: { ${upstream.join(', ')} }`],
      files: { credential: `${options.told}\n` },
    }),
  );
  return { squid, proxy, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

describe.skipIf(!canRun)('beside Squid (root only: ports 80 and 443 and the hosts file)', () => {
  beforeAll(async () => {
    storage = await startStorageAccount();
  });
  afterAll(() => storage?.[Symbol.asyncDispose]());

  describe('with Squid as parent', () => {
    it.each([
      ['https', `CONNECT ${host}:443 ours`],
      ['http', `GET http://${host}${path} ours`],
    ] as const)('%s goes through by name with the right password', async (scheme, asked) => {
      await using both = await below({ credential, told: credential });
      const { code, stderr, stdout } = await get(both.proxy.port, scheme);
      expect(code, stderr).toBe(0);
      if (scheme === 'http') expect(stdout).toContain(storage.plainBody);
      else expect(stderr).toContain('Server: Azurite-Blob');
      const { lines, text } = await both.proxy.stop();
      expect(lines).toHaveLength(1);
      expect(lines[0]).toMatchObject({ verdict: 'allow', address: 'parent', authFailure: null });
      expect(text).not.toContain('parent-word');
      expect((await both.squid.stop()).join('\n')).toContain(asked);
    });

    it.each(['https', 'http'] as const)('%s with the wrong password is a 502 that the log explains', async (scheme) => {
      await using both = await below({ credential, told: 'ours:wrong-word' });
      const { stderr } = await get(both.proxy.port, scheme);
      expect(stderr).toContain('502 Parent proxy wants credentials');
      expect(stderr.toLowerCase()).not.toContain('proxy-authenticate');
      const { lines, text } = await both.proxy.stop();
      expect(lines[0]).toMatchObject({ verdict: 'error', reason: 'upstream_proxy_auth', authFailure: 'upstream' });
      expect(lines[0]?.hint).toMatch(/refuses our credential: mend upstream\.credentialsFile$/);
      expect(text).toContain('"level":"warn"');
      expect(text).not.toContain('wrong-word');
    });

    it('without any password the log says which key to set, and the credentials of the client stay here', async () => {
      await using both = await below({ credential });
      const { stderr } = await get(both.proxy.port, 'https', '-U', credential);
      expect(stderr).toContain('502 Parent proxy wants credentials');
      const { lines } = await both.proxy.stop();
      expect(lines[0]?.hint).toContain('name a file that holds it in upstream.credentialsFile');
    });

    it('a refusal of Squid is told with its status', async () => {
      await using both = await below({ lines: ['acl blob dstdomain .core.windows.net', 'http_access deny blob'] });
      const { stderr } = await get(both.proxy.port, 'https');
      expect(stderr).toContain('502 Parent proxy refused: 403 Forbidden');
      const { lines } = await both.proxy.stop();
      expect(lines[0]).toMatchObject({ verdict: 'error', reason: 'upstream_proxy_refused', address: 'parent' });
    });

    it.each([
      ['https', 'CONNECT 127.0.0.2:443'],
      ['http', 'CONNECT 127.0.0.2:80'],
    ] as const)('%s under a rule with within goes by the address that was judged here', async (scheme, asked) => {
      const within = rules.map((rule) => `${rule} within ip:127.0.0.0/8`);
      await using both = await below({ rules: within });
      const { code, stderr } = await get(both.proxy.port, scheme);
      expect(code, stderr).toBe(0);
      const port = scheme === 'https' ? 443 : 80;
      expect((await both.proxy.stop()).lines[0]).toMatchObject({ verdict: 'allow', address: `127.0.0.2:${port}` });
      expect((await both.squid.stop()).join('\n')).toContain(asked);
    });

    it('what is named in direct goes around it', async () => {
      await using both = await below({ credential, upstream: 'direct: [core.windows.net]' });
      const { code, stderr } = await get(both.proxy.port, 'https');
      expect(code, stderr).toBe(0);
      expect((await both.proxy.stop()).lines[0]).toMatchObject({ address: '127.0.0.2:443' });
      expect(await both.squid.stop()).toEqual([]);
    });
  });

  describe('as the parent of Squid', () => {
    /** A Squid that sends everything to this proxy, signed in as ann. */
    const above = (proxy: RunningProxy, password: string): Promise<Squid> =>
      startSquid({
        lines: [
          `cache_peer 127.0.0.1 parent ${proxy.port} 0 no-query no-digest default login=ann:${password}`,
          'never_direct allow all',
          'nonhierarchical_direct off',
        ],
      });
    const own = [`https://${host} user ann`, `http://${host} user ann`];

    it.each(['https', 'http'] as const)('%s goes through, and the log names its user', async (scheme) => {
      await using proxy = await startProxy(own, userLines);
      await using squid = await above(proxy, passwords.ann);
      const { code, stderr, stdout } = await get(squid.port, scheme);
      expect(code, stderr).toBe(0);
      expect(scheme === 'http' ? stdout : stderr).toContain(scheme === 'http' ? storage.plainBody : 'Azurite-Blob');
      await squid.stop();
      const { lines, text } = await proxy.stop();
      expect(lines).toHaveLength(1);
      expect(lines[0]).toMatchObject({
        verdict: 'allow',
        user: 'ann',
        target: `${host}:${scheme === 'http' ? 80 : 443}`,
      });
      expect(text).not.toContain(basic('ann', passwords.ann).slice('Basic '.length));
    });

    it('a wrong password of Squid is our 407 to it', async () => {
      await using proxy = await startProxy(own, userLines);
      await using squid = await above(proxy, 'wrong-word');
      const { code } = await get(squid.port, 'https');
      expect(code).not.toBe(0);
      const { lines } = await proxy.stop();
      expect(lines[0]).toMatchObject({ reason: 'credentials_rejected', authFailure: 'rejected', user: 'ann' });
    });

    it.each(['https', 'http'] as const)('a refusal of %s reaches the client of Squid', async (scheme) => {
      await using proxy = await startProxy(['https://other.example', 'http://other.example']);
      await using squid = await above(proxy, passwords.ann);
      const { stderr } = await get(squid.port, scheme);
      expect(stderr).toMatch(/< HTTP\/1\.1 403 /);
      const { lines } = await proxy.stop();
      expect(lines[0]).toMatchObject({ verdict: 'deny', reason: 'not_on_allowlist', status: 403 });
    });
  });

  it.each(['https', 'http'] as const)('two that are parents of each other end %s as a loop', async (scheme) => {
    const port = await findFreePort();
    await using proxy = await startProxy(rules, [], { config: [`upstream: { proxy: "http://127.0.0.1:${port}" }`] });
    await using _squid = await startSquid({
      port,
      lines: [
        `cache_peer 127.0.0.1 parent ${proxy.port} 0 no-query no-digest default`,
        'never_direct allow all',
        'nonhierarchical_direct off',
      ],
    });
    const { stderr } = await get(proxy.port, scheme);
    expect(stderr).toContain('502 ');
    const { lines } = await proxy.stop();
    expect(lines.map(({ reason }) => reason)).toContain('loop_detected');
    expect(lines.length).toBeLessThan(4);
  });
});
