/** One generation of everything an exchange is judged by. An exchange takes one when it opens and keeps it to its end. */
import type { Config } from '../config/config.ts';
import type { Policy } from '../policy/policy.ts';

export interface Snapshot {
  /** Counts from 1; a reload that changed something adds 1. */
  readonly generation: number;
  /** Fingerprint of config and rules, in every access line: `configHash`. */
  readonly configHash: string;
  readonly config: Config;
  readonly policy: Policy;
}
