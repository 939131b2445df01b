/** A start with a bad configuration: the last good one runs, loudly, unless that is not wanted or there is none. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createDestination, echo } from '../support/destination.ts';
import { operateProxy, programArgs, writeSettings } from '../support/operated-proxy.ts';
import { createTempFolder } from '../support/temp-folder.ts';
import type { TempFolder } from '../support/temp-folder.ts';
import { openTunnel } from '../support/tunnel.ts';

/** Runs `serve` to its end, for starts that fail. */
async function serveToEnd(folder: TempFolder, ...args: readonly string[]): Promise<{ code: number; told: string }> {
  const argv = [...programArgs, 'serve', '--config', join(folder.path, 'config.yaml'), ...args];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'ignore', 'pipe'] });
  let told = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (told += text));
  const [code] = (await once(child, 'close')) as [number];
  return { code, told };
}

/** Lets a configuration come into force once, so that it is kept. */
async function runOnce(folder: TempFolder): Promise<void> {
  await using proxy = await operateProxy({ folder });
  await proxy.ask('status');
  proxy.signal('SIGTERM');
  expect(await proxy.exited).toBe(0);
}

const yaml = (folder: TempFolder) => folder.read('config.yaml');
const breakings: readonly (readonly [string, (folder: TempFolder) => unknown])[] = [
  ['a list with a fault', (folder) => folder.write('rules.txt', '*.net\n')],
  ['a list cut in the middle of a line', (folder) => folder.write('rules.txt', 'www.exam')],
  ['an empty list', (folder) => folder.write('rules.txt', '')],
  ['a wrong value', (folder) => folder.write('config.yaml', `${yaml(folder)}mode: perhaps\n`)],
  ['no YAML at all', (folder) => folder.write('config.yaml', `${yaml(folder)}]}\n`)],
];

describe('a start runs the last good configuration when it finds', () => {
  test.each(breakings)('%s', async (_, breakIt) => {
    await using destination = await createDestination(echo);
    using folder = createTempFolder();
    writeSettings(folder, '', [`ip:127.0.0.1:${destination.port}`]);
    await runOnce(folder);
    breakIt(folder);
    await using proxy = await operateProxy({ folder });
    expect(await proxy.said('last_good_in_use')).toMatchObject({ level: 'error' });
    await proxy.said('config_fault');
    await using tunnel = await openTunnel(proxy.port, `127.0.0.1:${destination.port}`);
    expect(tunnel.status).toBe(200);
  });
});

test('a file that is repaired takes the place of the last good one without a restart', async () => {
  using folder = createTempFolder();
  writeSettings(folder, '', ['www.example.com']);
  await runOnce(folder);
  writeSettings(folder, 'mode: perhaps', ['www.example.com']);
  await using proxy = await operateProxy({ folder });
  expect(await proxy.ask('status')).toMatchObject({ lastGood: { savedAt: expect.any(String) } });
  writeSettings(folder, 'mode: report', ['www.example.com']);
  await proxy.said('reload_done');
  expect(await proxy.ask('status')).toMatchObject({ lastGood: null, generation: 2, mode: 'report' });
});

test('with --strict, or with nothing kept, a start with a fault ends with 1 and says each', async () => {
  using folder = createTempFolder();
  writeSettings(folder, '', ['*.net']);
  expect(await serveToEnd(folder)).toMatchObject({ code: 1, told: expect.stringMatching(/rules\.txt:2:\d+: /) });
  writeSettings(folder, '', ['www.example.com']);
  await runOnce(folder);
  writeSettings(folder, '', ['*.net']);
  expect(await serveToEnd(folder, '--strict')).toMatchObject({ code: 1 });
});

test('what is kept is whole, private to its owner, and holds no password hash', async () => {
  using folder = createTempFolder();
  const hash = `$2b$10$${'a'.repeat(53)}`;
  folder.write('users', `alice:${hash}\n`);
  writeSettings(folder, 'auth: { usersFile: ./users }', ['www.example.com']);
  await runOnce(folder);
  const [name = ''] = readdirSync(join(folder.path, 'cache')).filter((file) => file.startsWith('last-good-'));
  expect(statSync(join(folder.path, 'cache', name)).mode & 0o777).toBe(0o600);
  const kept = folder.read(`cache/${name}`);
  expect(kept).toContain('www.example.com');
  expect(kept).not.toContain(hash);
  // Cut anywhere it is not whole, and not used.
  folder.write('rules.txt', '*.net\n');
  folder.write(`cache/${name}`, kept.slice(0, -20));
  expect(await serveToEnd(folder)).toMatchObject({ code: 1 });
});

test('a user who was taken out is out of the last good as well', async () => {
  using folder = createTempFolder();
  folder.write('users', `alice:$2b$10$${'a'.repeat(53)}\n`);
  writeSettings(folder, 'auth: { usersFile: ./users }', ['www.example.com']);
  await runOnce(folder);
  folder.write('users', 'alice\n');
  const { code, told } = await serveToEnd(folder);
  expect(code).toBe(1);
  expect(told).toMatch(/users:1:1: /);
});
