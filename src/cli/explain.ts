/** `explain`: the decision for a target as `serve` would take it, each step said. */
import type { Address } from '../address/ip.ts';
import { formatPrefix, parseAddress } from '../address/ip.ts';
import type { PrefixSet } from '../address/prefix-set.ts';
import { ProxyError } from '../errors.ts';
import { parseAbsoluteForm, parseAuthorityForm } from '../message/request-target.ts';
import { admittingEntry } from '../policy/admitting-entry.ts';
import type { JudgedAddress, Machine, Question, Refusal } from '../policy/decide.ts';
import { decideTarget, judgeAddresses, judgeRefused, refuse } from '../policy/decide.ts';
import { narrowestRemedy } from '../policy/narrowest.ts';
import type { ParentRoutes } from '../policy/parent-way.ts';
import { addressesAround, judgeByName } from '../policy/parent-way.ts';
import type { Policy } from '../policy/policy.ts';
import type { Rule } from '../policy/rule.ts';
import type { Dialled } from '../policy/server-name.ts';
import { wantsServerName } from '../policy/server-name.ts';
import { missesUser, missesUserFor } from '../policy/users-challenge.ts';
import { isForwardable } from '../proxy/forward.ts';

/** What is asked about. */
export interface ExplainOptions {
  /** `host:port`, or a URL with `http://` or `https://`. */
  readonly target: string;
  /** The client; null: one that is admitted. */
  readonly from: string | null;
  readonly user: string | null;
  /** Addresses to judge instead of looking the host up. */
  readonly resolve: readonly string[] | null;
  /** Of an `http://` URL; null: GET. */
  readonly method: string | null;
}

/** The decision with everything that led to it; the shape of `--json`. */
export interface Explanation {
  readonly verdict: 'allow' | 'deny' | 'would_deny' | 'error';
  readonly reason: string | null;
  /** The reason phrase that the client would get. */
  readonly phrase: string | null;
  readonly method: string;
  /** `host:port`; as given where it cannot be read. */
  readonly target: string;
  /** Without its query. */
  readonly path: string | null;
  readonly client: string;
  /** `file:line` of the rule that decided, and its text. */
  readonly rule: string | null;
  readonly ruleText: string | null;
  /** Every address judged, with the rule that lets it pass or denies it. */
  readonly addresses: readonly ExplainedAddress[];
  /** Which way an allowed target goes where there is a parent proxy; null where there is none. */
  readonly way: 'direct' | 'parent' | 'parent_by_name' | null;
  /** The server name that TLS in the tunnel must carry; null where none is asked for. */
  readonly tlsServerName: string | null;
  /** The narrowest rule that would allow a refused target. */
  readonly fixRule: string | null;
  readonly fix: string | null;
}

export interface ExplainedAddress {
  readonly address: string;
  readonly class: string;
  readonly rule: string | null;
  readonly ruleText: string | null;
  readonly refusedFor: string | null;
  /** Where the rule goes by service tags: the one that holds the address, and by which prefix. */
  readonly range?: { readonly tag: string; readonly prefix: string };
}

export interface ExplainDeps {
  readonly policy: Policy;
  readonly machine: Machine;
  /** The clients that have to sign in; unless given: none. */
  readonly requiredFrom?: PrefixSet;
  /** What goes through a parent proxy; null, and unless given: nothing. */
  readonly parent?: ParentRoutes | null;
  /** Looks a host up as `serve` does. @throws ProxyError `dns_failed` or `dns_timeout` */
  readonly resolve: (host: string) => Promise<readonly Address[]>;
}

/** An option that cannot be read. */
export class OptionError extends Error {
  override readonly name = 'OptionError';
}

