/** The commands that Windows PowerShell 5.1 has of itself, as far as scripts here use them. */
import type { PowerShellScript } from './powershell.ts';

/** Written down by hand from Microsoft's module reference: a name that is not here is looked up there, then added. */
const builtIn: ReadonlySet<string> = new Set(
  (
    'Add-Member ConvertFrom-Json ConvertTo-Json Copy-Item ForEach-Object Format-Table Get-CimInstance Get-Command ' +
    'Get-Content Get-Item Get-ItemProperty Get-Module Get-Process Get-Service Import-Module Invoke-WebRequest Join-Path ' +
    'Measure-Object Move-Item New-Item New-ItemProperty New-Object Out-Null Out-String Remove-Item Remove-ItemProperty ' +
    'Resolve-DnsName Restart-Service Select-Object Set-Content Set-ItemProperty Set-StrictMode Sort-Object Start-Service ' +
    'Test-NetConnection Test-Path Where-Object Write-Error Write-Host Write-Output Write-Verbose Write-Warning ' +
    'Get-NetFirewallRule New-NetFirewallRule Remove-NetFirewallRule Set-NetFirewallRule Get-NetFirewallPortFilter ' +
    'Get-NetFirewallAddressFilter Get-NetIPInterface Get-Disk'
  ).split(' '),
);

/** Names that a script calls and that are neither built in, nor its own, nor among `others`; a variable's are not judged. */
export function unknownCommands(
  { commands, functions }: PowerShellScript,
  others: readonly string[],
): readonly string[] {
  const known = new Set([...builtIn, ...functions, ...others].map((name) => name.toLowerCase()));
  const called = commands.map(({ name, line }) => ({ name, line })).filter(({ name }) => !name.startsWith('$'));
  return called.filter(({ name }) => !known.has(name.toLowerCase())).map(({ name, line }) => `${line}: ${name}`);
}
