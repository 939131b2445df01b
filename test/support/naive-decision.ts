/** The decision said plainly: every rule asked in turn, addresses as numbers, classes from a table. */
import type { Address, Prefix } from '../../src/address/ip.ts';
import { formatPrefix } from '../../src/address/ip.ts';
import type { Question } from '../../src/policy/decide.ts';
import type { HostPattern, Rule } from '../../src/policy/rule.ts';
import { address, prefixes } from './policy.ts';
import type { PolicyOptions } from './policy.ts';

type Class = 'public' | 'private' | 'loopback' | 'own' | 'forbidden' | 'platform';

/** Addresses with what they are and what they carry inside, written down and not computed. */
export const knownAddresses: Readonly<Record<string, { readonly class: Class; readonly inside?: string }>> = {
  '20.1.2.3': { class: 'public' },
  '20.1.2.4': { class: 'public' },
  '30.1.1.1': { class: 'public' },
  '2603:1030::1': { class: 'public' },
  '64:ff9b::1401:203': { class: 'public', inside: '20.1.2.3' },
  '10.1.2.3': { class: 'private' },
  'fd00::1': { class: 'private' },
  '64:ff9b::a01:203': { class: 'private', inside: '10.1.2.3' },
  '10.0.0.5': { class: 'own' },
  '20.0.0.5': { class: 'own' },
  '127.0.0.1': { class: 'loopback' },
  '169.254.1.1': { class: 'forbidden' },
  '168.63.129.16': { class: 'platform' },
};

export const ownAddresses: readonly string[] = ['10.0.0.5', '20.0.0.5'];

/** What is asked of the decision: a word, and what may be dialled with whether TLS is looked at. */
export interface NaiveDecision {
  readonly word: string;
  readonly dialled: readonly string[];
}

const numberOf = ({ words }: Address) => words.reduce((sum, word) => (sum << 32n) | BigInt(word), 0n);

function isIn(prefix: Prefix, { family, words }: Address): boolean {
  const shift = BigInt(words.length * 32 - prefix.length);
  const mine = numberOf({ family, words, text: '' }) >> shift;
  return prefix.address.family === family && mine === numberOf(prefix.address) >> shift;
}

const isInSome = (texts: readonly string[], one: Address) =>
  prefixes(texts).prefixes.some((prefix) => isIn(prefix, one));

/** Every `*` as the labels it may stand for. */
function matchesHost(pattern: HostPattern, host: string): boolean {
  const name = pattern.name.replaceAll('.', '\\.');
  if (pattern.type === 'exact') return host === pattern.name;
  if (pattern.type === 'first_label') {
    return new RegExp(`^${pattern.before}[^.]*${pattern.after}\\.${name}$`).test(host);
  }
  return new RegExp(`^(.+\\.)${pattern.type === 'under' ? '' : '?'}${name}$`).test(host);
}

