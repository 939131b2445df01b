/** Policies and questions from a few lines of text, and the whole decision over them. */
import { parseAddress, parsePrefix } from '../../src/address/ip.ts';
import type { Address } from '../../src/address/ip.ts';
import { createPrefixSet } from '../../src/address/prefix-set.ts';
import type { PrefixSet } from '../../src/address/prefix-set.ts';
import { parseAbsoluteForm, parseAuthorityForm } from '../../src/message/request-target.ts';
import { parseAllowlist } from '../../src/policy/allowlist.ts';
import { decideTarget, judgeAddresses } from '../../src/policy/decide.ts';
import type { AddressDecision, Machine, Question, Refusal } from '../../src/policy/decide.ts';
import { createPolicy } from '../../src/policy/policy.ts';
import type { Policy } from '../../src/policy/policy.ts';
import type { Rule } from '../../src/policy/rule.ts';

export interface PolicyOptions {
  readonly mode?: 'enforce' | 'report';
  readonly reportFrom?: readonly string[];
  readonly privateDestinations?: readonly string[];
  readonly networks?: readonly string[];
  readonly resolveNames?: readonly string[];
  readonly tlsServerName?: 'require' | 'report' | 'off';
  /** Prefixes by tag name in lower case. */
  readonly tags?: Readonly<Record<string, readonly string[]>>;
}

export const address = (text: string): Address => {
  const parsed = parseAddress(text);
  if (!parsed) throw new TypeError(`${text}: no address`);
  return parsed;
};

export const prefixes = (texts: readonly string[]): PrefixSet =>
  createPrefixSet(
    texts.map((text) => {
      const parsed = parsePrefix(text);
      if (!parsed.ok) throw new TypeError(`${text}: ${parsed.message}`);
      return parsed.value;
    }),
  );

/** Rules as the file `rules.txt` holds them; a line that is at fault is the test's fault. */
export function rulesOf(lines: readonly string[]): readonly Rule[] {
  const { rules, faults } = parseAllowlist(`# rules\n${lines.map((line) => `${line}\n`).join('')}`, {
    file: '/etc/lists/rules.txt',
    groups: new Map(),
    knownTags: null,
    usersConfigured: true,
  });
  const fault = faults.find(({ severity }) => severity === 'fault');
  if (fault) throw new TypeError(`${lines[fault.line - 2]}: ${fault.message}`);
  return rules;
}

export function policyOf(lines: readonly string[], options: PolicyOptions = {}): Policy {
  return createPolicy({
    rules: rulesOf(lines),
    ranges: new Map(Object.entries(options.tags ?? {}).map(([tag, texts]) => [tag, prefixes(texts)])),
    networks: prefixes(options.networks ?? ['127.0.0.0/8', '10.0.0.0/8']),
    resolveNames: options.resolveNames ?? ['azure'],
    privateDestinations: prefixes(options.privateDestinations ?? []),
    mode: options.mode ?? 'enforce',
    reportFrom: prefixes(options.reportFrom ?? []),
    tlsServerName: options.tlsServerName ?? 'require',
  });
}

/** `host:port` asks for a tunnel, `http://...` for a plain request. */
export function ask(text: string, options: { from?: string; user?: string; method?: string } = {}): Question {
  const client = address(options.from ?? '10.1.1.1');
  const user = options.user ?? null;
  if (text.startsWith('http://')) {
    const form = parseAbsoluteForm(text, options.method ?? 'GET');
    if (!form.ok) throw new TypeError(`${text}: ${form.message}`);
    return { kind: 'forward', client, user, target: form.value.target, path: form.value.path };
  }
  const target = parseAuthorityForm(text);
  if (!target.ok) throw new TypeError(`${text}: ${target.message}`);
  return { kind: 'tunnel', client, user, target: target.value, path: null };
}

/** A machine with these addresses, on which the proxy listens at these endpoints. */
export function machineOf(own: readonly string[] = [], listeners: readonly string[] = []): Machine {
  return {
    isOwnAddress: ({ text }) => own.includes(text),
    isOwnListener: ({ text }, port) => listeners.includes(`${text} ${port}`),
  };
}

/** The target and, where it may go on, its addresses: as the proxy decides, with the look-up done beforehand. */
export function decide(
  policy: Policy,
  question: Question,
  addresses: readonly string[] = ['20.1.2.3'],
  machine: Machine = machineOf(),
): Refusal | AddressDecision {
  const pending = decideTarget(policy, question);
  if (pending.verdict === 'refuse') return pending;
  const known = question.target.address ? [question.target.address] : addresses.map(address);
  return judgeAddresses(policy, question, pending, known, machine);
}

/** One word for a decision: `allow`, the reason of a refusal, or `would_deny` and the reason. */
export function wordOf(decision: Refusal | AddressDecision): string {
  if (decision.verdict === 'refuse') return decision.reason;
  return decision.wouldDeny === null ? 'allow' : `would_deny ${decision.wouldDeny}`;
}
