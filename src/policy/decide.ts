/**
 * The decision: target against rules, then every address, then the TLS server name. Pure: the caller looks names up
 * and dials. Each step returns a value with its reason and rule, so that `serve` and `explain` say the same.
 */
import type { Address } from '../address/ip.ts';
import type { AddressClass } from '../address/special-purpose.ts';
import { classifyAddress, gravity, isAlwaysForbidden } from '../address/special-purpose.ts';
import type { Reason } from '../errors.ts';
import { answers } from '../errors.ts';
import type { Target } from '../message/request-target.ts';
import { fits, fitsSomeKind } from './fits.ts';
import { findDeny, forbiddenReason, judgeAddress, spellingsOf } from './judge-address.ts';
import type { Policy } from './policy.ts';
import type { Kind, Rule } from './rule.ts';

/** What is asked: who, how, for what. `path` is as sent and without its query; null in a tunnel. */
export interface Question {
  readonly kind: Kind;
  readonly client: Address;
  readonly user: string | null;
  readonly target: Target;
  readonly path: string | null;
}

/** Facts of the machine that no rule can know. */
export interface Machine {
  readonly isOwnAddress: (address: Address) => boolean;
  readonly isOwnListener: (address: Address, port: number) => boolean;
}

/** A refusal with everything an operator needs: the reason word, the phrase the client gets, the rule if one decided. */
export interface Refusal {
  readonly verdict: 'refuse';
  readonly reason: Reason;
  readonly phrase: string;
  readonly rule: Rule | null;
}

/** The target may pass if its addresses do. `rules` allow it by name or by the address asked for. */
export interface Pending {
  readonly verdict: 'pending';
  readonly rules: readonly Rule[];
  /** Denies of this host that remove only the addresses `within` their prefixes. */
  readonly denies: readonly Rule[];
  /** Whether `tag:` and `ip:` rules speak for the addresses of this host target too. */
  readonly byAddress: boolean;
  /** The reason that report mode let pass. */
  readonly wouldDeny: Reason | null;
}

/** One address with its class and either the rule that lets it be dialled or the reason it may not be. */
export interface JudgedAddress {
  readonly address: Address;
  readonly class: AddressClass;
  readonly rule: Rule | null;
  readonly refusedFor: Reason | null;
}

export type AddressDecision =
  | {
      readonly verdict: 'allow';
      readonly addresses: readonly JudgedAddress[];
      readonly judged: readonly JudgedAddress[];
      readonly wouldDeny: Reason | null;
    }
  | (Refusal & { readonly judged: readonly JudgedAddress[] });

/**
 * Judges the target against the rules, before any look-up. A host that no rule could allow for this client, user and
 * port is refused unresolved in report mode too, so that names cannot carry data out through DNS.
 */
export function decideTarget(policy: Policy, question: Question): Refusal | Pending {
  const { target } = question;
  const literal = target.address;
  const literalClass = literal ? classifyAddress(literal) : 'public';
  if (literal && isAlwaysForbidden(literalClass)) return refuseAddress(literalClass, literal);
  const denying = deniesByName(policy, question);
  const deny = literal
    ? findDeny(policy, question, spellingsOf(literal), denying)
    : denying.find((rule) => rule.within === null);
  if (deny) return refuseByRule(deny);
  const matching = literal ? policy.allow.forAddress(literal) : policy.allow.forHost(target.host);
  const rules = matching.filter((rule) => fits(rule, question));
  const onPort = literal || !policy.isResolvable(target.host) ? [] : policy.allow.forAddressOnPort(target.port);
  const byAddress = onPort.some((rule) => fits(rule, question));
  if (rules.length > 0 || byAddress) return { verdict: 'pending', rules, denies: denying, byAddress, wouldDeny: null };
  if (policy.reportPorts.has(target.port) && policy.isReported(question.client)) {
    const couldBeAllowed = (rule: Rule) => fitsSomeKind(rule, question);
    if (literal || matching.some(couldBeAllowed) || onPort.some(couldBeAllowed)) {
      return { verdict: 'pending', rules, denies: denying, byAddress, wouldDeny: 'not_on_allowlist' };
    }
  }
  return refuse('not_on_allowlist', `: ${target.text}`);
}

