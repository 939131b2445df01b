/** The last judgement of a tunnel: whether the TLS server name in it is the target that was judged before. */
import type { Address } from '../address/ip.ts';
import { parseAddress } from '../address/ip.ts';
import type { ClientHello } from '../message/client-hello.ts';
import type { Reason } from '../errors.ts';
import type { Machine, Question, Refusal } from './decide.ts';
import { decideTarget, judgeAddresses, refuse } from './decide.ts';
import type { Policy } from './policy.ts';
import type { Rule } from './rule.ts';

/** A verdict over the beginning of a tunnel; `wouldDeny` is what report mode let pass. */
export type ServerNameDecision = Refusal | { readonly verdict: 'allow'; readonly wouldDeny: Reason | null };

/** Where a tunnel leads: its address, null where a parent proxy was given the name, and the rule that let it. */
export interface Dialled {
  readonly address: Address | null;
  readonly rule: Rule | null;
}

/** Whether the bytes of a tunnel over this address are looked at before they flow. */
export function wantsServerName(policy: Policy, dialled: Dialled): boolean {
  return policy.tlsServerName !== 'off' && !(dialled.rule?.tlsOff ?? false);
}

/**
 * Judges a whole ClientHello (or its absence). A host target must be named; an address target may stay unnamed, and a
 * name that is there is judged as if it had been asked for, over the address already dialled and without a look-up.
 */
export function judgeServerName(
  policy: Policy,
  question: Question,
  dialled: Dialled,
  hello: Exclude<ClientHello, { type: 'incomplete' }>,
  machine: Machine,
): ServerNameDecision {
  const refusal = findRefusal(policy, question, dialled, hello, machine);
  if (!refusal) return { verdict: 'allow', wouldDeny: null };
  // A name that a rule denies stays refused: no mode lets a denied destination pass.
  const isRelaxed = policy.tlsServerName === 'report' || policy.isReported(question.client);
  return isRelaxed && refusal.reason !== 'denied_by_rule' ? { verdict: 'allow', wouldDeny: refusal.reason } : refusal;
}

function findRefusal(
  policy: Policy,
  question: Question,
  dialled: Dialled,
  hello: Exclude<ClientHello, { type: 'incomplete' }>,
  machine: Machine,
): Refusal | null {
  const { target } = question;
  if (hello.type === 'not_tls') return refuse('not_tls', `: ${hello.why}`, dialled.rule);
  const name = hello.serverName;
  if (name === target.host) return null;
  if (name === null) return target.address ? null : refuse('tls_name_missing', '', dialled.rule);
  const mismatch = refuse('tls_name_mismatch', `: ${name}`, dialled.rule);
  // An address in place of the name (RFC 6066 section 3 has none) that is not the target names another machine.
  if (!target.address || !dialled.address || parseAddress(name)) return mismatch;
  const named: Question = {
    ...question,
    target: { ...target, host: name, address: null, text: `${name}:${target.port}` },
  };
  const pending = decideTarget(policy, named);
  const decision =
    pending.verdict === 'refuse' ? pending : judgeAddresses(policy, named, pending, [dialled.address], machine);
  if (decision.verdict === 'refuse') return decision.reason === 'denied_by_rule' ? decision : mismatch;
  return decision.wouldDeny ? mismatch : null;
}
