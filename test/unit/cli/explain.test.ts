/** What `explain` tells an operator about a decision. */
import { describe, expect, test } from 'vitest';
import type { ExplainOptions, Explanation } from '../../../src/cli/explain.ts';
import { formatExplanation } from '../../../src/cli/explain-text.ts';
import { OptionError, explain } from '../../../src/cli/explain.ts';
import { ProxyError } from '../../../src/errors.ts';
import { address, machineOf, policyOf } from '../../support/policy.ts';
import type { PolicyOptions } from '../../support/policy.ts';

const rules = [
  'a.example.com',
  'http://a.example.com/p/*',
  'w.example.com within ip:20.9.0.0/16',
  'deny d.example.com',
  'deny ip:20.7.0.0/16',
  'off.example.com tls off',
  'u.example.com user eve',
  'ip:20.1.0.0/16',
];
const file = '/etc/lists/rules.txt';

interface Asked extends Partial<ExplainOptions> {
  readonly policy?: PolicyOptions;
  /** What the name resolves to; absent: a look-up fails the test. */
  readonly answer?: readonly string[];
}

function explainWith(target: string, { policy, answer, ...options }: Asked = {}): Promise<Explanation> {
  return explain(
    { target, from: '10.1.1.1', user: null, resolve: null, method: null, ...options },
    {
      policy: policyOf(rules, policy),
      machine: machineOf(['10.0.0.5'], ['10.0.0.5 3128']),
      resolve: (host) => {
        if (!answer) throw new Error(`${host} was looked up`);
        return Promise.resolve(answer.map(address));
      },
    },
  );
}

describe('an allowed target', () => {
  test('is said with its rule, each address with its class, and the server name', async () => {
    expect(await explainWith('a.example.com:443', { answer: ['20.1.2.3', '10.1.2.3', '20.7.1.1'] })).toEqual({
      verdict: 'allow',
      reason: null,
      phrase: null,
      method: 'CONNECT',
      target: 'a.example.com:443',
      path: null,
      client: '10.1.1.1',
      rule: `${file}:2`,
      ruleText: 'a.example.com',
      addresses: [
        { address: '20.1.2.3', class: 'public', rule: `${file}:2`, ruleText: 'a.example.com', refusedFor: null },
        { address: '10.1.2.3', class: 'private', rule: null, ruleText: null, refusedFor: 'address_private' },
        {
          address: '20.7.1.1',
          class: 'public',
          rule: `${file}:6`,
          ruleText: 'deny ip:20.7.0.0/16',
          refusedFor: 'denied_by_rule',
        },
      ],
      way: null,
      tlsServerName: 'a.example.com',
      fixRule: null,
      fix: null,
    });
  });

  test.each<[string, Asked, Partial<Explanation>]>([
    ['https://a.example.com/secret?sig=1', {}, { method: 'CONNECT', target: 'a.example.com:443', path: null }],
    ['HTTPS://A.example.com.', {}, { target: 'a.example.com:443' }],
    ['https://[2603::1]:8443/', { policy: {} }, { target: '[2603::1]:8443', verdict: 'deny' }],
    ['http://a.example.com/p/q?sig=1', {}, { method: 'GET', target: 'a.example.com:80', path: '/p/q' }],
    ['http://a.example.com/p/q', { method: 'put' }, { method: 'PUT', verdict: 'allow', tlsServerName: null }],
    ['off.example.com:443', {}, { verdict: 'allow', tlsServerName: null, ruleText: 'off.example.com tls off' }],
    ['a.example.com:443', { policy: { tlsServerName: 'off' } }, { verdict: 'allow', tlsServerName: null }],
    ['20.1.2.3:443', {}, { verdict: 'allow', tlsServerName: null, ruleText: 'ip:20.1.0.0/16' }],
    ['u.example.com:443', { user: 'eve' }, { verdict: 'allow', ruleText: 'u.example.com user eve' }],
    ['a.example.com:443', { from: '::ffff:10.1.1.1' }, { verdict: 'allow', client: '10.1.1.1' }],
  ])('%s with %j reads as %j', async (target, asked, expected) => {
    expect(await explainWith(target, { answer: ['20.1.2.3'], ...asked })).toMatchObject(expected);
  });
});