/**
 * Judges every address a target has, each alone: bad ones are left out, an always-forbidden one refuses the whole
 * name, and where none is left the gravest reason speaks.
 */
export function judgeAddresses(
  policy: Policy,
  question: Question,
  pending: Pending,
  addresses: readonly Address[],
  machine: Machine,
): AddressDecision {
  const judged = addresses.map((address) => judgeAddress(policy, question, pending, address, machine));
  const worst = gravest(judged);
  if (!worst) return { ...refuse('dns_failed', `: no address for ${question.target.host}`), judged };
  if (isAlwaysForbidden(worst.class)) return { ...refuseAddress(worst.class, worst.address), judged };
  const allowed = judged.filter((entry) => entry.refusedFor === null);
  if (allowed.length > 0) return { verdict: 'allow', addresses: allowed, judged, wouldDeny: pending.wouldDeny };
  const outside = judged.filter((entry) => entry.refusedFor === 'address_outside_ranges');
  if (outside.length > 0 && policy.isReported(question.client)) {
    return { verdict: 'allow', addresses: outside, judged, wouldDeny: 'address_outside_ranges' };
  }
  if (worst.refusedFor === 'denied_by_rule' && worst.rule) return { ...refuseByRule(worst.rule), judged };
  if (worst.refusedFor === 'address_private') return { ...refuse('address_private', ` ${worst.address.text}`), judged };
  return { ...refuse('address_outside_ranges', `: ${worst.address.text}`), judged };
}

/** What the addresses of a target that its rules refuse are by themselves: where nothing worse holds, its own reason. */
export function judgeRefused(
  policy: Policy,
  question: Question,
  { reason }: Refusal,
  addresses: readonly Address[],
  machine: Machine,
): readonly JudgedAddress[] {
  const denies = deniesByName(policy, question);
  const nothing: Pending = { verdict: 'pending', rules: [], denies, byAddress: false, wouldDeny: reason };
  return addresses
    .map((address) => judgeAddress(policy, question, nothing, address, machine))
    .map((entry) => ({ ...entry, refusedFor: entry.refusedFor ?? reason }));
}

function deniesByName(policy: Policy, question: Question): readonly Rule[] {
  const { host, address } = question.target;
  return address ? [] : policy.deny.forHost(host).filter((rule) => fits(rule, question));
}

const reasonGravity: readonly (Reason | null)[] = [
  null,
  'address_outside_ranges',
  'address_private',
  'denied_by_rule',
  'address_forbidden',
  'azure_platform_address',
];

function gravest(judged: readonly JudgedAddress[]): JudgedAddress | null {
  const weight = (entry: JudgedAddress) => reasonGravity.indexOf(entry.refusedFor) * 100 + gravity(entry.class);
  return judged.reduce<JudgedAddress | null>(
    (worst, entry) => (worst === null || weight(entry) > weight(worst) ? entry : worst),
    null,
  );
}

/** Builds a refusal whose phrase is the reason's own beginning and a detail. */
export function refuse(reason: Reason, detail = '', rule: Rule | null = null): Refusal {
  return { verdict: 'refuse', reason, phrase: `${answers[reason].phrase}${detail}`, rule };
}

function refuseByRule(rule: Rule): Refusal {
  return refuse('denied_by_rule', ` ${rule.file.replace(/^.*[/\\]/, '').replace(/[^\w.-]/g, '?')}:${rule.line}`, rule);
}

function refuseAddress(addressClass: AddressClass, address: Address): Refusal {
  const reason = forbiddenReason(addressClass);
  return refuse(reason, reason === 'address_forbidden' ? `: ${address.text}` : '');
}
