/** What one launch of a peer is given: ports, a folder, its list and its configuration. */
import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Destination } from '../load/processes.ts';
import { writeAcl } from './acl.ts';
import type { Peer, Setting } from './catalog.ts';

export interface SettingOptions {
  readonly destination: Destination;
  /** Under it each launch gets a folder of its own. */
  readonly folder: string;
  readonly workers: number;
  /** Connections to be able to hold at once. */
  readonly clients: number;
  /** Descriptors a process may open. */
  readonly files: number;
}

/** Makes the folder of one launch, with the list and the configuration in it. */
export async function prepareSetting(peer: Peer, options: SettingOptions): Promise<Setting> {
  const { destination, clients, files } = options;
  const workers = peer.workers ?? options.workers;
  const folder = mkdtempSync(join(options.folder, `${peer.name.replaceAll(/\W/g, '-')}-`));
  // Peers that drop root write their logs here as somebody else.
  chmodSync(folder, 0o777);
  const [port = 0, secondPort = 0] = await freePorts(2);
  const threads = Math.ceil(clients / workers);
  const acl = join(folder, 'acl');
  const config = join(folder, peer.template ?? 'config');
  const { tunnelPort, plainPort } = destination;
  const setting: Setting = {
    port: peer.fixedPort ?? port,
    secondPort,
    tunnelPort,
    plainPort,
    folder,
    acl,
    config,
    workers,
    clients,
    threads,
    allThreads: threads * workers,
    files,
  };
  writeFileSync(acl, writeAcl(peer.acl, destination));
  if (peer.template !== null) {
    writeFileSync(config, fill(readFileSync(new URL(peer.template, import.meta.url), 'utf8'), setting));
  }
  return setting;
}

/** Puts the values in for `$name`. */
export function fill(text: string, setting: Setting): string {
  return text.replaceAll(/\$([a-z]\w*)/gi, (whole, name: string) => String(setting[name as keyof Setting] ?? whole));
}

/** Ports that were free a moment ago, all different. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer();
      return new Promise<typeof server>((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
    }),
  );
  return Promise.all(
    servers.map((server) => {
      const address = server.address();
      const port = typeof address === 'object' && address ? address.port : 0;
      return new Promise<number>((resolve) => server.close(() => resolve(port)));
    }),
  );
}
