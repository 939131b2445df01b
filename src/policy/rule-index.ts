/** Rules arranged for look-up: by host name, by address, by service tag, at a cost that does not grow with their number. */
import type { Address, Prefix } from '../address/ip.ts';
import { formatPrefix, prefixContains } from '../address/ip.ts';
import type { PrefixSet } from '../address/prefix-set.ts';
import type { Kind, Rule } from './rule.ts';

/** The prefixes of each service tag, by tag name in lower case. Empty until ranges are there: a tag then matches nothing. */
export type Ranges = ReadonlyMap<string, PrefixSet>;

/** Finds the rules whose pattern matches; ports, paths and clauses are the decision's work. */
export interface RuleIndex {
  /** Host rules that match a name, the most specific first: exact, within the first label, then suffixes by length. */
  forHost(host: string): readonly Rule[];
  /** `ip:` and `tag:` rules whose prefixes hold an address, the longest prefix first. */
  forAddress(address: Address): readonly Rule[];
  /**
   * Whom `ip:` and `tag:` rules on a port, in either kind, could speak for whatever the address: of rules that ask the
   * same of a request only the first, and none whose tag the ranges do not hold.
   */
  forAddressOnPort(port: number): readonly Rule[];
}

interface NameEntry {
  readonly exact: Rule[];
  readonly firstLabel: { readonly before: string; readonly after: string; readonly rule: Rule }[];
  readonly under: Rule[];
}

const none: readonly Rule[] = [];

/** Arranges `rules` for look-up; `ranges` gives the prefixes of the tags they name. */
export function createRuleIndex(rules: readonly Rule[], ranges: Ranges): RuleIndex {
  const names = indexNames(rules);
  const findByPrefix = indexPrefixes(rules);
  const tags = indexTags(rules, ranges);
  const byPort = indexPorts(rules, ranges);
  return {
    forHost: (host) => findByName(names, host),
    forAddress(address) {
      let found = findByPrefix(address);
      for (const { prefixes, rules: tagged } of tags) if (prefixes.has(address)) found = [...found, ...tagged];
      return found;
    },
    forAddressOnPort: (port) => byPort.get(port) ?? none,
  };
}

/** Whether a rule covers a port for one kind of request. */
export function coversPort(rule: Rule, kind: Kind, port: number): boolean {
  const ports = rule.scope[kind];
  return ports === 'any' || ports.includes(port);
}

function indexNames(rules: readonly Rule[]): ReadonlyMap<string, NameEntry> {
  const names = new Map<string, NameEntry>();
  for (const rule of rules) {
    if (rule.pattern.type !== 'host') continue;
    const { host } = rule.pattern;
    const entry = names.get(host.name) ?? { exact: [], firstLabel: [], under: [] };
    names.set(host.name, entry);
    if (host.type === 'exact' || host.type === 'at_or_under') entry.exact.push(rule);
    if (host.type === 'under' || host.type === 'at_or_under') entry.under.push(rule);
    if (host.type === 'first_label') entry.firstLabel.push({ before: host.before, after: host.after, rule });
  }
  return names;
}

/** Walks a name from its whole down to its last label, so the cost is its number of labels. */
function findByName(names: ReadonlyMap<string, NameEntry>, host: string): readonly Rule[] {
  if (names.size === 0) return none;
  let found: Rule[] | null = null;
  const whole = names.get(host);
  if (whole) found = [...whole.exact];
  const firstDot = host.indexOf('.');
  for (let dot = firstDot; dot !== -1; dot = host.indexOf('.', dot + 1)) {
    const entry = names.get(host.slice(dot + 1));
    if (!entry) continue;
    found ??= [];
    if (dot === firstDot) {
      for (const { before, after, rule } of entry.firstLabel) {
        if (dot >= before.length + after.length && host.startsWith(before) && host.slice(0, dot).endsWith(after))
          found.push(rule);
      }
    }
    found.push(...entry.under);
  }
  return found ?? none;
}

