/** The program under hostile input from both sides: it answers or closes, says nothing of a bug, and lives. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { buildClientHello } from '../support/client-hello.ts';
import type { Behaviour } from '../support/destination.ts';
import { createDestination } from '../support/destination.ts';
import { connectRaw } from '../support/raw-client.ts';
import type { RunningProxy } from '../support/running-proxy.ts';
import { runProxy } from '../support/running-proxy.ts';
import { openTunnel } from '../support/tunnel.ts';

const hello = buildClientHello({ serverName: null });

/** Ways to end a connection, each at a moment of its own. */
const endings = ['end', 'reset', 'destroy'] as const;

/** How a destination misbehaves, one connection after the other. */
const behaviours: readonly Behaviour[] = [
  (wire) => wire.reset(),
  (wire) => wire.end(),
  (wire) => wire.socket.destroy(),
  (wire) => wire.end('HTTP/1.1 099 Low\r\n\r\n'),
  (wire) => wire.end('HTTP/1.1 200 O\x01K\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello'),
  (wire) => wire.end('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n'),
  (wire) => wire.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more HTTP/1.1 200 OK\r\n\r\n'),
  (wire) => wire.end('HTTP/1.1 200 OK\r\nX: \x00\xff\u2028\r\n\r\n'),
  (wire) => wire.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n'),
  (wire) => wire.end(Buffer.alloc(100_000, 0xff)),
  async (wire) => {
    await wire.until(1);
    wire.reset();
  },
];

/** Requests that are nearly right, so that damage to them reaches as deep as can be. */
const seeds = (port: number): readonly Buffer[] => [
  Buffer.from(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`),
  Buffer.concat([Buffer.from(`CONNECT 127.0.0.1:${port} HTTP/1.0\r\n\r\n`), hello]),
  Buffer.from(`CONNECT [::ffff:127.0.0.1]:${port} HTTP/1.1\r\nUser-Agent: \x1b[31m\u2028\r\n\r\n`, 'latin1'),
  Buffer.from('CONNECT not.test:443 HTTP/1.1\r\nHost: not.test:443\r\n\r\n'),
  Buffer.from(`GET http://127.0.0.1:${port}/a?b HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`),
  Buffer.from(`POST http://127.0.0.1:${port}/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`),
  Buffer.from(`PUT http://127.0.0.1:${port}/ HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello`),
  Buffer.from(`GET http://127.0.0.1:${port}/ HTTP/1.1\r\nUpgrade: h2c\r\nConnection: upgrade, x\r\n\r\n`),
  Buffer.from(`GET http://127.0.0.1:${port}/ HTTP/1.1\r\n\r\nCONNECT 127.0.0.1:${port} HTTP/1.1\r\n\r\n`),
];

/** A byte that is replaced, cut out, or put in. */
const damage = fc.record({
  at: fc.nat(),
  byte: fc.integer({ min: 0, max: 255 }),
  how: fc.constantFrom('replace', 'cut', 'add'),
});
type Damage = typeof damage extends fc.Arbitrary<infer T> ? T : never;

const attack = fc.record({
  seed: fc.nat(),
  damage: fc.oneof(fc.constant([] as Damage[]), fc.array(damage, { maxLength: 2 })),
  cuts: fc.array(fc.nat(), { maxLength: 4 }),
  ending: fc.constantFrom(...endings),
  waits: fc.boolean(),
});
type Attack = typeof attack extends fc.Arbitrary<infer T> ? T : never;

function damaged(bytes: Buffer, damages: readonly Damage[]): Buffer {
  return damages.reduce((current, { at, byte, how }) => {
    const place = at % (current.length + 1);
    const added = how === 'cut' ? Buffer.alloc(0) : Buffer.from([byte]);
    return Buffer.concat([current.subarray(0, place), added, current.subarray(how === 'add' ? place : place + 1)]);
  }, bytes);
}

/** Sends a damaged request in pieces and leaves in one way or another. */
async function strike(proxy: RunningProxy, bytes: Buffer, { cuts, ending, waits }: Attack): Promise<void> {
  await using wire = await connectRaw(proxy.port);
  const places = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b);
  let at = 0;
  for (const place of places) {
    await wire.write(bytes.subarray(at, place)).catch(() => undefined);
    at = place;
  }
  if (waits) await wire.until('\r\n\r\n').catch(() => undefined);
  if (ending === 'end') wire.end();
  else if (ending === 'reset') wire.reset();
}

test('the program survives damaged requests and destinations that misbehave', { timeout: 90_000 }, async () => {
  let count = 0;
  await using destination = await createDestination((wire) => behaviours[count++ % behaviours.length]?.(wire));
  await using proxy = await runProxy(
    'privateDestinations: ["127.0.0.1"]\nlimits: { headerMs: 500, clientHelloMs: 100, idleMs: 300, halfCloseMs: 200 }',
    [`ip:127.0.0.1:${destination.port}`],
  );
  const requests = seeds(destination.port);
  const attacks = fc.sample(attack, 600);
  for (let at = 0; at < attacks.length; at += 20) {
    await Promise.all(
      attacks.slice(at, at + 20).map((one) => {
        const seed = requests[one.seed % requests.length] ?? hello;
        return strike(proxy, damaged(seed, one.damage), one);
      }),
    );
  }
  await using probe = await openTunnel(proxy.port, 'not.test:443');
  expect(probe.status).toBe(403);
  probe.wire.end();
  expect(await proxy.stop()).toBe(0);
  expect(proxy.errors).not.toMatch(/uncaught_exception|internal_error|Warning:|[Uu]nhandled/);
  const lines = proxy.output.trimEnd().split('\n');
  expect(lines.length).toBeGreaterThan(100);
  expect(proxy.output).not.toContain('internal_error');
  for (const line of lines) {
    // eslint-disable-next-line no-control-regex
    expect(line).toMatch(/^\{[\x20-\x7e]*\}$/);
    expect(JSON.parse(line)).toMatchObject({ event: 'access' });
  }
});

test('where the platform keeps its handles to itself, tunnels go over its sockets', async () => {
  await using destination = await createDestination((wire) => void wire.socket.pipe(wire.socket));
  await using proxy = await runProxy(
    'privateDestinations: ["127.0.0.1"]\ntlsServerName: off\n',
    [`ip:127.0.0.1:${destination.port}`],
    'process.binding = () => { throw new Error("no more") };',
  );
  await using refused = await openTunnel(proxy.port, 'not.test:443');
  expect(refused.status).toBe(403);
  await using tunnel = await openTunnel(proxy.port, `127.0.0.1:${destination.port}`);
  const sent = Buffer.alloc(1_000_000, 'there and back ');
  await tunnel.wire.write(sent);
  tunnel.wire.end();
  expect((await tunnel.rest()).equals(sent)).toBe(true);
  expect(await proxy.stop()).toBe(0);
  expect(proxy.output).toContain('"bytesUp":1000000,"bytesDown":1000000,"endedBy":"client"');
});
