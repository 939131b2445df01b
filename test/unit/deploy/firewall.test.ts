/** `deploy/windows/firewall.ps1`, read: the rule that it makes opens one port to the prefixes given and to nobody else. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { unknownCommands } from '../../support/powershell-commands.ts';
import { readPowerShell } from '../../support/powershell.ts';

const text = readFileSync(resolve(import.meta.dirname, '../../../deploy/windows/firewall.ps1'), 'utf8');

test('it has no fault of syntax, and calls nothing but itself and what Windows brings', async () => {
  const script = await readPowerShell(text);
  expect(script.faults).toEqual([]);
  expect(unknownCommands(script, [])).toEqual([]);
});

test('the rule is inbound, for one port, from the prefixes given', async () => {
  const { commands } = await readPowerShell(text);
  for (const name of ['New-NetFirewallRule', 'Set-NetFirewallRule']) {
    const [made] = commands.filter((command) => command.name === name);
    const words = made?.words.join(' ');
    expect(words).toContain('-Direction Inbound -Action Allow');
    expect(words).toContain('-Protocol TCP -LocalPort $Port -RemoteAddress $VNetPrefix');
  }
  // Nothing is opened before the prefixes were looked at.
  const [first] = commands.filter(({ name }) => name === 'New-NetFirewallRule');
  const [judged] = commands.filter(({ name }) => name === 'Test-Prefix');
  expect(judged?.line).toBeLessThan(first?.line ?? 0);
  expect(text).toContain('[int] $length -ge 1');
});

test('-WhatIf is -DryRun, and every cmdlet that changes something stands behind it', async () => {
  expect(text).toContain('[CmdletBinding(SupportsShouldProcess = $true)]');
  expect(text).toContain('if ($WhatIfPreference) { $DryRun = $true }\n');
  const { commands } = await readPowerShell(text);
  const lines = text.split('\n');
  const changing = commands.filter(({ name }) => /^(New|Set|Remove)-NetFirewallRule$/.test(name));
  expect(changing.map(({ name }) => name)).toEqual([
    'Remove-NetFirewallRule',
    'New-NetFirewallRule',
    'Set-NetFirewallRule',
  ]);
  for (const { line } of changing) expect(lines.slice(line - 2, line).join('\n')).toContain('if (-not $DryRun) {');
});

test('Windows line ends change nothing that is read', async () => {
  const crlf = await readPowerShell(text.replaceAll('\n', '\r\n'));
  const { commands } = await readPowerShell(text);
  expect(crlf.faults).toEqual([]);
  expect(crlf.commands.map(({ name }) => name)).toEqual(commands.map(({ name }) => name));
});
