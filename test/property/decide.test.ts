import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { narrowestRemedy } from '../../src/policy/narrowest.ts';
import { judgeRefused } from '../../src/policy/decide.ts';
import { decideNaively, knownAddresses, ownAddresses } from '../support/naive-decision.ts';
import type { NaiveDecision } from '../support/naive-decision.ts';
import { address, ask, decide, machineOf, policyOf, rulesOf, wordOf } from '../support/policy.ts';
import type { PolicyOptions } from '../support/policy.ts';

// Few values that meet often: names under one suffix, prefixes that hold the addresses, the same ports and clients.
const target = fc.constantFrom(
  'a.example.com',
  '*.example.com',
  '.example.com',
  'x-*.example.com',
  '.a.example.com:22',
  'a.example.com:80,443',
  'https://a.example.com:80',
  'https://x-1.example.com',
  'http://a.example.com',
  'http://a.example.com/p/*',
  'http://a.example.com/p/q',
  'http://.example.com:443',
  '*.vault.azure.net',
  'k.vault.azure.net:80,443',
  'ip:20.1.2.3',
  'ip:20.0.0.0/8:80,443',
  'ip:0.0.0.0/0',
  'ip:0.0.0.0/0:22',
  'ip:10.0.0.0/8',
  'ip:[::/0]:80,443',
  'ip:64:ff9b::/96',
  'tag:Near',
  'tag:NEAR:22,443',
  'tag:Gone',
);
const clause = (...texts: readonly string[]) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant('') }, { weight: 1, arbitrary: fc.constantFrom(...texts) });
const clauses = fc
  .tuple(
    clause(
      'within tag:near',
      'within ip:10.0.0.0/8',
      'within ip:20.1.2.3,ip:fd00::/8',
      'within tag:gone',
      'within ip:::/0',
    ),
    clause('from 10.1.0.0/16', 'from 10.1.1.1,10.2.0.0/16'),
    clause('user eve', 'user adam,eve'),
    clause('tls off'),
  )
  .map((parts) => parts.filter((part) => part !== '').join(' '));
const allowLine = fc.tuple(target, clauses).map((parts) => parts.join(' ').trim());
const denyLine = allowLine.map((line) => `deny ${line}`);
const lines = fc.array(fc.oneof({ weight: 3, arbitrary: allowLine }, { weight: 1, arbitrary: denyLine }), {
  maxLength: 8,
});

const addressText = fc.constantFrom(...Object.keys(knownAddresses));
const hostText = fc.oneof(
  fc.constantFrom(
    'a.example.com',
    'x-1.example.com',
    'b.a.example.com',
    'example.com',
    'k.vault.azure.net',
    'other.net',
  ),
  addressText.map((text) => (text.includes(':') ? `[${text}]` : text)),
);
const port = fc.constantFrom(22, 80, 443, 8443);
const who = fc.record({
  from: fc.constantFrom('10.1.1.1', '10.2.1.1', '10.3.1.1'),
  user: fc.constantFrom('', 'eve', 'adam'),
});
const question = fc
  .tuple(hostText, port, fc.constantFrom('', '/', '/p/q', '/p/', '/x'), who)
  .map(([host, number, path, { from, user }]) => {
    const options = user === '' ? { from } : { from, user };
    return ask(path === '' ? `${host}:${number}` : `http://${host}:${number}${path}`, options);
  });
const options: fc.Arbitrary<PolicyOptions> = fc.record({
  mode: fc.constantFrom('enforce', 'enforce', 'report'),
  reportFrom: fc.constantFrom([], [], ['10.2.0.0/16']),
  privateDestinations: fc.constantFrom(
    [],
    [],
    ['10.0.0.0/8'],
    ['64:ff9b::/96', '10.1.0.0/16'],
    ['127.0.0.0/8', '20.0.0.0/8'],
  ),
  resolveNames: fc.constantFrom(['azure.net'], ['azure.net'], ['*'], []),
  tags: fc.constant({ near: ['20.1.2.0/24', '2603::/16'], empty: [] }),
});
const addresses = fc.uniqueArray(addressText, { maxLength: 4 });
const runs = { numRuns: 3000 };
const machine = machineOf(ownAddresses);

