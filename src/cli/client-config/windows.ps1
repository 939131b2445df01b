<#
.SYNOPSIS
Sends the HTTP(S) of this Windows VM through its proxy, or takes that back.

.DESCRIPTION
`lockdown-proxy client-config windows` prints this script with the settings of a proxy filled in. Run it in an elevated
PowerShell. It says first what it will change. Every registry value as it was is kept in
%ProgramData%\lockdown-proxy-client\before.json until -Undo puts it back. Running it again changes nothing that is right.

.PARAMETER For
What is to go through the proxy: agent (the SYSTEM account, which the Azure agent and its extensions run as, and WinHTTP),
updates (WinHTTP, which Windows Update and certificate revocation checks use), sql (the account of the SQL Server backup
plug-in), mars (the Recovery Services agent), all.

.PARAMETER DryRun
Says what would change, and changes nothing.

.PARAMETER Undo
Takes out what an earlier run put in, whatever it was for.
#>
[CmdletBinding()]
param(
    [string[]] $For = @('@PURPOSES@'),
    [switch] $DryRun,
    [switch] $Undo
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

# Filled in by client-config.
$ProxyHost = '@PROXY_HOST@'
$ProxyPort = '@PROXY_PORT@'
$NoProxy = '@NO_PROXY@'
$Mode = '@MODE@'

if ($Mode -eq 'dry-run' -or $Mode -eq 'dry-undo') { $DryRun = $true }
if ($Mode -eq 'undo' -or $Mode -eq 'dry-undo') { $Undo = $true }
$Proxy = "${ProxyHost}:${ProxyPort}"
# Windows separates with semicolons, and takes <local> for names without a dot.
$Bypass = (@($NoProxy -split ',' | ForEach-Object { $_.Trim() -replace '^\.', '*.' }) + '<local>') -join ';'
$InternetSettings = 'Software\Microsoft\Windows\CurrentVersion\Internet Settings'
$SystemHive = "Registry::HKEY_USERS\S-1-5-18\$InternetSettings"
$WinHttpKey = "Registry::HKEY_LOCAL_MACHINE\$InternetSettings\Connections"
$SqlAccount = 'NT Service\AzureWLBackupPluginSvc'
$StateFolder = Join-Path $env:ProgramData 'lockdown-proxy-client'
$StateFile = Join-Path $StateFolder 'before.json'
$Purposes = @($For | ForEach-Object { $_ -split ',' } | ForEach-Object { $_.Trim().ToLowerInvariant() } | Where-Object { $_ })

function Stop-Script([string] $Message) {
    Write-Error -Message $Message -ErrorAction Continue
    exit 1
}

foreach ($purpose in $Purposes) {
    if (@('agent', 'updates', 'sql', 'mars', 'all') -notcontains $purpose) {
        Write-Error -Message "-For: $purpose is none of agent, updates, sql, mars, all" -ErrorAction Continue
        exit 2
    }
}
if (-not $Undo -and ($ProxyHost -eq '' -or $ProxyHost.StartsWith('@'))) {
    Write-Error -Message 'no proxy: print this script by lockdown-proxy client-config windows --proxy HOST:PORT' -ErrorAction Continue
    exit 2
}

function Test-Purpose([string] $Name) { return ($Purposes -contains 'all') -or ($Purposes -contains $Name) }

function Test-Elevated {
    $identity = [Security.Principal.WindowsIdentity]::GetCurrent()
    $principal = New-Object Security.Principal.WindowsPrincipal($identity)
    return $principal.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)
}

if (-not $DryRun -and -not (Test-Elevated)) {
    Stop-Script 'run it in an elevated PowerShell (Run as administrator); nothing was changed'
}

# The values that were changed, as they were: a list of Path, Name, Kind, Data; Kind is null for one that was not there.
$Before = @()
if (Test-Path -LiteralPath $StateFile) {
    try {
        $Before = @(Get-Content -LiteralPath $StateFile -Raw | ConvertFrom-Json)
    } catch {
        Stop-Script "$StateFile cannot be read: $($_.Exception.Message); nothing was changed"
    }
}

function Save-State {
    if (-not (Test-Path -LiteralPath $StateFolder)) { $null = New-Item -ItemType Directory -Path $StateFolder }
    # Written aside and moved, so that an interrupted run leaves the old file or the new one.
    ConvertTo-Json -InputObject @($script:Before) -Depth 4 | Set-Content -LiteralPath "$StateFile.new" -Encoding UTF8
    Move-Item -LiteralPath "$StateFile.new" -Destination $StateFile -Force
}

