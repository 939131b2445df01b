/** Real clients that sign in: who gets through, how a refused sign-in reads there, and what the log says of it. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { basic, passwords, userLines } from '../support/users.ts';
import { run } from './child.ts';
import type { Finished } from './child.ts';
import { startProxy } from './running-proxy.ts';
import type { RunningProxy } from './running-proxy.ts';
import { startStorageAccount } from './storage-account.ts';
import type { StorageAccount } from './storage-account.ts';

const isRoot = process.getuid?.() === 0;
const has = (command: string, ...argv: readonly string[]): boolean => spawnSync(command, argv).status === 0;
const pythons = ['/usr/bin/python3', 'python3'];
const pythonWithRequests = pythons.find((python) => has(python, '-c', 'import requests'));
const file = (name: string): string => fileURLToPath(new URL(`clients/${name}`, import.meta.url));
const greeting = 'hello from the storage account\n';
const host = 'devaccount.blob.core.windows.net';
const rules = [`https://${host} user ann`, `http://${host} user ann`];
const path = '/backups/greeting';

let storage: StorageAccount;

/** Everything a client is told: what it asks for, and as whom. */
interface Ask {
  readonly url: string;
  readonly proxy: RunningProxy;
  readonly password: string;
}

interface Client {
  readonly name: string;
  readonly isThere: boolean;
  readonly get: (ask: Ask) => Promise<Finished>;
  /** What its user sees of a 407 to a tunnel; to plain http where that differs. */
  readonly showsRefusal: string;
  readonly showsPlainRefusal?: string;
  /** Whether it waits to be asked for credentials. */
  readonly isChallenged?: boolean;
}

const withUser = ({ proxy, password }: Ask): string => `http://ann:${password}@127.0.0.1:${proxy.port}`;
const environment = (ask: Ask): Record<string, string> => ({
  http_proxy: withUser(ask),
  https_proxy: withUser(ask),
  SSL_CERT_FILE: storage.caFile,
  REQUESTS_CA_BUNDLE: storage.caFile,
});
const curl =
  (...options: readonly string[]): Client['get'] =>
  ({ url, proxy, password }) =>
    run('curl', ['-sSv', '--cacert', storage.caFile, '-x', proxy.url, '-U', `ann:${password}`, ...options, url]);
const python =
  (command: string, script: string): Client['get'] =>
  (ask) =>
    run(command, [file(script), ask.url], { ...environment(ask), PATH: process.env['PATH'] ?? '' });
const java =
  (mode: string): Client['get'] =>
  ({ url, proxy, password }) =>
    run('java', [
      // Java leaves Basic out of tunnels unless it is told that it may.
      '-Djdk.http.auth.tunneling.disabledSchemes=',
      file('HttpGet.java'),
      mode,
      url,
      String(proxy.port),
      'ann',
      password,
      storage.caFile,
    ]);

const refused = '407 Proxy Authentication Required';
const clients: readonly Client[] = [
  { name: 'curl', isThere: true, get: curl(), showsRefusal: refused },
  {
    name: 'curl --proxy-anyauth',
    isThere: true,
    get: curl('--proxy-anyauth'),
    showsRefusal: refused,
    isChallenged: true,
  },
  {
    name: 'wget',
    isThere: true,
    get: (ask) =>
      run('wget', ['-nv', '-O', '-', '--tries=1', `--ca-certificate=${storage.caFile}`, ask.url], environment(ask)),
    showsRefusal: 'Proxy tunneling failed: Proxy Authentication Required: wrong user or password',
    showsPlainRefusal: 'ERROR 407: Proxy Authentication Required',
  },
  {
    name: "Python's urllib",
    isThere: true,
    get: python('/usr/bin/python3', 'urllib_get.py'),
    showsRefusal: `Tunnel connection failed: ${refused}`,
    showsPlainRefusal: 'HTTP Error 407: Proxy Authentication Required',
  },
  {
    name: "Python's requests",
    isThere: pythonWithRequests !== undefined,
    get: python(pythonWithRequests ?? '', 'requests_get.py'),
    showsRefusal: `Tunnel connection failed: ${refused}`,
    showsPlainRefusal: refused,
  },
  {
    name: "Java's HttpClient",
    isThere: has('java', '-version'),
    get: java('client'),
    showsRefusal: 'No credentials provided',
    isChallenged: true,
  },
  {
    name: "Java's HttpsURLConnection",
    isThere: has('java', '-version'),
    get: java('connection'),
    showsRefusal: '407',
    isChallenged: true,
  },
];

