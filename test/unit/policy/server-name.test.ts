/** The server name in a tunnel against the target that was judged. */
import { describe, expect, test } from 'vitest';
import type { ClientHello } from '../../../src/message/client-hello.ts';
import { judgeServerName, wantsServerName } from '../../../src/policy/server-name.ts';
import { ask, decide, machineOf, policyOf } from '../../support/policy.ts';
import type { PolicyOptions } from '../../support/policy.ts';

const rules = [
  'a.example.com',
  'named.example.com',
  'elsewhere.example.com within ip:30.0.0.0/8',
  'other-port.example.com:8443',
  'from.example.com from 10.9.0.0/16',
  '*.denied.example.com',
  'deny denied-*.example.com',
  'deny bad.denied.example.com',
  'ip:20.0.0.0/8',
];

type Hello = Exclude<ClientHello, { type: 'incomplete' }>;
const naming = (serverName: string | null): Hello => ({ type: 'hello', serverName, ech: false });
const notTls: Hello = { type: 'not_tls', why: 'SSH' };

function judge(question: string, hello: Hello, options: PolicyOptions = {}): string {
  const policy = policyOf(rules, options);
  const asked = ask(question);
  const decision = decide(policy, asked);
  if (decision.verdict === 'refuse') throw new Error(`${question} is refused before its ClientHello`);
  const judged = judgeServerName(policy, asked, decision.addresses[0]!, hello, machineOf());
  if (judged.verdict === 'refuse') return judged.reason;
  return judged.wouldDeny === null ? 'allow' : `would_deny ${judged.wouldDeny}`;
}

describe('a tunnel to a host', () => {
  test.each([
    [naming('a.example.com'), 'allow'],
    [naming('named.example.com'), 'tls_name_mismatch'],
    [naming('xa.example.com'), 'tls_name_mismatch'],
    [naming('bad.denied.example.com'), 'tls_name_mismatch'],
    [naming('20.1.2.3'), 'tls_name_mismatch'],
    [naming(null), 'tls_name_missing'],
    [notTls, 'not_tls'],
  ])('%j is %s', (hello, verdict) => {
    expect(judge('a.example.com:443', hello)).toBe(verdict);
    // Report mode and `tlsServerName: report` turn these three and keep the word.
    const relaxed = verdict === 'allow' ? 'allow' : `would_deny ${verdict}`;
    expect(judge('a.example.com:443', hello, { mode: 'report' })).toBe(relaxed);
    expect(judge('a.example.com:443', hello, { reportFrom: ['10.1.1.1'] })).toBe(relaxed);
    expect(judge('a.example.com:443', hello, { tlsServerName: 'report' })).toBe(relaxed);
    expect(judge('a.example.com:443', hello, { reportFrom: ['10.1.1.2'] })).toBe(verdict);
  });
});

describe('a tunnel to an address takes a name as if it had been asked for', () => {
  test.each([
    [naming(null), 'allow'],
    [naming('20.1.2.3'), 'allow'],
    [naming('20.1.2.4'), 'tls_name_mismatch'],
    [naming('named.example.com'), 'allow'],
    [naming('x.vault.azure.net'), 'allow'],
    [naming('vm.westeurope.cloudapp.azure.com'), 'tls_name_mismatch'],
    [naming('unlisted.example.com'), 'tls_name_mismatch'],
    [naming('elsewhere.example.com'), 'tls_name_mismatch'],
    [naming('other-port.example.com'), 'tls_name_mismatch'],
    [naming('from.example.com'), 'tls_name_mismatch'],
    [notTls, 'not_tls'],
  ])('%j is %s', (hello, verdict) => {
    expect(judge('20.1.2.3:443', hello)).toBe(verdict);
    const relaxed = verdict === 'allow' ? 'allow' : `would_deny ${verdict}`;
    expect(judge('20.1.2.3:443', hello, { mode: 'report' })).toBe(relaxed);
    expect(judge('20.1.2.3:443', hello, { tlsServerName: 'report' })).toBe(relaxed);
  });

  test.each(['denied-7.example.com', 'bad.denied.example.com'])(
    'a denied name, %s, is refused in every mode',
    (name) => {
      for (const options of [{}, { mode: 'report' }, { tlsServerName: 'report' }] as const) {
        expect(judge('20.1.2.3:443', naming(name), options)).toBe('denied_by_rule');
      }
    },
  );

  test('another address in the name is not the target, even where every name may be matched by address', () => {
    expect(judge('20.1.2.3:443', naming('20.1.2.4'), { resolveNames: ['*'] })).toBe('tls_name_mismatch');
    expect(judge('20.1.2.3:443', naming('unlisted.example.com'), { resolveNames: ['*'] })).toBe('allow');
  });

  test('a name does not open an address that report mode alone let pass', () => {
    expect(judge('30.1.2.3:443', naming('elsewhere.example.com'), { mode: 'report' })).toBe('allow');
    expect(judge('30.1.2.3:443', naming('x.vault.azure.net'), { mode: 'report' })).toBe('would_deny tls_name_mismatch');
  });
});

test.each([
  ['a.example.com', 'require', true],
  ['a.example.com', 'report', true],
  ['a.example.com', 'off', false],
  ['a.example.com tls off', 'require', false],
  ['a.example.com tls off', 'report', false],
  ['a.example.com from 10.9.0.0/16 tls off', 'require', true],
] as const)('under %s and tlsServerName: %s the ClientHello is looked at: %s', (rule, tlsServerName, isWanted) => {
  const policy = policyOf([rule, '.example.com'], { tlsServerName });
  const decision = decide(policy, ask('a.example.com:443'));
  if (decision.verdict === 'refuse') throw new Error('refused');
  expect(wantsServerName(policy, decision.addresses[0]!)).toBe(isWanted);
});
