<#
.SYNOPSIS
Lets a virtual network, and nobody else, reach a port of this Windows machine: the port that a proxy listens on.

.DESCRIPTION
Makes one inbound rule of the Windows firewall for the port, open to the prefixes given and to no other. A second run
changes nothing that is right; another prefix or port changes the rule that is there. Run it in an elevated PowerShell.

.PARAMETER VNetPrefix
The prefixes of the virtual network, such as 10.0.0.0/16.

.PARAMETER Port
The port that the proxy listens on.

.PARAMETER Name
The name of the rule.

.PARAMETER DryRun
Says what would change, and changes nothing; -WhatIf does the same.

.PARAMETER Undo
Takes the rule out again.

.EXAMPLE
./firewall.ps1 -VNetPrefix 10.0.0.0/16
#>
[CmdletBinding(SupportsShouldProcess = $true)]
param(
    [string[]] $VNetPrefix = @(),
    [ValidateRange(1, 65535)] [int] $Port = 3128,
    [ValidateNotNullOrEmpty()] [string] $Name = 'lockdown-proxy',
    [switch] $DryRun,
    [switch] $Undo
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
if ($WhatIfPreference) { $DryRun = $true }

function Stop-Script([string] $Message, [int] $Code = 1) {
    Write-Error -Message $Message -ErrorAction Continue
    exit $Code
}

# An address, or a prefix that leaves something out: a rule for every address would open the port to the internet.
function Test-Prefix([string] $Text) {
    $bare, $length = $Text -split '/', 2
    $address = $null
    # .NET reads 10 as 0.0.0.10.
    if ($bare -notmatch '^\d{1,3}(\.\d{1,3}){3}$' -and $bare -notmatch ':') { return $false }
    if (-not [Net.IPAddress]::TryParse($bare, [ref] $address)) { return $false }
    if ($null -eq $length) { return $true }
    $bits = 8 * $address.GetAddressBytes().Length
    return $length -match '^\d{1,3}$' -and [int] $length -ge 1 -and [int] $length -le $bits
}

if (-not $Undo) {
    if ($VNetPrefix.Count -eq 0) { Stop-Script '-VNetPrefix: give the prefixes of the virtual network, such as 10.0.0.0/16' 2 }
    foreach ($prefix in $VNetPrefix) {
        if (-not (Test-Prefix $prefix)) { Stop-Script "-VNetPrefix: $prefix is no prefix such as 10.0.0.0/16" 2 }
    }
}
$identity = [Security.Principal.WindowsIdentity]::GetCurrent()
$principal = New-Object Security.Principal.WindowsPrincipal($identity)
if (-not $DryRun -and -not $principal.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
    Stop-Script 'run it in an elevated PowerShell (Run as administrator); nothing was changed'
}

$rule = Get-NetFirewallRule -Name $Name -ErrorAction SilentlyContinue
if ($Undo) {
    if ($null -eq $rule) {
        Write-Output 'nothing to change'
        exit 0
    }
    Write-Output "Remove-NetFirewallRule -Name $Name"
    if (-not $DryRun) { Remove-NetFirewallRule -Name $Name }
    exit 0
}

if ($null -eq $rule) {
    Write-Output "New-NetFirewallRule -Name $Name -Direction Inbound -Action Allow -Protocol TCP -LocalPort $Port -RemoteAddress $($VNetPrefix -join ',')"
    if (-not $DryRun) {
        $null = New-NetFirewallRule -Name $Name -DisplayName $Name -Direction Inbound -Action Allow -Profile Any -Protocol TCP -LocalPort $Port -RemoteAddress $VNetPrefix
    }
    exit 0
}

# Windows gives a prefix back with its mask written out.
function Get-Normal([string] $Text) {
    $bare, $length = $Text -split '/', 2
    if ($null -eq $length) { return $bare }
    if ($length -match '^\d+$') { return "$bare/$length" }
    $ones = 0
    foreach ($byte in ([Net.IPAddress] $length).GetAddressBytes()) { $ones += ([Convert]::ToString($byte, 2) -replace '0', '').Length }
    return "$bare/$ones"
}

$filter = $rule | Get-NetFirewallPortFilter
$ports = "$($filter.Protocol) $(@($filter.LocalPort) -join ',')"
$addresses = @(@(($rule | Get-NetFirewallAddressFilter).RemoteAddress) | ForEach-Object { Get-Normal $_ } | Sort-Object) -join ','
$wanted = @($VNetPrefix | ForEach-Object { Get-Normal $_ } | Sort-Object) -join ','
$isOpen = [string] $rule.Enabled -eq 'True' -and [string] $rule.Action -eq 'Allow' -and [string] $rule.Direction -eq 'Inbound'
if ($ports -eq "TCP $Port" -and $addresses -eq $wanted -and $isOpen) {
    Write-Output 'nothing to change'
    exit 0
}
Write-Output "Set-NetFirewallRule -Name $Name -LocalPort $Port -RemoteAddress $wanted (was: $ports from $addresses)"
if (-not $DryRun) {
    Set-NetFirewallRule -Name $Name -Enabled True -Direction Inbound -Action Allow -Profile Any -Protocol TCP -LocalPort $Port -RemoteAddress $VNetPrefix
}
