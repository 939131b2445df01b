/** Rules arranged for look-up: by host name, by address, by service tag, at a cost that does not grow with their number. */
import type { Address } from '../address/ip.ts';
import { prefixContains } from '../address/ip.ts';
import type { PrefixSet } from '../address/prefix-set.ts';
import type { Kind, Pattern, Rule } from './rule.ts';

/** The prefixes of each service tag, by tag name in lower case. Empty until ranges are there: a tag then matches nothing. */
export type Ranges = ReadonlyMap<string, PrefixSet>;

/** Finds the rules whose pattern matches; ports, paths and clauses are the decision's work. */
export interface RuleIndex {
  /** Host rules that match a name, the most specific first: exact, within the first label, then suffixes by length. */
  forHost(host: string): readonly Rule[];
  /** `ip:` and `tag:` rules whose prefixes hold an address, the longest prefix first. */
  forAddress(address: Address): readonly Rule[];
  /** `ip:` and `tag:` rules that cover a port in either kind, whatever the address. */
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
  const prefixes = new Map<string, Rule[]>();
  const lengths = { 4: new Set<number>(), 6: new Set<number>() };
  const tags = new Map<string, Rule[]>();
  const byPort = new Map<number, Rule[]>();
  const onAnyPort: Rule[] = [];
  for (const rule of rules) {
    const { pattern } = rule;
    if (pattern.type === 'host') continue;
    if (pattern.type === 'tag') append(tags, pattern.tag.toLowerCase(), rule);
    else {
      const { address, length } = pattern.prefix;
      lengths[address.family].add(length);
      append(prefixes, prefixKey(address, length), rule);
    }
    const ports = portsOf(rule);
    if (ports === 'any') onAnyPort.push(rule);
    else for (const port of ports) append(byPort, port, rule);
  }
  const longestFirst = {
    4: [...lengths[4]].sort((a, b) => b - a),
    6: [...lengths[6]].sort((a, b) => b - a),
  };
  return {
    forHost: (host) => findByName(names, host),
    forAddress(address) {
      const found: Rule[] = [];
      for (const length of longestFirst[address.family]) {
        const matching = prefixes.get(prefixKey(address, length));
        if (matching) found.push(...matching);
      }
      for (const [tag, matching] of tags) if (ranges.get(tag)?.has(address)) found.push(...matching);
      return found;
    },
    forAddressOnPort: (port) =>
      onAnyPort.length ? [...onAnyPort, ...(byPort.get(port) ?? none)] : (byPort.get(port) ?? none),
  };
}

/** Whether one pattern matches an address by its prefix or tag; a host pattern never does. */
export function patternHoldsAddress(pattern: Pattern, address: Address, ranges: Ranges): boolean {
  if (pattern.type === 'prefix') return prefixContains(pattern.prefix, address);
  return pattern.type === 'tag' && (ranges.get(pattern.tag.toLowerCase())?.has(address) ?? false);
}

/** Whether a rule covers a port for one kind of request. */
export function coversPort(rule: Rule, kind: Kind, port: number): boolean {
  const ports = rule.scope[kind];
  return ports === 'any' || ports.includes(port);
}

function portsOf(rule: Rule): readonly number[] | 'any' {
  const { tunnel, forward } = rule.scope;
  return tunnel === 'any' || forward === 'any' ? 'any' : [...new Set([...tunnel, ...forward])];
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

/** A prefix of an address as a map key: its words with the host bits cleared, and the length. */
function prefixKey(address: Address, length: number): string {
  let key = `${address.family}/${length}`;
  for (const [index, word] of address.words.entries()) {
    const bits = Math.min(32, Math.max(0, length - index * 32));
    key += `:${bits === 0 ? 0 : (word & (-1 << (32 - bits))) >>> 0}`;
  }
  return key;
}

function append<K>(map: Map<K, Rule[]>, key: K, rule: Rule): void {
  const list = map.get(key);
  if (list) list.push(rule);
  else map.set(key, [rule]);
}