interface PrefixEntry {
  readonly prefix: Prefix;
  readonly rules: Rule[];
}

/** Prefixes of one length and family, in buckets by a number made of their words. */
interface PrefixLevel {
  readonly family: 4 | 6;
  readonly length: number;
  readonly buckets: Map<number, PrefixEntry[]>;
}

/** Asks each length that occurs once, the longest first. */
function indexPrefixes(rules: readonly Rule[]): (address: Address) => readonly Rule[] {
  const levels: PrefixLevel[] = [];
  for (const rule of rules) {
    if (rule.pattern.type !== 'prefix') continue;
    const { prefix } = rule.pattern;
    const { family } = prefix.address;
    let level = levels.find((known) => known.family === family && known.length === prefix.length);
    if (!level) levels.push((level = { family, length: prefix.length, buckets: new Map() }));
    const key = bucketOf(prefix.address, prefix.length);
    const entries = level.buckets.get(key) ?? [];
    level.buckets.set(key, entries);
    const entry = entries.find((known) => known.prefix.address.text === prefix.address.text);
    if (entry) entry.rules.push(rule);
    else entries.push({ prefix, rules: [rule] });
  }
  levels.sort((a, b) => b.length - a.length);
  return (address) => {
    let found = none;
    for (const { family, length, buckets } of levels) {
      if (family !== address.family) continue;
      for (const entry of buckets.get(bucketOf(address, length)) ?? []) {
        if (prefixContains(entry.prefix, address)) found = found === none ? entry.rules : [...found, ...entry.rules];
      }
    }
    return found;
  };
}

/** The leading bits of an address as one number; different prefixes may share it, so what is found is asked again. */
function bucketOf({ words }: Address, length: number): number {
  let key = 0;
  for (let at = 0; at < words.length && at * 32 < length; at++) {
    const bits = Math.min(32, length - at * 32);
    // An odd factor spreads the words, so that many prefixes under one first word do not meet in one bucket.
    key = Math.imul(key ^ ((words[at] ?? 0) & (-1 << (32 - bits))), 0x9e3779b1);
  }
  return key;
}

interface TagEntry {
  readonly prefixes: PrefixSet;
  readonly rules: readonly Rule[];
}

function indexTags(rules: readonly Rule[], ranges: Ranges): readonly TagEntry[] {
  const tags = new Map<string, Rule[]>();
  for (const rule of rules) if (rule.pattern.type === 'tag') append(tags, rule.pattern.tag.toLowerCase(), rule);
  return [...tags].flatMap(([tag, tagged]) => {
    const prefixes = ranges.get(tag);
    return prefixes ? [{ prefixes, rules: tagged }] : [];
  });
}

/** A thousand prefixes on one port with the same clauses are one question to a name that is not looked up yet. */
function indexPorts(rules: readonly Rule[], ranges: Ranges): ReadonlyMap<number, readonly Rule[]> {
  const byPort = new Map<number, Rule[]>();
  const asked = new Set<string>();
  for (const rule of rules) {
    const { pattern, scope, path, from, users } = rule;
    if (pattern.type === 'host' || (pattern.type === 'tag' && !ranges.get(pattern.tag.toLowerCase())?.size)) continue;
    const clients = from?.prefixes.map(formatPrefix) ?? null;
    const key = JSON.stringify([scope.tunnel, scope.forward, path, clients, users]);
    if (asked.has(key)) continue;
    asked.add(key);
    for (const port of new Set([...portsOf(scope.tunnel), ...portsOf(scope.forward)])) append(byPort, port, rule);
  }
  return byPort;
}

/** `any` stands in a `deny` alone, of which nobody asks what it could allow. */
function portsOf(ports: readonly number[] | 'any'): readonly number[] {
  return ports === 'any' ? [] : ports;
}

function append<K>(map: Map<K, Rule[]>, key: K, rule: Rule): void {
  const list = map.get(key);
  if (list) list.push(rule);
  else map.set(key, [rule]);
}
