/** `client-config windows`: the printed script read by PowerShell's grammar, for there is no Windows here to run it on. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { unknownCommands } from '../../support/powershell-commands.ts';
import { readPowerShell } from '../../support/powershell.ts';

const program = join(import.meta.dirname, '../../../src/lockdown-proxy.js');

function print(...options: readonly string[]): string {
  const argv = [program, 'client-config', 'windows', ...options];
  return spawnSync(process.execPath, argv, { encoding: 'utf8' }).stdout;
}

const text = print('--proxy', '10.0.0.5:3128', '--no-proxy', '.contoso.example');

/** The quoted text that a variable is set to. */
const setting = (script: string, name: string): string | undefined =>
  new RegExp(`^\\$${name} = '([^']*)'\\r$`, 'm').exec(script)?.[1];

test('it has no fault of syntax, and calls nothing but itself and what Windows PowerShell 5.1 and the agents bring', async () => {
  const script = await readPowerShell(text);
  expect(script.faults).toEqual([]);
  expect(
    unknownCommands(script, ['bitsadmin.exe', 'netsh.exe', 'Get-OBMachineSetting', 'Set-OBMachineSetting']),
  ).toEqual([]);
});

test('its lines end as Windows has them, and its settings are those of the command', () => {
  expect(text.match(/[^\r]\n/g)).toBeNull();
  expect(setting(text, 'ProxyHost')).toBe('10.0.0.5');
  expect(setting(text, 'ProxyPort')).toBe('3128');
  expect(setting(text, 'NoProxy')).toBe('localhost,127.0.0.1,::1,168.63.129.16,169.254.169.254,.contoso.example');
  expect(text).toContain("[string[]] $For = @('agent,updates'),");
  expect(setting(text, 'Mode')).toBe('apply');
  expect(setting(print('--proxy', 'p:1', '--dry-run'), 'Mode')).toBe('dry-run');
  expect(setting(print('--undo'), 'Mode')).toBe('undo');
  expect(setting(print('--undo', '--dry-run'), 'Mode')).toBe('dry-undo');
});

test('it sets the SYSTEM account, WinHTTP, the SQL plug-in and the Recovery Services agent', async () => {
  const { commands } = await readPowerShell(text);
  const calls = commands.map(({ name, words }) => [name, ...words].join(' '));
  expect(calls).toContain('$tool.Path /util /setieproxy localsystem MANUAL_PROXY $Proxy $Bypass');
  expect(calls).toContain('netsh.exe winhttp set proxy "proxy-server=$Proxy" "bypass-list=$Bypass"');
  expect(calls).toContain('Set-OBMachineSetting -ProxyServer "http://$ProxyHost" -ProxyPort $ProxyPort');
  expect(calls).toContain('Set-AccountProxy $SystemHive');
  expect(calls).toContain('Set-AccountProxy "Registry::HKEY_USERS\\$sid\\$InternetSettings"');
  for (const name of ['ProxyEnable', 'ProxyServer', 'ProxyOverride']) {
    expect(calls.some((call) => call.startsWith(`Set-Value $Hive '${name}'`))).toBe(true);
  }
  expect(text).toContain("@('DefaultConnectionSettings', 'SavedLegacySettings')");
  expect(text).toContain("$SqlAccount = 'NT Service\\AzureWLBackupPluginSvc'");
});

test('every value that it writes was kept before, so that it can be taken back', async () => {
  const { commands } = await readPowerShell(text);
  const at = (name: string): readonly number[] => commands.filter((call) => call.name === name).map(({ line }) => line);
  // One place writes the registry on the way there; it is behind the one that keeps the value.
  const [write = 0] = at('New-ItemProperty');
  expect(at('Save-Value').some((line) => line < write && write - line < 5)).toBe(true);
  const [netsh = 0] = commands
    .filter(({ words }) => words.includes('set') && words.includes('winhttp'))
    .map(({ line }) => line);
  expect(at('Save-Value')).toContain(netsh - 1);
  const [mars = 0] = at('Set-OBMachineSetting');
  expect(at('Save-Value')).toContain(mars - 1);
});
