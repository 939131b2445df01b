/** What rules decide about a target: tables of rule, question and verdict. */
import { describe, expect, test } from 'vitest';
import { decideTarget } from '../../../src/policy/decide.ts';
import { ask, decide, machineOf, policyOf, wordOf } from '../../support/policy.ts';
import type { PolicyOptions } from '../../support/policy.ts';

const refused = 'not_on_allowlist';
const denied = 'denied_by_rule';

describe('a rule allows its names, on its ports, to its kind of request, and nothing else', () => {
  test.each([
    ['www.example.com', 'www.example.com:443', 'allow'],
    ['www.example.com', 'WWW.Example.COM.:443', 'allow'],
    ['www.example.com', 'www.example.com:80', refused],
    ['www.example.com', 'www.example.com:8443', refused],
    ['www.example.com', 'http://www.example.com/', refused],
    ['www.example.com', 'http://www.example.com:443/', refused],
    ['www.example.com', 'a.www.example.com:443', refused],
    ['www.example.com', 'xwww.example.com:443', refused],
    ['www.example.com', 'www.example.com.evil.net:443', refused],
    ['www.example.com:80,443', 'http://www.example.com/any', 'allow'],
    ['www.example.com:80,443', 'www.example.com:443', 'allow'],
    ['www.example.com:80,443', 'www.example.com:80', refused],
    ['https://www.example.com:80', 'www.example.com:80', 'allow'],
    ['https://www.example.com:80', 'http://www.example.com/', refused],
    ['http://www.example.com:8080', 'http://www.example.com:8080/', 'allow'],
    ['http://www.example.com:8080', 'www.example.com:8080', refused],
    ['*.blob.core.windows.net', 'acct.blob.core.windows.net:443', 'allow'],
    ['*.blob.core.windows.net', 'a.z1.blob.core.windows.net:443', 'allow'],
    ['*.blob.core.windows.net', 'blob.core.windows.net:443', refused],
    ['*.blob.core.windows.net', 'evilblob.core.windows.net:443', refused],
    ['*.blob.core.windows.net', 'blob.core.windows.net.evil.com:443', refused],
    ['.example.com', 'example.com:443', 'allow'],
    ['.example.com', 'a.b.example.com:443', 'allow'],
    ['.example.com', 'badexample.com:443', refused],
    ['md-*.blob.storage.azure.net', 'md-x7.blob.storage.azure.net:443', 'allow'],
    ['md-*.blob.storage.azure.net', 'md-x.z27.blob.storage.azure.net:443', refused],
    ['md-*.blob.storage.azure.net', 'xmd-7.blob.storage.azure.net:443', refused],
    ['a-*-a.example.com', 'a-a.example.com:443', refused],
    ['a-*-a.example.com', 'a--a.example.com:443', 'allow'],
    ['ip:20.1.0.0/16', '20.1.2.3:443', 'allow'],
    ['ip:20.1.0.0/16', '20.2.2.3:443', refused],
    ['ip:20.1.0.0/16', 'http://20.1.2.3/', refused],
    ['ip:20.1.0.0/16:80,8443', 'http://20.1.2.3/', 'allow'],
    ['ip:20.1.0.0/16:80,8443', '20.1.2.3:8443', 'allow'],
    ['ip:20.1.0.0/16', 'www.example.com:443', refused],
    ['ip:2603:1030::/32', '[2603:1030::1]:443', 'allow'],
    ['ip:2603:1030::/32', '[2603:1031::1]:443', refused],
    ['ip:20.1.0.0/16', '[::ffff:20.1.2.3]:443', 'allow'],
  ])('%s: %s is %s', (rule, question, verdict) => {
    expect(wordOf(decide(policyOf([rule]), ask(question)))).toBe(verdict);
  });
});

