/**
 * The decision: target against rules, then every address, then the TLS server name. Pure: the caller looks names up
 * and dials. Each step returns a value with its reason and rule, so that `serve` and `explain` say the same.
 */
import type { Address } from '../address/ip.ts';
import { prefixContains } from '../address/ip.ts';
import type { AddressClass } from '../address/special-purpose.ts';
import {
  classifyAddress,
  embeddedAddresses,
  gravity,
  isAlwaysForbidden,
  privatePrefixes,
} from '../address/special-purpose.ts';
import type { Reason } from '../errors.ts';
import { answers } from '../errors.ts';
import type { Target } from '../message/request-target.ts';
import { normalisePath } from '../message/request-target.ts';
import type { Policy } from './policy.ts';
import type { Kind, Rule } from './rule.ts';
import { coversPort } from './rule-index.ts';

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
  if (literal) {
    const own = classifyAddress(literal);
    if (isAlwaysForbidden(own)) return refuseAddress(own, literal);
  } else {
    const deny = policy.deny.forHost(target.host).find((rule) => rule.within === null && fits(rule, question));
    if (deny) return refuseByRule(deny);
  }
  const matching = literal ? policy.allow.forAddress(literal) : policy.allow.forHost(target.host);
  const rules = matching.filter((rule) => fits(rule, question));
  const onPort = literal || !policy.isResolvable(target.host) ? [] : policy.allow.forAddressOnPort(target.port);
  const byAddress = onPort.some((rule) => fits(rule, question));
  if (rules.length > 0 || byAddress) return { verdict: 'pending', rules, byAddress, wouldDeny: null };
  const couldBeAllowed = literal !== null || [...matching, ...onPort].some((rule) => fitsSomeKind(rule, question));
  if (couldBeAllowed && policy.reportPorts.has(target.port) && policy.isReported(question.client)) {
    return { verdict: 'pending', rules: [], byAddress: false, wouldDeny: 'not_on_allowlist' };
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
  const forbidden = gravest(judged.filter((entry) => isAlwaysForbidden(entry.class)));
  if (forbidden) return { ...refuseAddress(forbidden.class, forbidden.address), judged };
  const allowed = judged.filter((entry) => entry.refusedFor === null);
  if (allowed.length > 0) return { verdict: 'allow', addresses: allowed, judged, wouldDeny: pending.wouldDeny };
  const outside = judged.filter((entry) => entry.refusedFor === 'address_outside_ranges');
  if (outside.length > 0 && policy.isReported(question.client)) {
    return { verdict: 'allow', addresses: outside, judged, wouldDeny: 'address_outside_ranges' };
  }
  const worst = gravest(judged);
  if (!worst) return { ...refuse('dns_failed', `: no address for ${question.target.host}`), judged };
  if (worst.refusedFor === 'denied_by_rule' && worst.rule) return { ...refuseByRule(worst.rule), judged };
  if (worst.refusedFor === 'address_private') return { ...refuse('address_private', ` ${worst.address.text}`), judged };
  return { ...refuse('address_outside_ranges', `: ${worst.address.text}`), judged };
}

/** Whether a rule applies to this question: port and kind, path, client and user. An allow path must match as sent and normalised; a deny either. */
export function fits(rule: Rule, question: Question): boolean {
  return (
    coversPort(rule, question.kind, question.target.port) && fitsPath(rule, question.path) && fitsClient(rule, question)
  );
}

/** Whether a rule would apply if the request had another kind or path: what may be looked up in report mode. */
function fitsSomeKind(rule: Rule, question: Question): boolean {
  const { port } = question.target;
  return (coversPort(rule, 'tunnel', port) || coversPort(rule, 'forward', port)) && fitsClient(rule, question);
}

function fitsClient(rule: Rule, question: Question): boolean {
  if (rule.from && !rule.from.has(question.client)) return false;
  return rule.users === null || (question.user !== null && rule.users.includes(question.user));
}

function fitsPath(rule: Rule, path: string | null): boolean {
  const wanted = rule.path;
  if (wanted === null || path === null) return wanted === null;
  const matches = (sent: string) => (wanted.prefix ? sent.startsWith(wanted.text) : sent === wanted.text);
  const normal = normalisePath(path);
  return rule.deny ? matches(path) || matches(normal) : matches(path) && matches(normal);
}

