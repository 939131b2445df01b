/** A tunnel to an address may stay unnamed; a server name in it is judged as if it had been asked for. */
import { expect, test } from 'vitest';
import { buildClientHello } from '../support/client-hello.ts';
import { createDestination, echo } from '../support/destination.ts';
import { createDnsServer } from '../support/dns-server.ts';
import { startProxy } from '../support/proxy.ts';
import { admitLoopback, openTunnel } from '../support/tunnel.ts';

interface Case {
  readonly says: string;
  readonly rules: readonly string[];
  readonly serverName: string | null;
  readonly config?: string;
  readonly expected: object;
}

const cases: readonly Case[] = [
  { says: 'no name passes', rules: ['ip:127.0.0.1:PORT'], serverName: null, expected: { verdict: 'allow' } },
  {
    says: 'a name that a rule allows passes',
    rules: ['ip:127.0.0.1:PORT', 'https://far.test:PORT'],
    serverName: 'far.test',
    expected: { verdict: 'allow', tlsServerName: 'far.test' },
  },
  {
    says: 'a name under ranges.resolveNames passes, for its address is allowed',
    rules: ['ip:127.0.0.1:PORT'],
    serverName: 'acct.blob.core.windows.net',
    expected: { verdict: 'allow', tlsServerName: 'acct.blob.core.windows.net' },
  },
  {
    says: 'a name that no rule allows is closed',
    rules: ['ip:127.0.0.1:PORT'],
    serverName: 'evil.test',
    expected: { verdict: 'deny', reason: 'tls_name_mismatch' },
  },
  {
    says: 'a name that a rule allows on another port is closed',
    rules: ['ip:127.0.0.1:PORT', 'https://far.test:1'],
    serverName: 'far.test',
    expected: { verdict: 'deny', reason: 'tls_name_mismatch' },
  },
  {
    says: 'a name that a deny rule names is closed',
    rules: ['ip:127.0.0.1:PORT', 'deny acct.blob.core.windows.net'],
    serverName: 'acct.blob.core.windows.net',
    expected: { verdict: 'deny', reason: 'denied_by_rule', ruleText: 'deny acct.blob.core.windows.net' },
  },
  {
    says: 'a name that a deny rule names is closed in report mode too',
    rules: ['ip:127.0.0.1:PORT', 'deny acct.blob.core.windows.net'],
    serverName: 'acct.blob.core.windows.net',
    config: 'mode: report',
    expected: { verdict: 'deny', reason: 'denied_by_rule' },
  },
  {
    says: 'a name that no rule allows passes in report mode, and is said',
    rules: ['ip:127.0.0.1:PORT'],
    serverName: 'evil.test',
    config: 'mode: report',
    expected: { verdict: 'would_deny', wouldDeny: 'tls_name_mismatch' },
  },
  {
    says: 'another address as name is closed',
    rules: ['ip:127.0.0.1:PORT'],
    serverName: '127.0.0.2',
    expected: { verdict: 'deny', reason: 'tls_name_mismatch' },
  },
  {
    says: 'its own address as name passes',
    rules: ['ip:127.0.0.1:PORT'],
    serverName: '127.0.0.1',
    expected: { verdict: 'allow' },
  },
];

test.for(cases)('in a tunnel to an address $says, with no look-up', async ({ rules, serverName, config, expected }) => {
  await using dns = await createDnsServer();
  await using destination = await createDestination(echo);
  await using proxy = await startProxy({
    config: admitLoopback + (config ?? ''),
    rules: rules.map((rule) => rule.replace('PORT', String(destination.port))),
    resolver: { servers: [dns.server], hostsFile: '/nonexistent' },
  });
  const hello = buildClientHello({ serverName });
  await using tunnel = await openTunnel(proxy.port, `127.0.0.1:${destination.port}`, { early: hello });
  tunnel.wire.end();
  const rest = await tunnel.rest();
  const record = await proxy.record();
  expect(record).toMatchObject({ status: 200, ...expected });
  const passes = record.verdict !== 'deny';
  expect(rest.equals(hello)).toBe(passes);
  expect(destination.received.length).toBe(passes ? hello.length : 0);
  expect(dns.queries).toEqual([]);
});