export function decideNaively(
  rules: readonly Rule[],
  question: Question,
  addresses: readonly string[],
  options: PolicyOptions,
): NaiveDecision {
  const { target, client, user, path } = question;
  const literal = target.address;
  const isReported = options.mode === 'report' || isInSome(options.reportFrom ?? [], client);

  const tagOf = (tag: string) => options.tags?.[tag.toLowerCase()] ?? [];
  const holds = ({ pattern }: Rule, one: Address) =>
    (pattern.type === 'prefix' && isIn(pattern.prefix, one)) ||
    (pattern.type === 'tag' && isInSome(tagOf(pattern.tag), one));
  const named = ({ pattern }: Rule) => !literal && pattern.type === 'host' && matchesHost(pattern.host, target.host);
  const isResolvable = (options.resolveNames ?? []).some((name) => name === '*' || target.host.endsWith(`.${name}`));
  const mayHold = ({ pattern }: Rule) =>
    pattern.type === 'prefix' || (pattern.type === 'tag' && tagOf(pattern.tag).length > 0);
  const onPort = (rule: Rule, kind: 'tunnel' | 'forward') =>
    rule.scope[kind] === 'any' || rule.scope[kind].includes(target.port);
  const forClient = (rule: Rule) =>
    (!rule.from || isInSome(rule.from.prefixes.map(formatPrefix), client)) &&
    (!rule.users || (user !== null && rule.users.includes(user)));
  // The paths asked for are in normal form already.
  const forPath = (rule: Rule) => {
    if (!rule.path) return true;
    if (path === null) return false;
    return rule.path.prefix ? path.startsWith(rule.path.text) : path === rule.path.text;
  };
  const applies = (rule: Rule) => onPort(rule, question.kind) && forClient(rule) && forPath(rule);
  const isWithin = (rule: Rule, one: Address) =>
    !rule.within ||
    rule.within.some((part) => (part.type === 'tag' ? isInSome(tagOf(part.tag), one) : isIn(part.prefix, one)));

  const allows = rules.filter((rule) => !rule.deny);
  const denies = rules.filter((rule) => rule.deny && applies(rule));
  const about = (rule: Rule) => (literal ? holds(rule, literal) : named(rule) || (isResolvable && mayHold(rule)));
  const couldAllow = allows.filter((rule) => about(rule) && applies(rule));

  const refused = (word: string): NaiveDecision => ({ word, dialled: [] });
  const classOf = (text: string) => knownAddresses[text]!.class;
  if (literal && classOf(literal.text) === 'platform') return refused('azure_platform_address');
  if (literal && classOf(literal.text) === 'forbidden') return refused('address_forbidden');
  const insideOf = (text: string) => {
    const { inside } = knownAddresses[text]!;
    return [text, ...(inside === undefined ? [] : [inside])].map(address);
  };
  const isDenied = (text: string) => {
    const spellings = insideOf(text);
    return denies.some(
      (rule) =>
        (named(rule) || spellings.some((one) => holds(rule, one))) && spellings.some((one) => isWithin(rule, one)),
    );
  };
  if (literal && isDenied(literal.text)) return refused('denied_by_rule');
  if (denies.some((rule) => named(rule) && !rule.within)) return refused('denied_by_rule');

  const ports = allows.flatMap(({ scope }) => [...(scope.tunnel as number[]), ...(scope.forward as number[])]);
  const isUnlisted = couldAllow.length === 0;
  if (isUnlisted) {
    const isOnPort = [80, 443, ...ports].includes(target.port);
    const isNear = (rule: Rule) =>
      about(rule) && forClient(rule) && (onPort(rule, 'tunnel') || onPort(rule, 'forward'));
    if (!isReported || !isOnPort || !(literal || allows.some(isNear))) return refused('not_on_allowlist');
  }

  const privateSpace = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7'];
  const lifted = options.privateDestinations ?? [];
  const findings = (literal ? [literal.text] : addresses).map((text) => {
    const [outer] = insideOf(text);
    const reason = (word: string) => ({ text, word, tlsOff: false });
    if (classOf(text) === 'platform') return reason('azure_platform_address');
    if (classOf(text) === 'forbidden') return reason('address_forbidden');
    if (isDenied(text)) return reason('denied_by_rule');
    const isOpen = classOf(text) === 'public' || insideOf(text).every((one) => isInSome(lifted, one));
    const lifts = (rule: Rule) =>
      classOf(text) === 'private' &&
      knownAddresses[text]!.inside === undefined &&
      (rule.within ?? []).some(
        (part) =>
          part.type === 'prefix' &&
          isIn(part.prefix, outer!) &&
          isInSome(privateSpace, part.prefix.address) &&
          part.prefix.length >= 7,
      );
    const fitting = couldAllow.filter(
      (rule) => (named(rule) || holds(rule, outer!)) && isWithin(rule, outer!) && (isOpen || lifts(rule)),
    );
    if (fitting.length > 0) return { text, word: 'allow', tlsOff: fitting.some(({ tlsOff }) => tlsOff) };
    if (!isOpen) return reason('address_private');
    return reason(isUnlisted ? 'allow' : 'address_outside_ranges');
  });

  const words = findings.map(({ word }) => word);
  for (const word of ['azure_platform_address', 'address_forbidden']) if (words.includes(word)) return refused(word);
  const passing = (word: string, said: string): NaiveDecision => ({
    word: said,
    dialled: findings.filter((one) => one.word === word).map((one) => `${one.text}${one.tlsOff ? ' tls off' : ''}`),
  });
  if (words.includes('allow')) return passing('allow', isUnlisted ? 'would_deny not_on_allowlist' : 'allow');
  if (isReported && words.includes('address_outside_ranges')) {
    return passing('address_outside_ranges', 'would_deny address_outside_ranges');
  }
  const gravest = ['denied_by_rule', 'address_private', 'address_outside_ranges'].find((word) => words.includes(word));
  return refused(gravest ?? 'dns_failed');
}
