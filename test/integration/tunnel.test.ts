/** The ways of a tunnel that an operator and a client see. */
import { expect, test } from 'vitest';
import { createDestination, echo } from '../support/destination.ts';
import { startProxy } from '../support/proxy.ts';
import { connectRaw } from '../support/raw-client.ts';

test('a name under no rule is refused with a reason phrase that says so', async () => {
  await using proxy = await startProxy({ rules: ['*.blob.core.windows.net'] });
  await using client = await connectRaw(proxy.port);
  await client.write('CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n');
  const answer = await client.all();
  expect(answer.toString()).toMatch(/^HTTP\/1.1 403 Not on allowlist: example\.com:443\r\n/);
  const record = await proxy.record();
  expect(record).toMatchObject({ verdict: 'deny', reason: 'not_on_allowlist', status: 403, target: 'example.com:443' });
});

test('an allowed tunnel carries bytes both ways and is logged once with its counts', async () => {
  await using destination = await createDestination(echo);
  await using proxy = await startProxy({
    config: 'privateDestinations: ["127.0.0.0/8"]\ntlsServerName: off',
    rules: [`ip:127.0.0.1:${destination.port}`],
  });
  await using client = await connectRaw(proxy.port);
  await client.write(`CONNECT 127.0.0.1:${destination.port} HTTP/1.0\r\n\r\nearly `);
  await client.until('\r\n\r\n');
  await client.write('bytes');
  await client.until('early bytes');
  client.end();
  expect((await client.all()).toString()).toBe('HTTP/1.1 200 Connection established\r\n\r\nearly bytes');
  expect(await proxy.record()).toMatchObject({
    verdict: 'allow',
    reason: null,
    status: 200,
    bytesUp: 11,
    bytesDown: 11,
    endedBy: 'client',
    address: `127.0.0.1:${destination.port}`,
  });
});