describe('a path is judged as sent and in normal form, and where the two disagree it is refused', () => {
  test.each([
    ['http://h.example.com/crl/*', '/crl/a.crl', 'allow'],
    ['http://h.example.com/crl/*', '/crl/', 'allow'],
    ['http://h.example.com/crl/*', '/crl/a?sig=x', 'allow'],
    ['http://h.example.com/crl/*', '/CRL/a', refused],
    ['http://h.example.com/crl/*', '/crl', refused],
    ['http://h.example.com/crl/*', '/crl/../secret', refused],
    ['http://h.example.com/crl/*', '/crl/%2e%2E/secret', refused],
    ['http://h.example.com/crl/*', '/crl/..%2fsecret', refused],
    ['http://h.example.com/crl/*', '/crl/..%5Csecret', refused],
    ['http://h.example.com/crl/*', '/secret/../crl/a', refused],
    ['http://h.example.com/crl/*', '//crl/a', refused],
    ['http://h.example.com/crl/*', '/crl//a', 'allow'],
    ['http://h.example.com/a.txt', '/a.txt', 'allow'],
    ['http://h.example.com/a.txt', '/a.txt?x=/b', 'allow'],
    ['http://h.example.com/a.txt', '/a%2etxt', refused],
    ['http://h.example.com/a.txt', '/a.txt/b', refused],
    ['http://h.example.com', '/any//%2e%2e/thing', 'allow'],
  ])('%s: %s is %s', (rule, path, verdict) => {
    expect(wordOf(decide(policyOf([rule]), ask(`http://h.example.com${path}`)))).toBe(verdict);
  });

  test.each([
    ['/secret', denied],
    ['/secret/a', denied],
    ['/x/../secret', denied],
    ['/%73ecret', denied],
    ['//secret', denied],
    ['/secret/../public', denied],
    ['/public', 'allow'],
  ])('a deny of /secret* over an allowed host: %s is %s', (path, verdict) => {
    const policy = policyOf(['http://h.example.com', 'deny http://h.example.com/secret*']);
    expect(wordOf(decide(policy, ask(`http://h.example.com${path}`)))).toBe(verdict);
  });

  test('OPTIONS for the whole server is under no rule with a path and under a deny of every path', () => {
    const whole = ask('http://h.example.com', { method: 'OPTIONS' });
    expect(whole.path).toBe('*');
    expect(wordOf(decide(policyOf(['http://h.example.com/*']), whole))).toBe(refused);
    expect(wordOf(decide(policyOf(['http://h.example.com']), whole))).toBe('allow');
    expect(wordOf(decide(policyOf(['http://h.example.com', 'deny http://h.example.com/*']), whole))).toBe(denied);
  });
});

