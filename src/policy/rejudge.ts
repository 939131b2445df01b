/** A tunnel that flows, judged again by other rules than those that let it in, and without asking DNS. */
import type { Machine, Question, Refusal } from './decide.ts';
import { decideTarget, judgeAddresses, judgeRefused } from './decide.ts';
import type { Policy } from './policy.ts';
import type { Dialled } from './server-name.ts';
import { judgeServerName } from './server-name.ts';

/** What a tunnel was let in for: the question, the address dialled, and the server name if it was looked at. */
export interface AdmittedTunnel {
  readonly question: Question;
  readonly dialled: Dialled;
  /** The name in the ClientHello, null for none; undefined where nobody looked. */
  readonly serverName: string | null | undefined;
}

/**
 * What would refuse the tunnel if it were asked for now, or null. A `deny` speaks before whatever else refuses, so that
 * who closes only what is denied finds each one. A name that nobody looked at cannot be judged later.
 */
export function rejudgeTunnel(policy: Policy, tunnel: AdmittedTunnel, machine: Machine): Refusal | null {
  const { question, dialled, serverName } = tunnel;
  const refusals: Refusal[] = [];
  const addresses = [dialled.address].filter((address) => address !== null);
  const pending = decideTarget(policy, question);
  if (pending.verdict === 'refuse') {
    refusals.push(pending);
    for (const { refusedFor, rule } of judgeRefused(policy, question, pending, addresses, machine)) {
      if (refusedFor === 'denied_by_rule')
        refusals.push({ ...pending, reason: refusedFor, rule, phrase: 'Denied by rule' });
    }
  } else if (addresses.length > 0) {
    const decision = judgeAddresses(policy, question, pending, addresses, machine);
    if (decision.verdict === 'refuse') refusals.push(decision);
  }
  if (serverName !== undefined) {
    const decision = judgeServerName(policy, question, dialled, { type: 'hello', serverName, ech: false }, machine);
    if (decision.verdict === 'refuse') refusals.push(decision);
  }
  return refusals.find(({ reason }) => reason === 'denied_by_rule') ?? refusals[0] ?? null;
}
