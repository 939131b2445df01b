/** Squid in the foreground with a configuration of the test's own: nothing of it outlives the test. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync } from 'node:fs';
import { createTempFolder } from '../support/temp-folder.ts';
import { start } from './child.ts';
import { findFreePort } from './running-proxy.ts';

export const squidCommand = '/usr/sbin/squid';

export interface Squid extends AsyncDisposable {
  readonly port: number;
  /** Stops it, and gives the lines of its access log. */
  stop(): Promise<readonly string[]>;
}

export interface SquidOptions {
  /** `user:password` that it asks for; anybody without. */
  readonly credential?: string;
  /** More lines, before what admits everybody. */
  readonly lines?: readonly string[];
  /** A free one unless given. */
  readonly port?: number;
}

export async function startSquid({ credential, lines = [], port: wanted }: SquidOptions = {}): Promise<Squid> {
  await using owned = new AsyncDisposableStack();
  const folder = owned.use(createTempFolder());
  // Started by root it becomes a user of its own, who has to get in and write its log.
  chmodSync(folder.path, 0o777);
  const port = wanted ?? (await findFreePort());
  const [user = '', password = ''] = credential?.split(':') ?? [];
  const hash = spawnSync('openssl', ['passwd', '-apr1', password], { encoding: 'utf8' }).stdout.trim();
  const passwords = folder.write('passwords', `${user}:${hash}\n`);
  const log = `${folder.path}/access.log`;
  const config = folder.write(
    'squid.conf',
    [
      `http_port 127.0.0.1:${port}`,
      'visible_hostname squid.test',
      'pid_filename none',
      'netdb_filename none',
      'pinger_enable off',
      'cache deny all',
      'cache_log /dev/stderr',
      `coredump_dir ${folder.path}`,
      `access_log stdio:${log}`,
      'shutdown_lifetime 0 seconds',
      'max_filedescriptors 1024',
      `auth_param basic program /usr/lib/squid/basic_ncsa_auth ${passwords}`,
      'acl signed proxy_auth REQUIRED',
      ...lines,
      ...(credential === undefined ? [] : ['http_access deny !signed']),
      'http_access allow all',
      '',
    ].join('\n'),
  );
  const squid = start(squidCommand, ['-N', '-f', config]);
  owned.defer(async () => {
    await squid.stop();
  });
  await squid.printed('Accepting HTTP Socket connections');

  const kept = owned.move();
  return {
    port,
    async stop() {
      await squid.stop();
      return existsSync(log)
        ? folder
            .read('access.log')
            .split('\n')
            .filter((line) => line !== '')
        : [];
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
