/** Signals of an operator to the process: drain with grace, the second that does not wait, log files that move. */
import { once } from 'node:events';
import { renameSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createDestination, echo } from '../support/destination.ts';
import { operateProxy } from '../support/operated-proxy.ts';
import { openTunnel } from '../support/tunnel.ts';

test('SIGTERM lets connections in until the grace is over, cuts tunnels at the deadline, and ends with 0', async () => {
  await using destination = await createDestination(echo);
  const config = 'drain: { graceMs: 700, deadlineMs: 300 }';
  await using proxy = await operateProxy({ rules: [`ip:127.0.0.1:${destination.port}`], config });
  await using before = await openTunnel(proxy.port, `127.0.0.1:${destination.port}`, { early: 'x' });
  await before.contentOf(1);
  const started = performance.now();
  proxy.signal('SIGTERM');
  expect(await proxy.said('draining')).toMatchObject({ graceMs: 700, deadlineMs: 300, tunnels: 1 });
  expect(await proxy.ask('status')).toMatchObject({ draining: true });
  await using during = await openTunnel(proxy.port, `127.0.0.1:${destination.port}`, { early: 'x' });
  expect(during.status).toBe(200);
  expect(await proxy.exited).toBe(0);
  expect(performance.now() - started).toBeGreaterThan(990);
  expect(proxy.records.map(({ endedBy }) => endedBy)).toEqual(['drain', 'drain']);
});

test('a second signal ends the process at once', async () => {
  await using destination = await createDestination(echo);
  await using proxy = await operateProxy({ rules: [`ip:127.0.0.1:${destination.port}`] });
  await using tunnel = await openTunnel(proxy.port, `127.0.0.1:${destination.port}`);
  expect(tunnel.status).toBe(200);
  proxy.signal('SIGTERM');
  await proxy.said('draining');
  const started = performance.now();
  proxy.signal('SIGTERM');
  expect(await proxy.exited).toBe(1);
  expect(performance.now() - started).toBeLessThan(5000);
});

test('a connection that is only just there when the drain begins still gets its first answer', async () => {
  await using destination = await createDestination(echo);
  const rules = [`ip:127.0.0.1:${destination.port}`];
  await using proxy = await operateProxy({ rules, config: 'drain: { deadlineMs: 2000 }' });
  const socket = connect(proxy.port, '127.0.0.1').setEncoding('utf8');
  await once(socket, 'connect');
  proxy.signal('SIGTERM');
  await proxy.said('draining');
  socket.write('CONNECT www.example.com:443 HTTP/1.1\r\nHost: www.example.com:443\r\n\r\n');
  const [answer] = (await once(socket, 'data')) as [string];
  expect(answer).toMatch(/^HTTP\/1\.1 403 Not on allowlist/);
  socket.destroy();
  expect(await proxy.exited).toBe(0);
});

test('SIGUSR2 goes on in a new log file once the old one was moved', async () => {
  await using proxy = await operateProxy({ config: 'log: { access: ./access.log }' });
  const ask = async () => (await openTunnel(proxy.port, 'www.example.com:443'))[Symbol.asyncDispose]();
  await ask();
  const place = (name: string) => join(proxy.folder.path, name);
  renameSync(place('access.log'), place('access.log.1'));
  proxy.signal('SIGUSR2');
  // Signals arrive in order of their numbers and not of their sending: the socket answers behind the first.
  await proxy.ask('status');
  await ask();
  proxy.signal('SIGTERM');
  expect(await proxy.exited).toBe(0);
  const lines = ['access.log.1', 'access.log'].map((name) => proxy.folder.read(name).split('\n').length - 1);
  expect(lines).toEqual([1, 1]);
});
