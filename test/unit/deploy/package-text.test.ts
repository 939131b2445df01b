/** What the package says of the commands, held against what the program says of itself. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../../..');
const read = (name: string): string => readFileSync(resolve(root, 'deploy/deb', name), 'utf8');

/** The commands that a help text lists, `help` itself left out. */
function commandsOf(...argv: readonly string[]): readonly string[] {
  const program = resolve(root, 'src/lockdown-proxy.js');
  const { stdout } = spawnSync(process.execPath, [program, 'help', ...argv], { encoding: 'utf8' });
  const [, listed = ''] = stdout.split('\nCommands:\n');
  return [...listed.matchAll(/^ {2}([a-z][a-z-]*)/gm)].flatMap(([, name = '']) => (name === 'help' ? [] : [name]));
}

const commands = commandsOf();
const below = new Map(commands.map((name) => [name, commandsOf(name)]));

test('the completion offers every command, and what stands under it', () => {
  const completion = read('completion');
  const [, top = ''] = /''\) words='([^']*)'/.exec(completion) ?? [];
  expect(commands.length).toBeGreaterThan(10);
  expect(commands.filter((name) => !top.split(' ').includes(name))).toEqual([]);
  for (const [name, names] of below) {
    if (names.length === 0) continue;
    const [, words = ''] = new RegExp(`^ +${name}\\) words='([^']*)'`, 'm').exec(completion) ?? [];
    expect([name, names.filter((word) => !words.split(' ').includes(word))]).toEqual([name, []]);
  }
}, 60_000);

test('the manual page has every command, and what stands under it', () => {
  const page = read('lockdown-proxy.1').replaceAll('\\-', '-');
  const words = new Set(page.split(/[\s",|]+/));
  for (const name of [...commands, ...[...below.values()].flat()]) expect(words).toContain(name);
}, 60_000);
