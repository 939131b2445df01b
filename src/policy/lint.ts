/** Rules that are well formed and may still surprise: too wide, never matching, open to any tenant. */
import { hostLength, prefixContains } from '../address/ip.ts';
import type { Prefix } from '../address/ip.ts';
import { classifyAddress, isAlwaysForbidden, privatePrefixes } from '../address/special-purpose.ts';
import type { AddressClass } from '../address/special-purpose.ts';
import { covers, indexCovers } from './covers.ts';
import { didYouMean, nearest } from './nearest.ts';
import type { Rule } from './rule.ts';
import { tenantSuffixes, tenantTags, wideSuffixes } from './shared-suffixes.ts';

/** A warning and the rule it is about. */
export interface RuleWarning {
  readonly rule: Rule;
  readonly message: string;
}

/** What can be said of one rule by itself. */
export function warnOfRule(rule: Rule): readonly string[] {
  return [wideMessage(rule), emptyMessage(rule), tlsMessage(rule)].filter((message) => message !== null);
}

/** Tags that the ranges do not hold match nothing; without any ranges one warning for all of them is enough. */
export function warnOfTags(
  rules: readonly Rule[],
  knownTags: ReadonlySet<string> | null,
  hint = '',
): readonly RuleWarning[] {
  const found = rules.flatMap((rule) => tagsOf(rule).map((tag) => ({ rule, tag })));
  if (knownTags === null) {
    return found.slice(0, 1).map(({ rule, tag }) => ({
      rule,
      message: `\`tag:${tag}\` matches nothing: there are no datacenter ranges, and this holds for every tag in the file`,
    }));
  }
  const keys = new Set(Array.from(knownTags, (name) => name.toLowerCase()));
  return found
    .filter(({ tag }) => !keys.has(tag.toLowerCase()))
    .map(({ rule, tag }) => ({
      rule,
      message: `\`tag:${tag}\` matches nothing: the ranges hold no such tag${didYouMean(tag, likeTags(tag, knownTags))}${hint}`,
    }));
}

/** Tags of the service that is meant, or of one spelled like it: the same region of another service is no likeness. */
function likeTags(tag: string, knownTags: ReadonlySet<string>): readonly string[] {
  const serviceOf = (name: string): string => name.split('.')[0] ?? name;
  const services = new Set(nearest(serviceOf(tag), Array.from(knownTags, serviceOf)));
  return [...knownTags].filter((name) => services.has(serviceOf(name)));
}

/** What can be said of all rules together, in whatever files they stand. */
export function warnOfRules(rules: readonly Rule[], privateDestinations: readonly Prefix[]): readonly RuleWarning[] {
  const warnings: RuleWarning[] = [];
  const denies = rules.filter((rule) => rule.deny);
  const allows = rules.filter((rule) => !rule.deny);
  const findCover = indexCovers(rules);
  for (const [index, rule] of rules.entries()) {
    const cover = findCover(rule);
    // Of two denies that cover each other the first stays.
    const isFirst = cover !== null && rule.deny && isPlain(rule) && covers(rule, cover) && index < rules.indexOf(cover);
    if (cover === null || isFirst) continue;
    const done = rule.deny ? 'adds nothing' : 'can never match';
    warnings.push({ rule, message: `this rule ${done}: \`${cover.text}\` (${cover.place}) covers it` });
  }
  for (const rule of allows) {
    if (isUnliftedPrivate(rule, privateDestinations)) {
      warnings.push({
        rule,
        message: 'private and loopback addresses stay refused until `privateDestinations` names them',
      });
    }
  }
  const named = denies.find((rule) => rule.pattern.type === 'host');
  const byAddress = allows.filter((rule) => rule.pattern.type !== 'host');
  if (named !== undefined && byAddress[0] !== undefined) {
    const other = `\`${byAddress[0].text}\` (${byAddress[0].file}:${byAddress[0].line})`;
    const more = byAddress.length > 1 ? ` and ${byAddress.length - 1} more` : '';
    warnings.push({
      rule: named,
      message: `a denied name stays reachable by its address through ${other}${more}; deny its prefix as well`,
    });
  }
  return warnings;
}

/** The allow rules through which a client can send data to an account of any tenant. */
export function rulesOpenToAnyTenant(rules: readonly Rule[]): readonly Rule[] {
  return rules.filter((rule) => !rule.deny && isOpenToAnyTenant(rule));
}

