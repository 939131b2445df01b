/** The control socket and the commands over it: for its owner alone, and never in the way of the proxy. */
import { statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { askProxy } from '../../src/observe/control-ask.ts';
import { openControlSocket } from '../../src/observe/control-socket.ts';
import { createDestination, echo } from '../support/destination.ts';
import { operateProxy } from '../support/operated-proxy.ts';
import { createTempFolder } from '../support/temp-folder.ts';
import { openTunnel } from '../support/tunnel.ts';

test('status, tunnels list and tunnels close work on the running proxy', async () => {
  await using destination = await createDestination(echo);
  await using proxy = await operateProxy({ rules: [`ip:127.0.0.1:${destination.port}`] });
  await using tunnel = await openTunnel(proxy.port, `127.0.0.1:${destination.port}`, { early: 'through' });
  await tunnel.contentOf(7);
  const { code, out } = await proxy.command('status');
  expect(code).toBe(0);
  expect(out).toMatch(/^listen {3}127\.0\.0\.1:\d+$/m);
  expect(out).toMatch(/^tunnels {2}1 open$/m);
  const [open] = (await proxy.ask('tunnels')) as [Record<string, unknown>];
  expect(open).toMatchObject({ target: `127.0.0.1:${destination.port}`, bytesUp: 7, bytesDown: 7 });
  expect((await proxy.command('tunnels', 'list')).out).toContain(`${String(open['id'])}  127.0.0.1:`);
  await expect(proxy.ask('close', 'nobody')).rejects.toThrow('no tunnel `nobody` is open');
  expect(await proxy.command('tunnels', 'close', String(open['id']))).toMatchObject({ code: 0 });
  await tunnel.rest();
  expect(await proxy.record()).toMatchObject({ id: open['id'], endedBy: 'operator' });
  expect(await proxy.ask('tunnels')).toEqual([]);
});

test('explain says when the running proxy goes by another configuration than the file', async () => {
  await using proxy = await operateProxy({ rules: ['a.example.com'], config: 'reload: { watch: false }' });
  const ask = () => proxy.command('explain', 'a.example.com:443', '--resolve', '20.1.2.3');
  expect((await ask()).out).not.toContain('the running proxy');
  proxy.writeRules('a.example.com', 'b.example.com');
  expect((await ask()).out).toMatch(/the running proxy goes by [0-9a-f]{12}, the file says [0-9a-f]{12}/);
});

test('explain --running decides by what is in force, whatever the file says meanwhile', async () => {
  await using proxy = await operateProxy({ rules: ['a.example.com'], config: 'reload: { watch: false }' });
  const ask = () => proxy.command('explain', 'b.example.com:443', '--resolve', '20.1.2.3', '--running');
  proxy.writeRules('b.example.com');
  expect(await ask()).toMatchObject({ code: 3, out: expect.stringContaining('not_on_allowlist') });
  await proxy.ask('reload');
  expect(await ask()).toMatchObject({ code: 0, out: expect.stringContaining('allowed') });
  const wrong = await proxy.command('explain', 'b.example.com:443', '--from', 'nobody', '--running');
  expect(wrong).toMatchObject({ code: 1, told: expect.stringContaining('--from nobody: not an IP address') });
  proxy.signal('SIGTERM');
  await proxy.exited;
  expect(await ask()).toMatchObject({ code: 1, told: expect.stringContaining('no running proxy at') });
});

test('commands without a running proxy end with 1 and say where they looked', async () => {
  using folder = createTempFolder();
  const path = join(folder.path, 'control.sock');
  await expect(askProxy(path, 'status')).rejects.toThrow(`no running proxy at ${path}`);
});

test('only its owner may open the socket', async () => {
  await using proxy = await operateProxy();
  expect(statSync(join(proxy.folder.path, 'control.sock')).mode & 0o777).toBe(0o600);
});

test('a socket left behind by a dead process is replaced, one that answers is not', async () => {
  using folder = createTempFolder();
  const path = join(folder.path, 'control.sock');
  writeFileSync(path, '');
  const first = await openControlSocket(path, { who: () => 'first' });
  await expect(openControlSocket(path, { who: () => 'second' })).rejects.toThrow('another proxy answers');
  expect(await askProxy(path, 'who')).toBe('first');
  await first.close();
});

test('where there can be no socket the proxy serves and says so', async () => {
  await using proxy = await operateProxy({ env: { LOCKDOWN_PROXY_CONTROL: '/dev/null/control.sock' } });
  expect(await proxy.said('control_unavailable')).toMatchObject({ level: 'warn', path: '/dev/null/control.sock' });
});

test.each([
  ['no JSON', 'hello\n', 'JSON'],
  ['no request', '[]\n', 'not a request'],
  ['an unknown command', '{"command":"constructor","args":[]}\n', 'knows no command'],
  ['too much', 'x'.repeat(20_000), 'too long'],
])('a request that is %s is answered and nothing else happens', async (_, bytes, message) => {
  using folder = createTempFolder();
  const path = join(folder.path, 'control.sock');
  const control = await openControlSocket(path, {});
  const socket = connect(path).setEncoding('utf8');
  socket.write(bytes);
  const [answer] = (await once(socket, 'data')) as [string];
  expect(JSON.parse(answer)).toEqual({ ok: false, message: expect.stringContaining(message) });
  socket.destroy();
  expect(await askProxy(path, 'ping')).toBe('pong');
  await control.close();
});

test('a proxy that hangs up is told as one that went away', async () => {
  using folder = createTempFolder();
  const path = join(folder.path, 'control.sock');
  const server = createServer((socket) => socket.destroy()).listen(path);
  await once(server, 'listening');
  await expect(askProxy(path, 'status')).rejects.toThrow(/went away|ECONNRESET|EPIPE/);
  server.close();
});
