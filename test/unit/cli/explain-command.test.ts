/** `explain` as a script calls it: its exit codes and its JSON. */
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { createTempFolder } from '../../support/temp-folder.ts';

const folder = createTempFolder();
afterAll(() => folder.remove());
const config = folder.write('config.yaml', 'cloud: public\nallowlist: ["./rules.txt"]\n');
folder.write('rules.txt', '# rules\nwww.example.com\n');
const faulty = folder.write('faulty.yaml', 'cloud: public\nallowlst: []\n');

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly told: string;
}

function runExplain(...args: readonly string[]): Promise<Ended> {
  const bin = resolve(import.meta.dirname, '../../../src/lockdown-proxy.js');
  return new Promise((done) => {
    execFile(process.execPath, [bin, 'explain', ...args], (error, out, told) => {
      done({ code: error === null ? 0 : Number(error.code), out, told });
    });
  });
}

test.each<[number, string, readonly string[]]>([
  [0, 'allowed', ['--config', config, 'www.example.com:443', '--resolve', '20.1.2.3,20.1.2.4']],
  [3, 'refused', ['--config', config, 'other.example.com:443']],
  [3, 'refused', ['--config', config, 'www.example.com:443', '--resolve', '10.1.2.3']],
  [3, 'refused', ['--config', config, 'www.example.com']],
])('exits %i when the target is %s: %j', async (code, word, args) => {
  const ended = await runExplain(...args);
  expect(ended).toMatchObject({ code, told: '' });
  expect(ended.out).toContain(`: ${word}\n`);
});

test.each<[number, string, readonly string[]]>([
  [1, 'faulty.yaml:2:1: unknown key `allowlst`', ['--config', faulty, 'www.example.com:443']],
  [1, 'cannot read', ['--config', `${folder.path}/missing.yaml`, 'www.example.com:443']],
  [2, '--from nowhere: not an IP address', ['--config', config, 'www.example.com:443', '--from', 'nowhere']],
  [2, '--resolve x: not an IP address', ['--config', config, 'www.example.com:443', '--resolve', 'x']],
  [2, 'missing required argument', ['--config', config]],
  [2, 'unknown option', ['--config', config, 'www.example.com:443', '--form', '10.1.1.1']],
])('exits %i and tells why on standard error: %s', async (code, told, args) => {
  const ended = await runExplain(...args);
  expect(ended).toMatchObject({ code, out: '' });
  expect(ended.told).toContain(told);
});

test('--json prints the whole decision as one object', async () => {
  const refused = await runExplain('--config', config, '--json', 'http://other.example.com/p?sig=secret');
  expect(refused.code).toBe(3);
  expect(JSON.parse(refused.out)).toMatchObject({
    verdict: 'deny',
    reason: 'not_on_allowlist',
    target: 'other.example.com:80',
    path: '/p',
    addresses: [],
    fixRule: 'http://other.example.com/p',
  });
  const allowed = await runExplain('--config', config, '--json', 'www.example.com:443', '--resolve', '20.1.2.3');
  const explanation = JSON.parse(allowed.out) as { readonly rule: string };
  expect(explanation).toMatchObject({
    verdict: 'allow',
    ruleText: 'www.example.com',
    addresses: [{ class: 'public' }],
  });
  expect(explanation.rule).toMatch(/rules\.txt:2$/);
});
