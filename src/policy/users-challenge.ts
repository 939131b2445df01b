/** When a client that sent no credentials is to be asked for some, and what to change where it never will. */
import type { Address, Prefix } from '../address/ip.ts';
import { addressFromWords, formatPrefix, prefixContains } from '../address/ip.ts';
import type { AddressDecision, Machine, Question } from './decide.ts';
import { decideTarget, judgeAddresses } from './decide.ts';
import { fits } from './fits.ts';
import type { Policy } from './policy.ts';

/**
 * Whether only a missing user stands between an anonymous question and a rule that allows it. Report mode does not
 * count as such a rule: a client that can sign in is to do so, or its log would never know who it was.
 */
export function missesUser(policy: Policy, question: Question): boolean {
  if (awaitedUsers(policy, question).length === 0) return false;
  const decision = decideTarget(policy, { ...question, user: null });
  return (decision.verdict === 'refuse' ? decision.reason : decision.wouldDeny) === 'not_on_allowlist';
}

/**
 * The same once the addresses are known: none of them lies where the rules for everybody allow it, and one would pass for
 * a user that some rule names.
 */
export function missesUserFor(
  policy: Policy,
  question: Question,
  decision: AddressDecision,
  machine: Machine,
): boolean {
  const reason = decision.verdict === 'refuse' ? decision.reason : decision.wouldDeny;
  if (question.user !== null || reason !== 'address_outside_ranges') return false;
  const addresses = decision.judged.map(({ address }) => address);
  return awaitedUsers(policy, question).some((user) => {
    const signedIn = { ...question, user };
    const pending = decideTarget(policy, signedIn);
    if (pending.verdict === 'refuse') return false;
    const { verdict, wouldDeny } = {
      wouldDeny: null,
      ...judgeAddresses(policy, signedIn, pending, addresses, machine),
    };
    return verdict === 'allow' && wouldDeny === null;
  });
}

/** The users whom rules about this target name. */
function awaitedUsers(policy: Policy, question: Question): readonly string[] {
  const { host, port, address } = question.target;
  const byName = address ? policy.allow.forAddress(address) : policy.allow.forHost(host);
  const byAddress = address || !policy.isResolvable(host) ? [] : policy.allow.forAddressOnPort(port);
  const named = [...byName, ...byAddress].flatMap(
    (rule) => rule.users?.filter((user) => fits(rule, { ...question, user })) ?? [],
  );
  return [...new Set(named)];
}

/** The bits of the subnet that is taken for a client's: Azure's usual ones. */
const subnetBits = { 4: 24, 6: 64 } as const;

/** `auth.requiredFrom` as it would be without the client's subnet, as a line for the configuration. */
export function exemptionLine(requiredFrom: readonly Prefix[], client: Address): string {
  const rest = requiredFrom.flatMap((prefix) => (prefixContains(prefix, client) ? without(prefix, client) : [prefix]));
  return `auth: { requiredFrom: [${rest.map((prefix) => `"${formatPrefix(prefix)}"`).join(', ')}] }`;
}

/** What is left of a prefix when the subnet of one of its addresses is taken out: the other half of every halving. */
function without(prefix: Prefix, client: Address): readonly Prefix[] {
  const halves: Prefix[] = [];
  for (let length = prefix.length + 1; length <= subnetBits[client.family]; length++) {
    const words = client.words.map((word, at) => {
      const bits = Math.min(32, Math.max(0, length - at * 32));
      const kept = bits === 0 ? 0 : (word & (-1 << (32 - bits))) >>> 0;
      const isLast = bits > 0 && length <= (at + 1) * 32;
      return isLast ? (kept ^ (1 << (32 - bits))) >>> 0 : kept;
    });
    halves.push({ address: addressFromWords(words), length });
  }
  return halves;
}
