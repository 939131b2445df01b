/** What a reload does to tunnels that are open: those that a `deny` or a removed user now refuses are closed, no others. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDestination, echo } from '../support/destination.ts';
import type { Destination } from '../support/destination.ts';
import type { OperatedProxy } from '../support/operated-proxy.ts';
import { operateProxy } from '../support/operated-proxy.ts';
import { openTunnel } from '../support/tunnel.ts';
import type { Tunnel } from '../support/tunnel.ts';
import { connectRaw } from '../support/raw-client.ts';

let destination: Destination;
let other: Destination;
beforeAll(async () => {
  destination = await createDestination(echo);
  other = await createDestination(echo);
});
afterAll(async () => {
  await destination.close();
  await other.close();
});

const targetOf = ({ port }: Destination) => `127.0.0.1:${port}`;
const ruleOf = ({ port }: Destination) => `ip:127.0.0.1:${port}`;

/** Proves that bytes still go both ways. */
async function expectFlow(tunnel: Tunnel, text: string): Promise<void> {
  const before = tunnel.content.length;
  await tunnel.wire.write(text);
  expect((await tunnel.contentOf(before + text.length)).subarray(before).toString()).toBe(text);
}

async function openTwo(proxy: OperatedProxy): Promise<readonly [Tunnel, Tunnel]> {
  const first = await openTunnel(proxy.port, targetOf(destination));
  const second = await openTunnel(proxy.port, targetOf(other));
  await expectFlow(first, 'first');
  await expectFlow(second, 'second');
  return [first, second];
}

const quiet = 'reload: { watch: false }';

test('a deny closes the tunnels it refuses, each with its line, and the rest live on', async () => {
  await using proxy = await operateProxy({ rules: [ruleOf(destination), ruleOf(other)], config: quiet });
  const [first, second] = await openTwo(proxy);
  proxy.writeRules(ruleOf(destination), ruleOf(other), `deny ${ruleOf(destination)}`);
  expect(await proxy.ask('reload')).toMatchObject({ result: 'done', closedTunnels: 1 });
  await first.rest();
  expect(await proxy.record()).toMatchObject({
    target: targetOf(destination),
    endedBy: 'reload',
    verdict: 'allow',
    hint: expect.stringContaining('Denied by rule'),
  });
  await expectFlow(second, 'still open');
  expect(proxy.records).toHaveLength(1);
});

describe('a target that is merely no longer allowed', () => {
  test.each([
    ['denied', 0],
    ['all', 1],
    ['none', 0],
  ])('with closeRefused %s closes %i', async (word, closedTunnels) => {
    const config = `reload: { watch: false, closeRefused: ${word} }`;
    await using proxy = await operateProxy({ rules: [ruleOf(destination), ruleOf(other)], config });
    const [first, second] = await openTwo(proxy);
    proxy.writeRules(ruleOf(other));
    expect(await proxy.ask('reload')).toMatchObject({ closedTunnels });
    if (closedTunnels === 0) await expectFlow(first, 'still open');
    else await first.rest();
    await expectFlow(second, 'still open');
    await using refused = await openTunnel(proxy.port, targetOf(destination));
    expect(refused.status).toBe(403);
  });
});

test('with closeRefused none even a deny closes nothing', async () => {
  const config = 'reload: { watch: false, closeRefused: none }';
  await using proxy = await operateProxy({ rules: [ruleOf(destination), ruleOf(other)], config });
  const [first] = await openTwo(proxy);
  proxy.writeRules(`deny ${ruleOf(destination)}`);
  expect(await proxy.ask('reload')).toMatchObject({ result: 'done', closedTunnels: 0 });
  await expectFlow(first, 'still open');
});

test('a tunnel of a user who was removed is closed, one of a user who stays lives on', async () => {
  // bcrypt of `secret`, cost 4: the test is not about the cost.
  const { hashSync } = await import('bcryptjs');
  const line = (name: string) => `${name}:${hashSync('secret', 4)}\n`;
  const [alice, bob] = [line('alice'), line('bob')];
  await using proxy = await operateProxy({ rules: ['# none'], config: quiet });
  proxy.folder.write('users', `${alice}${bob}`);
  proxy.writeConfig(`${quiet}\nauth: { usersFile: ./users }`);
  proxy.writeRules(ruleOf(destination));
  expect(await proxy.ask('reload')).toMatchObject({ result: 'done' });
  const open = async (name: string) => {
    const wire = await connectRaw(proxy.port);
    const credentials = Buffer.from(`${name}:secret`).toString('base64');
    const head = `CONNECT ${targetOf(destination)} HTTP/1.1\r\nHost: ${targetOf(destination)}\r\n`;
    await wire.write(`${head}Proxy-Authorization: Basic ${credentials}\r\n\r\n${name}`);
    await wire.until(`\r\n\r\n${name}`);
    return wire;
  };
  const [ofAlice, ofBob] = [await open('alice'), await open('bob')];
  proxy.folder.write('users', bob);
  expect(await proxy.ask('reload')).toMatchObject({ result: 'done', closedTunnels: 1 });
  await ofAlice.all();
  expect(await proxy.record()).toMatchObject({ user: 'alice', endedBy: 'reload' });
  await ofBob.write('still open');
  await ofBob.until('still open');
});

test.each([
  ['denied', 'is cut off where a deny names it now'],
  ['none', 'goes on where nothing is to be closed'],
])('with closeRefused %s a download over plain http %s', async (word) => {
  await using sender = await createDestination(async (wire) => {
    await wire.until('\r\n\r\n');
    await wire.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst');
  });
  const config = `reload: { watch: false, closeRefused: ${word} }`;
  await using proxy = await operateProxy({ rules: [ruleOf(sender)], config });
  await using client = await connectRaw(proxy.port);
  const target = targetOf(sender);
  await client.write(`GET http://${target}/backup HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
  await client.until('first');
  expect(await proxy.ask('tunnels')).toEqual([]);
  proxy.writeRules(ruleOf(sender), `deny ${ruleOf(sender)}`);
  const closedTunnels = word === 'none' ? 0 : 1;
  expect(await proxy.ask('reload')).toMatchObject({ result: 'done', closedTunnels });
  if (word === 'none') {
    await (await sender.connection()).write('later');
    await client.until('later');
    expect(await proxy.record()).toMatchObject({ kind: 'forward', endedBy: 'destination' });
    return;
  }
  await expect(client.until('later')).rejects.toThrow();
  expect(await proxy.record()).toMatchObject({
    kind: 'forward',
    target,
    endedBy: 'reload',
    hint: expect.stringContaining('Denied by rule'),
  });
});

test('of a thousand open tunnels those that are denied end and the rest stay', async () => {
  const config = `${quiet}\nlimits: { connectionsPerClient: 5000 }`;
  await using proxy = await operateProxy({ rules: [ruleOf(destination), ruleOf(other)], config });
  const targets = Array.from({ length: 1000 }, (_, index) => targetOf(index % 4 === 0 ? destination : other));
  const tunnels = await Promise.all(targets.map((target) => openTunnel(proxy.port, target)));
  expect(tunnels.every(({ status }) => status === 200)).toBe(true);
  proxy.writeRules(ruleOf(other), `deny ${ruleOf(destination)}`);
  expect(await proxy.ask('reload')).toMatchObject({ closedTunnels: 250 });
  expect(await proxy.record(249)).toMatchObject({ endedBy: 'reload' });
  expect(await proxy.ask('status')).toMatchObject({ tunnelsOpen: 750, generation: 2 });
  await expectFlow(tunnels[1]!, 'still open');
  for (const { wire } of tunnels) wire.socket.destroy();
});
