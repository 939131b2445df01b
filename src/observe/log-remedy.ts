/** What to do about a line of the log: the narrowest rule that would have let it pass, or what else would. */
import { parseAddress } from '../address/ip.ts';
import type { Address } from '../address/ip.ts';
import { createPrefixSet } from '../address/prefix-set.ts';
import type { Reason } from '../errors.ts';
import { answers } from '../errors.ts';
import { parseAbsoluteForm, parseAuthorityForm } from '../message/request-target.ts';
import type { JudgedAddress, Machine, Question } from '../policy/decide.ts';
import { judgeRefused, refuse } from '../policy/decide.ts';
import type { Remedy } from '../policy/narrowest.ts';
import { narrowestRemedy } from '../policy/narrowest.ts';
import { createPolicy } from '../policy/policy.ts';
import type { Policy } from '../policy/policy.ts';
import type { LogRecord } from './log-record.ts';

/** What a remedy is found from. */
export type Refused = Pick<
  LogRecord,
  'kind' | 'client' | 'target' | 'path' | 'reason' | 'rule' | 'ruleText' | 'address' | 'hint'
>;

/** Reasons that rules and addresses decide: what to do depends on the line. */
const decided: ReadonlySet<Reason> = new Set<Reason>([
  'denied_by_rule',
  'not_on_allowlist',
  'azure_platform_address',
  'address_forbidden',
  'address_private',
  'address_outside_ranges',
]);

/** Finds the remedy of a refused or failed line; the rules in force at the time are not asked for again. */
export function remedyFor(refused: Refused): Remedy {
  const { reason, hint } = refused;
  const question = questionOf(refused);
  const explain = `\`lockdown-proxy explain ${explainable(refused)} --from ${question?.client.text ?? 'CLIENT'}\``;
  if (!isReason(reason)) return { rule: null, advice: `the line has no reason; ${explain} decides it anew` };
  if (hint !== null) return { rule: null, advice: hint };
  if (!decided.has(reason)) return { rule: null, advice: answers[reason].remedy };
  if (reason === 'denied_by_rule') {
    const which = refused.ruleText === null ? 'it' : `"${refused.ruleText}" at ${refused.rule}`;
    return { rule: null, advice: `a deny always wins: take away or narrow ${which}` };
  }
  if (question === null) return { rule: null, advice: `${explain} says what would allow it` };
  const judged = judgedOf(question, refused);
  const needsAddress = reason === 'address_private' || reason === 'address_outside_ranges';
  // A rule for these is written around the address, and a refused exchange has dialled none.
  if (needsAddress && judged.length === 0) return { rule: null, advice: `${explain} names its address, and the rule` };
  return narrowestRemedy(question, { reason, rule: null }, judged);
}

function isReason(text: string | null): text is Reason {
  return text !== null && Object.hasOwn(answers, text);
}

/** What may be copied into a shell: a log may come from anywhere. */
function explainable({ kind, target, path }: Refused): string {
  const asked = kind === 'forward' ? `http://${target}${path ?? ''}` : (target ?? '');
  return /^[\w.:/[\]%-]+$/.test(asked) ? asked : 'TARGET';
}

/** The line as the question that was decided; null where its target cannot be read. */
export function questionOf({ kind, client, target, path }: Refused): Question | null {
  const from = parseAddress(client);
  if (from === null || target === null || kind === 'connection') return null;
  if (kind === 'forward') {
    const form = parseAbsoluteForm(`http://${target}${path === '*' ? '' : (path ?? '')}`, 'GET');
    return form.ok ? { kind, client: from, user: null, target: form.value.target, path: form.value.path } : null;
  }
  const form = parseAuthorityForm(target);
  return form.ok ? { kind, client: from, user: null, target: form.value, path: null } : null;
}

/** The addresses that are known: the one that was asked for, or the one that was dialled. */
function judgedOf(question: Question, refused: Refused): readonly JudgedAddress[] {
  const dialled = parseAddress((refused.address ?? '').replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1'));
  const known: Address | null = question.target.address ?? dialled;
  if (known === null || !isReason(refused.reason)) return [];
  return judgeRefused(policyOfNothing(), question, refuse(refused.reason), [known], anyMachine);
}

/** An address is what it is by itself; which machine looked is not in the log. */
const anyMachine: Machine = { isOwnAddress: () => false, isOwnListener: () => false };

function policyOfNothing(): Policy {
  const none = createPrefixSet([]);
  return createPolicy({
    rules: [],
    ranges: new Map(),
    networks: none,
    resolveNames: [],
    privateDestinations: none,
    mode: 'enforce',
    reportFrom: none,
    tlsServerName: 'require',
  });
}