function Read-Value([string] $Path, [string] $Name) {
    if (-not (Test-Path -LiteralPath $Path)) { return $null }
    $key = Get-Item -LiteralPath $Path
    if ($key.GetValueNames() -notcontains $Name) { return $null }
    return @{ Kind = [string] $key.GetValueKind($Name); Data = $key.GetValue($Name, $null, 'DoNotExpandEnvironmentNames') }
}

function Test-Same($Value, [string] $Kind, $Data) {
    if ($null -eq $Value) { return $false }
    $was = @($Value.Data)
    $is = @($Data)
    if ($Kind -eq 'Binary') {
        # Windows counts its own changes in the second number.
        $was = @($was | Select-Object -Skip 8)
        $is = @($is | Select-Object -Skip 8)
    }
    return ($was -join ',') -ceq ($is -join ',')
}

# Keeps a value as it is now, once: a later run must not take its own work for what was there before.
function Save-Value([string] $Path, [string] $Name) {
    if ($script:Before | Where-Object { $_.Path -eq $Path -and $_.Name -eq $Name }) { return }
    $value = Read-Value $Path $Name
    $kind = $null
    $data = $null
    if ($null -ne $value) {
        $kind = $value.Kind
        $data = $value.Data
    }
    $script:Before = @($script:Before) + [pscustomobject] @{ Path = $Path; Name = $Name; Kind = $kind; Data = $data }
    Save-State
}

function Set-Value([string] $Path, [string] $Name, [string] $Kind, $Data) {
    if (Test-Same (Read-Value $Path $Name) $Kind $Data) {
        Write-Output "  as it should be  $Path $Name"
        return
    }
    Write-Output "  will change      $Path $Name"
    $script:Changes++
    if ($DryRun) { return }
    Save-Value $Path $Name
    if (-not (Test-Path -LiteralPath $Path)) { $null = New-Item -Path $Path -Force }
    $null = New-ItemProperty -LiteralPath $Path -Name $Name -PropertyType $Kind -Value $Data -Force
}

$Changes = 0

# The settings as WinINET keeps them for one account: version, a counter, flags (1 direct, 2 proxy), proxy, bypass list,
# no script, and 32 bytes that Windows fills.
function Get-ConnectionSettings {
    $ascii = [Text.Encoding]::ASCII
    $bytes = New-Object System.Collections.Generic.List[byte]
    foreach ($number in @(0x46, 1, 3)) { $bytes.AddRange([BitConverter]::GetBytes([int] $number)) }
    foreach ($text in @($Proxy, $Bypass, '')) {
        $bytes.AddRange([BitConverter]::GetBytes([int] $text.Length))
        $bytes.AddRange($ascii.GetBytes($text))
    }
    $bytes.AddRange((New-Object byte[] 32))
    return , $bytes.ToArray()
}

function Set-AccountProxy([string] $Hive) {
    Set-Value $Hive 'ProxyEnable' 'DWord' 1
    Set-Value $Hive 'ProxyServer' 'String' $Proxy
    Set-Value $Hive 'ProxyOverride' 'String' $Bypass
    $settings = Get-ConnectionSettings
    foreach ($name in @('DefaultConnectionSettings', 'SavedLegacySettings')) {
        Set-Value "$Hive\Connections" $name 'Binary' $settings
    }
}

function Set-SystemProxy {
    $earlier = $script:Changes
    Set-AccountProxy $SystemHive
    if ($script:Changes -eq $earlier) { return }
    $tool = Get-Command -Name 'bitsadmin.exe' -CommandType Application -ErrorAction SilentlyContinue
    if ($null -eq $tool) {
        Write-Output '  not here         bitsadmin.exe: the registry values alone are set'
        return
    }
    Write-Output "  will run         bitsadmin /util /setieproxy localsystem MANUAL_PROXY $Proxy `"$Bypass`""
    if ($DryRun) { return }
    & $tool.Path /util /setieproxy localsystem MANUAL_PROXY $Proxy $Bypass | Out-Null
    if ($LASTEXITCODE -ne 0) { Write-Warning "bitsadmin ended with $LASTEXITCODE; the registry values are set" }
}

function Set-WinHttpProxy {
    $shown = (& netsh.exe winhttp show proxy) -join ' '
    if ($shown.Contains($Proxy) -and $shown.Contains($Bypass)) {
        Write-Output '  as it should be  netsh winhttp show proxy'
        return
    }
    $script:Changes++
    Write-Output "  will run         netsh winhttp set proxy proxy-server=`"$Proxy`" bypass-list=`"$Bypass`""
    if ($DryRun) { return }
    Save-Value $WinHttpKey 'WinHttpSettings'
    & netsh.exe winhttp set proxy "proxy-server=$Proxy" "bypass-list=$Bypass" | Out-Null
    if ($LASTEXITCODE -ne 0) { Stop-Script "netsh winhttp set proxy ended with $LASTEXITCODE" }
}

