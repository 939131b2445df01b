/** The shape of one allowlist rule, as the grammar makes it and the decision reads it. */
import type { Prefix } from '../address/ip.ts';
import type { PrefixSet } from '../address/prefix-set.ts';

/** How a request asks for its destination: CONNECT opens a tunnel, an absolute-form request is forwarded. */
export type Kind = 'tunnel' | 'forward';

/**
 * Which names a rule means. `exact`: the name itself. `under`: one or more labels in front of `name`.
 * `at_or_under`: both. `first_label`: `name` preceded by exactly one label that begins with `before` and ends
 * with `after` (the text around the single `*`).
 */
export type HostPattern =
  | { readonly type: 'exact' | 'under' | 'at_or_under'; readonly name: string }
  | { readonly type: 'first_label'; readonly before: string; readonly after: string; readonly name: string };

/** What a rule points at: names, one prefix, or a service tag (tag names are compared without regard to case). */
export type Pattern =
  | { readonly type: 'host'; readonly host: HostPattern }
  | { readonly type: 'prefix'; readonly prefix: Prefix }
  | { readonly type: 'tag'; readonly tag: string };

/** One entry of a `within` clause. */
export type Within =
  { readonly type: 'tag'; readonly tag: string } | { readonly type: 'prefix'; readonly prefix: Prefix };

/** The ports of each kind that a rule covers; `any` only in a `deny` without port or path. */
export interface Scope {
  readonly tunnel: readonly number[] | 'any';
  readonly forward: readonly number[] | 'any';
}

/** One rule of an allowlist file. No rule sees another's clauses. */
export interface Rule {
  readonly deny: boolean;
  readonly pattern: Pattern;
  readonly scope: Scope;
  /** Case-sensitive path of an `http://` rule; `prefix` when it ended in `*`. Null: every path. */
  readonly path: { readonly text: string; readonly prefix: boolean } | null;
  /** Every dialled address must lie in one of these; null: no such clause. */
  readonly within: readonly Within[] | null;
  /** Clients the rule is for; null: all. */
  readonly from: PrefixSet | null;
  /** Users the rule is for; null: everyone, signed in or not. */
  readonly users: readonly string[] | null;
  /** `tls off`: bytes in the tunnel need not be TLS nor name the target. */
  readonly tlsOff: boolean;
  /** Where the rule stands: the file as configured, and its line from 1. */
  readonly file: string;
  readonly line: number;
  /** `file:line`. */
  readonly place: string;
  /** The rule in normal form, without its comment. */
  readonly text: string;
}
