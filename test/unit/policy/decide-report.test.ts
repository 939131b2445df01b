/** What report mode lets pass, and what it does not. */
import { describe, expect, test } from 'vitest';
import { decideTarget } from '../../../src/policy/decide.ts';
import { ask, decide, policyOf, wordOf } from '../../support/policy.ts';

const unlisted = 'would_deny not_on_allowlist';
const outside = 'would_deny address_outside_ranges';
const refused = 'not_on_allowlist';

const rules = [
  'a.example.com',
  'http://p.example.com/crl/*',
  'b.example.com:2222',
  'f.example.com from 10.2.0.0/16',
  'u.example.com user eve',
  'w.example.com within ip:20.9.0.0/16',
  'w.example.com:5555 within ip:20.9.0.0/16',
  'ip:20.5.0.0/16 within ip:20.5.5.0/24',
  'deny x.example.com',
  'deny x.example.com:6666',
  'deny ip:20.7.0.0/16',
];

describe('report mode', () => {
  test.each([
    ['a.example.com:443', 'allow'],
    // The name is under a rule for this client, user and port; only the kind or the path is another.
    ['http://a.example.com:443/', unlisted],
    ['http://p.example.com/other', unlisted],
    ['p.example.com:80', unlisted],
    ['http://b.example.com:2222/', unlisted],
    // Nothing could allow these: they stay refused, and are never looked up.
    ['other.example.com:443', refused],
    ['acct.blob.core.windows.net:80', refused],
    ['a.example.com:80', refused],
    ['a.example.com:2222', refused],
    ['f.example.com:443', refused],
    ['u.example.com:443', refused],
    // An address needs no look-up; the port must be one that a rule allows, or 80 or 443.
    ['30.1.1.1:443', unlisted],
    ['30.1.1.1:80', unlisted],
    ['http://30.1.1.1/', unlisted],
    ['30.1.1.1:2222', unlisted],
    ['30.1.1.1:5555', unlisted],
    ['30.1.1.1:6666', refused],
    ['30.1.1.1:22', refused],
    ['w.example.com:443', outside],
    ['w.example.com:5555', outside],
    ['20.5.6.6:443', outside],
    ['20.5.5.5:443', 'allow'],
    // No other reason is turned.
    ['x.example.com:443', 'denied_by_rule'],
    ['20.7.1.1:443', 'denied_by_rule'],
    ['10.1.2.3:443', 'address_private'],
    ['127.0.0.1:443', 'address_private'],
    ['169.254.1.1:443', 'address_forbidden'],
    ['168.63.129.16:80', 'azure_platform_address'],
  ])('%s is %s', (question, verdict) => {
    expect(wordOf(decide(policyOf(rules, { mode: 'report' }), ask(question), ['20.1.2.3']))).toBe(verdict);
  });

  test.each([
    ['w.example.com:443', ['10.1.2.3'], 'address_private'],
    ['w.example.com:443', ['20.7.1.1'], 'denied_by_rule'],
    ['w.example.com:443', ['20.1.2.3', '169.254.1.1'], 'address_forbidden'],
    ['p.example.com:80', ['10.1.2.3'], 'address_private'],
    ['p.example.com:80', ['20.7.1.1'], 'denied_by_rule'],
    ['w.example.com:443', ['20.9.1.1', '20.1.2.3'], 'allow'],
  ])('%s at %j is %s', (question, addresses, verdict) => {
    expect(wordOf(decide(policyOf(rules, { mode: 'report' }), ask(question), addresses))).toBe(verdict);
  });

  test('dials no address that is refused for more than a missing rule', () => {
    const policy = policyOf(rules, { mode: 'report' });
    const decision = decide(policy, ask('w.example.com:443'), ['10.1.2.3', '20.7.1.1', '20.1.2.3']);
    expect(decision).toMatchObject({ verdict: 'allow', addresses: [{ address: { text: '20.1.2.3' } }] });
  });

  test('looks a name of a Microsoft suffix up only where an address rule is for this client and port', () => {
    const policy = policyOf(['ip:20.1.0.0/16:8443 from 10.1.0.0/16'], { mode: 'report' });
    const verdictOf = (question: string, from: string) => decideTarget(policy, ask(question, { from })).verdict;
    expect(verdictOf('x.vault.azure.net:8443', '10.1.1.1')).toBe('pending');
    expect(verdictOf('x.vault.azure.net:8443', '10.2.1.1')).toBe('refuse');
    expect(verdictOf('x.vault.azure.net:443', '10.1.1.1')).toBe('refuse');
  });
});

test('reportFrom puts only its clients in report mode', () => {
  const policy = policyOf(rules, { reportFrom: ['10.3.0.0/16'] });
  expect(wordOf(decide(policy, ask('30.1.1.1:443', { from: '10.3.1.1' })))).toBe(unlisted);
  expect(wordOf(decide(policy, ask('30.1.1.1:443', { from: '::ffff:10.3.1.1' })))).toBe(unlisted);
  expect(wordOf(decide(policy, ask('30.1.1.1:443', { from: '10.4.1.1' })))).toBe(refused);
  expect(wordOf(decide(policy, ask('w.example.com:443', { from: '10.3.1.1' })))).toBe(outside);
  expect(wordOf(decide(policy, ask('w.example.com:443', { from: '10.4.1.1' })))).toBe('address_outside_ranges');
});
