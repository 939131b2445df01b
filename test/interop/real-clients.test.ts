/** Real clients against a real server, through the proxy as a process: what passes, and how a refusal reads there. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTempFolder } from '../support/temp-folder.ts';
import { run } from './child.ts';
import type { Finished } from './child.ts';
import { startProxy } from './running-proxy.ts';
import type { RunningProxy } from './running-proxy.ts';
import { startStorageAccount } from './storage-account.ts';
import type { StorageAccount } from './storage-account.ts';

const python = '/usr/bin/python3';
const refusal = 'Not on allowlist';
const greeting = 'hello from the storage account\n';
const secret = 'bm90LWZvci1hbnktbG9n';
const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn('skipped: real clients need root, for ports 80 and 443 and a line in /etc/hosts');
const file = (name: string): string => fileURLToPath(new URL(`clients/${name}`, import.meta.url));

let storage: StorageAccount;

/** Runs Azure's storage client; `port` null goes direct. */
function runBlobClient(options: { port: number | null; host: string; blob: string; content: string | number }) {
  const { port, host, blob, content } = options;
  const { account, key } = storage;
  const argument = JSON.stringify({ proxyPort: port, account, key, url: `https://${host}`, blob, content });
  return run(process.execPath, [file('blob.js'), argument], { NODE_EXTRA_CA_CERTS: storage.caFile });
}

/** A way to GET one URL through a proxy, and what its user sees of a refusal. */
interface Client {
  readonly name: string;
  readonly get: (url: string, proxy: RunningProxy) => Promise<Finished>;
  /** A part of standard output or error when the proxy has refused. */
  readonly showsRefusal: string;
}

const proxyEnvironment = (proxy: RunningProxy): Record<string, string> => ({
  http_proxy: proxy.url,
  https_proxy: proxy.url,
  SSL_CERT_FILE: storage.caFile,
  PYTHONPATH: process.env['WAAGENT_PATH'] ?? '',
});
const curl = (...options: readonly string[]): Client['get'] => {
  return (url, proxy) => {
    const argv = options.map((option) => option.replace('PROXY', proxy.url));
    return run('curl', ['-sS', '--cacert', storage.caFile, ...argv, url]);
  };
};
const wget: Client['get'] = (url, proxy) =>
  run('wget', ['-nv', '-O', '-', '--tries=1', `--ca-certificate=${storage.caFile}`, url], proxyEnvironment(proxy));
const script =
  (name: string): Client['get'] =>
  (url, proxy) =>
    run(python, [file(name), url], proxyEnvironment(proxy));

/** The agent as `client-config linux` sets it up, from the configuration that its package brings. */
const waagentSetUp: Client['get'] = async (url, proxy) => {
  using root = createTempFolder();
  const packaged = join(process.env['WAAGENT_PATH'] ?? '', '../../../../etc/waagent.conf');
  const conf = root.write('etc/waagent.conf', readFileSync(packaged));
  const program = fileURLToPath(new URL('../../src/lockdown-proxy.js', import.meta.url));
  const printed = await run(process.execPath, [program, 'client-config', 'linux', '--proxy', proxy.url]);
  const set = await run('sh', [root.write('linux.sh', printed.stdout), '--root', root.path]);
  if (set.code !== 0) return set;
  const { SSL_CERT_FILE = '', PYTHONPATH = '' } = proxyEnvironment(proxy);
  return await run(python, [file('waagent_conf_get.py'), url, conf], { SSL_CERT_FILE, PYTHONPATH });
};

