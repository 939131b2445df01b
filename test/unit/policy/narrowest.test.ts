/** The rule that is offered for a refusal: it is narrow, in normal form, and it suffices. */
import { describe, expect, test } from 'vitest';
import { judgeRefused } from '../../../src/policy/decide.ts';
import type { Question } from '../../../src/policy/decide.ts';
import { narrowestRemedy, ruleFor } from '../../../src/policy/narrowest.ts';
import type { Remedy } from '../../../src/policy/narrowest.ts';
import { address, ask, decide, machineOf, policyOf, rulesOf, wordOf } from '../../support/policy.ts';

describe('a question as a rule', () => {
  test.each([
    ['a.example.com:443', 'a.example.com'],
    ['a.example.com:8443', 'a.example.com:8443'],
    ['a.example.com:80', 'https://a.example.com:80'],
    ['http://a.example.com', 'http://a.example.com'],
    ['http://a.example.com/', 'http://a.example.com'],
    ['http://a.example.com/p/q.crl', 'http://a.example.com/p/q.crl'],
    ['http://a.example.com/p/?sig=secret', 'http://a.example.com/p/'],
    ['http://a.example.com:443/p', 'http://a.example.com:443/p'],
    ['http://a.example.com:8080/', 'http://a.example.com:8080'],
    // A path in another than normal form, or with a star, is named by what both its forms begin with.
    ['http://a.example.com/p//q', 'http://a.example.com/p/*'],
    ['http://a.example.com/p/../q', 'http://a.example.com/*'],
    ['http://a.example.com/p/%71/r', 'http://a.example.com/p/*'],
    ['http://a.example.com/p*q', 'http://a.example.com/p*'],
    ['http://a.example.com/*', 'http://a.example.com/*'],
    ['20.1.2.3:443', 'ip:20.1.2.3'],
    ['20.1.2.3:8443', 'ip:20.1.2.3:8443'],
    ['http://20.1.2.3/p', 'ip:20.1.2.3:80'],
    ['[2603:1030::1]:443', 'ip:2603:1030::1'],
    ['[2603:1030::1]:8443', 'ip:[2603:1030::1]:8443'],
    ['[::ffff:20.1.2.3]:443', 'ip:20.1.2.3'],
    // One label may read as another word of the grammar.
    ['deny:443', 'https://deny'],
    ['tag:22', 'https://tag:22'],
    ['ip:8443', 'https://ip:8443'],
  ])('%s is %s, which allows it', (text, rule) => {
    const question = ask(text);
    expect(ruleFor(question)).toBe(rule);
    expect(rulesOf([rule])).toMatchObject([{ text: rule }]);
    expect(wordOf(decide(policyOf([rule]), question))).toBe('allow');
  });

  test('OPTIONS for the whole server is allowed by the host alone', () => {
    expect(ruleFor(ask('http://a.example.com', { method: 'OPTIONS' }))).toBe('http://a.example.com');
  });
});

const machine = machineOf(['10.0.0.5', '20.0.0.5'], ['20.0.0.6 443']);
const rules = [
  '*.vault.azure.net within ip:20.9.0.0/16',
  'p.example.com',
  'ip:20.5.0.0/16 within ip:20.5.5.0/24',
  'ip:10.7.0.0/16',
  'deny d.example.com',
  'deny ip:20.7.0.0/16',
];

function remedyFor(question: Question, addresses: readonly string[]): Remedy & { readonly reason: string } {
  const policy = policyOf(rules);
  const decision = decide(policy, question, addresses, machine);
  if (decision.verdict === 'allow') throw new Error(`${question.target.text} is allowed`);
  const known = question.target.address ? [question.target.address] : addresses.map(address);
  const judged = 'judged' in decision ? decision.judged : judgeRefused(policy, question, decision, known, machine);
  return { ...narrowestRemedy(question, decision, judged), reason: decision.reason };
}