function isOpenToAnyTenant(rule: Rule): boolean {
  // An own private endpoint is the only thing that private space behind such a name can be.
  if (rule.within?.every((within) => within.type === 'prefix' && isPrivate(within.prefix))) return false;
  const { pattern } = rule;
  if (pattern.type === 'tag') {
    const [name = ''] = pattern.tag.toLowerCase().split('.');
    return tenantTags.includes(name);
  }
  if (pattern.type === 'prefix') return isWide(pattern.prefix);
  const { host } = pattern;
  if (host.type === 'exact') return false;
  const isAbove = tenantSuffixes.some((suffix) => suffix === host.name || suffix.endsWith(`.${host.name}`));
  // Below a suffix stands one account; a zone of disks (`z27.blob.storage.azure.net`) is everybody's as well.
  const isZone = /^z\d+\./.test(host.name) && tenantSuffixes.includes(host.name.slice(host.name.indexOf('.') + 1));
  return (host.type === 'first_label' ? tenantSuffixes.includes(host.name) : isAbove) || isZone;
}

function wideMessage(rule: Rule): string | null {
  if (rule.deny) return null;
  if (rule.pattern.type === 'prefix' && isWide(rule.pattern.prefix) && !isForbidden(rule.pattern.prefix)) {
    return 'this prefix is most of the internet; name the prefixes that are needed, or hosts';
  }
  if (rule.pattern.type !== 'host') return null;
  const { host } = rule.pattern;
  const isSuffix = host.type === 'under' || host.type === 'at_or_under';
  if (!isSuffix || !wideSuffixes.includes(host.name)) return null;
  return `unrelated services share \`${host.name}\`, storage of any tenant among them in places; name the services needed`;
}

/** A rule whose own parts leave nothing to match. */
function emptyMessage(rule: Rule): string | null {
  if (rule.from?.size === 0) return 'this rule can never match: its `from` holds no client';
  if (rule.deny) return null;
  if (rule.pattern.type !== 'prefix') {
    const hasOpen = rule.within?.some((within) => within.type === 'tag' || !isForbidden(within.prefix)) ?? true;
    return hasOpen ? null : 'this rule can never match: every prefix of its `within` is always refused';
  }
  const { prefix } = rule.pattern;
  if (isForbidden(prefix)) {
    return `this rule can never match: ${prefix.address.text} is always refused (${classifyAddress(prefix.address)})`;
  }
  const meets = rule.within?.some((within) => within.type === 'tag' || overlaps(within.prefix, prefix)) ?? true;
  return meets ? null : 'this rule can never match: its `within` and its prefix have no address in common';
}

function tlsMessage(rule: Rule): string | null {
  if (!rule.tlsOff) return null;
  if (rule.deny) return '`tls off` does nothing on a `deny`; leave it out';
  const hasTunnel = rule.scope.tunnel === 'any' || rule.scope.tunnel.length > 0;
  return hasTunnel ? null : '`tls off` does nothing for plain http; leave it out';
}

function tagsOf(rule: Rule): readonly string[] {
  const own = rule.pattern.type === 'tag' ? [rule.pattern.tag] : [];
  return [...own, ...(rule.within ?? []).flatMap((within) => (within.type === 'tag' ? [within.tag] : []))];
}

/** Whether no clause narrows the rule. */
function isPlain(rule: Rule): boolean {
  return rule.within === null && rule.from === null && rule.users === null;
}

function isUnliftedPrivate(rule: Rule, lifted: readonly Prefix[]): boolean {
  if (rule.pattern.type !== 'prefix') return false;
  const { prefix } = rule.pattern;
  const isLoopback = classifyAddress(prefix.address) === 'loopback' && !isWide(prefix);
  if (!isLoopback && !isPrivate(prefix)) return false;
  if (rule.within?.some((within) => within.type === 'prefix' && isPrivate(within.prefix))) return false;
  return !lifted.some((open) => overlaps(open, prefix));
}

function isPrivate(prefix: Prefix): boolean {
  return privatePrefixes.some((space) => contains(space, prefix));
}

/** Shorter than any registry's share: no single need is that wide. */
function isWide(prefix: Prefix): boolean {
  return prefix.length < (prefix.address.family === 4 ? 8 : 16);
}

/** Whether nothing in the prefix can ever be let through: it begins in a refused block and is no wider than that. */
function isForbidden(prefix: Prefix): boolean {
  const addressClass = classifyAddress(prefix.address);
  if (!isAlwaysForbidden(addressClass)) return false;
  const { family } = prefix.address;
  return prefix.length >= (refusedLengths[family][addressClass] ?? hostLength(family));
}

/** The length of the narrowest block of a class, where it is a block; nothing wider is called refused whole. */
const refusedLengths: Readonly<Record<4 | 6, Partial<Record<AddressClass, number>>>> = {
  4: { multicast: 4, link_local: 16, benchmarking: 15, documentation: 24, reserved: 24 },
  6: { multicast: 8, link_local: 10, benchmarking: 48, documentation: 32 },
};

function contains(outer: Prefix, inner: Prefix): boolean {
  return outer.length <= inner.length && prefixContains(outer, inner.address);
}

function overlaps(a: Prefix, b: Prefix): boolean {
  return contains(a, b) || contains(b, a);
}