describe('a refused target', () => {
  test.each<[string, Asked, Partial<Explanation>]>([
    ['x.example.com:443', {}, { reason: 'not_on_allowlist', fixRule: 'x.example.com', addresses: [] }],
    ['u.example.com:443', { user: 'bob' }, { reason: 'not_on_allowlist', rule: null }],
    ['u.example.com:443', {}, { reason: 'credentials_missing', rule: null }],
    ['http://a.example.com/other', {}, { reason: 'not_on_allowlist', fixRule: 'http://a.example.com/other' }],
    [
      'd.example.com:443',
      {},
      { reason: 'denied_by_rule', rule: `${file}:5`, ruleText: 'deny d.example.com', fixRule: null },
    ],
    ['20.7.1.1:443', {}, { reason: 'denied_by_rule', rule: `${file}:6`, ruleText: 'deny ip:20.7.0.0/16' }],
    ['169.254.169.254:80', {}, { reason: 'azure_platform_address', fixRule: null }],
    ['10.0.0.5:3128', {}, { reason: 'not_on_allowlist', fixRule: null }],
    [
      'w.example.com:443',
      { resolve: ['20.1.2.3'] },
      { reason: 'address_outside_ranges', fixRule: 'w.example.com within ip:20.1.2.3' },
    ],
    ['a.example.com:443', { resolve: ['10.1.2.3'] }, { reason: 'address_private', phrase: 'Private address 10.1.2.3' }],
    [
      'a.example.com:443',
      { from: '10.1.1.1', policy: { networks: ['10.9.0.0/16'] } },
      { reason: 'client_outside_network' },
    ],
    ['a.example.com', {}, { reason: 'malformed_request', target: 'a.example.com' }],
    ['ftp://a.example.com/', {}, { reason: 'malformed_request' }],
    ['https://u:p@a.example.com/', {}, { reason: 'malformed_request' }],
    ['http://a.example.com/', { method: 'TRACE' }, { reason: 'method_not_allowed' }],
  ])('%s with %j is %j, and nothing is looked up', async (target, asked, expected) => {
    expect(await explainWith(target, asked)).toMatchObject({ verdict: 'deny', ...expected });
  });

  test('has the class of every address that is known without a look-up', async () => {
    const classes = async (target: string, resolve: readonly string[] | null) =>
      (await explainWith(target, { resolve })).addresses.map((entry) => `${entry.class} ${entry.refusedFor}`);
    expect(await classes('10.0.0.5:3128', null)).toEqual(['listener address_forbidden']);
    expect(await classes('10.0.0.5:443', null)).toEqual(['own address_private']);
    expect(await classes('30.1.1.1:443', null)).toEqual(['public not_on_allowlist']);
    expect(await classes('x.example.com:443', ['30.1.1.1', 'fe80::1'])).toEqual([
      'public not_on_allowlist',
      'link_local address_forbidden',
    ]);
  });

  test.each([
    ['10.1.1.1', 'networks: ["10.1.1.1/32"]'],
    ['fd00::1', 'networks: ["fd00::1/128"]'],
    ['20.1.1.1', 'only clients of the virtual network'],
  ])('a client outside, %s, learns %s', async (from, fix) => {
    const explanation = await explainWith('a.example.com:443', { from, policy: { networks: ['10.9.0.0/16'] } });
    expect(explanation.fix).toContain(fix);
    expect(explanation.phrase).toBe(`Client ${from} not in networks`);
  });
});

test.each([
  [['127.0.0.0/8', '10.9.0.0/16'], '127.0.0.1'],
  [['10.9.0.0/16', '10.8.0.0/16'], '10.9.0.0'],
  [[], '127.0.0.1'],
])('without --from and with networks %j the client is %s', async (networks, client) => {
  const explanation = await explainWith('a.example.com:443', {
    from: null,
    policy: { networks },
    answer: ['20.1.2.3'],
  });
  expect(explanation.client).toBe(client);
});

test.each(['x', '10.1.1', '10.1.1.1/32', ''])('an option that is no address, %j, is told', async (text) => {
  await expect(explainWith('a.example.com:443', { from: text })).rejects.toThrow(OptionError);
  await expect(explainWith('a.example.com:443', { resolve: ['20.1.2.3', text] })).rejects.toThrow(OptionError);
});

test('a look-up that fails is an error, with what DNS said', async () => {
  const explanation = await explain(
    { target: 'a.example.com:443', from: null, user: null, resolve: null, method: null },
    {
      policy: policyOf(rules),
      machine: machineOf(),
      resolve: () => Promise.reject(new ProxyError('dns_timeout', { phrase: 'DNS timeout: a.example.com' })),
    },
  );
  expect(explanation).toMatchObject({ verdict: 'error', reason: 'dns_timeout', phrase: 'DNS timeout: a.example.com' });
  expect(explanation.fix).toContain('--resolve');
});

test('what report mode alone lets pass is said with the rule that enforce mode would need', async () => {
  const explanation = await explainWith('30.1.1.1:443', { policy: { mode: 'report' } });
  expect(explanation).toMatchObject({ verdict: 'would_deny', reason: 'not_on_allowlist', fixRule: 'ip:30.1.1.1' });
  expect(explanation.fix).toContain('report mode lets it pass');
});

describe('the text', () => {
  test('of an allowed target', async () => {
    const text = formatExplanation(await explainWith('a.example.com:443', { answer: ['20.1.2.3', '20.7.1.1'] }));
    expect(text.split('\n')).toEqual([
      'CONNECT a.example.com:443 from 10.1.1.1: allowed',
      `  rule     ${file}:2: a.example.com`,
      `  address  20.1.2.3 (public): passes by ${file}:2`,
      `  address  20.7.1.1 (public): refused by ${file}:6, denied_by_rule`,
      '  tls      the server name in the tunnel must be a.example.com',
      '',
    ]);
  });

  test('of a refused target, with the rule on a line of its own', async () => {
    const lines = formatExplanation(await explainWith('http://a.example.com/x?sig=secret')).split('\n');
    expect(lines[0]).toBe('GET a.example.com:80/x from 10.1.1.1: refused');
    expect(lines).toContain('  reason   not_on_allowlist');
    expect(lines).toContain('  answer   Not on allowlist: a.example.com:80');
    expect(lines).toContain('  rule     none');
    expect(lines.at(-2)?.trim()).toBe('http://a.example.com/x');
    expect(lines.join()).not.toContain('secret');
  });
});
