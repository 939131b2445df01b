/** Report mode turns exactly five reasons into `would_deny`, and looks up no name that no rule could allow. */
import { expect, test } from 'vitest';
import { buildClientHello } from '../support/client-hello.ts';
import { createDestination, echo } from '../support/destination.ts';
import { createDnsServer } from '../support/dns-server.ts';
import { startProxy } from '../support/proxy.ts';
import { admitLoopback, openTunnel } from '../support/tunnel.ts';

interface Case {
  readonly says: string;
  readonly rules: readonly string[];
  readonly target: string;
  readonly config?: string;
  readonly send?: Buffer;
  /** The reason in enforce mode. */
  readonly reason: string;
  /** Where report mode refuses it for another, because it gets further. */
  readonly reportReason?: string;
  /** Whether report mode lets it pass. */
  readonly passes: boolean;
  readonly looksUp: boolean;
}

const hello = buildClientHello({ serverName: 'far.test' });
const cases: readonly Case[] = [
  {
    says: 'an address under no rule, on a port the lists name, passes',
    rules: ['ip:127.0.0.9:PORT'],
    target: '127.0.0.1:PORT',
    reason: 'not_on_allowlist',
    passes: true,
    looksUp: false,
  },
  {
    says: 'an address under no rule, on a port no list names, is refused',
    rules: ['ip:127.0.0.9:1'],
    target: '127.0.0.1:PORT',
    reason: 'not_on_allowlist',
    passes: false,
    looksUp: false,
  },
  {
    says: 'a name under no rule is refused unresolved',
    rules: ['https://other.test:PORT'],
    target: 'far.test:PORT',
    reason: 'not_on_allowlist',
    passes: false,
    looksUp: false,
  },
  {
    says: 'a name whose rule is for another port is refused unresolved',
    rules: ['https://far.test:1', 'https://other.test:PORT'],
    target: 'far.test:PORT',
    reason: 'not_on_allowlist',
    passes: false,
    looksUp: false,
  },
  {
    says: 'a name whose rule is for other clients is refused unresolved',
    rules: ['https://far.test:PORT from 10.0.0.0/8'],
    target: 'far.test:PORT',
    reason: 'not_on_allowlist',
    passes: false,
    looksUp: false,
  },
  {
    says: 'a name whose rule is for plain http on that port passes',
    rules: ['http://far.test:PORT'],
    target: 'far.test:PORT',
    reason: 'not_on_allowlist',
    passes: true,
    looksUp: true,
  },
  {
    says: 'an address outside the ranges of its rule passes',
    rules: ['https://far.test:PORT within ip:10.0.0.0/8'],
    target: 'far.test:PORT',
    reason: 'address_outside_ranges',
    passes: true,
    looksUp: true,
  },
  {
    says: 'a missing server name passes',
    rules: ['https://far.test:PORT'],
    target: 'far.test:PORT',
    send: buildClientHello({ serverName: null }),
    reason: 'tls_name_missing',
    passes: true,
    looksUp: true,
  },
  {
    says: 'another server name passes',
    rules: ['https://far.test:PORT'],
    target: 'far.test:PORT',
    send: buildClientHello({ serverName: 'evil.test' }),
    reason: 'tls_name_mismatch',
    passes: true,
    looksUp: true,
  },
  {
    says: 'what is not TLS passes',
    rules: ['https://far.test:PORT'],
    target: 'far.test:PORT',
    send: Buffer.from('SSH-2.0-x\r\n'),
    reason: 'not_tls',
    passes: true,
    looksUp: true,
  },
  {
    says: 'a denied name is refused',
    rules: ['https://far.test:PORT', 'deny far.test'],
    target: 'far.test:PORT',
    reason: 'denied_by_rule',
    passes: false,
    looksUp: false,
  },
  {
    says: 'a denied address is refused',
    rules: ['https://far.test:PORT', 'deny ip:127.0.0.1'],
    target: 'far.test:PORT',
    reason: 'denied_by_rule',
    passes: false,
    looksUp: true,
  },
  {
    says: 'a private address that is not lifted is refused',
    rules: ['https://far.test:PORT'],
    target: 'far.test:PORT',
    config: 'privateDestinations: []',
    reason: 'address_private',
    passes: false,
    looksUp: true,
  },
  {
    says: 'a private address under no rule is refused',
    rules: ['ip:10.0.0.9:PORT'],
    target: '127.0.0.1:PORT',
    config: 'privateDestinations: []',
    reason: 'not_on_allowlist',
    reportReason: 'address_private',
    passes: false,
    looksUp: false,
  },
  {
    says: 'a malformed request is refused',
    rules: ['https://far.test:PORT'],
    target: 'far.test..:PORT',
    reason: 'malformed_request',
    passes: false,
    looksUp: false,
  },
];

