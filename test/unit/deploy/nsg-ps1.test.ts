/** `deploy/nsg/nsg.ps1`, read: it makes the rules that nsg.sh makes, and changes nothing in a dry run. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { open, tight } from '../../support/nsg-rules.ts';
import { unknownCommands } from '../../support/powershell-commands.ts';
import { readPowerShell } from '../../support/powershell.ts';

const az = (
  'Get-AzContext Get-AzResourceGroup Get-AzNetworkSecurityGroup New-AzNetworkSecurityGroup Set-AzNetworkSecurityGroup ' +
  'Add-AzNetworkSecurityRuleConfig Set-AzNetworkSecurityRuleConfig Remove-AzNetworkSecurityRuleConfig ' +
  'Get-AzVirtualNetwork Set-AzVirtualNetwork'
).split(' ');

describe('nsg.ps1', () => {
  const text = readFileSync(resolve(import.meta.dirname, '../../../deploy/nsg/nsg.ps1'), 'utf8');

  test('has no fault of syntax, and calls nothing but itself, PowerShell and Az', async () => {
    const script = await readPowerShell(text);
    expect(script.faults).toEqual([]);
    expect(unknownCommands(script, az)).toEqual([]);
    const called = new Set(script.commands.map(({ name }) => name));
    for (const name of [
      'New-AzNetworkSecurityGroup',
      'Add-AzNetworkSecurityRuleConfig',
      'Set-AzNetworkSecurityGroup',
    ]) {
      expect(called).toContain(name);
    }
  });

  test('-WhatIf is -DryRun, and Windows line ends change nothing that is read', async () => {
    expect(text).toContain('[CmdletBinding(SupportsShouldProcess = $true)]');
    expect(text).toContain('if ($WhatIfPreference) { $DryRun = $true }\n');
    const crlf = await readPowerShell(text.replaceAll('\n', '\r\n'));
    const { commands } = await readPowerShell(text);
    expect(crlf.faults).toEqual([]);
    expect(crlf.commands.map(({ name }) => name)).toEqual(commands.map(({ name }) => name));
  });

  test('every cmdlet that changes something stands behind -DryRun', async () => {
    const lines = text.split('\n');
    const { commands } = await readPowerShell(text);
    const changing = commands.filter(({ name }) => /^(New|Set|Add|Remove)-Az/.test(name));
    expect(changing.length).toBeGreaterThanOrEqual(6);
    for (const { line } of changing) expect(lines.slice(line - 4, line).join('\n')).toContain('if (-not $DryRun) {');
  });

  test('makes the rules that nsg.sh makes', () => {
    const rows = [
      ...text.matchAll(
        /@\{ Name = (.+?); Priority = (.+?); Access = '(\w+)'; Protocol = '(.+?)'; Source = (.+?); Destination = (.+?); Ports = @\((.+?)\) \}/g,
      ),
    ];
    const variables: Readonly<Record<string, string>> = {
      $Source: '10.0.0.5/32',
      $FirstPriority: '200',
      $DenyPriority: '4000',
    };
    for (const [name, value] of [
      ['FirstPriority', '200'],
      ['FirstTagPriority', '201'],
      ['DenyPriority', '4000'],
    ]) {
      expect(text).toContain(`$${name} = ${value}\n`);
    }
    const plain = (word = '') => variables[word] ?? word.replaceAll("'", '').replaceAll(',', '');
    const [perTag, ...others] = rows.map(([, name, priority, access, protocol, source, destination, ports]) =>
      [name, priority, 'Outbound', access, protocol, source, destination, ports].map(plain).join(' '),
    );
    expect(others).toEqual(open);
    expect(perTag).toBe('$ruleName $priority Outbound Allow Tcp 10.0.0.5/32 $tag 443');
    const [, tags = ''] = /\$Tags = @\((.+?)\)/.exec(text) ?? [];
    expect(tags.split(', ').map(plain)).toEqual(tight.slice(0, -1).map((line) => line.split(' ')[6]));
    expect(text).toContain("$ruleName = 'allow-proxy-' + $tag.ToLowerInvariant().Replace('.', '-')");
  });
});
