/** Whether one rule leaves another nothing to do. */
import { prefixContains } from '../address/ip.ts';
import type { HostPattern, Pattern, Rule } from './rule.ts';

/** Whether `deny` refuses everything `rule` is about, for every client; a `deny` with clauses never does. */
export function covers(deny: Rule, rule: Rule): boolean {
  if (deny.within !== null || deny.from !== null || deny.users !== null) return false;
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