describe('an offered rule, added to the list, makes the same question allowed', () => {
  test.each<[string, readonly string[], string, string]>([
    ['a.example.com:443', [], 'not_on_allowlist', 'a.example.com'],
    ['a.example.com:443', ['20.1.2.3'], 'not_on_allowlist', 'a.example.com'],
    ['a.example.com:443', ['20.1.2.3', '10.1.2.3'], 'not_on_allowlist', 'a.example.com'],
    ['a.example.com:443', ['10.1.2.3', '20.7.1.1'], 'not_on_allowlist', 'a.example.com within ip:10.1.2.3'],
    ['a.example.com:443', ['10.1.2.3', '127.0.0.1'], 'not_on_allowlist', 'a.example.com within ip:10.1.2.3'],
    ['20.1.2.3:22', [], 'not_on_allowlist', 'ip:20.1.2.3:22'],
    ['10.1.2.3:443', [], 'not_on_allowlist', 'ip:10.1.2.3 within ip:10.1.2.3'],
    ['[fd00::7]:8443', [], 'not_on_allowlist', 'ip:[fd00::7]:8443 within ip:fd00::7'],
    ['x.vault.azure.net:443', ['20.1.2.3'], 'address_outside_ranges', 'x.vault.azure.net within ip:20.1.2.3'],
    [
      'x.vault.azure.net:443',
      ['20.1.2.3', '2603::1'],
      'address_outside_ranges',
      'x.vault.azure.net within ip:20.1.2.3,ip:2603::1',
    ],
    ['20.5.1.1:443', [], 'address_outside_ranges', 'ip:20.5.1.1'],
    ['p.example.com:443', ['10.1.2.3'], 'address_private', 'p.example.com within ip:10.1.2.3'],
    [
      'p.example.com:443',
      ['10.1.2.3', '10.0.0.5', 'fd00::7'],
      'address_private',
      'p.example.com within ip:10.1.2.3,ip:fd00::7',
    ],
    ['10.7.1.1:443', [], 'address_private', 'ip:10.7.1.1 within ip:10.7.1.1'],
  ])('%s at %j, %s: %s', (text, addresses, reason, rule) => {
    const question = ask(text);
    expect(remedyFor(question, addresses)).toMatchObject({ rule, reason });
    const known = addresses.length > 0 ? addresses : ['20.1.2.3'];
    expect(wordOf(decide(policyOf([...rules, rule]), question, known, machine))).toBe('allow');
  });
});

describe('where no rule suffices none is offered, and the advice says what does', () => {
  test.each<[string, readonly string[], string, string]>([
    ['d.example.com:443', ['20.1.2.3'], 'denied_by_rule', '"deny d.example.com" at /etc/lists/rules.txt:6'],
    ['20.7.1.1:443', [], 'denied_by_rule', '"deny ip:20.7.0.0/16" at /etc/lists/rules.txt:7'],
    ['p.example.com:443', ['20.7.1.1'], 'denied_by_rule', '"deny ip:20.7.0.0/16" at'],
    ['a.example.com:443', ['20.7.1.1'], 'not_on_allowlist', '"deny ip:20.7.0.0/16" at'],
    ['p.example.com:443', ['127.0.0.1'], 'address_private', 'privateDestinations: ["127.0.0.1/32"]'],
    ['p.example.com:443', ['10.0.0.5'], 'address_private', 'privateDestinations: ["10.0.0.5/32"]'],
    ['p.example.com:443', ['64:ff9b::10.1.2.3'], 'address_private', '["64:ff9b::a01:203/128", "10.1.2.3/32"]'],
    ['127.0.0.1:443', [], 'not_on_allowlist', 'add the rule ip:127.0.0.1, and name'],
    ['20.0.0.5:443', [], 'not_on_allowlist', 'privateDestinations: ["20.0.0.5/32"]'],
    ['20.0.0.6:443', [], 'not_on_allowlist', 'no rule may allow this address'],
    ['a.example.com:443', ['20.1.2.3', '169.254.1.1'], 'not_on_allowlist', 'no rule may allow this address'],
    ['a.example.com:443', ['168.63.129.16'], 'not_on_allowlist', 'set no_proxy=168.63.129.16'],
    ['p.example.com:443', ['20.0.0.6'], 'address_forbidden', 'no rule may allow this address'],
    ['169.254.1.1:443', [], 'address_forbidden', 'no rule may allow this address'],
    ['169.254.169.254:80', [], 'azure_platform_address', 'set no_proxy=168.63.129.16,169.254.169.254'],
    ['p.example.com:443', [], 'dns_failed', 'look it up on this machine'],
  ])('%s at %j, %s: %s', (text, addresses, reason, advice) => {
    const remedy = remedyFor(ask(text), addresses);
    expect(remedy).toMatchObject({ rule: null, reason });
    expect(remedy.advice).toContain(advice);
  });

  test('naming what the advice names in privateDestinations lets the address pass', () => {
    for (const text of ['127.0.0.1', '10.0.0.5', '20.0.0.5', '64:ff9b::10.1.2.3', '64:ff9b::127.0.0.1']) {
      const { advice } = remedyFor(ask('p.example.com:443'), [text]);
      const privateDestinations = JSON.parse(/\[.*\]/.exec(advice)![0]) as string[];
      const lifted = policyOf(rules, { privateDestinations });
      expect(wordOf(decide(lifted, ask('p.example.com:443'), [text], machine))).toBe('allow');
    }
  });
});

test('the advice says how to keep the rule to the client that asked', () => {
  const question = ask('a.example.com:443', { from: '10.1.9.9' });
  const { rule, advice } = remedyFor(question, []);
  expect(advice).toContain('"from 10.1.9.9"');
  const narrow = policyOf([`${rule} from 10.1.9.9`]);
  expect(wordOf(decide(narrow, question))).toBe('allow');
  expect(wordOf(decide(narrow, ask('a.example.com:443')))).toBe('not_on_allowlist');
});