describe('a deny wins, within what it says', () => {
  const allows = ['.example.com:80,443,8443', 'ip:20.0.0.0/8:80,443'];
  test.each([
    ['deny a.example.com', 'a.example.com:443', denied],
    ['deny a.example.com', 'a.example.com:8443', denied],
    ['deny a.example.com', 'http://a.example.com/', denied],
    ['deny a.example.com', 'b.example.com:443', 'allow'],
    ['deny a.example.com', 'other.net:443', refused],
    ['deny .a.example.com', 'x.a.example.com:443', denied],
    ['deny a.example.com:443', 'a.example.com:443', denied],
    ['deny a.example.com:443', 'a.example.com:8443', 'allow'],
    ['deny a.example.com:443', 'http://a.example.com/', 'allow'],
    ['deny https://a.example.com:8443', 'a.example.com:8443', denied],
    ['deny https://a.example.com:8443', 'a.example.com:443', 'allow'],
    ['deny http://a.example.com:80', 'http://a.example.com/', denied],
    ['deny http://a.example.com:80', 'a.example.com:443', 'allow'],
    ['deny a.example.com from 10.2.0.0/16', 'a.example.com:443', 'allow'],
    ['deny a.example.com from 10.1.0.0/16', 'a.example.com:443', denied],
    ['deny a.example.com user eve', 'a.example.com:443', 'allow'],
    ['deny a.example.com within ip:20.1.0.0/16', 'a.example.com:443', denied],
    ['deny a.example.com within ip:20.2.0.0/16', 'a.example.com:443', 'allow'],
    ['deny ip:20.1.0.0/16', 'a.example.com:443', denied],
    ['deny ip:20.1.0.0/16', '20.1.2.3:443', denied],
    ['deny ip:20.1.0.0/16', '20.2.2.3:443', 'allow'],
    ['deny ip:20.1.0.0/16', '20.1.2.3:22', denied],
    ['deny ip:20.1.0.0/16:80', '20.1.2.3:443', 'allow'],
    ['deny tag:bad', 'a.example.com:443', denied],
    ['deny tag:BAD', '20.1.2.3:443', denied],
    ['deny tag:unknown', 'a.example.com:443', 'allow'],
    ['deny ip:99.0.0.0/8', '99.1.1.1:443', denied],
  ])('%s: %s is %s', (rule, question, verdict) => {
    const policy = policyOf([...allows, rule], { tags: { bad: ['20.1.2.0/24'] } });
    expect(wordOf(decide(policy, ask(question)))).toBe(verdict);
  });

  test('a deny by address takes that address away and leaves the others', () => {
    const policy = policyOf(['a.example.com', 'deny ip:20.1.0.0/16']);
    const decision = decide(policy, ask('a.example.com:443'), ['20.1.2.3', '20.2.2.3']);
    expect(decision).toMatchObject({ verdict: 'allow', addresses: [{ address: { text: '20.2.2.3' } }] });
    expect(decision).toMatchObject({ judged: [{ refusedFor: 'denied_by_rule', rule: { line: 3 } }, {}] });
  });

  test.each(['64:ff9b::1401:203', '2002:1401:203::1', '2001:0:1401:203::ebeb:ebeb'])(
    'a deny by address holds for %s, which carries the address inside',
    (wrapped) => {
      const policy = policyOf(['a.example.com', 'deny ip:20.1.2.3']);
      expect(wordOf(decide(policy, ask('a.example.com:443'), [wrapped]))).toBe(denied);
      const within = policyOf(['a.example.com', 'deny a.example.com within ip:20.1.2.3']);
      expect(wordOf(decide(within, ask('a.example.com:443'), [wrapped]))).toBe(denied);
    },
  );

  test('a refusal names the file, without its folder, and the line', () => {
    const decision = decide(policyOf(['a.example.com', 'deny a.example.com']), ask('a.example.com:443'));
    expect(decision).toMatchObject({ phrase: 'Denied by rule rules.txt:3', rule: { text: 'deny a.example.com' } });
  });
});

describe('no rule sees the clauses of another', () => {
  test.each<[string, readonly string[], string, { from?: string; user?: string }, string]>([
    ['from', ['a.example.com from 10.1.1.1', 'b.example.com'], 'a.example.com:443', { from: '10.1.1.2' }, refused],
    ['from', ['a.example.com from 10.1.1.1', 'b.example.com'], 'b.example.com:443', { from: '10.1.1.2' }, 'allow'],
    ['from', ['a.example.com from 10.1.1.1', '*.example.com'], 'a.example.com:443', { from: '10.1.1.2' }, 'allow'],
    ['a mapped client', ['a.example.com from 10.1.1.0/24'], 'a.example.com:443', { from: '::ffff:10.1.1.2' }, 'allow'],
    ['a mapped client', ['a.example.com from 10.1.1.0/24'], 'a.example.com:443', { from: '::ffff:a02:102' }, refused],
    ['a mapped clause', ['a.example.com from ::ffff:10.1.1.0/120'], 'a.example.com:443', { from: '10.1.1.9' }, 'allow'],
    ['user', ['a.example.com user eve'], 'a.example.com:443', {}, refused],
    ['user', ['a.example.com user eve'], 'a.example.com:443', { user: 'adam' }, refused],
    ['user', ['a.example.com user eve'], 'a.example.com:443', { user: 'eve' }, 'allow'],
    ['user', ['a.example.com user eve', 'a.example.com from 10.1.1.1'], 'a.example.com:443', {}, 'allow'],
    [
      'within',
      ['a.example.com within ip:20.9.0.0/16', 'b.example.com'],
      'a.example.com:443',
      {},
      'address_outside_ranges',
    ],
    ['within', ['a.example.com within ip:20.9.0.0/16', '*.example.com'], 'a.example.com:443', {}, 'allow'],
    [
      'within',
      ['a.example.com within ip:20.9.0.0/16', 'ip:20.1.2.3'],
      'a.example.com:443',
      {},
      'address_outside_ranges',
    ],
  ])('%s: %j, %s with %j is %s', (_clause, rules, question, who, verdict) => {
    expect(wordOf(decide(policyOf(rules), ask(question, who)))).toBe(verdict);
  });

  test('tls off of any rule that lets the address pass counts, in whatever order the rules stand', () => {
    const rules = ['a.example.com', '*.example.com tls off', '.example.com within ip:99.0.0.0/8 tls off'];
    for (const order of [rules, rules.toReversed()]) {
      const decision = decide(policyOf(order), ask('a.example.com:443'));
      expect(decision).toMatchObject({ addresses: [{ rule: { text: '*.example.com tls off' } }] });
    }
    const others = policyOf(['a.example.com', '.example.com within ip:99.0.0.0/8 tls off']);
    expect(decide(others, ask('a.example.com:443'))).toMatchObject({ addresses: [{ rule: { tlsOff: false } }] });
  });
});

