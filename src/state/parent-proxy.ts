/** The parent proxy as one snapshot has it: where it is, what it is told of us, what goes around it. */
import type { Address } from '../address/ip.ts';
import { hostPort } from '../address/ip.ts';
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

/** Null where everything goes direct; `credential` is `user:password`. */
export function createParentProxy(upstream: Config['upstream'], credential: string | null): ParentProxy | null {
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
