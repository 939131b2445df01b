/** The parent proxy as one snapshot has it: where it is, what it is told of us, what goes around it. */
import type { Address } from '../address/ip.ts';
import { hostPort, parseAddress } from '../address/ip.ts';
import { createPrefixSet } from '../address/prefix-set.ts';
import type { Config } from '../config/config.ts';
import type { ParentRoutes } from '../policy/parent-way.ts';

export interface ParentProxy extends ParentRoutes {
  readonly host: string;
  /** Null for a name, which the system looks up. */
  readonly address: Address | null;
  readonly port: number;
  readonly isTls: boolean;
  /** As in the configuration: `http://host:port`. */
  readonly url: string;
  /** Our Proxy-Authorization; null: it is told nothing. A secret. */
  readonly authorization: string | null;
}

/** What a parent is made from. Plain data, so that a thread can be given it; `credential` is `user:password`, a secret. */
export interface ParentSettings {
  readonly upstream: Config['upstream'];
  readonly credential: string | null;
}

/** Null where everything goes direct. */
export function createParentProxy({ upstream, credential }: ParentSettings): ParentProxy | null {
  const { proxy, direct, resolve } = upstream;
  if (proxy === null) return null;
  const prefixes = createPrefixSet(direct.flatMap((entry) => (entry.type === 'prefix' ? [entry.prefix] : [])));
  const suffixes = direct.flatMap((entry) => (entry.type === 'suffix' ? [entry.name] : []));
  return {
    ...proxy,
    url: `${proxy.isTls ? 'https' : 'http'}://${hostPort(proxy.host, proxy.port)}`,
    authorization: credential === null ? null : `Basic ${Buffer.from(credential).toString('base64')}`,
    isDirectHost: (host) => suffixes.some((suffix) => host === suffix || host.endsWith(`.${suffix}`)),
    isDirectAddress: (address) => prefixes.has(address),
    resolvesAll: resolve === 'always',
  };
}

/** Whether what the proxy itself fetches from this host goes around the parent: by its name, or as an address by its prefix. */
export function isAround(parent: ParentProxy, host: string): boolean {
  const address = parseAddress(host.replace(/^\[|\]$/g, ''));
  return address === null ? parent.isDirectHost(host.replace(/\.$/, '')) : parent.isDirectAddress(address);
}
