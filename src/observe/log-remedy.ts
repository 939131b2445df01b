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

/** What an operator does about a reason that no rule and no address decides. */
const advice: Readonly<Partial<Record<Reason, string>>> = {
  client_outside_network: 'only clients in `networks` may use this proxy',
  limit_reached: 'raise the limit that the answer named, or find out why the client opens so many connections',
  draining: 'the proxy was being stopped; the client tries again',
  request_timeout: 'the client connected and sent no whole request: look at what it runs, or raise limits.headerMs',
  malformed_request: 'what the client sent is no request to a proxy: look at its proxy settings (http://, port)',
  method_not_allowed: 'the client has to use another method',
  loop_detected: 'the request came from this proxy itself: look at where its parent or its own settings send it',
  credentials_missing: '`lockdown-proxy logs auth` tells a normal challenge from a client that cannot sign in',
  credentials_rejected: '`lockdown-proxy logs auth` names the likely cause',
  credentials_throttled: 'mend the password, then wait a minute; `lockdown-proxy logs auth` names the client',
  dns_failed: 'the rules allow the name, but it has no address: look it up on the proxy',
  dns_timeout: 'the DNS server of the proxy did not answer in time: look it up there',
  connect_refused: 'the destination refuses connections on this port: look at the service there',
  connect_failed: 'no way from the proxy to the destination: look at its routes and its network security group',
  connect_timeout:
    'the destination did not answer: look at the network security group of the proxy, and at the service',
  upstream_proxy_auth: 'the parent proxy refuses our credential: mend upstream.credentialsFile',
  upstream_proxy_refused: 'the parent proxy refuses the target: ask who runs it',
  response_invalid: 'the destination answered with what is no HTTP',
  response_timeout: 'the destination took the request and did not answer it',
  tls_name_missing: 'the client names no server in its TLS: if it may do that, end the rule in `tls off`',
  tls_name_mismatch:
    'the client asked for one name and spoke to another in the tunnel: find out which program does that',
  not_tls: 'what went through the tunnel is no TLS: if it may be that, end the rule in `tls off`',
  tls_timeout: 'the client opened a tunnel and sent nothing into it: look at the client',
  internal_error: 'a fault of this proxy: its service log has the same id with the stack',
};

/** Finds the remedy of a refused or failed line; the rules in force at the time are not asked for again. */
export function remedyFor(refused: Refused): Remedy {
  const { reason, hint } = refused;
  const question = questionOf(refused);
  const explain = `\`lockdown-proxy explain ${explainable(refused)} --from ${question?.client.text ?? 'CLIENT'}\``;
  if (!isReason(reason)) return { rule: null, advice: `the line has no reason; ${explain} decides it anew` };
  if (hint !== null) return { rule: null, advice: hint };
  if (advice[reason] !== undefined) return { rule: null, advice: advice[reason] };
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
