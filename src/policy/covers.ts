/** Whether one rule leaves another nothing to do. */
import { formatPrefix, prefixContains } from '../address/ip.ts';
import { createPrefixSet } from '../address/prefix-set.ts';
import type { PrefixSet } from '../address/prefix-set.ts';
import type { HostPattern, Pattern, Rule } from './rule.ts';

/** Finds a `deny` that refuses everything a rule is about, for every client; null if there is none. */
export type FindCover = (rule: Rule) => Rule | null;

/** Arranges denies so that each rule is compared with those alone that share its name, its tag or its prefix. */
export function indexCovers(rules: readonly Rule[]): FindCover {
  // One with clauses refuses some requests and never all.
  const denies = rules.filter((rule) => rule.deny && rule.within === null && rule.from === null && rule.users === null);
  const byKey = new Map<string, Rule[]>();
  for (const deny of denies) {
    const key = keyOf(deny.pattern);
    const found = byKey.get(key);
    if (found === undefined) byKey.set(key, [deny]);
    else found.push(deny);
  }
  const prefixes = createPrefixSet(
    denies.flatMap(({ pattern }) => (pattern.type === 'prefix' ? [pattern.prefix] : [])),
  );
  return (rule) => {
    for (const key of coverKeys(rule.pattern, prefixes)) {
      const cover = byKey.get(key)?.find((deny) => deny !== rule && covers(deny, rule));
      if (cover !== undefined) return cover;
    }
    return null;
  };
}

function keyOf(pattern: Pattern): string {
  if (pattern.type === 'host') return `host ${pattern.host.name}`;
  return pattern.type === 'tag' ? `tag ${pattern.tag.toLowerCase()}` : `ip ${formatPrefix(pattern.prefix)}`;
}

/** The keys under which a cover can stand: the name and those above it, or the widest prefix around. */
function coverKeys(pattern: Pattern, prefixes: PrefixSet): readonly string[] {
  if (pattern.type === 'tag') return [keyOf(pattern)];
  if (pattern.type === 'prefix') {
    const widest = prefixes.find(pattern.prefix.address);
    return [keyOf(pattern), ...(widest === null ? [] : [`ip ${formatPrefix(widest)}`])];
  }
  const labels = pattern.host.name.split('.');
  return labels.map((_, index) => `host ${labels.slice(index).join('.')}`);
}

/** Whether the deny, which has no clauses, leaves the rule nothing. */
export function covers(deny: Rule, rule: Rule): boolean {
  return (
    coversPattern(deny.pattern, rule.pattern) &&
    coversPorts(deny.scope.tunnel, rule.scope.tunnel) &&
    coversPorts(deny.scope.forward, rule.scope.forward) &&
    coversPath(deny.path, rule.path)
  );
}

function coversPattern(outer: Pattern, inner: Pattern): boolean {
  if (outer.type === 'host') return inner.type === 'host' && coversHost(outer.host, inner.host);
  if (outer.type === 'tag') return inner.type === 'tag' && outer.tag.toLowerCase() === inner.tag.toLowerCase();
  if (inner.type !== 'prefix' || outer.prefix.length > inner.prefix.length) return false;
  return prefixContains(outer.prefix, inner.prefix.address);
}

/** Whether every name of `inner` is one of `outer`. */
function coversHost(outer: HostPattern, inner: HostPattern): boolean {
  const isBelow = inner.name.endsWith(`.${outer.name}`);
  const isSame = inner.name === outer.name;
  if (outer.type === 'exact') return inner.type === 'exact' && isSame;
  // What `inner` means below its own name lies below `outer.name` too, if the two names are one.
  if (outer.type === 'under') return isBelow || (isSame && (inner.type === 'under' || inner.type === 'first_label'));
  if (outer.type !== 'first_label') return isBelow || isSame;
  if (inner.type === 'first_label') return isSame && isWithinLabel(outer, inner);
  if (inner.type !== 'exact') return false;
  const dot = inner.name.indexOf('.');
  const label = inner.name.slice(0, Math.max(dot, 0));
  return inner.name.slice(dot + 1) === outer.name && isLabel(outer, label);
}

type FirstLabel = Extract<HostPattern, { type: 'first_label' }>;

function isWithinLabel(outer: FirstLabel, inner: FirstLabel): boolean {
  return inner.before.startsWith(outer.before) && inner.after.endsWith(outer.after);
}

function isLabel(pattern: FirstLabel, label: string): boolean {
  const { before, after } = pattern;
  return label.length >= before.length + after.length && label.startsWith(before) && label.endsWith(after);
}

function coversPorts(outer: readonly number[] | 'any', inner: readonly number[] | 'any'): boolean {
  if (outer === 'any') return true;
  return inner !== 'any' && inner.every((port) => outer.includes(port));
}

function coversPath(outer: Rule['path'], inner: Rule['path']): boolean {
  if (outer === null) return true;
  if (inner === null) return false;
  return outer.prefix ? inner.text.startsWith(outer.text) : !inner.prefix && inner.text === outer.text;
}
