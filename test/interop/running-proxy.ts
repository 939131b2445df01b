/** The proxy as its users run it: a process of its own with a config file, an allowlist and an access log. */
import { once } from 'node:events';
import { chmodSync, existsSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { createTempFolder } from '../support/temp-folder.ts';
import { start } from './child.ts';

/** One access log line, in the fields that these tests read. */
export interface AccessLine {
  readonly event: string;
  readonly kind: string;
  readonly client: string;
  readonly method: string;
  readonly target: string;
  readonly path: string | null;
  readonly verdict: string;
  readonly reason: string | null;
  readonly user: string | null;
  readonly authFailure: string | null;
  readonly hint: string | null;
  readonly rule: string | null;
  readonly status: number;
  readonly address: string | null;
  readonly tlsServerName: string | null;
  readonly bytesUp: number;
  readonly bytesDown: number;
}

export interface RunningProxy extends AsyncDisposable {
  readonly port: number;
  /** `http://127.0.0.1:port`, or `https://` where it speaks TLS */
  readonly url: string;
  /** Stops the proxy, so that every exchange has ended, and gives its access log; `text` is all it has logged anywhere. */
  stop(): Promise<{ readonly lines: readonly AccessLine[]; readonly text: string; readonly code: number | null }>;
}

const command = fileURLToPath(new URL('../../src/lockdown-proxy.js', import.meta.url));

/** A port that was free a moment ago: a config file has to name one. */
export async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** What a test adds to the configuration. */
export interface MoreConfig {
  /** Lines of YAML. */
  readonly config?: readonly string[];
  /** Files beside it, by name; readable by their owner alone. */
  readonly files?: Readonly<Record<string, string>>;
  /** What its listener speaks TLS with, as YAML. */
  readonly tls?: string;
}

/**
 * Starts `lockdown-proxy serve` with these rules; of loopback only the storage account's address is lifted. `users` are
 * the lines of a users file; every client then has to be one of them.
 */
export async function startProxy(
  rules: readonly string[],
  users: readonly string[] = [],
  { config: lines = [], files = {}, tls }: MoreConfig = {},
): Promise<RunningProxy> {
  await using owned = new AsyncDisposableStack();
  const folder = owned.use(createTempFolder());
  const port = await findFreePort();
  folder.write('allowed.txt', `${rules.join('\n')}\n`);
  folder.write('users', `${users.join('\n')}\n`);
  for (const [name, text] of Object.entries(files)) chmodSync(folder.write(name, text), 0o600);
  const config = folder.write(
    'config.yaml',
    [
      `listen: [{ address: "127.0.0.1:${port}", tls: ${tls ?? 'null'} }]`,
      'admin: { listen: "127.0.0.1:0" }',
      'networks: [127.0.0.1/32]',
      'allowlist: [./allowed.txt]',
      'privateDestinations: [127.0.0.2/32]',
      'log: { access: ./access.log, format: json }',
      'workers: 1',
      ...(users.length > 0 ? ['auth: { usersFile: ./users, requiredFrom: [127.0.0.0/8] }'] : []),
      ...lines,
      '',
    ].join('\n'),
  );
  const proxy = start(process.execPath, [command, 'serve', '--config', config]);
  owned.defer(async () => {
    await proxy.stop();
  });
  await proxy.printed('"started"');

  const kept = owned.move();
  return {
    port,
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    async stop() {
      const { code, stdout, stderr } = await proxy.stop();
      const access = existsSync(`${folder.path}/access.log`) ? folder.read('access.log') : '';
      const lines = access
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as AccessLine);
      return { lines, text: access + stdout + stderr, code };
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