describe.skipIf(!isRoot)('real clients that sign in (root only: ports 80 and 443 and the hosts file)', () => {
  beforeAll(async () => {
    storage = await startStorageAccount();
    const { code, stdout } = await runBlobClient(null, passwords.ann);
    expect(code, stdout).toBe(0);
  });
  afterAll(() => storage?.[Symbol.asyncDispose]());

  /** Runs Azure's storage client as ann; `proxy` null goes direct. */
  function runBlobClient(proxy: RunningProxy | null, password: string): Promise<Finished> {
    const { account, key } = storage;
    const credentials = proxy === null ? {} : { username: 'ann', password };
    const ask = {
      proxyPort: proxy?.port ?? null,
      ...credentials,
      account,
      key,
      url: `https://${host}`,
      blob: 'greeting',
    };
    return run(process.execPath, [file('blob.js'), JSON.stringify({ ...ask, content: greeting })], {
      NODE_EXTRA_CA_CERTS: storage.caFile,
    });
  }

  describe.each(clients)('$name', ({ isThere, get, showsRefusal, showsPlainRefusal, isChallenged = false }) => {
    describe.each([
      ['https', `https://${host}${path}`],
      ['plain http', `http://${host}${path}`],
    ])('%s', (scheme, url) => {
      it.skipIf(!isThere)('gets what its user may have, and the log names the user', async () => {
        await using proxy = await startProxy(rules, userLines);
        const { code, stdout, stderr } = await get({ url, proxy, password: passwords.ann });
        expect(code, stderr).toBe(0);
        expect(stdout).toContain(scheme === 'https' ? greeting : storage.plainBody);
        const { lines, text } = await proxy.stop();
        expect(lines.at(-1)).toMatchObject({ verdict: 'allow', user: 'ann', authFailure: null, status: 200 });
        const before = lines.slice(0, -1).map(({ verdict, authFailure }) => ({ verdict, authFailure }));
        expect(before).toEqual(isChallenged ? [{ verdict: 'challenge', authFailure: 'missing' }] : []);
        expect(text).not.toContain(passwords.ann);
        expect(text).not.toContain(basic('ann', passwords.ann).slice('Basic '.length));
      });

      it.skipIf(!isThere)('shows its user that a password is wrong, and the log says whose', async () => {
        await using proxy = await startProxy(rules, userLines);
        const { stdout, stderr } = await get({ url, proxy, password: 'wrong-word' });
        expect(stdout + stderr).toContain(scheme === 'https' ? showsRefusal : (showsPlainRefusal ?? showsRefusal));
        const { lines, text } = await proxy.stop();
        expect(lines.at(-1)).toMatchObject({ verdict: 'deny', reason: 'credentials_rejected', status: 407 });
        expect(lines.at(-1)).toMatchObject({
          user: 'ann',
          authFailure: 'rejected',
          hint: 'wrong password',
          address: null,
        });
        expect(text).not.toContain('wrong-word');
      });
    });
  });

  it("Azure's storage client puts and gets a blob with credentials for the proxy", async () => {
    await using proxy = await startProxy(rules, userLines);
    const { code, stdout } = await runBlobClient(proxy, passwords.ann);
    expect(code, stdout).toBe(0);
    const { lines } = await proxy.stop();
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) expect(line).toMatchObject({ verdict: 'allow', user: 'ann', status: 200 });
  });

  it("Azure's storage client tells of a wrong password", async () => {
    await using proxy = await startProxy(rules, userLines);
    const { code, stdout } = await runBlobClient(proxy, 'wrong-word');
    expect(code).toBe(1);
    expect(stdout).toContain('407');
    const { lines } = await proxy.stop();
    expect(lines.at(-1)).toMatchObject({ reason: 'credentials_rejected', user: 'ann' });
  });
});