function Set-SqlProxy {
    try {
        $account = New-Object Security.Principal.NTAccount($SqlAccount)
        $sid = $account.Translate([Security.Principal.SecurityIdentifier]).Value
    } catch {
        Write-Output "  not here         ${SqlAccount}: the SQL Server backup plug-in is not installed; run this again once it is"
        return
    }
    if (-not (Test-Path -LiteralPath "Registry::HKEY_USERS\$sid")) {
        Write-Output "  not loaded       the settings of ${SqlAccount}: start its service, then run this again"
        return
    }
    Set-AccountProxy "Registry::HKEY_USERS\$sid\$InternetSettings"
}

function Set-MarsProxy {
    Write-Output "  at a set-up      MARSAgentInstaller.exe /q /ph http://$ProxyHost /po $ProxyPort (and /pu, /pw where the proxy wants a user)"
    $module = Get-Module -ListAvailable -Name 'MSOnlineBackup' -ErrorAction SilentlyContinue
    if ($null -eq $module) {
        Write-Output '  not here         the module MSOnlineBackup: the Recovery Services agent is not installed'
        return
    }
    Import-Module -Name 'MSOnlineBackup'
    $setting = Get-OBMachineSetting -ErrorAction SilentlyContinue
    if ($null -ne $setting -and [string] $setting.ProxyServer -eq "http://$ProxyHost" -and [string] $setting.ProxyPort -eq $ProxyPort) {
        Write-Output '  as it should be  Get-OBMachineSetting'
        return
    }
    $script:Changes++
    Write-Output "  will run         Set-OBMachineSetting -ProxyServer http://$ProxyHost -ProxyPort $ProxyPort"
    if ($DryRun) { return }
    Save-Value 'MSOnlineBackup' 'Proxy'
    $null = Set-OBMachineSetting -ProxyServer "http://$ProxyHost" -ProxyPort $ProxyPort
}

function Restore-Value($Entry) {
    Write-Output "  will restore     $($Entry.Path) $($Entry.Name)"
    if ($DryRun) { return }
    if ($Entry.Path -eq 'MSOnlineBackup') {
        Import-Module -Name 'MSOnlineBackup' -ErrorAction SilentlyContinue
        $null = Set-OBMachineSetting -NoProxy
        return
    }
    if (-not (Test-Path -LiteralPath $Entry.Path)) { return }
    if ($null -eq $Entry.Kind) {
        Remove-ItemProperty -LiteralPath $Entry.Path -Name $Entry.Name -ErrorAction SilentlyContinue
        return
    }
    $data = $Entry.Data
    if ($Entry.Kind -eq 'Binary') { $data = [byte[]] @($data) }
    $null = New-ItemProperty -LiteralPath $Entry.Path -Name $Entry.Name -PropertyType $Entry.Kind -Value $data -Force
}

if ($Undo) {
    Write-Output 'This takes out what client-config has put in on this machine:'
    foreach ($entry in $Before) { Restore-Value $entry }
    if ($Before.Count -eq 0) {
        Write-Output 'Nothing to change.'
        exit 0
    }
    if (-not $DryRun) { Remove-Item -LiteralPath $StateFolder -Recurse -Force }
} else {
    Write-Output "This sends requests through http://$Proxy, but for ${Bypass}:"
    if (Test-Purpose 'agent') { Set-SystemProxy }
    if ((Test-Purpose 'agent') -or (Test-Purpose 'updates')) { Set-WinHttpProxy }
    if (Test-Purpose 'sql') { Set-SqlProxy }
    if (Test-Purpose 'mars') { Set-MarsProxy }
    if ($Changes -eq 0) {
        Write-Output 'Nothing to change.'
        exit 0
    }
}
if ($DryRun) {
    Write-Output 'Nothing was changed (-DryRun).'
    exit 0
}
foreach ($name in @('WindowsAzureGuestAgent', 'RdAgent')) {
    $service = Get-Service -Name $name -ErrorAction SilentlyContinue
    if ($null -ne $service -and $service.Status -eq 'Running') {
        Restart-Service -Name $name -Force
        Write-Output "restarted $name"
    }
}
Write-Output 'Done. Programs that run already keep their old settings until they start anew.'
