/** For a refusal: the narrowest rule that would let the same question pass, or what else would. */
import { formatPrefix, hostPort, hostPrefix } from '../address/ip.ts';
import { embeddedAddresses, isAlwaysForbidden } from '../address/special-purpose.ts';
import { normalisePath } from '../message/request-target.ts';
import type { JudgedAddress, Question, Refusal } from './decide.ts';
import type { Rule } from './rule.ts';

/** What to do about a refusal. `rule` is one that suffices by itself; null: none does, and `advice` says what may. */
export interface Remedy {
  readonly rule: string | null;
  readonly advice: string;
}

const listAdvice = 'add this rule to an allowlist file';
const platformAdvice = 'never through a proxy: set no_proxy=168.63.129.16,169.254.169.254 on the client';

/**
 * Answers for every reason the decision can give. `judged` are the addresses known, for a target refused by the rules
 * too: a rule that leads from one refusal to the next would be no remedy.
 */
export function narrowestRemedy(
  question: Question,
  refusal: Pick<Refusal, 'reason' | 'rule'>,
  judged: readonly JudgedAddress[],
): Remedy {
  switch (refusal.reason) {
    case 'not_on_allowlist':
      return forUnlisted(question, judged);
    case 'address_outside_ranges': {
      const within = question.target.address ? '' : ` within ${listOf(judged.filter(isOutside))}`;
      const advice = 'no rule for this target holds its address: refresh the ranges, or add this rule';
      return { rule: `${ruleFor(question)}${within}`, advice: forClientAlone(question, advice) };
    }
    case 'address_private':
      return forPrivate(question, judged, false);
    case 'denied_by_rule':
      return { rule: null, advice: denyAdvice(refusal.rule) };
    case 'azure_platform_address':
      return { rule: null, advice: platformAdvice };
    case 'dns_failed':
      return { rule: null, advice: 'the rules allow the name, but it has no address: look it up on this machine' };
    default:
      return { rule: null, advice: 'no rule may allow this address' };
  }
}

/** The question itself as a rule in normal form: this host, this port, this kind, this path. */
export function ruleFor({ kind, target, path }: Question): string {
  const { host, port, address } = target;
  if (address) {
    const literal = address.family === 6 && port !== 443 ? `[${address.text}]` : address.text;
    return port === 443 ? `ip:${literal}` : `ip:${literal}:${port}`;
  }
  if (kind === 'forward') return `http://${port === 80 ? host : hostPort(host, port)}${rulePath(path)}`;
  // A name of one label may read as the beginning of something else (`deny`, `tag:22`), and port 80 as plain http.
  const scheme = port === 80 || !host.includes('.') ? 'https://' : '';
  return port === 443 ? `${scheme}${host}` : `${scheme}${host}:${port}`;
}

/** A rule's path is in normal form and has its `*` at the end: another path is named by what both its forms begin with. */
function rulePath(path: string | null): string {
  if (path === null || path === '/' || path === '*') return '';
  const normal = normalisePath(path);
  const star = path.indexOf('*');
  if (normal === path && star < 0) return path;
  let end = star < 0 ? path.length : star;
  while (!normal.startsWith(path.slice(0, end)) || normalisePath(path.slice(0, end)) !== path.slice(0, end)) end -= 1;
  return `${path.slice(0, end)}*`;
}

function forUnlisted(question: Question, judged: readonly JudgedAddress[]): Remedy {
  const forbidden = judged.find((entry) => isAlwaysForbidden(entry.class));
  if (forbidden) {
    const isPlatform = forbidden.class === 'azure_platform';
    return { rule: null, advice: isPlatform ? platformAdvice : 'no rule may allow this address' };
  }
  if (judged.length === 0 || judged.some(isOpen)) {
    return { rule: ruleFor(question), advice: forClientAlone(question, listAdvice) };
  }
  if (judged.some((entry) => entry.refusedFor === 'address_private')) return forPrivate(question, judged, true);
  return { rule: null, advice: denyAdvice(judged[0]?.rule ?? null) };
}

/** A rule lifts private space by its `within`; loopback, own addresses and what carries others only the config lifts. */
function forPrivate(question: Question, judged: readonly JudgedAddress[], isUnlisted: boolean): Remedy {
  const closed = judged.filter((entry) => entry.refusedFor === 'address_private');
  const liftable = closed.filter((entry) => entry.class === 'private' && embeddedAddresses(entry.address).length === 0);
  if (liftable.length > 0) {
    return {
      rule: `${ruleFor(question)} within ${listOf(liftable)}`,
      advice: forClientAlone(question, isUnlisted ? listAdvice : `${listAdvice}, or name it in privateDestinations`),
    };
  }
  const spellings = closed.flatMap(({ address }) => [address, ...embeddedAddresses(address)]);
  const prefixes = [...new Set(spellings.map(wholePrefix))].map((prefix) => `"${prefix}"`).join(', ');
  const listed = isUnlisted ? `add the rule ${ruleFor(question)}, and ` : '';
  return { rule: null, advice: `${listed}name the address in the config: privateDestinations: [${prefixes}]` };
}

function forClientAlone({ client }: Question, advice: string): string {
  return `${advice} (with "from ${client.text}" behind it for this client alone)`;
}

function denyAdvice(rule: Rule | null): string {
  const which = rule ? `take away or narrow "${rule.text}" at ${rule.place}` : 'take it away or narrow it';
  return `a deny always wins: ${which}`;
}

/** Nothing but a rule is missing; in report mode the address passed even so. */
function isOpen(entry: JudgedAddress): boolean {
  return entry.refusedFor === null || entry.refusedFor === 'not_on_allowlist';
}

function isOutside(entry: JudgedAddress): boolean {
  return entry.refusedFor === 'address_outside_ranges';
}

function listOf(judged: readonly JudgedAddress[]): string {
  return judged.map(({ address }) => `ip:${address.text}`).join(',');
}

function wholePrefix(address: JudgedAddress['address']): string {
  return formatPrefix(hostPrefix(address));
}
