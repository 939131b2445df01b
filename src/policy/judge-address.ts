/** One address of a target: its class on this machine, the deny that removes it, the rule that lets it be dialled. */
import type { Address, Prefix } from '../address/ip.ts';
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
import type { JudgedAddress, Machine, Pending, Question } from './decide.ts';
import { fits } from './fits.ts';
import type { Policy } from './policy.ts';
import type { Rule } from './rule.ts';

/** Judges an address by itself, whatever else the name resolves to. */
export function judgeAddress(
  policy: Policy,
  question: Question,
  pending: Pending,
  address: Address,
  machine: Machine,
): JudgedAddress {
  const spellings = spellingsOf(address);
  const addressClass = classOnMachine(spellings, question.target.port, machine);
  const entry = (refusedFor: Reason | null, rule: Rule | null = null): JudgedAddress => ({
    address,
    class: addressClass,
    rule,
    refusedFor,
  });
  if (isAlwaysForbidden(addressClass)) return entry(forbiddenReason(addressClass));
  const deny = findDeny(policy, question, spellings, pending.denies);
  if (deny) return entry('denied_by_rule', deny);
  const isOpen = addressClass === 'public' || isLifted(spellings, policy, machine);
  const byAddress = pending.byAddress ? policy.allow.forAddress(address).filter((rule) => fits(rule, question)) : [];
  const rules = byAddress.length > 0 ? [...pending.rules, ...byAddress] : pending.rules;
  const allows = (rule: Rule) =>
    isWithin(rule, address, policy) && (isOpen || (addressClass === 'private' && liftsPrivate(rule, spellings)));
  // Where several rules allow the address, `tls off` on any of them counts, whatever the order of the list.
  const rule = rules.find((candidate) => candidate.tlsOff && allows(candidate)) ?? rules.find(allows);
  if (rule) return entry(null, rule);
  if (!isOpen) return entry('address_private');
  return entry(pending.wouldDeny ? null : 'address_outside_ranges');
}

/** The address itself and what it carries inside: a gateway on the way may unwrap it. */
export function spellingsOf(address: Address): readonly [Address, ...Address[]] {
  return address.family === 4 ? [address] : [address, ...embeddedAddresses(address)];
}

/** The class of an address on this machine: the proxy's own listeners and addresses count in every spelling. */
function classOnMachine(spellings: readonly [Address, ...Address[]], port: number, machine: Machine): AddressClass {
  const addressClass = classifyAddress(spellings[0]);
  if (gravity(addressClass) > gravity('listener')) return addressClass;
  if (spellings.some((spelling) => machine.isOwnListener(spelling, port))) return 'listener';
  if (isAlwaysForbidden(addressClass) || addressClass === 'loopback') return addressClass;
  return spellings.some((spelling) => machine.isOwnAddress(spelling)) ? 'own' : addressClass;
}

/** Any spelling may fall under the pattern and any under `within`: a deny must not be passed by wrapping an address. */
export function findDeny(
  policy: Policy,
  question: Question,
  spellings: readonly Address[],
  byName: readonly Rule[],
): Rule | undefined {
  const isNear = (rule: Rule) => spellings.some((spelling) => isWithin(rule, spelling, policy));
  for (const spelling of spellings) {
    const rule = policy.deny.forAddress(spelling).find((candidate) => fits(candidate, question) && isNear(candidate));
    if (rule) return rule;
  }
  return byName.find(isNear);
}

function isWithin(rule: Rule, address: Address, policy: Policy): boolean {
  if (rule.within === null) return true;
  return rule.within.some((within) =>
    within.type === 'prefix'
      ? prefixContains(within.prefix, address)
      : (policy.ranges.get(within.tag.toLowerCase())?.has(address) ?? false),
  );
}

/** Whether `privateDestinations` names every spelling that is not public by itself. */
function isLifted(spellings: readonly Address[], policy: Policy, machine: Machine): boolean {
  return spellings.every(
    (spelling) =>
      policy.privateDestinations.has(spelling) ||
      (classifyAddress(spelling) === 'public' && !machine.isOwnAddress(spelling)),
  );
}

/** `within ip:PRIVATE` lifts the private class, but only where the clause itself names private space and nothing wider. */
function liftsPrivate(rule: Rule, spellings: readonly Address[]): boolean {
  const spaces = (rule.within ?? []).flatMap((within) =>
    within.type === 'prefix' && isPrivateSpace(within.prefix) ? [within.prefix] : [],
  );
  return spellings.every(
    (spelling) => classifyAddress(spelling) === 'public' || spaces.some((space) => prefixContains(space, spelling)),
  );
}

function isPrivateSpace(prefix: Prefix): boolean {
  return privatePrefixes.some((space) => space.length <= prefix.length && prefixContains(space, prefix.address));
}

/** The reason word of a class that nothing can lift. */
export function forbiddenReason(addressClass: AddressClass): Reason {
  return addressClass === 'azure_platform' ? 'azure_platform_address' : 'address_forbidden';
}
