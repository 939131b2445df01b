import { describe, expect, it } from 'vitest';
import { createSuggest } from '../../../src/observe/log-suggest.ts';
import { logRecord, refusal } from '../../support/log-lines.ts';
import type { Line } from '../../support/log-lines.ts';
import { ask, decide, policyOf, rulesOf, wordOf } from '../../support/policy.ts';

function suggest(lines: readonly Line[], shipped: readonly string[] = []) {
  const counted = createSuggest(rulesOf(shipped));
  for (const line of lines) counted.add(logRecord(line));
  return counted.result();
}

const rulesFor = (lines: readonly Line[], shipped: readonly string[] = []) =>
  suggest(lines, shipped).rules.map(({ rule }) => rule);

const get = (target: string, path: string, changes: Line = {}) =>
  refusal(target, { kind: 'forward', method: 'GET', path, ...changes });

describe('suggested rules', () => {
  it.each<[string, readonly Line[], readonly string[]]>([
    [
      'one host, however often and by whom',
      [refusal('a.example:443'), refusal('a.example:443', { client: '10.0.0.5' })],
      ['a.example'],
    ],
    ['the ports of one host', [refusal('a.example:8443'), refusal('a.example:443')], ['a.example:443,8443']],
    ['plain http and a tunnel', [get('a.example:80', '/'), refusal('a.example:443')], ['a.example:80,443']],
    ['plain http in one folder', [get('a.example:80', '/x/1'), get('a.example:80', '/x/2')], ['http://a.example/x/*']],
    ['a path and a tunnel', [get('a.example:80', '/x'), refusal('a.example:443')], ['a.example', 'http://a.example/x']],
    [
      'plain http on another port',
      [get('a.example:8080', '/'), refusal('a.example:443')],
      ['a.example', 'http://a.example:8080'],
    ],
    ['a tunnel on port 80', [refusal('a.example:80')], ['https://a.example:80']],
    [
      'a name of one label',
      [refusal('intranet:443'), refusal('intranet:8443')],
      ['https://intranet', 'https://intranet:8443'],
    ],
    ['an address', [refusal('20.60.1.2:443')], ['ip:20.60.1.2']],
    ['a private address', [refusal('10.1.4.5:443')], ['ip:10.1.4.5 within ip:10.1.4.5']],
    [
      'what report mode let pass',
      [{ verdict: 'would_deny', reason: 'not_on_allowlist', wouldDeny: 'not_on_allowlist', target: 'a.example:443' }],
      ['a.example'],
    ],
    [
      'accounts, each by its name',
      [refusal('a.blob.core.windows.net:443'), refusal('b.blob.core.windows.net:443')],
      ['a.blob.core.windows.net', 'b.blob.core.windows.net'],
    ],
  ])('name %s', (_name, lines, expected) => {
    expect(rulesFor(lines)).toEqual(expected);
  });

  it('carry the count and the clients behind them, the most wanted first', () => {
    const { rules } = suggest([
      refusal('a.example:443'),
      refusal('b.example:443', { client: '10.0.0.6' }),
      refusal('b.example:8443', { client: '10.0.0.5' }),
    ]);
    expect(rules).toEqual([
      { rule: 'b.example:443,8443', count: 2, clients: ['10.0.0.5', '10.0.0.6'], list: null },
      { rule: 'a.example', count: 1, clients: ['10.0.0.4'], list: null },
    ]);
  });

  it('never invent clients', () => {
    expect(rulesFor([refusal('a.example:443')]).join()).not.toContain('from');
  });
});

describe('several hosts under one shipped rule', () => {
  const shipped = ['*.backup.windowsazure.com', '*.blob.core.windows.net', '.example.com from 10.9.0.0/16'];

  it('become that rule', () => {
    const lines = ['a', 'b', 'c.d'].map((name) => refusal(`${name}.backup.windowsazure.com:443`));
    expect(suggest(lines, shipped).rules).toEqual([
      { rule: '*.backup.windowsazure.com', count: 3, clients: ['10.0.0.4'], list: 'rules' },
    ]);
  });

  it.each([
    ['one host alone', [refusal('a.backup.windowsazure.com:443')]],
    ['another port', [refusal('a.backup.windowsazure.com:444'), refusal('b.backup.windowsazure.com:444')]],
    ['accounts of any tenant', [refusal('a.blob.core.windows.net:443'), refusal('b.blob.core.windows.net:443')]],
    ['clients that the rule is not for', [refusal('a.example.com:443'), refusal('b.example.com:443')]],
  ])('stay as they are: %s', (_name, lines) => {
    expect(rulesFor(lines, shipped)).toEqual(rulesFor(lines));
  });
});

