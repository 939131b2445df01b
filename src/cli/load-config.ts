/** Finds the configuration and reads it from disk, for every command the same. */
import { existsSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import type { LoadedConfig, LoadOptions } from '../config/load.ts';
import { loadConfig } from '../config/load.ts';
import { detectCloud } from '../state/cloud.ts';
import { ownSubnets } from '../state/machine.ts';

/** Where a package puts the configuration. */
const packagedFile = '/etc/lockdown-proxy/config.yaml';
/** Where the shipped lists stand, a folder for each cloud. */
const listFolder = fileURLToPath(new URL('../../allowlist', import.meta.url));

/** The file that is meant: the option, else `$LOCKDOWN_PROXY_CONFIG`, else the package's; null: the defaults. */
export function findConfigFile(option: string | undefined): string | null {
  return option ?? (process.env['LOCKDOWN_PROXY_CONFIG'] || null) ?? (existsSync(packagedFile) ? packagedFile : null);
}

/** What this machine and this installation bring to a configuration. */
export async function thisMachine(): Promise<Pick<LoadOptions, 'listFolder' | 'cloud' | 'networks'>> {
  return { listFolder, cloud: await detectCloud(), networks: () => ownSubnets() };
}

/** Reads config and lists. @throws ConfigError with every fault */
export async function loadFromDisk(file: string | null): Promise<LoadedConfig> {
  return loadConfig({ file, readFile: (path) => readFileSync(path, 'utf8'), ...(await thisMachine()) });
}
