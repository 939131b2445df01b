/** Reload as an operator sees it: all of it or nothing, told with its place, whoever asked for it. */
import { renameSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createDestination, echo } from '../support/destination.ts';
import { operateProxy } from '../support/operated-proxy.ts';
import { openTunnel } from '../support/tunnel.ts';

test('SIGHUP takes up new rules, and says what changed in counts and rules', async () => {
  await using proxy = await operateProxy({
    rules: ['a.example.com', 'b.example.com'],
    config: 'reload: { watch: false }',
  });
  proxy.writeRules('a.example.com', 'c.example.com');
  proxy.signal('SIGHUP');
  expect(await proxy.said('reload_done')).toMatchObject({
    cause: 'SIGHUP',
    generation: 2,
    rulesAdded: 1,
    rulesRemoved: 1,
    added: ['c.example.com'],
    removed: ['b.example.com'],
  });
});

test('a fault anywhere swaps nothing, and every fault is told with its place', async () => {
  await using destination = await createDestination(echo);
  const rule = `ip:127.0.0.1:${destination.port}`;
  await using proxy = await operateProxy({ rules: [rule], config: 'reload: { watch: false }' });
  proxy.writeRules('*.net', 'https://x.example.com/path');
  const { code, out } = await proxy.command('reload');
  expect(code).toBe(1);
  expect(out).toMatch(/rules\.txt:2:\d+: /);
  expect(out).toMatch(/rules\.txt:3:\d+: /);
  expect(await proxy.said('reload_failed')).toMatchObject({ faults: 2, cause: 'command' });
  await using tunnel = await openTunnel(proxy.port, `127.0.0.1:${destination.port}`);
  expect(tunnel.status).toBe(200);
});

test('the command says what was done, and that nothing changed where nothing did', async () => {
  await using proxy = await operateProxy({ rules: ['a.example.com'], config: 'reload: { watch: false }' });
  expect(await proxy.command('reload')).toMatchObject({ code: 0, out: expect.stringMatching(/^nothing changed/) });
  proxy.writeRules('a.example.com', 'b.example.com');
  expect(await proxy.ask('reload')).toMatchObject({ result: 'done', generation: 2, rulesAdded: 1 });
});

test('a reload that takes away a deny or a clause warns with the line that stood there', async () => {
  const rules = ['deny bad.example.com', 'a.example.com from 10.0.0.0/8', 'b.example.com within ip:20.0.0.0/8'];
  await using proxy = await operateProxy({ rules, config: 'reload: { watch: false }' });
  proxy.writeRules('a.example.com', 'b.example.com tls off');
  proxy.signal('SIGHUP');
  const places = [0, 1, 2].map(async (index) => (await proxy.said('reload_loosened', index))['place']);
  expect(await Promise.all(places)).toEqual([2, 3, 4].map((line) => expect.stringMatching(`rules\\.txt:${line}$`)));
  const { out } = await proxy.command('status');
  expect(out).toMatch(
    /rules\.txt:2:1: warning: the reload lets more through: `deny bad\.example\.com` refuses no more/,
  );
});

test('keys that wait for a restart are named until they are as they were', async () => {
  await using proxy = await operateProxy({ rules: ['a.example.com'], config: 'reload: { watch: false }' });
  proxy.writeConfig('reload: { watch: false }\nlog: { level: debug }');
  proxy.signal('SIGHUP');
  expect(await proxy.said('reload_needs_restart')).toMatchObject({ keys: ['log.level'] });
  proxy.writeConfig('reload: { watch: false }');
  proxy.signal('SIGHUP');
  await proxy.said('reload_done', 1);
  expect(await proxy.ask('status')).toMatchObject({ lastReload: { needsRestart: [] } });
});

test('a storm of signals ends in one reload or a few, and the last text is in force', async () => {
  await using proxy = await operateProxy({ rules: ['a.example.com'], config: 'reload: { watch: false }' });
  for (let index = 0; index < 200; index++) {
    proxy.writeRules('a.example.com', `b${index}.example.com`);
    proxy.signal('SIGHUP');
  }
  expect(await proxy.ask('reload')).toMatchObject({ result: expect.stringMatching('done|unchanged') });
  expect(proxy.errors.match(/"reload_done"/g)?.length).toBeLessThan(200);
  const { out: explained } = await proxy.command('explain', 'b199.example.com:443', '--resolve', '20.1.2.3', '--json');
  const { configHash, runningConfigHash } = JSON.parse(explained) as Record<string, string>;
  expect(runningConfigHash).toBe(configHash);
});

test('a file that an editor replaces is taken up once it stands still', async () => {
  await using proxy = await operateProxy({ rules: ['a.example.com'] });
  const next = proxy.folder.write('rules.txt.new', 'b.example.com\n');
  renameSync(next, join(proxy.folder.path, 'rules.txt'));
  expect(await proxy.said('reload_done')).toMatchObject({ cause: 'change on disk', added: ['b.example.com'] });
  renameSync(proxy.folder.write('rules.txt.new', 'c.example.com\n'), join(proxy.folder.path, 'rules.txt'));
  expect(await proxy.said('reload_done', 1)).toMatchObject({ added: ['c.example.com'] });
});

test('a mounted ConfigMap whose symlink is swapped is taken up', async () => {
  await using proxy = await operateProxy({ rules: ['a.example.com'] });
  const { folder } = proxy;
  const place = (name: string) => join(folder.path, name);
  folder.write('..v1/rules.txt', 'b.example.com\n');
  folder.write('..v2/rules.txt', 'c.example.com\n');
  symlinkSync('..v1', place('..data'));
  symlinkSync('..data/rules.txt', place('rules.link'));
  renameSync(place('rules.link'), place('rules.txt'));
  expect(await proxy.said('reload_done')).toMatchObject({ added: ['b.example.com'] });
  symlinkSync('..v2', place('..data_tmp'));
  renameSync(place('..data_tmp'), place('..data'));
  expect(await proxy.said('reload_done', 1)).toMatchObject({ added: ['c.example.com'] });
});

test('a change without its last newline is waited for, and said', async () => {
  await using proxy = await operateProxy({ rules: ['a.example.com'] });
  proxy.folder.write('rules.txt', 'b.example.com\nc.exam');
  expect(await proxy.said('reload_waits')).toMatchObject({ path: expect.stringMatching(/rules\.txt$/) });
  proxy.folder.write('rules.txt', 'b.example.com\nc.example.com\n');
  expect(await proxy.said('reload_done')).toMatchObject({ added: ['b.example.com', 'c.example.com'] });
});