describe('nothing is suggested', () => {
  it.each<[string, Line]>([
    ['address_forbidden', refusal('a.example:443', { reason: 'address_forbidden' })],
    ['azure_platform_address', refusal('a.example:443', { reason: 'azure_platform_address' })],
    ['denied_by_rule', refusal('a.example:443', { reason: 'denied_by_rule' })],
    ['tls_name_mismatch', refusal('a.example:443', { reason: 'tls_name_mismatch' })],
    ['client_outside_network', refusal('a.example:443', { reason: 'client_outside_network', target: null })],
    ['address_private', refusal('a.example:443', { reason: 'address_private' })],
    ['not_on_allowlist', refusal('169.254.169.254:80')],
    ['not_on_allowlist', refusal('127.0.0.1:443')],
    ['not_on_allowlist', refusal('a..example:443')],
    ['not_on_allowlist', refusal('a.example:443 # all\n*.com')],
  ])('for %s, which is counted: %#', (reason, line) => {
    const { rules, others } = suggest([line]);
    expect(rules).toEqual([]);
    expect(others).toEqual({ [reason]: 1 });
  });

  it('for a host that was refused for good, whatever else was said of it', () => {
    const lines = [refusal('a.example:443'), refusal('A.example:8443', { reason: 'denied_by_rule' })];
    expect(rulesFor(lines)).toEqual([]);
  });

  it('for what was allowed, failed or only asked for credentials', () => {
    const lines: readonly Line[] = [
      {},
      { verdict: 'error', reason: 'dns_failed' },
      { verdict: 'challenge', reason: 'credentials_missing' },
      refusal('a.example:443', { event: 'tunnel-open' }),
    ];
    expect(suggest(lines)).toEqual({ rules: [], others: {}, forgotten: 0 });
  });
});

describe('an allowlist of suggestions', () => {
  const targets = [
    'a.example:443',
    'a.example:8443',
    'intranet:443',
    'x_y-1.example:9',
    '20.60.1.2:443',
    '20.60.1.2:80',
    '[2603:1030::1]:443',
    '[2603:1030::1]:8080',
    '10.1.4.5:443',
    'xn--bcher-kva.example:443',
    'deny.example:443',
    'tag:443',
    'deny:443',
  ];
  const urls = ['/', '/a/b.crl', '/a//b', '/%7Euser/x', '/a*b', '/a/../b', '/x;y=1', '/$(id)', '/a#b', "/it's"];
  const lines = [
    ...targets.map((target) => refusal(target)),
    ...urls.map((path, at) => get(`h${at}.example:${at % 2 ? 80 : 8080}`, path)),
  ];

  it('reads without a fault, and allows everything that it was made from', () => {
    const rules = rulesFor(lines);
    const policy = policyOf(rules);
    const questions = [
      ...targets.map((target) => ask(target)),
      // No request has a fragment, and one with parent folders is refused for its form.
      ...urls.flatMap((path, at) =>
        /[#]|\.\./.test(path) ? [] : [ask(`http://h${at}.example:${at % 2 ? 80 : 8080}${path}`)],
      ),
    ];
    const refused = questions.filter((question) => wordOf(decide(policy, question)) !== 'allow');
    expect(refused.map(({ target, path }) => `${target.text}${path ?? ''}`)).toEqual([]);
  });

  it('allows no other host', () => {
    const policy = policyOf(rulesFor(lines));
    for (const other of ['b.example:443', 'x.a.example:443', '20.60.1.3:443', '10.1.4.6:443', 'a.example:22']) {
      expect([other, decide(policy, ask(other)).verdict]).toEqual([other, 'refuse']);
    }
  });
});
