/** A refusal arrives whole, says what was refused and why, and does so even to a client that is still sending. */
import { expect, test } from 'vitest';
import { createDestination, silent } from '../support/destination.ts';
import type { TestProxy } from '../support/proxy.ts';
import { startProxy } from '../support/proxy.ts';
import { connectRaw } from '../support/raw-client.ts';
import { openTunnel, plainLoopback, readAnswer } from '../support/tunnel.ts';
import type { Wire } from '../support/wire.ts';

const chatter = Buffer.alloc(16 * 1024, 'x');

/** Sends 16 KiB in many pieces, going on when the other side has answered or closed. */
async function chatOn(wire: Wire): Promise<void> {
  for (let at = 0; at < chatter.length; at += 512) {
    await wire.write(chatter.subarray(at, at + 512)).catch(() => undefined);
  }
}

test.for([
  ['outside the networks', 'networks: ["10.0.0.0/8"]', 'CONNECT far.test:443 HTTP/1.1\r\n\r\n', 403],
  ['with an unlisted target', '', 'CONNECT not.test:443 HTTP/1.1\r\n\r\n', 403],
  ['with a malformed target', '', 'CONNECT not.test HTTP/1.1\r\n\r\n', 400],
  ['with a head that is no HTTP', '', 'complete nonsense\r\n\r\n', 400],
  ['with a name that does not resolve', '', 'CONNECT far.test:443 HTTP/1.1\r\n\r\n', 502],
] as const)('a client %s gets the whole refusal while it still sends 16 KiB', async ([, config, head, status]) => {
  for (let round = 0; round < 5; round++) {
    await using proxy = await startProxy({ config, rules: ['https://far.test'] });
    await using wire = await connectRaw(proxy.port);
    await wire.write(head);
    const [answer] = await Promise.all([readAnswer(wire), chatOn(wire)]);
    expect(answer.status).toBe(status);
    expect((await answer.rest()).length).toBe(Number(answer.fields.get('content-length')));
    wire.end();
    expect(await wire.closed).toBe('closed');
    expect(await proxy.record()).toMatchObject({ status });
    expect(proxy.records).toHaveLength(1);
  }
});

test('a refusal explains itself in its phrase, its body and Proxy-Status', async () => {
  await using proxy = await startProxy({ rules: ['https://known.test'] });
  await using tunnel = await openTunnel(proxy.port, 'not.test:443');
  const { fields } = tunnel;
  expect(tunnel.startLine).toBe('HTTP/1.1 403 Not on allowlist: not.test:443');
  expect(fields.get('connection')).toBe('close');
  expect(fields.get('proxy-status')).toBe('lockdown-proxy; error=http_request_denied; details="not_on_allowlist"');
  const body = (await tunnel.rest()).toString();
  expect(body.length).toBe(Number(fields.get('content-length')));
  const record = await proxy.record();
  expect(body).toBe(`Not on allowlist: not.test:443 (lockdown-proxy exchange ${record.id})\n`);
});

test('a client outside the networks is refused before it says a word', async () => {
  await using proxy = await startProxy({ config: 'networks: ["10.0.0.0/8"]' });
  await using wire = await connectRaw(proxy.port);
  const answer = await readAnswer(wire);
  expect(answer.startLine).toBe('HTTP/1.1 403 Client 127.0.0.1 not in networks');
  await answer.rest();
  wire.end();
  const record = await proxy.record();
  expect(record).toMatchObject({
    kind: 'connection',
    client: '127.0.0.1',
    verdict: 'deny',
    reason: 'client_outside_network',
    status: 403,
    target: null,
  });
  expect(record.hint).toBe('networks: ["127.0.0.1/32"] admits it');
});

test('each of many clients outside the networks gets its refusal, whatever it does', async () => {
  await using proxy = await startProxy({ config: 'networks: ["10.0.0.0/8"]' });
  const count = 100;
  const statuses = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      await using wire = await connectRaw(proxy.port);
      if (index % 2 === 0) await wire.write(chatter).catch(() => undefined);
      const { status } = await readAnswer(wire);
      if (index % 4 < 2) wire.end();
      else wire.reset();
      return status;
    }),
  );
  expect(statuses).toEqual(Array.from({ length: count }, () => 403));
  await proxy.app.stop(0);
  expect(proxy.records).toHaveLength(count);
});

test('one client in the networks is served while another outside them is refused', async () => {
  await using destination = await createDestination(silent);
  await using proxy = await startProxy({
    config: `${plainLoopback}networks: ["127.0.0.1"]`,
    rules: [`ip:127.0.0.1:${destination.port}`],
  });
  await using inside = await openTunnel(proxy.port, `127.0.0.1:${destination.port}`);
  await using wire = await connectRaw(proxy.port, { localAddress: '127.0.0.2' });
  expect((await readAnswer(wire)).startLine).toBe('HTTP/1.1 403 Client 127.0.0.2 not in networks');
  expect(inside.status).toBe(200);
});

/** Sends a name and gives back everything that was answered or noted about it. */
async function answerTo(proxy: TestProxy, request: string): Promise<string> {
  await using wire = await connectRaw(proxy.port);
  await wire.write(request);
  const answer = await wire.all();
  await proxy.record();
  return answer.toString('latin1') + JSON.stringify([proxy.records, proxy.said]);
}

test.for([
  ['a path from below', 'CONNECT not.test:443 HTTP/1.1\r\n\r\n', /\/src\/|node:|\bat \w+ \(/],
  ['credentials', 'CONNECT not.test:443 HTTP/1.1\r\nProxy-Authorization: Basic aHVudGVyMg==\r\n\r\n', /aHVudGVyMg/],
  ['what it was sent as a field', 'CONNECT not.test:443 HTTP/1.1\r\nX-Sent: hunter2\r\n\r\n', /hunter2/],
] as const)('a refusal and its lines hold no %s', async ([, request, secret]) => {
  await using proxy = await startProxy({ rules: ['https://known.test'] });
  expect(await answerTo(proxy, request)).not.toMatch(secret);
});
