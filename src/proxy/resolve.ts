/** Looks host names up: hosts file, then A and AAAA over DNS with a cache that keeps to their TTL. One look-up serves one exchange. */
import { Resolver } from 'node:dns/promises';
import type { Address } from '../address/ip.ts';
import { parseAddress } from '../address/ip.ts';
import { ProxyError } from '../errors.ts';
import type { StopSignal } from '../state/stop-signal.ts';
import { createHostsFile } from './hosts-file.ts';

/** At most so many addresses of each family are taken from one answer. */
const maxAddresses = 32;
/** Bounds of the cache: entries, and seconds that an answer may serve whatever its TTL says. */
const maxEntries = 10_000;
const maxTtlSeconds = 300;
/** How long the slower family may take once the other has answered, in milliseconds. */
const graceMs = 500;
/** A failure serves for a short time only, so that a client's retries do not each become queries. */
const failureMs = 1000;

export interface ResolverDeps {
  /** DNS servers as `ip:port`; absent: the system's. */
  readonly servers?: readonly string[];
  readonly hostsFile?: string;
}

/**
 * Resolves a host to its addresses: at once where they are known. What goes wrong comes through the promise alone.
 * @throws ProxyError `dns_timeout` when the budget (milliseconds) runs out, `dns_failed` when there is no address.
 */
export type Resolve = (
  host: string,
  budgetMs: number,
  signal: StopSignal,
) => Promise<readonly Address[]> | readonly Address[];

interface Entry {
  readonly answer: Promise<readonly Address[]>;
  /** The same once it is there. */
  addresses: readonly Address[] | null;
  expiresAt: number;
}

export function createResolve(deps: ResolverDeps = {}): Resolve {
  const hosts = createHostsFile(deps.hostsFile ?? '/etc/hosts');
  const cache = new Map<string, Entry>();

  function cached(host: string, budgetMs: number): Entry {
    const known = cache.get(host);
    if (known && known.expiresAt > performance.now()) return known;
    const entry: Entry = {
      expiresAt: Infinity,
      addresses: null,
      answer: lookUp(host, budgetMs, deps.servers).then(
        ({ addresses, ttlSeconds }) => {
          entry.expiresAt = performance.now() + Math.min(ttlSeconds, maxTtlSeconds) * 1000;
          return (entry.addresses = addresses);
        },
        (error: unknown) => {
          entry.expiresAt = performance.now() + failureMs;
          throw error;
        },
      ),
    };
    // A look-up outlives the exchange that began it; its failure is only news to those who wait for it.
    entry.answer.catch(() => {});
    cache.delete(host);
    cache.set(host, entry);
    for (const oldest of cache.keys()) {
      if (cache.size <= maxEntries) break;
      cache.delete(oldest);
    }
    return entry;
  }

  const query: Resolve = (host, budgetMs, signal) => {
    const { answer, addresses } = cached(host, budgetMs);
    if (addresses && !signal.aborted) return addresses;
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(signal.reason);
      if (signal.aborted) return onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
    });
  };

  return (host, budgetMs, signal) => {
    const local = hosts.find(host);
    const orQuery = (found: readonly Address[]) => (found.length > 0 ? found : query(host, budgetMs, signal));
    return local instanceof Promise ? local.then(orQuery) : orQuery(local);
  };
}

/**
 * One query for each family. Once one has brought addresses the other may take half a second more: what it brings is
 * judged too, but a server that is silent for AAAA must not cost the whole budget.
 */
async function lookUp(host: string, budgetMs: number, servers: readonly string[] | undefined) {
  const resolver = new Resolver({ timeout: Math.max(1, Math.floor(budgetMs / 2)), tries: 2 });
  if (servers) resolver.setServers(servers);
  const timer = setTimeout(() => resolver.cancel(), budgetMs);
  let grace: NodeJS.Timeout | undefined;
  try {
    const queries = [resolver.resolve4(host, { ttl: true }), resolver.resolve6(host, { ttl: true })];
    const first = await Promise.any(queries).catch(() => null);
    if (first) grace = setTimeout(() => resolver.cancel(), graceMs);
    const results = await Promise.allSettled(queries);
    const records = results.flatMap((result) =>
      result.status === 'fulfilled' ? result.value.slice(0, maxAddresses) : [],
    );
    const addresses = records.flatMap((record) => parseAddress(record.address) ?? []);
    if (addresses.length === 0) throw failure(host, results);
    return { addresses, ttlSeconds: Math.min(...records.map((record) => record.ttl)) };
  } finally {
    clearTimeout(timer);
    clearTimeout(grace);
  }
}

function failure(host: string, results: readonly PromiseSettledResult<unknown>[]): ProxyError {
  const causes = results.flatMap((result) =>
    result.status === 'rejected' ? [result.reason as NodeJS.ErrnoException] : [],
  );
  const isTimeout = causes.some((cause) => cause.code === 'ETIMEOUT' || cause.code === 'ECANCELLED');
  const detail = causes.find((cause) => cause.code !== 'ENODATA')?.code ?? 'ENODATA';
  return isTimeout
    ? new ProxyError('dns_timeout', { phrase: `DNS timeout: ${host}`, cause: causes[0] })
    : new ProxyError('dns_failed', { phrase: `DNS failed: ${host} ${words[detail] ?? detail}`, cause: causes[0] });
}

const words: Readonly<Record<string, string>> = {
  ENOTFOUND: 'does not exist',
  ENODATA: 'has no address',
  ESERVFAIL: 'server failure',
  EREFUSED: 'query refused',
  ECONNREFUSED: 'no DNS server answers',
};