test.for(cases.flatMap((entry) => ['enforce', 'report', 'reportFrom'].map((mode) => ({ ...entry, mode }))))(
  'mode $mode: $says',
  async ({ mode, rules, target, config, send, reason, reportReason, passes, looksUp }) => {
    await using dns = await createDnsServer();
    await using destination = await createDestination(echo);
    dns.set('far.test', 'A', ['127.0.0.1']);
    const withPort = (text: string): string => text.replace('PORT', String(destination.port));
    const modeLine = mode === 'reportFrom' ? 'reportFrom: ["127.0.0.1"]' : `mode: ${mode}`;
    await using proxy = await startProxy({
      config: `${config ?? admitLoopback}\n${modeLine}`,
      rules: rules.map(withPort),
      resolver: { servers: [dns.server], hostsFile: '/nonexistent' },
    });
    await using tunnel = await openTunnel(proxy.port, withPort(target), { early: send ?? hello });
    tunnel.wire.end();
    await tunnel.wire.all();
    const record = await proxy.record();
    const isRelaxed = passes && mode !== 'enforce';
    const verdict = isRelaxed ? 'would_deny' : 'deny';
    expect(record.reason).toBe(mode === 'enforce' ? reason : (reportReason ?? reason));
    expect([record.verdict, record.wouldDeny]).toEqual([verdict, isRelaxed ? reason : null]);
    expect(destination.received.length > 0).toBe(isRelaxed);
    // In enforce mode a name that only report mode would let pass is not looked up either.
    expect(dns.queries.length > 0).toBe(looksUp && !(mode === 'enforce' && reason === 'not_on_allowlist'));
  },
);

test('reportFrom relaxes for its clients alone', async () => {
  await using destination = await createDestination(echo);
  await using proxy = await startProxy({
    config: `${admitLoopback}tlsServerName: off\nreportFrom: ["127.0.0.2"]`,
    rules: [`ip:127.0.0.9:${destination.port}`],
  });
  const target = `127.0.0.1:${destination.port}`;
  await using reported = await openTunnel(proxy.port, target, { localAddress: '127.0.0.2' });
  await using enforced = await openTunnel(proxy.port, target, { localAddress: '127.0.0.3' });
  expect([reported.status, enforced.status]).toEqual([200, 403]);
});

test('the first reason that report mode let pass is the one that is logged', async () => {
  await using destination = await createDestination(echo);
  await using proxy = await startProxy({
    config: `${admitLoopback}mode: report`,
    rules: [`ip:127.0.0.9:${destination.port}`],
  });
  const target = `127.0.0.1:${destination.port}`;
  await using tunnel = await openTunnel(proxy.port, target, { early: 'SSH-2.0-x\r\n' });
  tunnel.wire.end();
  await tunnel.rest();
  expect(await proxy.record()).toMatchObject({
    verdict: 'would_deny',
    reason: 'not_on_allowlist',
    wouldDeny: 'not_on_allowlist',
    rule: null,
    status: 200,
  });
});

test('an exchange that report mode let pass and that then failed says both', async () => {
  await using destination = await createDestination(echo);
  await using proxy = await startProxy({
    config: `${admitLoopback}mode: report`,
    rules: [`ip:127.0.0.9:${destination.port}`],
  });
  await destination.close();
  await using tunnel = await openTunnel(proxy.port, `127.0.0.1:${destination.port}`);
  expect(tunnel.status).toBe(502);
  expect(await proxy.record()).toMatchObject({
    verdict: 'error',
    reason: 'connect_refused',
    wouldDeny: 'not_on_allowlist',
  });
});