describe('a name is looked up only if a rule could allow it for this client, user and port', () => {
  const azure = 'acct.blob.core.windows.net';
  const tags = { storage: ['20.1.0.0/16'] };
  test.each<[readonly string[], string, PolicyOptions, boolean]>([
    [['tag:Storage'], `${azure}:443`, { tags }, true],
    [['tag:Storage'], `${azure}:8443`, { tags }, false],
    [['tag:Storage'], `http://${azure}/`, { tags }, false],
    [['tag:Storage:80'], `http://${azure}/`, { tags }, true],
    [['tag:Storage'], `${azure}:443`, {}, false],
    [['tag:Storage'], `${azure}:443`, { tags: { storage: [] } }, false],
    [['tag:Storage from 10.2.0.0/16'], `${azure}:443`, { tags }, false],
    [['tag:Storage user eve'], `${azure}:443`, { tags }, false],
    [['tag:Storage'], 'www.example.com:443', { tags }, false],
    [['tag:Storage'], 'www.example.com:443', { tags, resolveNames: ['*'] }, true],
    [['tag:Storage'], 'www.example.com:443', { tags, resolveNames: ['Example.com'] }, true],
    [['tag:Storage'], `${azure}:443`, { tags, resolveNames: [] }, false],
    [['ip:20.1.0.0/16'], `${azure}:443`, {}, true],
    [['deny ip:20.1.0.0/16'], `${azure}:443`, {}, false],
    [['ip:20.1.0.0/16', `deny ${azure}`], `${azure}:443`, {}, false],
    [['ip:20.1.0.0/16', `deny ${azure} within ip:20.2.0.0/16`], `${azure}:443`, {}, true],
  ])('%j: %s with %j: %s', (rules, question, options, isLookedUp) => {
    expect(decideTarget(policyOf(rules, options), ask(question)).verdict).toBe(isLookedUp ? 'pending' : 'refuse');
  });

  test('a tag speaks for the addresses it holds, on a host of a Microsoft suffix', () => {
    const policy = policyOf(['tag:Storage'], { tags });
    expect(wordOf(decide(policy, ask(`${azure}:443`), ['20.1.2.3']))).toBe('allow');
    expect(wordOf(decide(policy, ask(`${azure}:443`), ['20.2.2.3']))).toBe('address_outside_ranges');
    expect(wordOf(decide(policy, ask('20.1.2.3:443')))).toBe('allow');
  });
});

test('without an address there is nothing to dial', () => {
  expect(wordOf(decide(policyOf(['a.example.com']), ask('a.example.com:443'), [], machineOf()))).toBe('dns_failed');
});
