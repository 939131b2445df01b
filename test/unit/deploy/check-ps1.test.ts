/** `deploy/clients/check.ps1`, read: it looks at what check.sh looks at, and changes nothing. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { unknownCommands } from '../../support/powershell-commands.ts';
import { readPowerShell } from '../../support/powershell.ts';

const folder = resolve(import.meta.dirname, '../../../deploy/clients');
const text = readFileSync(resolve(folder, 'check.ps1'), 'utf8');
const shell = readFileSync(resolve(folder, 'check.sh'), 'utf8');

test('it has no fault of syntax, and calls nothing but itself and what Windows brings', async () => {
  const script = await readPowerShell(text);
  expect(script.faults).toEqual([]);
  expect(unknownCommands(script, ['netsh.exe'])).toEqual([]);
});

test('no command in it changes anything', async () => {
  const { commands } = await readPowerShell(text);
  const changing = /^(Set|New|Remove|Start|Stop|Restart|Invoke|Move|Copy|Install)-/;
  const called = commands.filter(
    ({ name, words }) => changing.test(name) && !(name === 'New-Object' || words[0] === '-Version'),
  );
  expect(called).toEqual([]);
  const tools = commands.filter(({ name }) => name === 'netsh.exe').map(({ words }) => words.join(' '));
  expect(tools).toEqual(['winhttp show proxy']);
});

test('its findings go by the same names as those of check.sh', async () => {
  const { commands } = await readPowerShell(text);
  const names = new Set(
    commands
      .filter(({ name }) => name === 'Add-Finding')
      .map(({ words }) => (words[1] ?? '').replace(/['"]/g, '').replace('$port', 'N')),
  );
  const others = new Set(
    [...shell.matchAll(/^.*\bfound (?:ok|warn|fail) (\S+) /gm)].map(([, name = '']) =>
      name.replace(/"/g, '').replace('$port', 'N'),
    ),
  );
  const [windows, linux] = [
    ['system-proxy', 'winhttp'],
    ['python', 'extensions', 'agent-proxy', 'agent-environment'],
  ];
  expect(new Set([...names].filter((name) => !windows.includes(name)))).toEqual(
    new Set([...others].filter((name) => !linux.includes(name))),
  );
  for (const name of [...windows, 'agent', 'proxy-forbids', 'wire-server-N']) expect(names).toContain(name);
});

test('where a check can fail, it says what mends that', async () => {
  const { commands } = await readPowerShell(text);
  const failing = commands.filter(({ name, words }) => name === 'Add-Finding' && words[0] !== "'ok'");
  expect(failing.length).toBeGreaterThan(15);
  expect(failing.filter(({ words }) => words.length < 4)).toEqual([]);
});

test('Windows line ends change nothing that is read', async () => {
  const crlf = await readPowerShell(text.replaceAll('\n', '\r\n'));
  const { commands } = await readPowerShell(text);
  expect(crlf.faults).toEqual([]);
  expect(crlf.commands.map(({ name }) => name)).toEqual(commands.map(({ name }) => name));
});

test('Windows PowerShell 5.1 reads every script as it was written: ASCII, with help of its own', () => {
  const scripts = ['clients/check.ps1', 'nsg/nsg.ps1', 'windows/firewall.ps1'];
  for (const name of scripts) {
    const script = readFileSync(resolve(folder, '..', name), 'utf8');
    // Without a byte order mark it takes a file for one in the code page of the machine.
    expect(script).toMatch(/^[\t\n\x20-\x7e]+$/);
    expect(script).toMatch(/^<#\n\.SYNOPSIS\n/);
    const [, parameters = ''] = /\nparam\(\n([\s\S]*?)\n\)\n/.exec(script) ?? [];
    for (const [, parameter] of parameters.matchAll(/\$(\w+)(?: = .*)?,?$/gm)) {
      expect(script).toContain(`\n.PARAMETER ${parameter}\n`);
    }
  }
});

test('both scripts judge disks, clouds and ports alike', () => {
  for (const word of ['core.usgovcloudapi.net', 'core.chinacloudapi.cn', 'AzureChinaCloud', '65536', 'md-ready.blob']) {
    expect(text).toContain(word);
    expect(shell).toContain(word);
  }
});
