/** Which way a target goes where there is a parent proxy: by name, by a judged address, or around the parent. */
import type { Address } from '../address/ip.ts';
import type { JudgedAddress, Pending, Question } from './decide.ts';
import { fits, fitsSomeKind } from './fits.ts';
import type { Policy } from './policy.ts';
import type { Rule } from './rule.ts';

/** What the configuration says of the ways around the parent. */
export interface ParentRoutes {
  readonly isDirectHost: (host: string) => boolean;
  readonly isDirectAddress: (address: Address) => boolean;
  /** Every host is looked up and judged here, whatever its rules ask for. */
  readonly resolvesAll: boolean;
}

/**
 * The rule by which a host goes to the parent by its name, not looked up here; null where its addresses are judged: it
 * goes direct, a rule that allows it or a deny that could remove an address asks for them.
 */
export function judgeByName(
  parent: ParentRoutes | null,
  policy: Policy,
  question: Question,
  pending: Pending,
): { readonly rule: Rule | null } | null {
  const { host, address } = question.target;
  if (!parent || address || parent.resolvesAll || parent.isDirectHost(host)) return null;
  if (pending.denies.length > 0 || policy.addressDenies.some((rule) => fits(rule, question))) return null;
  const named = pending.rules.filter((rule) => rule.within === null);
  const rule = named.find(({ tlsOff }) => tlsOff) ?? named[0];
  if (rule) return { rule };
  // What report mode lets pass goes by name where the rule near it would have.
  const isNear = (near: Rule) => near.within === null && fitsSomeKind(near, question);
  return pending.wouldDeny && policy.allow.forHost(host).some(isNear) ? { rule: null } : null;
}

/** Those of a target's allowed addresses that are dialled here; none: the first one goes to the parent. */
export function addressesAround(
  parent: ParentRoutes | null,
  question: Question,
  allowed: readonly JudgedAddress[],
): readonly JudgedAddress[] {
  const { host, address } = question.target;
  if (!parent || (!address && parent.isDirectHost(host))) return allowed;
  return allowed.filter((entry) => parent.isDirectAddress(entry.address));
}
