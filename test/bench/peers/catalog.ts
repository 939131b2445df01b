/** What is compared: how each program is found, configured and started, and what installs it where it is missing. */
import { existsSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

import type { AclForm } from './acl.ts';

/**
 * `proxy` is a forward proxy; `relay` stands in front of the destination; `none` is the destination itself; `bare` says
 * 200 and nothing else; `version` is the product of another checkout. Only the first compete.
 */
export type Role = 'proxy' | 'relay' | 'none' | 'bare' | 'version';

/** Everything a template or an argument may name as `$name`. */
export interface Setting {
  readonly port: number;
  /** A second port, for what needs one. */
  readonly secondPort: number;
  readonly tunnelPort: number;
  readonly plainPort: number;
  /** A folder of its own, for logs and whatever else. */
  readonly folder: string;
  /** The list of what is allowed. */
  readonly acl: string;
  readonly config: string;
  readonly workers: number;
  /** Connections it has to be able to hold at once. */
  readonly clients: number;
  /** Threads in each process and in all, for what needs one for each connection. */
  readonly threads: number;
  readonly allThreads: number;
  /** Descriptors a process may open. */
  readonly files: number;
}

export interface Peer {
  readonly name: string;
  readonly role: Role;
  /** The program, or null where this machine has none. */
  readonly program: string | null;
  /** What brings the program, as words for a shell; null: nothing does. */
  readonly install: string | null;
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Its configuration, a template beside this file. */
  readonly template: string | null;
  readonly acl: AclForm;
  /** Where it listens, when it is not told. */
  readonly fixedPort: number | null;
  /** How many processes it has, other than all peers of the run. */
  readonly workers?: number;
}

export const product = 'lockdown-proxy';
const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));
const nodeFlags = [
  '--disable-warning=DEP0060',
  '--disable-sigusr1',
  '--max-semi-space-size=8',
  '--no-parallel-scavenge',
];
const plain = { environment: {}, template: null, fixedPort: null, install: null } as const;

/** Debian keeps servers where only root's PATH leads. */
function find(program: string): string | null {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  return folders.map((folder) => join(folder, program)).find((file) => existsSync(file)) ?? null;
}

function debian(name: string, role: Role, acl: AclForm, template: string, args: readonly string[]): Peer {
  return { ...plain, name, role, acl, template, program: find(name), install: name, arguments: args };
}

/** The product of a checkout. Only this one's competes; others stand beside it. */
function lockdownProxy(name: string, role: Role, checkout: string, cacheFolder: string): Peer {
  return {
    ...plain,
    name,
    role,
    program: process.execPath,
    arguments: [...nodeFlags, join(checkout, 'src/main.ts'), 'serve', '--config', '$config'],
    environment: { NODE_COMPILE_CACHE: cacheFolder },
    template: 'lockdown-proxy.yaml',
    acl: 'rules',
  };
}

export interface PeerOptions {
  readonly workers: number;
  /** Other checkouts of the product, as `name=folder`, with `@N` behind it for another number of workers. */
  readonly checkouts: readonly string[];
}

/** The product first, then its peers; `cacheFolder` is where Node may keep compiled code between starts. */
export function listPeers(cacheFolder: string, { workers, checkouts }: PeerOptions): readonly Peer[] {
  const isProxyChainThere = existsSync(here('../node_modules/proxy-chain/package.json'));
  return [
    lockdownProxy(product, 'proxy', here('../../..'), cacheFolder),
    ...checkouts.map((text) => {
      const [, name = '', folder = name, count] = /^([^=]*)(?:=(.*?))?(?:@(\d+))?$/.exec(text) ?? [];
      const version = lockdownProxy(name, 'version', resolve(folder), cacheFolder);
      return count === undefined ? version : { ...version, workers: Number(count) };
    }),
    // More than one process of squid talks over /dev/shm and cannot stay a single one in the foreground.
    debian('squid', 'proxy', 'names', 'squid.conf', [workers > 1 ? '--foreground' : '-N', '-f', '$config']),
    debian('tinyproxy', 'proxy', 'expressions', 'tinyproxy.conf', ['-d', '-c', '$config']),
    debian('apache2', 'proxy', 'apache', 'apache2.conf', ['-DFOREGROUND', '-f', '$config']),
    {
      ...plain,
      name: 'proxy-chain',
      role: 'proxy',
      program: isProxyChainThere ? process.execPath : null,
      install: 'npm ci --prefix test/bench',
      arguments: [here('proxy-chain.js'), '$port', '$acl', '$folder/access.log', '$workers'],
      environment: { NODE_COMPILE_CACHE: cacheFolder },
      acl: 'names',
    },
    ...listOwnPeers(process.env['BENCH_PEER'] ?? '', workers),
    debian('haproxy', 'relay', 'prefixes', 'haproxy.cfg', ['-db', '-f', '$config']),
    { ...plain, name: 'direct', role: 'none', program: null, arguments: [], acl: 'none' },
  ];
}

/** The bare listener that starts are measured against. */
export function bareListener(cacheFolder: string): Peer {
  return {
    ...plain,
    name: 'bare node:net',
    role: 'bare',
    program: process.execPath,
    arguments: [here('bare-listener.js'), '$port'],
    environment: { NODE_COMPILE_CACHE: cacheFolder },
    acl: 'none',
  };
}

/** `name=command port`, several with `;` between them. @throws Error for one that cannot be read. */
function listOwnPeers(text: string, workers: number): readonly Peer[] {
  const entries = text.split(';').map((entry) => entry.trim());
  return entries.filter(Boolean).map((entry) => {
    const match = /^([\w.-]+)=(.+?)\s+(\d+)$/.exec(entry);
    if (!match) throw new Error(`BENCH_PEER is "name=command port", not "${entry}"`);
    const [, name = '', command = '', port] = match;
    const args = ['-c', `exec ${command}`];
    const environment: Record<string, string> = workers === 1 ? { GOMAXPROCS: '1' } : {};
    return {
      ...plain,
      name,
      role: 'proxy',
      program: '/bin/sh',
      arguments: args,
      environment,
      acl: 'names',
      fixedPort: Number(port),
    };
  });
}
