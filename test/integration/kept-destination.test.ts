/** The destination connection that a client connection keeps: used again where that can lose nothing, and never shared. */
import { describe, expect, test } from 'vitest';
import { answerWith, createDestination } from '../support/destination.ts';
import type { Behaviour } from '../support/destination.ts';
import type { Forwarding } from '../support/forwarding.ts';
import {
  answer,
  answerEach,
  endingOf,
  exchangeBytes,
  fieldsOf,
  forbidCrashes,
  startForwarding,
} from '../support/forwarding.ts';
import { operateProxy } from '../support/operated-proxy.ts';
import { connectRaw } from '../support/raw-client.ts';
import type { Wire } from '../support/wire.ts';

forbidCrashes();

/** Answers with the path that was asked for. */
const echoPath = answerEach((head) => answer(`path ${head.split(' ')[1]};`));

/** What each connection does, in their order; the last for all that follow. */
function inTurn(...behaviours: readonly Behaviour[]): Behaviour {
  let count = 0;
  return (wire) => behaviours[Math.min(count++, behaviours.length - 1)]!(wire);
}

/** Answers its first request, keeps the connection, and does something else with the second. */
const thenWith =
  (second: (wire: Wire) => unknown): Behaviour =>
  async (wire) => {
    await wire.until('\r\n\r\n');
    await wire.write(answer('first;'));
    await wire.until(/\r\n\r\n[^]*\r\n\r\n/);
    await second(wire);
  };

const ask = (client: Wire, origin: string, path: string, method = 'GET', rest = '\r\n') =>
  client.write(`${method} ${origin}${path} HTTP/1.1\r\n${rest}`);

/** A client whose first request was answered, so that its connection to the destination is kept. */
async function beginOn(forwarding: Forwarding): Promise<Wire> {
  const client = await forwarding.connect();
  await ask(client, forwarding.origin, '/1');
  await client.until(/(?:path \/1|first);/);
  return client;
}

test('each exchange has its own bytes and its own line', async () => {
  await using forwarding = await startForwarding(echoPath);
  const { origin, proxy, destination } = forwarding;
  await using client = await forwarding.connect();
  for (const path of ['/1', '/2', '/3']) {
    await ask(client, origin, path);
    await client.until(`path ${path};`);
  }
  await proxy.record(2);
  const answered = answer('path /1;').length;
  const [first, ...others] = proxy.records;
  const asked = (await destination.connection()).receivedBytes / 3;
  for (const record of proxy.records)
    expect(record).toMatchObject({ bytesUp: asked, bytesDown: answered, status: 200 });
  expect(first?.connectMs).toBeGreaterThan(0);
  for (const record of others)
    expect(record).toMatchObject({ connectMs: 0, address: first?.address, rule: first?.rule });
  expect(destination.connections).toHaveLength(1);
});

test('clients never share one', async () => {
  await using forwarding = await startForwarding(echoPath);
  const { origin, destination } = forwarding;
  await using one = await forwarding.connect();
  await using other = await forwarding.connect();
  for (const path of ['/1', '/2']) {
    for (const client of [one, other]) {
      await ask(client, origin, path);
      await client.until(`path ${path};`);
    }
  }
  expect(destination.connections).toHaveLength(2);
});

test('it goes with its client', async () => {
  await using forwarding = await startForwarding(echoPath);
  await using client = await beginOn(forwarding);
  client.end();
  expect(await endingOf(await forwarding.destination.connection())).toBe('closed');
});

test('it goes when its client begins a tunnel', async () => {
  await using forwarding = await startForwarding(echoPath, 'tlsServerName: off');
  const { origin, destination } = forwarding;
  await using client = await beginOn(forwarding);
  await client.write(`CONNECT 127.0.0.1:${destination.port} HTTP/1.1\r\n\r\n`);
  await client.until('200 Connection established\r\n\r\n');
  expect(await endingOf(await destination.connection())).toBe('closed');
  await ask(client, origin, '/2');
  await client.until('path http');
  expect(destination.connections).toHaveLength(2);
});

test('it goes when a drain begins, and nothing of it keeps the proxy from stopping', async () => {
  await using forwarding = await startForwarding(echoPath);
  await using client = await beginOn(forwarding);
  await forwarding.proxy.app.stop(5000);
  expect(await endingOf(client)).toBe('closed');
  expect(await endingOf(await forwarding.destination.connection())).toBe('closed');
});

test('a client that says close has the destination told so', async () => {
  await using forwarding = await startForwarding();
  const { origin, destination } = forwarding;
  await exchangeBytes(forwarding, `GET ${origin}/ HTTP/1.1\r\nConnection: close\r\n\r\n`);
  await exchangeBytes(forwarding, `GET ${origin}/ HTTP/1.0\r\n\r\n`);
  for (const { text } of destination.connections) expect(fieldsOf(text).get('connection')).toBe('close');
});