const tunnelClients: readonly Client[] = [
  { name: 'curl -x', get: curl('-x', 'PROXY'), showsRefusal: 'response 403' },
  { name: 'curl -v -x', get: curl('-v', '-x', 'PROXY'), showsRefusal: `HTTP/1.1 403 ${refusal}` },
  { name: 'curl --proxy1.0', get: curl('-v', '--proxy1.0', 'PROXY'), showsRefusal: `403 ${refusal}` },
  { name: 'wget', get: wget, showsRefusal: refusal },
  { name: "Python's urllib", get: script('urllib_get.py'), showsRefusal: `Tunnel connection failed: 403 ${refusal}` },
  { name: 'waagent', get: script('waagent_get.py'), showsRefusal: `Tunnel connection failed: 403 ${refusal}` },
  {
    name: 'waagent set up by client-config',
    get: waagentSetUp,
    showsRefusal: `Tunnel connection failed: 403 ${refusal}`,
  },
];
const plainClients: readonly Client[] = [
  { name: 'curl -v -x', get: curl('-v', '-x', 'PROXY'), showsRefusal: `HTTP/1.1 403 ${refusal}` },
  { name: 'wget', get: wget, showsRefusal: refusal },
  { name: "Python's urllib", get: script('urllib_get.py'), showsRefusal: `HTTP Error 403: ${refusal}` },
  { name: 'waagent', get: script('waagent_get.py'), showsRefusal: `403 ${refusal}` },
  { name: 'waagent set up by client-config', get: waagentSetUp, showsRefusal: `403 ${refusal}` },
];
const tunnelThroughPlain: Client = {
  name: 'curl --proxytunnel',
  get: curl('-v', '--proxytunnel', '-x', 'PROXY'),
  showsRefusal: `HTTP/1.1 403 ${refusal}`,
};

const host = 'devaccount.blob.core.windows.net';
const otherHost = 'otheraccount.blob.core.windows.net';
const rules = [`https://${host}`, `http://${host}`, `https://${host}:80 tls off`];

