/** The machine's hosts file, which speaks before DNS as it does for every other program. */
import { readFile, stat } from 'node:fs/promises';
import type { Address } from '../address/ip.ts';
import { parseAddress } from '../address/ip.ts';

/** How long the file's date is trusted before it is looked at again, in milliseconds. */
const recheckMs = 1000;

export interface HostsFile {
  /** The addresses the file gives a lower-case name; empty where it does not name it. At once unless it is being read. */
  find(host: string): Promise<readonly Address[]> | readonly Address[];
}

/** Follows a hosts file (hosts(5)); a missing or unreadable one is an empty one. */
export function createHostsFile(path: string): HostsFile {
  let names: ReadonlyMap<string, readonly Address[]> = new Map();
  let version = '';
  let checkedAt = -Infinity;
  let reading: Promise<void> | null = null;

  async function refresh(): Promise<void> {
    try {
      const { mtimeMs, size, ino } = await stat(path);
      const current = `${mtimeMs}/${size}/${ino}`;
      if (current === version) return;
      names = parseHosts(await readFile(path, 'utf8'));
      version = current;
    } catch {
      names = new Map();
      version = '';
    }
  }

  return {
    find(host) {
      if (performance.now() - checkedAt > recheckMs) {
        checkedAt = performance.now();
        const mine = refresh().then(() => {
          if (reading === mine) reading = null;
        });
        reading = mine;
      }
      const found = () => names.get(host) ?? [];
      // Who comes during a reading waits for it too: before the first one is done the file would seem empty.
      return reading ? reading.then(found) : found();
    },
  };
}

function parseHosts(text: string): ReadonlyMap<string, readonly Address[]> {
  const names = new Map<string, Address[]>();
  for (const line of text.split('\n')) {
    const [first = '', ...aliases] = line.replace(/#.*$/, '').trim().split(/\s+/);
    const address = parseAddress(first);
    if (!address) continue;
    for (const alias of aliases) {
      const name = alias.toLowerCase().replace(/\.$/, '');
      names.set(name, [...(names.get(name) ?? []), address]);
    }
  }
  return names;
}
