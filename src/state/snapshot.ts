/** One generation of everything an exchange is judged by. An exchange takes one when it opens and keeps it to its end. */
import { createFlatPrefixSet, createPrefixSet } from '../address/prefix-set.ts';
import type { PrefixSet } from '../address/prefix-set.ts';
import type { Config } from '../config/config.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { Policy } from '../policy/policy.ts';
import { createPolicy } from '../policy/policy.ts';
import type { RangesDocument } from '../policy/ranges/document.ts';
import type { Ranges } from '../policy/rule-index.ts';
import type { Users } from '../policy/users.ts';
import type { ParentProxy } from './parent-proxy.ts';
import { createParentProxy } from './parent-proxy.ts';
import { tagsInRules } from './ranges-wanted.ts';

export interface Snapshot {
  /** Counts from 1; a reload that changed something adds 1. */
  readonly generation: number;
  /** Fingerprint of config and rules, in every access line: `configHash`. */
  readonly configHash: string;
  readonly config: Config;
  readonly policy: Policy;
  /** Who may sign in; null: nobody, and credentials are dropped unread. */
  readonly users: Users | null;
  /** Whether a client certificate may name a user. */
  readonly hasCertificateUsers: boolean;
  /** The proxy that everything else goes through; null: everything goes direct. */
  readonly parent: ParentProxy | null;
  /** The clients that have to. */
  readonly requiredFrom: PrefixSet;
}

/** A snapshot of a loaded configuration over the datacenter ranges that are held; null: there are none. */
export function createSnapshot(
  loaded: LoadedConfig,
  generation: number,
  document: RangesDocument | null = null,
): Snapshot {
  const { config } = loaded;
  return {
    generation,
    configHash: loaded.hash,
    config,
    users: loaded.users,
    hasCertificateUsers: config.listen.some(({ tls }) => tls !== null && tls.clientCa !== null),
    parent: createParentProxy({ upstream: config.upstream, credential: loaded.parentCredential }),
    requiredFrom: createPrefixSet(config.auth.requiredFrom),
    policy: createPolicy({
      rules: loaded.rules,
      ranges: rangesOf(loaded, document),
      networks: createPrefixSet(config.networks),
      resolveNames: config.ranges.resolveNames,
      privateDestinations: createPrefixSet(config.privateDestinations),
      mode: config.mode,
      reportFrom: createPrefixSet(config.reportFrom),
      tlsServerName: config.tlsServerName,
    }),
  };
}

/** The prefixes of the tags that rules name; a tag that the document does not hold is not there, and matches nothing. */
function rangesOf({ rules }: LoadedConfig, document: RangesDocument | null): Ranges {
  return new Map(
    [...tagsInRules(rules)].flatMap((name) => {
      const tag = document?.tags.get(name);
      return tag === undefined ? [] : [[name, createFlatPrefixSet(tag.prefixes)] as const];
    }),
  );
}
