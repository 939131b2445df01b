/** The smallest list of rules that would have allowed what was refused, or what report mode let pass. */
import { parseAllowlist } from '../policy/allowlist.ts';
import type { Question } from '../policy/decide.ts';
import { fits } from '../policy/fits.ts';
import { rulesOpenToAnyTenant } from '../policy/lint.ts';
import type { Rule } from '../policy/rule.ts';
import { createRuleIndex } from '../policy/rule-index.ts';
import { mergePaths } from './log-denied.ts';
import type { LogRecord } from './log-record.ts';
import { questionOf, remedyFor } from './log-remedy.ts';
import type { Counted } from './log-tally.ts';
import { createTally } from './log-tally.ts';

/** One rule in normal form, with what is behind it. */
export interface Suggestion {
  readonly rule: string;
  readonly count: number;
  /** Those that asked, by address; some where there were very many. */
  readonly clients: readonly string[];
  /** The shipped list that the rule is taken from; null: it names what was asked for and nothing else. */
  readonly list: string | null;
}

export interface Suggestions {
  readonly rules: readonly Suggestion[];
  /** Refusals, by reason, that none of these rules would allow. */
  readonly others: Readonly<Record<string, number>>;
  readonly forgotten: number;
}

export interface SuggestCounter {
  add(record: LogRecord): void;
  result(): Suggestions;
}

interface Entry extends Counted {
  first: LogRecord | null;
  path: string | null;
  readonly clients: Set<string>;
}

/** Reasons that a rule can take away; the log may not hold what the rule has to say, and then there is none. */
const suggestable: ReadonlySet<string> = new Set(['not_on_allowlist', 'address_private', 'address_outside_ranges']);
/** What no list may undo: a host that was refused for one of these gets no rule, whatever else was said of it. */
const final: ReadonlySet<string> = new Set(['address_forbidden', 'azure_platform_address', 'denied_by_rule']);
/** Pairs of target and client that are remembered, for the comments. */
const maxPairs = 300_000;
const maxTargets = 10_000;
const maxFinalHosts = 100_000;

/** Counts refusals; `known` are rules that came with the product, by which several hosts may become one rule. */
export function createSuggest(known: readonly Rule[] = []): SuggestCounter {
  const entries = createTally<Entry>(() => ({ count: 0, first: null, path: null, clients: new Set() }), maxTargets);
  const others = new Map<string, number>();
  const finalHosts = new Set<string>();
  let pairs = 0;

  function noteOther(reason: string, count: number): void {
    others.set(reason, (others.get(reason) ?? 0) + count);
  }

  return {
    add(record) {
      const { event, verdict, kind, target, client, path } = record;
      if (event !== 'access' || (verdict !== 'deny' && verdict !== 'would_deny')) return;
      const reason = record.reason ?? 'no reason in the line';
      if (target !== null && final.has(reason) && finalHosts.size < maxFinalHosts) finalHosts.add(hostOf(target));
      if (target === null || !suggestable.has(reason)) return noteOther(reason, 1 + record.suppressed);
      const entry = entries.at(`${kind} ${reason} ${target}`);
      entry.count += 1;
      entry.path = entry.first === null ? path : mergePaths(entry.path, path);
      // The first line does: a later one would outlive its block for nothing.
      entry.first ??= record;
      if (pairs < maxPairs && !entry.clients.has(client)) pairs += entry.clients.add(client) && 1;
    },
    result() {
      const wanted: Wanted[] = [];
      for (const [, { first, path, count, clients }] of entries.ranked()) {
        const question = first && questionOf({ ...first, path });
        const rule = first && !finalHosts.has(hostOf(first.target ?? '')) ? remedyFor({ ...first, path }).rule : null;
        if (question && rule !== null && isRule(rule)) wanted.push({ question, rule, count, clients });
        else noteOther(first?.reason ?? '', count);
      }
      return {
        rules: mergePorts(widen(wanted, known)),
        others: Object.fromEntries([...others].sort(([, a], [, b]) => b - a)),
        forgotten: entries.forgotten,
      };
    },
  };
}

interface Wanted {
  readonly question: Question;
  readonly rule: string;
  readonly count: number;
  readonly clients: ReadonlySet<string>;
  readonly list?: string;
}

function hostOf(target: string): string {
  return target.slice(0, Math.max(target.lastIndexOf(':'), 0)).toLowerCase();
}

/** A last look before somebody pastes it: what the lists would not take is no suggestion. */
function isRule(text: string): boolean {
  const options = { file: 'suggested', groups: new Map(), knownTags: null, usersConfigured: false };
  const { rules, faults } = parseAllowlist(`${text}\n`, options);
  return rules.length === 1 && faults.every(({ severity }) => severity !== 'fault');
}

/**
 * Where two hosts or more fall under one shipped rule, that rule stands for them, unless it lets data out to any tenant:
 * accounts are named one by one.
 */
function widen(wanted: readonly Wanted[], known: readonly Rule[]): readonly Wanted[] {
  const open = new Set(rulesOpenToAnyTenant(known));
  const closed = known.filter((rule) => !rule.deny && !open.has(rule) && rule.within === null && !rule.tlsOff);
  const index = createRuleIndex(closed, new Map());
  const shipped = (entry: Wanted): Rule | undefined => {
    const isPlain = entry.question.target.address === null && !entry.rule.includes(' ');
    return isPlain ? index.forHost(entry.question.target.host).find((rule) => fits(rule, entry.question)) : undefined;
  };
  const groups = Map.groupBy(wanted, (entry) => shipped(entry) ?? null);
  return [...groups].flatMap(([rule, group]) => {
    const hosts = new Set(group.map(({ question }) => question.target.host));
    if (rule === null || hosts.size < 2) return group;
    return group.map((entry) => ({ ...entry, rule: rule.text, list: rule.file.replace(/^.*[/\\]|\.txt$/g, '') }));
  });
}

/** One rule for the ports of a name: `HOST:80,443` is plain http on 80 and CONNECT on the others. */
function mergePorts(wanted: readonly Wanted[]): readonly Suggestion[] {
  const names = new Map<string, Set<number>>();
  for (const { question, rule } of wanted) {
    const { host, port } = question.target;
    if (isBare(rule, host)) names.set(host, (names.get(host) ?? new Set<number>()).add(port));
  }
  const merged = ({ question, rule }: Wanted): string => {
    const { host } = question.target;
    const tunnels = names.get(host);
    const isWhole = rule === `http://${host}`;
    if (tunnels === undefined || !(isWhole || isBare(rule, host))) return rule;
    const isHttp = wanted.some((other) => other.rule === `http://${host}`);
    const ports = [...tunnels, ...(isHttp ? [80] : [])].sort((a, b) => a - b);
    return ports.length === 1 && ports[0] === 443 ? host : `${host}:${ports.join(',')}`;
  };
  return [...Map.groupBy(wanted, merged)]
    .map(([rule, group]) => ({
      rule,
      count: group.reduce((sum, { count }) => sum + count, 0),
      clients: [...new Set(group.flatMap(({ clients }) => [...clients]))].sort(),
      list: group[0]?.list ?? null,
    }))
    .sort((a, b) => b.count - a.count || (a.rule < b.rule ? -1 : 1));
}

function isBare(rule: string, host: string): boolean {
  return rule === host || (rule.startsWith(`${host}:`) && /^\d+$/.test(rule.slice(host.length + 1)));
}