/** Takes the decision in the proxy's own order. @throws OptionError when an option is not an address. */
export async function explain(options: ExplainOptions, deps: ExplainDeps): Promise<Explanation> {
  const { policy, machine, parent = null } = deps;
  const client = options.from === null ? admittedClient(policy) : addressOf(options.from, '--from');
  const given = options.resolve?.map((text) => addressOf(text, '--resolve')) ?? null;
  const isForward = /^http:/i.test(options.target);
  const method = isForward ? (options.method ?? 'GET').toUpperCase() : 'CONNECT';
  // As typed it may carry a key: userinfo, or a query.
  const typed = options.target
    .replace(/\/\/[^/?#]*@/, '//')
    .replace(/^[^/?#]*@/, '')
    .replace(/\?.*$/s, '');
  const asked = { method, target: typed, path: null, client: client.text };

  if (!policy.networks.has(client)) {
    const refusal = { ...refuse('client_outside_network'), phrase: `Client ${client.text} not in networks` };
    return refused(asked, refusal, { advice: adviceForClient(client) });
  }
  const read = readQuestion(options, method, client);
  if ('refusal' in read) return refused(asked, read.refusal, { advice: read.advice });
  const { question } = read;
  const { target } = question;
  const described = { ...asked, target: target.text, path: question.path };

  if (question.user === null && (deps.requiredFrom?.has(client) === true || missesUser(policy, question))) {
    return refused(described, challenged, { advice: adviceToSignIn });
  }

  const pending = decideTarget(policy, question);
  const known = target.address ? [target.address] : given;
  if (pending.verdict === 'refuse') {
    return explainRefusal(
      described,
      question,
      pending,
      judgeRefused(policy, question, pending, known ?? [], machine),
      policy,
    );
  }
  const named = judgeByName(parent, policy, question, pending);
  if (named) {
    const allowed = {
      ...described,
      ...allowedBy(question, policy, { address: null, rule: named.rule }),
      addresses: [],
    };
    return relaxed({ ...allowed, way: 'parent_by_name' }, question, pending.wouldDeny, []);
  }
  let addresses: readonly Address[];
  try {
    addresses = known ?? (await deps.resolve(target.host));
  } catch (error) {
    if (!(error instanceof ProxyError)) throw error;
    const advice = 'the rules let the name be looked up; give --resolve IP to judge an address without DNS';
    const failure = { ...refuse(error.reason), phrase: error.phrase };
    return { ...refused(described, failure, { advice }), verdict: 'error' };
  }
  const decision = judgeAddresses(policy, question, pending, addresses, machine);
  if (missesUserFor(policy, question, decision, machine)) {
    const judged = decision.judged.map((entry) => describe(entry, policy));
    return { ...refused(described, challenged, { advice: adviceToSignIn }), addresses: judged };
  }
  if (decision.verdict === 'refuse') return explainRefusal(described, question, decision, decision.judged, policy);
  const [first] = decision.addresses;
  const goesAround = addressesAround(parent, question, decision.addresses).length > 0;
  const allowed = {
    ...described,
    ...allowedBy(question, policy, first ?? null),
    addresses: decision.judged.map((entry) => describe(entry, policy)),
    way: parent && (goesAround ? ('direct' as const) : ('parent' as const)),
  };
  return relaxed(allowed, question, decision.wouldDeny, decision.judged);
}

const challenged: Refusal = {
  ...refuse('credentials_missing'),
  phrase: 'Proxy Authentication Required: send Basic credentials',
};
const adviceToSignIn = 'the client has to sign in; `--user NAME` explains the target for one that does';

/** What lets a target pass, and what its tunnel has to carry. */
function allowedBy({ kind, target }: Question, policy: Policy, dialled: Dialled | null) {
  const isNamed = kind === 'tunnel' && dialled && wantsServerName(policy, dialled) && !target.address;
  return {
    phrase: null,
    ...placeOf(dialled?.rule ?? null),
    decided: dialled?.rule ?? null,
    tlsServerName: isNamed ? target.host : null,
  };
}

type Allowed = Omit<Explanation, 'verdict' | 'reason' | 'fixRule' | 'fix'> & { readonly decided: Rule | null };

/** An allowed target, with what it would be if it passes by report mode alone. */
function relaxed(
  { decided, ...allowed }: Allowed,
  question: Question,
  wouldDeny: Refusal['reason'] | null,
  judged: readonly JudgedAddress[],
): Explanation {
  if (!wouldDeny) return { ...allowed, verdict: 'allow', reason: null, fixRule: null, fix: null };
  const remedy = narrowestRemedy(question, { reason: wouldDeny, rule: decided }, judged);
  const fix = `report mode lets it pass and enforce mode would not: ${remedy.advice}`;
  return { ...allowed, verdict: 'would_deny', reason: wouldDeny, fixRule: remedy.rule, fix };
}

/** The client to ask for when none is named: this machine if it is admitted, else the first address that is. */
function admittedClient({ networks }: Policy): Address {
  const local = addressOf('127.0.0.1', '--from');
  return networks.has(local) ? local : (networks.prefixes[0]?.address ?? local);
}

function adviceForClient(client: Address): string {
  return admittingEntry(client) ?? 'only clients of the virtual network may use this proxy';
}

type Reading = { readonly question: Question } | { readonly refusal: Refusal; readonly advice: string };

function readQuestion({ target, user }: ExplainOptions, method: string, client: Address): Reading {
  const malformed = (phrase: string): Reading => ({
    refusal: { ...refuse('malformed_request'), phrase },
    advice: 'ask for host:port, or for a URL with http:// or https://',
  });
  if (method !== 'CONNECT') {
    const form = parseAbsoluteForm(target, method);
    if (!form.ok) return malformed(form.message);
    if (!isForwardable(method)) {
      const refusal = { ...refuse('method_not_allowed'), phrase: `Method ${method} not allowed` };
      return { refusal, advice: 'ask with GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS or MERGE' };
    }
    return { question: { kind: 'forward', client, user, target: form.value.target, path: form.value.path } };
  }
  // A client asks for an https URL by CONNECT to its host; the path stays inside the tunnel.
  const url = /^https:\/\/([^/?#]*)/i.exec(target)?.[1];
  const hasPort = /:\d+$/.test(url ?? '');
  const form = parseAuthorityForm(url === undefined ? target : hasPort ? url : `${url}:443`);
  if (!form.ok) return malformed(form.message);
  return { question: { kind: 'tunnel', client, user, target: form.value, path: null } };
}

type Asked = Pick<Explanation, 'method' | 'target' | 'path' | 'client'>;

function explainRefusal(
  asked: Asked,
  question: Question,
  refusal: Refusal,
  judged: readonly JudgedAddress[],
  policy: Policy,
): Explanation {
  const remedy = narrowestRemedy(question, refusal, judged);
  return { ...refused(asked, refusal, remedy), addresses: judged.map((entry) => describe(entry, policy)) };
}

function refused(asked: Asked, refusal: Refusal, remedy: { advice: string; rule?: string | null }): Explanation {
  return {
    ...asked,
    verdict: 'deny',
    reason: refusal.reason,
    phrase: refusal.phrase,
    ...placeOf(refusal.rule),
    addresses: [],
    way: null,
    tlsServerName: null,
    fixRule: remedy.rule ?? null,
    fix: remedy.advice,
  };
}

function placeOf(rule: Rule | null): Pick<Explanation, 'rule' | 'ruleText'> {
  return { rule: rule?.place ?? null, ruleText: rule?.text ?? null };
}

function describe(entry: JudgedAddress, policy: Policy): ExplainedAddress {
  const range = entry.rule && findRange(entry.rule, entry.address, policy);
  return {
    address: entry.address.text,
    class: entry.class,
    ...placeOf(entry.rule),
    refusedFor: entry.refusedFor,
    ...(range && { range }),
  };
}

/** The first of the rule's tags, its own or one it is `within`, that holds the address. */
function findRange({ pattern, within }: Rule, address: Address, policy: Policy): ExplainedAddress['range'] | null {
  for (const entry of [pattern, ...(within ?? [])]) {
    if (entry.type !== 'tag') continue;
    const prefix = policy.ranges.get(entry.tag.toLowerCase())?.find(address);
    if (prefix) return { tag: entry.tag, prefix: formatPrefix(prefix) };
  }
  return null;
}

function addressOf(text: string, option: string): Address {
  const address = parseAddress(text.trim());
  if (!address) throw new OptionError(`${option} ${text}: not an IP address`);
  return address;
}