function judgeAddress(
  policy: Policy,
  question: Question,
  pending: Pending,
  address: Address,
  machine: Machine,
): JudgedAddress {
  const addressClass = classOnMachine(address, question.target.port, machine);
  const entry = (refusedFor: Reason | null, rule: Rule | null = null) => ({
    address,
    class: addressClass,
    rule,
    refusedFor,
  });
  if (isAlwaysForbidden(addressClass)) return entry('address_forbidden');
  const deny = findDeny(policy, question, address);
  if (deny) return entry('denied_by_rule', deny);
  const byAddress = pending.byAddress ? policy.allow.forAddress(address).filter((rule) => fits(rule, question)) : [];
  const rules = [...pending.rules, ...byAddress].filter((rule) => isWithin(rule, address, policy));
  const isLifted = addressClass === 'public' || policy.privateDestinations.has(address);
  const usable = isLifted ? rules : rules.filter((rule) => addressClass === 'private' && liftsPrivate(rule, address));
  const rule = usable.find((candidate) => candidate.tlsOff) ?? usable[0];
  if (rule) return entry(null, rule);
  if (!isLifted) return entry('address_private');
  return entry(pending.wouldDeny ? null : 'address_outside_ranges');
}

/** The class of an address on this machine: the proxy's own listeners and addresses count in every spelling. */
export function classOnMachine(address: Address, port: number, machine: Machine): AddressClass {
  const spellings = [address, ...embeddedAddresses(address)];
  const candidates: AddressClass[] = [classifyAddress(address)];
  if (spellings.some((spelling) => machine.isOwnListener(spelling, port))) candidates.push('listener');
  if (spellings.some((spelling) => machine.isOwnAddress(spelling)) && candidates[0] !== 'loopback')
    candidates.push('own');
  return candidates.reduce((worst, candidate) => (gravity(candidate) > gravity(worst) ? candidate : worst));
}

function findDeny(policy: Policy, question: Question, address: Address): Rule | undefined {
  const byAddress = [address, ...embeddedAddresses(address)].flatMap((spelling) => policy.deny.forAddress(spelling));
  const byName = question.target.address ? [] : policy.deny.forHost(question.target.host);
  return [...byAddress, ...byName].find((rule) => fits(rule, question) && isWithin(rule, address, policy));
}

function isWithin(rule: Rule, address: Address, policy: Policy): boolean {
  if (rule.within === null) return true;
  return rule.within.some((within) =>
    within.type === 'prefix'
      ? prefixContains(within.prefix, address)
      : (policy.ranges.get(within.tag.toLowerCase())?.has(address) ?? false),
  );
}

/** `within ip:PRIVATE` lifts the private class, but only where the clause itself names private space and nothing wider. */
function liftsPrivate(rule: Rule, address: Address): boolean {
  return (rule.within ?? []).some(
    (within) =>
      within.type === 'prefix' &&
      prefixContains(within.prefix, address) &&
      privatePrefixes.some(
        (space) => space.length <= within.prefix.length && prefixContains(space, within.prefix.address),
      ),
  );
}

const reasonGravity: readonly (Reason | null)[] = [
  null,
  'address_outside_ranges',
  'address_private',
  'denied_by_rule',
  'address_forbidden',
];

function gravest(judged: readonly JudgedAddress[]): JudgedAddress | undefined {
  const weight = (entry: JudgedAddress) => reasonGravity.indexOf(entry.refusedFor) * 100 + gravity(entry.class);
  return judged.toSorted((a, b) => weight(b) - weight(a))[0];
}

/** Builds a refusal whose phrase is the reason's own beginning and a detail. */
export function refuse(reason: Reason, detail = '', rule: Rule | null = null): Refusal {
  return { verdict: 'refuse', reason, phrase: `${answers[reason].phrase}${detail}`, rule };
}

function refuseByRule(rule: Rule): Refusal {
  return refuse('denied_by_rule', ` ${rule.file.replace(/^.*[/\\]/, '').replace(/[^\w.-]/g, '?')}:${rule.line}`, rule);
}

function refuseAddress(addressClass: AddressClass, address: Address): Refusal {
  return addressClass === 'azure_platform'
    ? refuse('azure_platform_address')
    : refuse('address_forbidden', `: ${address.text}`);
}