describe.skipIf(!isRoot)('real clients (root only: ports 80 and 443 and the hosts file)', () => {
  beforeAll(async () => {
    storage = await startStorageAccount();
    const { code, stdout } = await runBlobClient({ port: null, host, blob: 'greeting', content: greeting });
    expect(code, stdout).toBe(0);
  });
  afterAll(() => storage?.[Symbol.asyncDispose]());

  it("Azure's storage client puts and gets 64 MiB through tunnels and both hashes agree", async () => {
    await using proxy = await startProxy(rules);
    const bytes = 64 * 1024 * 1024;
    const { code, stdout } = await runBlobClient({ port: proxy.port, host, blob: 'disk', content: bytes });
    expect(code, stdout).toBe(0);
    const answer = JSON.parse(stdout) as { bytes: number; sent: string; received: string };
    expect(answer.bytes).toBe(bytes);
    expect(answer.received).toBe(answer.sent);

    const { lines } = await proxy.stop();
    for (const line of lines) {
      expect(line).toMatchObject({ kind: 'tunnel', verdict: 'allow', target: `${host}:443`, tlsServerName: host });
      expect(line.address).toBe(`${storage.address}:443`);
    }
    const sum = (of: 'bytesUp' | 'bytesDown'): number => lines.reduce((total, line) => total + line[of], 0);
    expect(sum('bytesUp')).toBeGreaterThan(bytes);
    expect(sum('bytesDown')).toBeGreaterThan(bytes);
  });

  it("Azure's storage client tells the status of a refusal", async () => {
    await using proxy = await startProxy(rules);
    const { code, stdout } = await runBlobClient({ port: proxy.port, host: otherHost, blob: 'disk', content: 'x' });
    expect(code).toBe(1);
    expect(stdout).toContain('403');
    const { lines } = await proxy.stop();
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) expect(line).toMatchObject({ verdict: 'deny', reason: 'not_on_allowlist', status: 403 });
  });

  describe.each(tunnelClients)('$name, https', (client) => {
    it('gets an allowed blob, and the log has one line that names the rule', async () => {
      await using proxy = await startProxy(rules);
      const { code, stdout, stderr } = await client.get(`https://${host}/backups/greeting?sig=${secret}`, proxy);
      expect(code, stderr).toBe(0);
      expect(stdout).toContain(greeting);
      const { lines, text } = await proxy.stop();
      expect(lines).toHaveLength(1);
      expect(lines[0]).toMatchObject({ event: 'access', kind: 'tunnel', method: 'CONNECT', target: `${host}:443` });
      expect(lines[0]).toMatchObject({ verdict: 'allow', status: 200, client: '127.0.0.1', tlsServerName: host });
      expect(lines[0]?.rule).toMatch(/allowed\.txt:1$/);
      expect(text).not.toContain(secret);
    });

    it('shows a refusal to its user, and the log has one line that says why', async () => {
      await using proxy = await startProxy(rules);
      const { code, stdout, stderr } = await client.get(`https://${otherHost}/backups/greeting?sig=${secret}`, proxy);
      expect(code).not.toBe(0);
      expect(stdout + stderr).toContain(client.showsRefusal);
      const { lines, text } = await proxy.stop();
      expect(lines).toHaveLength(1);
      expect(lines[0]).toMatchObject({ kind: 'tunnel', method: 'CONNECT', target: `${otherHost}:443`, rule: null });
      expect(lines[0]).toMatchObject({ verdict: 'deny', reason: 'not_on_allowlist', status: 403, address: null });
      expect(text).not.toContain(secret);
    });
  });

  describe.each(plainClients)('$name, plain http', (client) => {
    it('gets an allowed path with its query, and no log has the query', async () => {
      await using proxy = await startProxy(rules);
      const path = `/backups/greeting?sv=2024-11-04&sig=${secret}`;
      const { code, stdout, stderr } = await client.get(`http://${host}${path}`, proxy);
      expect(code, stderr).toBe(0);
      expect(stdout).toContain(storage.plainBody);
      expect(storage.plainRequests.at(-1)).toBe(`GET ${path} Host: ${host}`);
      const { lines, text } = await proxy.stop();
      expect(lines).toHaveLength(1);
      expect(lines[0]).toMatchObject({
        kind: 'forward',
        method: 'GET',
        target: `${host}:80`,
        path: '/backups/greeting',
      });
      expect(lines[0]).toMatchObject({ verdict: 'allow', status: 200, address: `${storage.address}:80` });
      expect(lines[0]?.rule).toMatch(/allowed\.txt:2$/);
      expect(text).not.toContain('sig=');
    });

    it('shows a refusal to its user, and nothing reaches the server', async () => {
      await using proxy = await startProxy(rules);
      const before = storage.plainRequests.length;
      const { stdout, stderr } = await client.get(`http://${otherHost}/backups/greeting?sig=${secret}`, proxy);
      expect(stdout + stderr).toContain(client.showsRefusal);
      expect(storage.plainRequests).toHaveLength(before);
      const { lines, text } = await proxy.stop();
      expect(lines).toHaveLength(1);
      expect(lines[0]).toMatchObject({ kind: 'forward', verdict: 'deny', reason: 'not_on_allowlist', status: 403 });
      expect(text).not.toContain('sig=');
    });
  });

  it('curl --proxytunnel fetches plain http through a tunnel that a rule frees from TLS', async () => {
    await using proxy = await startProxy(rules);
    const { code, stdout, stderr } = await tunnelThroughPlain.get(`http://${host}/backups/greeting`, proxy);
    expect(code, stderr).toBe(0);
    expect(stdout).toContain(storage.plainBody);
    const { lines } = await proxy.stop();
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ kind: 'tunnel', method: 'CONNECT', target: `${host}:80`, verdict: 'allow' });
    expect(lines[0]?.rule).toMatch(/allowed\.txt:3$/);
  });

  it('curl --proxytunnel shows the refusal of a tunnel to port 80', async () => {
    await using proxy = await startProxy(rules);
    const { code, stdout, stderr } = await tunnelThroughPlain.get(`http://${otherHost}/backups/greeting`, proxy);
    expect(code).not.toBe(0);
    expect(stdout + stderr).toContain(tunnelThroughPlain.showsRefusal);
    const { lines } = await proxy.stop();
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ kind: 'tunnel', target: `${otherHost}:80`, verdict: 'deny', status: 403 });
  });

  it('stops cleanly on SIGTERM once its clients are gone', async () => {
    await using proxy = await startProxy(rules);
    await curl('-x', 'PROXY')(`https://${host}/backups/greeting`, proxy);
    expect((await proxy.stop()).code).toBe(0);
  });
});