describe('a request that may not be sent twice goes over a new connection', () => {
  test.each([
    ['POST', 'Content-Length: 4\r\n\r\nbody'],
    ['POST', 'Content-Length: 0\r\n\r\n'],
    ['PATCH', 'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['PUT', 'Content-Length: 0\r\n\r\n'],
    ['DELETE', '\r\n'],
    ['GET', 'Content-Length: 4\r\n\r\nbody'],
  ])('%s with %j', async (method, rest) => {
    await using forwarding = await startForwarding(inTurn(echoPath, answerWith(answer('own;'))));
    const { origin, destination } = forwarding;
    await using client = await beginOn(forwarding);
    await ask(client, origin, '/2', method, rest);
    await client.until('own;');
    expect(destination.connections).toHaveLength(2);
    expect(destination.connections[0]?.text).not.toContain('/2');
  });
});

describe('one that the destination has closed meanwhile costs nothing', () => {
  test.each<readonly [string, Behaviour]>([
    ['before the next request', answerWith(answer('first;'))],
    ['as it comes, with a FIN', thenWith((wire) => wire.end())],
    ['as it comes, with a reset', thenWith((wire) => wire.reset())],
    ['as it comes, with a 408', thenWith((wire) => wire.end('HTTP/1.1 408 Too late\r\nConnection: close\r\n\r\n'))],
  ])('%s', async (_, behaviour) => {
    await using forwarding = await startForwarding(inTurn(behaviour, echoPath));
    const { origin, proxy, destination } = forwarding;
    await using client = await beginOn(forwarding);
    await ask(client, origin, '/2');
    await client.until('path /2;');
    await ask(client, origin, '/3');
    await client.until('path /3;');
    await proxy.record(2);
    expect(proxy.records.map(({ path, status, reason }) => [path, status, reason])).toEqual([
      ['/1', 200, null],
      ['/2', 200, null],
      ['/3', 200, null],
    ]);
    const second = proxy.records[1];
    expect(second?.bytesDown).toBe(answer('path /2;').length);
    expect(second?.connectMs).toBeGreaterThan(0);
    expect(destination.connections).toHaveLength(2);
    expect((await destination.connection(1)).text).toMatch(/^GET \/2 [^]*\r\n\r\nGET \/3 /);
  });
});

test('once something of the answer has come the request is not sent again', async () => {
  await using forwarding = await startForwarding(
    inTurn(
      thenWith((wire) => wire.end('HTTP/1.1 2')),
      echoPath,
    ),
  );
  const { origin, proxy, destination } = forwarding;
  await using client = await beginOn(forwarding);
  await ask(client, origin, '/2');
  expect((await client.all()).toString()).toMatch(/first;HTTP\/1\.1 502 Invalid response/);
  expect(await proxy.record(1)).toMatchObject({ path: '/2', reason: 'response_invalid' });
  expect(destination.connections).toHaveLength(1);
});

test('a destination that closes every connection is tried twice and no more', async () => {
  const behaviour = inTurn(
    thenWith((wire) => wire.end()),
    (wire) => wire.end(),
  );
  await using forwarding = await startForwarding(behaviour);
  const { origin, proxy, destination } = forwarding;
  await using client = await beginOn(forwarding);
  await ask(client, origin, '/2');
  expect((await client.all()).toString()).toMatch(/first;HTTP\/1\.1 502 /);
  expect(await proxy.record(1)).toMatchObject({ path: '/2', reason: 'response_invalid' });
  expect(destination.connections).toHaveLength(2);
});

describe('what a destination sends unasked is nobody’s answer', () => {
  test.each(['with the answer', 'later'])('%s', async (when) => {
    const { promise: isAnswered, resolve: answered } = Promise.withResolvers<void>();
    const forging: Behaviour = async (wire) => {
      await wire.until('\r\n\r\n');
      await wire.write(answer('first;') + (when === 'later' ? '' : answer('forged;')));
      await isAnswered;
      if (when === 'later') await wire.write(answer('forged;'));
      await wire.all();
      wire.end();
    };
    await using forwarding = await startForwarding(inTurn(forging, echoPath));
    const { origin, destination } = forwarding;
    await using client = await beginOn(forwarding);
    answered();
    await (
      await destination.connection()
    ).closed;
    await ask(client, origin, '/2');
    await client.until('path /2;');
    expect(client.text).not.toContain('forged');
    expect(destination.connections).toHaveLength(2);
  });
});

test('each request is judged, whatever is open already', async () => {
  await using destination = await createDestination(echoPath);
  const rule = `http://127.0.0.1:${destination.port}`;
  await using proxy = await operateProxy({ rules: [rule], config: 'reload: { watch: false }' });
  await using client = await connectRaw(proxy.port);
  await ask(client, rule, '/1');
  await client.until('path /1;');
  proxy.writeRules(`${rule}/elsewhere`);
  expect(await proxy.ask('reload')).toMatchObject({ result: 'done' });
  await ask(client, rule, '/2');
  expect((await client.all()).toString()).toMatch(/path \/1;HTTP\/1\.1 403 /);
  expect((await destination.connection()).text).not.toContain('/2');
});

test('a request for another target goes over a connection of its own', async () => {
  await using other = await createDestination(echoPath);
  await using destination = await createDestination(echoPath);
  await using proxy = await operateProxy({ rules: [destination, other].map(({ port }) => `http://127.0.0.1:${port}`) });
  await using client = await connectRaw(proxy.port);
  for (const [{ port }, path] of [
    [destination, '/1'],
    [other, '/2'],
    [other, '/3'],
    [destination, '/4'],
  ] as const) {
    await ask(client, `http://127.0.0.1:${port}`, path);
    await client.until(`path ${path};`);
  }
  expect(destination.connections.map(({ text }) => text.match(/\/\d /g))).toEqual([['/1 '], ['/4 ']]);
  expect(other.connections.map(({ text }) => text.match(/\/\d /g))).toEqual([['/2 ', '/3 ']]);
});
