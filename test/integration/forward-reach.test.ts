/** Plain http on its way to a destination: names, both families, and a client that goes before anything answers. */
import { expect, test } from 'vitest';
import { createBlackHole } from '../support/black-hole.ts';
import { createDestination } from '../support/destination.ts';
import { createDnsServer } from '../support/dns-server.ts';
import { answer, answerOnly, exchangeBytes, expectRefusal, fieldsOf, forbidCrashes } from '../support/forwarding.ts';
import { startProxy } from '../support/proxy.ts';
import { connectRaw } from '../support/raw-client.ts';

forbidCrashes();

const loopback = 'privateDestinations: ["127.0.0.0/8", "::1/128"]\n';
const to = (port: number) => ({ connect: () => connectRaw(port) });

test('a name is looked up once, its judged address dialled, and its Host sent', async () => {
  await using dns = await createDnsServer();
  dns.set('store.example', 'A', ['127.0.0.2'], ['127.0.0.3']);
  await using destination = await createDestination(answerOnly(answer('ok')), { address: '127.0.0.2' });
  await using proxy = await startProxy({
    config: loopback,
    rules: [`http://store.example:${destination.port}`],
    resolver: { servers: [dns.server], hostsFile: '/nonexistent' },
  });
  const text = await exchangeBytes(
    to(proxy.port),
    `GET http://store.example:${destination.port}/ HTTP/1.1\r\nConnection: close\r\n\r\n`,
  );
  expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(fieldsOf(destination.received.toString()).get('host')).toBe(`store.example:${destination.port}`);
  expect(await proxy.record()).toMatchObject({ address: `127.0.0.2:${destination.port}` });
  expect(dns.queries.filter(({ type }) => type === 'A')).toHaveLength(1);
});

test('an IPv6 address in brackets is dialled, logged and sent as Host in brackets', async () => {
  await using destination = await createDestination(answerOnly(answer('ok')), { address: '::1' });
  const at = `[::1]:${destination.port}`;
  await using proxy = await startProxy({ config: loopback, rules: [`ip:${at}`] });
  const text = await exchangeBytes(
    to(proxy.port),
    `GET http://[0:0::1]:${destination.port}/ HTTP/1.1\r\nConnection: close\r\n\r\n`,
  );
  expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(fieldsOf(destination.received.toString()).get('host')).toBe(at);
  expect(await proxy.record()).toMatchObject({ target: at, address: at });
});

test('a destination that never answers the SYN gets the client 504 at limits.connectMs', async () => {
  await using hole = await createBlackHole();
  await using proxy = await startProxy({
    config: `${loopback}limits: { connectMs: 400 }`,
    rules: [`ip:127.0.0.1:${hole.port}`],
  });
  const started = performance.now();
  const text = await exchangeBytes(to(proxy.port), `GET http://127.0.0.1:${hole.port}/ HTTP/1.1\r\n\r\n`);
  expect(performance.now() - started).toBeGreaterThan(380);
  await expectRefusal(proxy, text, { startLine: /^HTTP\/1\.1 504 Connect timeout/, reason: 'connect_timeout' });
});

test.each(['dial', 'lookup'] as const)('a client that goes during the %s ends the exchange at once', async (step) => {
  await using hole = await createBlackHole();
  await using dns = await createDnsServer();
  dns.set('store.example', 'A', 'silence');
  dns.set('store.example', 'AAAA', 'silence');
  await using proxy = await startProxy({
    config: loopback,
    rules: [`ip:127.0.0.1:${hole.port}`, 'http://store.example'],
    resolver: { servers: [dns.server], hostsFile: '/nonexistent' },
  });
  await using client = await connectRaw(proxy.port);
  await client.write(`GET http://${step === 'dial' ? `127.0.0.1:${hole.port}` : 'store.example'}/ HTTP/1.1\r\n\r\n`);
  if (step === 'lookup') await dns.query();
  else {
    // Served in the same tick as ours, so ours is being dialled when this one is refused.
    await exchangeBytes(to(proxy.port), 'GET http://refused.example/ HTTP/1.1\r\n\r\n');
  }
  const started = performance.now();
  client.reset();
  const record = await proxy.record(step === 'dial' ? 1 : 0);
  expect(performance.now() - started).toBeLessThan(1000);
  expect(record).toMatchObject({ kind: 'forward', status: null, reason: null, endedBy: 'client' });
});

test('a name that does not exist, a server that fails and one that is silent get 502, 502 and 504', async () => {
  await using dns = await createDnsServer();
  dns.set('broken.names.example', 'A', 'SERVFAIL');
  dns.set('broken.names.example', 'AAAA', 'SERVFAIL');
  dns.set('silent.names.example', 'A', 'silence');
  dns.set('silent.names.example', 'AAAA', 'silence');
  await using proxy = await startProxy({
    config: `${loopback}limits: { dnsMs: 400 }`,
    rules: ['http://*.names.example'],
    resolver: { servers: [dns.server], hostsFile: '/nonexistent' },
  });
  const expected = [
    ['gone', 502, 'dns_failed'],
    ['broken', 502, 'dns_failed'],
    ['silent', 504, 'dns_timeout'],
  ] as const;
  for (const [index, [name, status, reason]] of expected.entries()) {
    const text = await exchangeBytes(to(proxy.port), `GET http://${name}.names.example/ HTTP/1.1\r\n\r\n`);
    await expectRefusal(proxy, text, { startLine: new RegExp(`^HTTP/1\\.1 ${status} `), reason, index });
  }
});
