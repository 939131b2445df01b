/** What the doctor asks, as functions: tests give stand-ins on loopback, the command the real machine. */
import { execFile } from 'node:child_process';
import { getServers } from 'node:dns';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { availableParallelism, networkInterfaces } from 'node:os';
import process from 'node:process';
import { getCACertificates } from 'node:tls';
import { parseAddress } from '../../address/ip.ts';
import type { Address } from '../../address/ip.ts';
import { askProxy } from '../../observe/control-ask.ts';
import { controlPath } from '../../observe/control-socket.ts';
import { dial } from '../../proxy/dial.ts';
import type { ConnectParent } from '../../proxy/parent-connect.ts';
import { createConnectParent } from '../../proxy/parent-connect.ts';
import type { Resolve } from '../../proxy/resolve.ts';
import { createResolve } from '../../proxy/resolve.ts';
import { isAzureMachine, metadataBase } from '../../state/instance-metadata.ts';

/** Who owns a file and who may do what with it, as stat(2) has it. */
export interface FileRights {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  readonly size: number;
  readonly isFolder: boolean;
}

export interface Sources {
  /** Asks the running proxy; throws NoProxyError where none answers. */
  readonly askProxy: (command: string) => Promise<unknown>;
  readonly resolve: Resolve;
  readonly dnsServers: () => readonly string[];
  readonly dial: typeof dial;
  readonly connectParent: ConnectParent;
  /** Certificates, in PEM, that a destination's may be under. */
  readonly authorities: () => readonly string[];
  readonly ownAddresses: () => readonly Address[];
  /** A text file; null where it is not there or may not be read. */
  readonly readText: (path: string) => string | null;
  readonly listFolder: (path: string) => readonly string[];
  readonly rightsOf: (path: string) => FileRights | null;
  /** Of the file system that a path is on; throws what the system says. */
  readonly freeSpace: (path: string) => Promise<{ readonly freeBytes: number; readonly totalBytes: number }>;
  /** What `systemctl show` prints; null where there is no systemd. */
  readonly showUnit: (unit: string) => Promise<string | null>;
  readonly isAzure: () => Promise<boolean>;
  /** Where instance metadata answers. */
  readonly metadataBase: string;
  readonly cores: () => number;
  /** The user that the doctor runs as; 0 is root. */
  readonly uid: number;
  readonly now: () => number;
}

/** Ourselves, as far as the machine lets us see it. */
export function realSources(): Sources {
  return {
    askProxy: (command) => askProxy(controlPath(process.env), command),
    resolve: createResolve(),
    dnsServers: getServers,
    dial,
    connectParent: createConnectParent(),
    authorities: () => [...getCACertificates('default'), ...getCACertificates('system')],
    ownAddresses: () =>
      Object.values(networkInterfaces())
        .flatMap((entries) => entries ?? [])
        .flatMap(({ address }) => parseAddress(address) ?? []),
    readText(path) {
      try {
        return readFileSync(path, 'utf8');
      } catch {
        return null;
      }
    },
    listFolder(path) {
      try {
        return readdirSync(path);
      } catch {
        return [];
      }
    },
    rightsOf(path) {
      try {
        const stats = statSync(path);
        const { uid, gid, mode, size } = stats;
        return { uid, gid, mode, size, isFolder: stats.isDirectory() };
      } catch {
        return null;
      }
    },
    async freeSpace(path) {
      const { bavail, blocks, bsize } = await statfs(path);
      return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
    },
    showUnit,
    isAzure: () => isAzureMachine(),
    metadataBase,
    cores: availableParallelism,
    uid: process.getuid?.() ?? -1,
    now: Date.now,
  };
}

const unitProperties = [
  'LoadState',
  'ActiveState',
  'SubState',
  'Result',
  'NRestarts',
  'UnitFileState',
  'NeedDaemonReload',
  'User',
  'LimitNOFILE',
  'Listen',
];
const systemctlMs = 4000;

function showUnit(unit: string): Promise<string | null> {
  const args = ['show', unit, ...unitProperties.map((name) => `--property=${name}`)];
  return new Promise((resolve) => {
    execFile('systemctl', args, { timeout: systemctlMs }, (error, out) => resolve(error ? null : out));
  });
}
