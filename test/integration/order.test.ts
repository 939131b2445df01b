/**
 * The order of judgement is the security argument: client address, request syntax, target against rules, DNS, every
 * address, connect, 200, ClientHello, bytes. Each case fails at its step and at every later one; the step must speak.
 */
import { expect, test } from 'vitest';
import { buildClientHello } from '../support/client-hello.ts';
import { createDestination, silent } from '../support/destination.ts';
import { createDnsServer } from '../support/dns-server.ts';
import { startProxy } from '../support/proxy.ts';
import { connectRaw } from '../support/raw-client.ts';
import { readAnswer } from '../support/tunnel.ts';

interface Step {
  readonly step: string;
  /** What stands right from this step on; everything later is wrong until its own step says otherwise. */
  readonly config: string;
  readonly request: string;
  readonly serverName: string;
  readonly reason: string | null;
  readonly status: number;
  /** How far the exchange got: whether DNS was asked, the destination connected to, and given bytes. */
  readonly reaches: 'nothing' | 'dns' | 'connection' | 'bytes';
}

const outside = 'networks: ["10.0.0.0/8"]';
const ask = (host: string, fields = ''): string => `CONNECT ${host}:PORT HTTP/1.1\r\n${fields}\r\n`;
const badName = 'evil.test';

const steps: readonly Step[] = [
  {
    step: 'the client address is judged before the syntax of its request',
    config: outside,
    request: ask('unlisted.test', 'Host: other.test\r\nTransfer-Encoding: chunked\r\n'),
    serverName: badName,
    reason: 'client_outside_network',
    status: 403,
    reaches: 'nothing',
  },
  {
    step: 'the syntax of a request is judged before its target',
    config: '',
    request: ask('unlisted.test', 'Host: other.test\r\n'),
    serverName: badName,
    reason: 'malformed_request',
    status: 400,
    reaches: 'nothing',
  },
  {
    step: 'a forbidden address is refused before any rule is asked',
    config: '',
    request: ask('169.254.169.254'),
    serverName: badName,
    reason: 'azure_platform_address',
    status: 403,
    reaches: 'nothing',
  },
  {
    step: 'a deny rule speaks before allow rules and before DNS',
    config: '',
    request: ask('denied.test'),
    serverName: badName,
    reason: 'denied_by_rule',
    status: 403,
    reaches: 'nothing',
  },
  {
    step: 'a target is judged by the rules before it is looked up',
    config: '',
    request: ask('unlisted.test'),
    serverName: badName,
    reason: 'not_on_allowlist',
    status: 403,
    reaches: 'nothing',
  },
  {
    step: 'a name has to be found before its addresses are judged',
    config: '',
    request: ask('nowhere.test'),
    serverName: badName,
    reason: 'dns_failed',
    status: 502,
    reaches: 'dns',
  },
  {
    step: 'every address is judged before one is dialled',
    config: '',
    request: ask('mixed.test'),
    serverName: badName,
    reason: 'azure_platform_address',
    status: 403,
    reaches: 'dns',
  },
  {
    step: 'the destination is connected to before the client gets its 200',
    config: '',
    request: ask('closed.test'),
    serverName: badName,
    reason: 'connect_refused',
    status: 502,
    reaches: 'dns',
  },
  {
    step: 'the ClientHello is judged behind the 200 and before any byte flows',
    config: '',
    request: ask('open.test'),
    serverName: badName,
    reason: 'tls_name_mismatch',
    status: 200,
    reaches: 'connection',
  },
  {
    step: 'what passes every step flows',
    config: '',
    request: ask('open.test'),
    serverName: 'open.test',
    reason: null,
    status: 200,
    reaches: 'bytes',
  },
];

const depths = ['nothing', 'dns', 'connection', 'bytes'];

test.for(['enforce', 'report'])('in mode %s the order of judgement holds, step by step', async (mode) => {
  for (const { step, config, request, serverName, reason, status, reaches } of steps) {
    await using dns = await createDnsServer();
    await using destination = await createDestination(silent);
    for (const name of ['denied.test', 'open.test', 'unlisted.test']) dns.set(name, 'A', ['127.0.0.1']);
    dns.set('mixed.test', 'A', ['127.0.0.1', '169.254.169.254']);
    dns.set('closed.test', 'A', ['127.0.0.9']);
    await using proxy = await startProxy({
      config: `privateDestinations: ["127.0.0.0/8"]\nmode: ${mode}\n${config}`,
      rules: [
        `ip:169.254.169.254:${destination.port}`,
        'deny denied.test',
        ...['denied', 'nowhere', 'mixed', 'closed', 'open'].map((name) => `https://${name}.test:${destination.port}`),
      ],
      resolver: { servers: [dns.server], hostsFile: '/nonexistent' },
    });
    await using wire = await connectRaw(proxy.port);
    await wire.write(request.replaceAll('PORT', String(destination.port))).catch(() => undefined);
    await wire.write(buildClientHello({ serverName })).catch(() => undefined);
    wire.end();
    expect((await readAnswer(wire)).status, step).toBe(status);
    await wire.closed;
    const record = await proxy.record();
    // Report mode relaxes the server name and nothing that came before it.
    const isRelaxed = mode === 'report' && reason === 'tls_name_mismatch';
    const wanted = isRelaxed ? 'would_deny' : reason === null ? 'allow' : status === 502 ? 'error' : 'deny';
    expect([record.reason, record.verdict], step).toEqual([reason, wanted]);
    const depth = depths.indexOf(isRelaxed ? 'bytes' : reaches);
    expect(dns.queries.length > 0, `${step}: DNS`).toBe(depth >= 1);
    expect(destination.connections.length > 0, `${step}: connection`).toBe(depth >= 2);
    expect(destination.received.length > 0, `${step}: bytes`).toBe(depth >= 3);
    expect(proxy.records, step).toHaveLength(1);
  }
});

test('a client outside the networks is refused as such though the limit is reached too', async () => {
  await using proxy = await startProxy({ config: 'networks: ["127.0.0.1"]\nlimits: { connections: 1 }' });
  await using first = await connectRaw(proxy.port);
  await using second = await connectRaw(proxy.port);
  expect((await readAnswer(second)).startLine).toBe('HTTP/1.1 503 Limit reached: connections 1');
  await using outsider = await connectRaw(proxy.port, { localAddress: '127.0.0.2' });
  expect((await readAnswer(outsider)).startLine).toBe('HTTP/1.1 403 Client 127.0.0.2 not in networks');
  first.end();
});

test('one exchange is judged by one look-up, also when its parts would see different answers', async () => {
  await using dns = await createDnsServer();
  await using destination = await createDestination(silent);
  dns.ttlSeconds = 0;
  dns.set('open.test', 'A', ['127.0.0.1'], ['127.0.0.9']);
  await using proxy = await startProxy({
    config: 'privateDestinations: ["127.0.0.1"]',
    rules: [`https://open.test:${destination.port}`],
    resolver: { servers: [dns.server], hostsFile: '/nonexistent' },
  });
  await using wire = await connectRaw(proxy.port);
  await wire.write(ask('open.test').replace('PORT', String(destination.port)));
  await wire.write(buildClientHello({ serverName: 'open.test' }));
  wire.end();
  expect((await readAnswer(wire)).status).toBe(200);
  expect(await proxy.record()).toMatchObject({ verdict: 'allow', address: `127.0.0.1:${destination.port}` });
  expect(dns.queries.filter((query) => query.type === 'A')).toHaveLength(1);
});
