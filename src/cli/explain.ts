/** `explain`: the decision for a target as `serve` would take it, each step said. */
import { parseAddress } from '../address/ip.ts';
import type { Address } from '../address/ip.ts';
import { prefixContains, formatPrefix } from '../address/ip.ts';
import { privatePrefixes } from '../address/special-purpose.ts';
import { ProxyError } from '../errors.ts';
import { parseAbsoluteForm, parseAuthorityForm } from '../message/request-target.ts';
import type { JudgedAddress, Machine, Question, Refusal } from '../policy/decide.ts';
import { decideTarget, judgeAddresses, refuse } from '../policy/decide.ts';
import { narrowestRemedy } from '../policy/narrowest.ts';
import type { Policy } from '../policy/policy.ts';
import type { Rule } from '../policy/rule.ts';
import { wantsServerName } from '../policy/server-name.ts';
import { isForwardable } from '../proxy/forward.ts';

/** What is asked about. `resolve` are addresses to judge instead of looking the host up. */
export interface ExplainOptions {
  readonly target: string;
  readonly from: string;
  readonly user: string | null;
  readonly resolve: readonly string[] | null;
  readonly method: string | null;
}

/** The decision with everything that led to it; the shape of `--json`. */
export interface Explanation {
  readonly verdict: 'allow' | 'deny' | 'would_deny' | 'error';
  readonly reason: string | null;
  readonly phrase: string | null;
  readonly method: string;
  readonly target: string;
  readonly client: string;
  readonly rule: string | null;
  readonly ruleText: string | null;
  readonly addresses: readonly { address: string; class: string; rule: string | null; refusedFor: string | null }[];
  readonly tlsServerName: string | null;
  readonly fixRule: string | null;
  readonly fix: string | null;
}

export interface ExplainDeps {
  readonly policy: Policy;
  readonly machine: Machine;
  /** Looks a host up as `serve` does. @throws ProxyError `dns_failed` or `dns_timeout` */
  readonly resolve: (host: string) => Promise<readonly Address[]>;
}

/** Takes the decision in the proxy's own order. @throws RangeError when an option is not an address. */
export async function explain(options: ExplainOptions, deps: ExplainDeps): Promise<Explanation> {
  const client = addressOf(options.from, '--from');
  const given = options.resolve?.map((text) => addressOf(text, '--resolve')) ?? null;
  const isForward = /^http:/i.test(options.target);
  const method = isForward ? (options.method ?? 'GET') : 'CONNECT';
  const shared = { method, target: options.target, client: client.text };

  if (!deps.policy.networks.has(client)) {
    const isPrivate = privatePrefixes.some((prefix) => prefixContains(prefix, client));
    const entry = formatPrefix({ address: client, length: client.family === 4 ? 32 : 128 });
    const fix = isPrivate
      ? `admit the client in the config: networks: ["${entry}"]`
      : 'only clients of the virtual network may use this proxy';
    return refused(
      shared,
      { ...refuse('client_outside_network'), phrase: `Client ${client.text} not in networks` },
      { fix },
    );
  }
  const read = readQuestion(options, method, client);
  if ('refusal' in read)
    return refused(shared, read.refusal, { fix: 'ask for host:port, or for a URL with http:// or https://' });
  const { question } = read;
  const described = { ...shared, target: question.target.text };

  const pending = decideTarget(deps.policy, question);
  if (pending.verdict === 'refuse') return explainRefusal(described, question, pending, []);
  let addresses: readonly Address[];
  try {
    addresses = question.target.address
      ? [question.target.address]
      : (given ?? (await deps.resolve(question.target.host)));
  } catch (error) {
    if (!(error instanceof ProxyError)) throw error;
    const remedy = 'the rules let the name be looked up; give --resolve IP to judge an address without DNS';
    return {
      ...refused(described, { ...refuse(error.reason), phrase: error.phrase }, { fix: remedy }),
      verdict: 'error',
    };
  }
  const decision = judgeAddresses(deps.policy, question, pending, addresses, deps.machine);
  if (decision.verdict === 'refuse') return explainRefusal(described, question, decision, decision.judged);
  const [first] = decision.addresses;
  const wantsName = first !== undefined && !isForward && wantsServerName(deps.policy, first);
  return {
    ...described,
    verdict: decision.wouldDeny ? 'would_deny' : 'allow',
    reason: decision.wouldDeny,
    phrase: null,
    ...placeOf(first?.rule ?? null),
    addresses: decision.judged.map(describe),
    tlsServerName: wantsName ? question.target.host : null,
    fixRule: null,
    fix: decision.wouldDeny ? 'report mode lets it pass; enforce mode would refuse it' : null,
  };
}