function decideByIndex(
  rules: readonly string[],
  ...rest: readonly [ReturnType<typeof ask>, readonly string[], PolicyOptions]
): NaiveDecision {
  const [asked, known, given] = rest;
  const decision = decide(policyOf(rules, given), asked, known, machine);
  const dialled = decision.verdict === 'allow' ? decision.addresses : [];
  return {
    word: wordOf(decision),
    dialled: dialled.map((entry) => `${entry.address.text}${entry.rule?.tlsOff ? ' tls off' : ''}`),
  };
}

const passes = ({ word }: NaiveDecision) => word === 'allow' || word.startsWith('would_deny');

test('the index decides as asking every rule in turn does', () => {
  fc.assert(
    fc.property(lines, question, addresses, options, (rules, asked, known, given) => {
      expect(decideByIndex(rules, asked, known, given)).toEqual(decideNaively(rulesOf(rules), asked, known, given));
    }),
    runs,
  );
});

test('the order of rules never changes a decision', () => {
  const shuffled = lines.chain((rules) =>
    fc.tuple(fc.constant(rules), fc.shuffledSubarray(rules, { minLength: rules.length })),
  );
  fc.assert(
    fc.property(shuffled, question, addresses, options, ([rules, others], asked, known, given) => {
      expect(decideByIndex(others, asked, known, given)).toEqual(decideByIndex(rules, asked, known, given));
    }),
    runs,
  );
});

test('one more allow rule never refuses what passed', () => {
  let passed = 0;
  fc.assert(
    fc.property(lines, allowLine, question, addresses, options, (rules, line, asked, known, given) => {
      if (!passes(decideByIndex(rules, asked, known, given))) return;
      passed += 1;
      expect(passes(decideByIndex([...rules, line], asked, known, given))).toBe(true);
    }),
    runs,
  );
  expect(passed).toBeGreaterThan(runs.numRuns / 20);
});

test('one more deny rule never lets pass what was refused, nor adds an address to dial', () => {
  fc.assert(
    fc.property(lines, denyLine, question, addresses, options, (rules, line, asked, known, given) => {
      const before = decideByIndex(rules, asked, known, given);
      const after = decideByIndex([...rules, line], asked, known, given);
      if (!passes(before)) expect(passes(after)).toBe(false);
      // In report mode what was left out for want of a rule may be dialled once no allowed address is left.
      else if (after.word === before.word) expect(before.dialled).toEqual(expect.arrayContaining([...after.dialled]));
    }),
    runs,
  );
});

test('a rule that is offered for a refusal, added to the list, makes the same question allowed', () => {
  const sentPath = fc.array(fc.constantFrom('/', 'a', '..', '.', '%2e', '%41', '%2F', '*', '\\', 'b', ';'), {
    maxLength: 6,
  });
  const anyQuestion = fc.oneof(
    question,
    sentPath.map((parts) => ask(`http://a.example.com/${parts.join('')}`)),
    fc.constantFrom('deny:443', 'tag:22', 'ip:443', 'allow:80', 'a_b:8080', 'host:1').map((text) => ask(text)),
  );
  let offered = 0;
  fc.assert(
    fc.property(lines, anyQuestion, addresses, options, (rules, asked, known, given) => {
      const policy = policyOf(rules, given);
      const decision = decide(policy, asked, known, machine);
      if (decision.verdict !== 'refuse') return;
      const all = asked.target.address ? [asked.target.address] : known.map(address);
      const judged = 'judged' in decision ? decision.judged : judgeRefused(policy, asked, decision, all, machine);
      if (judged.length === 0) return;
      const { rule } = narrowestRemedy(asked, decision, judged);
      if (rule === null) return;
      offered += 1;
      expect(rulesOf([rule])).toMatchObject([{ text: rule }]);
      expect(decideByIndex([...rules, rule], asked, known, given)).toMatchObject({ word: 'allow' });
    }),
    runs,
  );
  expect(offered).toBeGreaterThan(runs.numRuns / 20);
});
