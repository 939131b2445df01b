/** One generation of everything an exchange is judged by. An exchange takes one when it opens and keeps it to its end. */
import type { PrefixSet } from '../address/prefix-set.ts';
import type { Config } from '../config/config.ts';
import type { Policy } from '../policy/policy.ts';
import type { Users } from '../policy/users.ts';
import type { ParentProxy } from './parent-proxy.ts';

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