function readQuestion(
  options: ExplainOptions,
  method: string,
  client: Address,
): { question: Question } | { refusal: Refusal } {
  const { target, user } = options;
  if (method !== 'CONNECT') {
    const form = parseAbsoluteForm(target, method);
    if (!form.ok) return { refusal: { ...refuse('malformed_request'), phrase: form.message } };
    if (!isForwardable(method))
      return { refusal: { ...refuse('method_not_allowed'), phrase: `Method ${method} not allowed` } };
    return { question: { kind: 'forward', client, user, target: form.value.target, path: form.value.path } };
  }
  // A client asks for an https URL by CONNECT to its host; the path stays inside the tunnel.
  const url = /^https:\/\/([^/?#]*)/i.exec(target)?.[1];
  const hasPort = /:\d+$/.test(url ?? '');
  const authority = url === undefined ? target : hasPort ? url : `${url}:443`;
  const form = parseAuthorityForm(authority);
  if (!form.ok) return { refusal: { ...refuse('malformed_request'), phrase: form.message } };
  return { question: { kind: 'tunnel', client, user, target: form.value, path: null } };
}

type Described = Pick<Explanation, 'method' | 'target' | 'client'>;

function explainRefusal(
  described: Described,
  question: Question,
  refusal: Refusal,
  judged: readonly JudgedAddress[],
): Explanation {
  const remedy = narrowestRemedy(question, refusal, judged);
  return {
    ...refused(described, refusal, { fix: remedy.advice, fixRule: remedy.rule }),
    addresses: judged.map(describe),
  };
}

function refused(
  described: Described,
  refusal: Refusal,
  remedy: { fix: string; fixRule?: string | null },
): Explanation {
  return {
    ...described,
    verdict: 'deny',
    reason: refusal.reason,
    phrase: refusal.phrase,
    ...placeOf(refusal.rule),
    addresses: [],
    tlsServerName: null,
    fixRule: remedy.fixRule ?? null,
    fix: remedy.fix,
  };
}

function placeOf(rule: Rule | null): Pick<Explanation, 'rule' | 'ruleText'> {
  return { rule: rule ? `${rule.file}:${rule.line}` : null, ruleText: rule?.text ?? null };
}

function describe(entry: JudgedAddress): Explanation['addresses'][number] {
  return {
    address: entry.address.text,
    class: entry.class,
    rule: entry.rule ? `${entry.rule.file}:${entry.rule.line}` : null,
    refusedFor: entry.refusedFor,
  };
}

function addressOf(text: string, option: string): Address {
  const address = parseAddress(text);
  if (!address) throw new RangeError(`${option} ${text}: not an IP address`);
  return address;
}

/** The explanation as an operator reads it. */
export function formatExplanation(explanation: Explanation): string {
  const { verdict, method, target, client } = explanation;
  const words = { allow: 'allowed', deny: 'refused', would_deny: 'allowed by report mode alone', error: 'failed' }[
    verdict
  ];
  const lines = [`${method} ${target} from ${client}: ${words}`];
  const add = (name: string, value: string | null) => {
    if (value !== null) lines.push(`  ${name.padEnd(9)}${value}`);
  };
  add('reason', explanation.reason);
  add('answer', explanation.phrase);
  add('rule', explanation.rule ? `${explanation.rule}: ${explanation.ruleText}` : verdict === 'allow' ? null : 'none');
  for (const entry of explanation.addresses) {
    const outcome = entry.refusedFor
      ? `left out, ${entry.refusedFor}`
      : entry.rule
        ? `allowed by ${entry.rule}`
        : 'allowed';
    add('address', `${entry.address} (${entry.class}): ${outcome}`);
  }
  add('tls', explanation.tlsServerName && `the server name in the tunnel must be ${explanation.tlsServerName}`);
  add('fix', explanation.fix);
  add('', explanation.fixRule && `  ${explanation.fixRule}`);
  return `${lines.join('\n')}\n`;
}
