<#
.SYNOPSIS
Is this Windows VM ready to be backed up through its proxy? Looks, changes nothing, and says what mends each finding.

.DESCRIPTION
Needs Windows PowerShell 5.1 alone. Run it in an elevated PowerShell, so that the settings of other accounts can be read.
Exit code: 0 nothing failed (warnings may have come), 1 something did, 2 wrong usage.

.PARAMETER Proxy
HOST:PORT of the proxy; what the SYSTEM account is told unless given.

.PARAMETER Storage
A storage name to reach through it; the name of an account in use is best.

.PARAMETER Vault
The vault's name, to be looked at.

.PARAMETER VaultRegion
The region that the vault is in, such as westeurope.

.PARAMETER Json
One JSON object, for fleets.

.EXAMPLE
./check.ps1 -Proxy 10.0.0.5:3128 -Storage account.blob.core.windows.net
#>
[CmdletBinding()]
param(
    [string] $Proxy = '',
    [string] $Storage = '',
    [string] $Vault = '',
    [string] $VaultRegion = '',
    [switch] $Json
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$Wire = '168.63.129.16'
$Imds = '169.254.169.254'
$WaitMs = 5000
$Suffix = 'core.windows.net'
$SetUp = 'run the script that lockdown-proxy client-config windows prints'
$Rows = New-Object System.Collections.ArrayList
$Failed = $false

$Proxy = $Proxy -replace '^http://', '' -replace '/$', ''
function Test-HostPort([string] $Text) {
    return $Text -match '^[A-Za-z0-9._-]+:([0-9]{1,5})$' -and [int] $Matches[1] -gt 0 -and [int] $Matches[1] -lt 65536
}

if ($Proxy -ne '' -and -not (Test-HostPort $Proxy)) {
    Write-Error -Message "-Proxy: write HOST:PORT, such as 10.0.0.5:3128; got $Proxy" -ErrorAction Continue
    exit 2
}
if ($Storage -ne '' -and $Storage -notmatch '^[A-Za-z0-9.-]+$') {
    Write-Error -Message "-Storage: write a host name; got $Storage" -ErrorAction Continue
    exit 2
}

function Add-Finding([string] $State, [string] $Check, [string] $Text, $Fix = $null) {
    if ($State -eq 'fail') { $script:Failed = $true }
    $clean = $Text -replace '[\x00-\x1f\x7f]', ''
    $null = $script:Rows.Add([pscustomobject] @{ check = $Check; state = $State; text = $clean; fix = $Fix })
    if ($script:Json) { return }
    Write-Output ('{0,-4}  {1,-18}  {2}' -f $State, $Check, $clean)
    if ($null -ne $Fix) { Write-Output ((' ' * 26) + "-> $Fix") }
}

# Opens a TCP connection; null where there is none within the time.
function Open-Connection([string] $Name, [int] $Port) {
    $client = New-Object Net.Sockets.TcpClient
    try {
        $pending = $client.BeginConnect($Name, $Port, $null, $null)
        if ($pending.AsyncWaitHandle.WaitOne($WaitMs) -and $client.Connected) {
            $client.ReceiveTimeout = $WaitMs
            return $client
        }
    } catch {
        Write-Verbose "${Name}:${Port}: $($_.Exception.Message)"
    }
    $client.Close()
    return $null
}

function Test-Port([string] $Name, [int] $Port) {
    $client = Open-Connection $Name $Port
    if ($null -eq $client) { return $false }
    $client.Close()
    return $true
}

# The status line that the proxy answers a CONNECT with; empty where it does not.
function Get-ConnectStatus([string] $Target) {
    $name, $port = $script:Proxy -split ':'
    $client = Open-Connection $name ([int] $port)
    if ($null -eq $client) { return '' }
    try {
        $stream = $client.GetStream()
        $bytes = [Text.Encoding]::ASCII.GetBytes("CONNECT $Target HTTP/1.0`r`n`r`n")
        $stream.Write($bytes, 0, $bytes.Length)
        $reader = New-Object IO.StreamReader($stream, [Text.Encoding]::ASCII)
        return [string] $reader.ReadLine()
    } catch {
        return ''
    } finally {
        $client.Close()
    }
}

function Test-Agent {
    $file = Get-Item -LiteralPath "$env:SystemDrive\WindowsAzure\Packages\WaAppAgent.exe" -ErrorAction SilentlyContinue
    $least = [version] '2.6.1198.718'
    if ($null -eq $file) {
        Add-Finding 'fail' 'agent' 'WaAppAgent.exe is not there: the Azure agent is not installed' 'install the Azure VM agent (its MSI, through the proxy)'
    } else {
        $told = [string] $file.VersionInfo.ProductVersion
        $version = $null
        if ([version]::TryParse($told, [ref] $version) -and $version -ge $least) {
            Add-Finding 'ok' 'agent' "WaAppAgent $told"
        } else {
            Add-Finding 'fail' 'agent' "WaAppAgent $told is older than $least" 'install the current Azure VM agent'
        }
    }
    $service = Get-Service -Name 'WindowsAzureGuestAgent' -ErrorAction SilentlyContinue
    if ($null -eq $service) {
        Add-Finding 'fail' 'agent-service' 'there is no service WindowsAzureGuestAgent' 'install the Azure VM agent'
    } elseif ($service.Status -eq 'Running') {
        Add-Finding 'ok' 'agent-service' 'WindowsAzureGuestAgent is running'
    } else {
        Add-Finding 'fail' 'agent-service' "WindowsAzureGuestAgent is $($service.Status)" 'Start-Service WindowsAzureGuestAgent, then look at C:\WindowsAzure\Logs'
    }
}

function Test-SystemProxy {
    $key = 'Registry::HKEY_USERS\S-1-5-18\Software\Microsoft\Windows\CurrentVersion\Internet Settings'
    $settings = Get-ItemProperty -LiteralPath $key -ErrorAction SilentlyContinue
    $told = ''
    $isOn = $false
    if ($null -ne $settings) {
        if ($settings.PSObject.Properties.Name -contains 'ProxyServer') { $told = [string] $settings.ProxyServer }
        if ($settings.PSObject.Properties.Name -contains 'ProxyEnable') { $isOn = $settings.ProxyEnable -eq 1 }
    }
    $told = $told -replace '^http://', ''
    if ($told -eq '' -or -not $isOn) {
        Add-Finding 'fail' 'system-proxy' 'the SYSTEM account, which the agent runs as, has no proxy: it goes direct' $SetUp
    } elseif ($told -notmatch ':[0-9]+$') {
        Add-Finding 'fail' 'system-proxy' "the SYSTEM account is told $told, without a port" $SetUp
    } elseif (-not (Test-HostPort $told)) {
        Add-Finding 'warn' 'system-proxy' "the SYSTEM account is told $told, which is not one HOST:PORT" $SetUp
    } elseif ($script:Proxy -ne '' -and $told -ne $script:Proxy) {
        Add-Finding 'warn' 'system-proxy' "the SYSTEM account is told $told, not $($script:Proxy)" $SetUp
    } else {
        Add-Finding 'ok' 'system-proxy' $told
        if ($script:Proxy -eq '') { $script:Proxy = $told }
    }
    $shown = (& netsh.exe winhttp show proxy) -join ' '
    if ($script:Proxy -ne '' -and $shown.Contains($script:Proxy)) {
        Add-Finding 'ok' 'winhttp' $script:Proxy
    } else {
        Add-Finding 'fail' 'winhttp' 'WinHTTP, which certificate revocation checks and Windows Update use, does not go through the proxy' $SetUp
    }
}

function Test-Platform {
    foreach ($port in @(80, 32526)) {
        if (Test-Port $Wire $port) {
            Add-Finding 'ok' "wire-server-$port" "${Wire}:$port answers"
        } else {
            Add-Finding 'fail' "wire-server-$port" "${Wire}:$port is not reached" "let TCP $port to $Wire out: look at the Windows firewall; a network security group does not stop it"
        }
    }
    $compute = $null
    try {
        $request = [Net.WebRequest]::Create("http://$Imds/metadata/instance/compute?api-version=2021-02-01")
        # Past every proxy: what answers there is meant for this machine alone.
        $request.Proxy = $null
        $request.Timeout = $WaitMs
        $request.Headers.Add('Metadata', 'true')
        $response = $request.GetResponse()
        try {
            $reader = New-Object IO.StreamReader($response.GetResponseStream())
            $compute = $reader.ReadToEnd() | ConvertFrom-Json
        } finally {
            $response.Close()
        }
    } catch {
        Add-Finding 'warn' 'metadata' "instance metadata at $Imds does not answer: region and disks are not known" "let TCP 80 to $Imds out, past every proxy"
        return
    }
    Add-Finding 'ok' 'metadata' "region $($compute.location)"
    # What the name of a storage account ends in, unless one is given.
    if ($compute.azEnvironment -eq 'AzureUSGovernmentCloud') { $script:Suffix = 'core.usgovcloudapi.net' }
    if ($compute.azEnvironment -eq 'AzureChinaCloud') { $script:Suffix = 'core.chinacloudapi.cn' }
    $all = @($compute.storageProfile.dataDisks)
    $disks = $all.Count
    $most = 32
    $kind = ''
    # A disk that is no managed one has the address of its blob here.
    if ((ConvertTo-Json -InputObject $all -Depth 5) -match '"uri"\s*:\s*"http') {
        $most = 16
        $kind = 'unmanaged '
    }
    if ($disks -gt $most) {
        Add-Finding 'fail' 'data-disks' "$disks ${kind}data disks; a VM with more than $most cannot be backed up" 'detach disks, or back some up by disk backup'
    } else {
        Add-Finding 'ok' 'data-disks' "$disks ${kind}data disks"
    }
    if ($VaultRegion -eq '') { return }
    # The portal writes West Europe.
    if (($VaultRegion -replace ' ', '') -eq $compute.location) {
        Add-Finding 'ok' 'vault-region' "the vault is in $($compute.location) like this VM"
    } else {
        Add-Finding 'fail' 'vault-region' "the vault is in $VaultRegion, this VM in $($compute.location)" "make a vault in $($compute.location)"
    }
}

function Test-Proxy {
    if ($script:Proxy -eq '') {
        Add-Finding 'fail' 'proxy' 'no proxy is known' 'give -Proxy HOST:PORT'
        return
    }
    $name, $port = $script:Proxy -split ':'
    if (-not (Test-Port $name ([int] $port))) {
        Add-Finding 'fail' 'proxy' "$($script:Proxy) is not reached" 'look at the proxy VM (lockdown-proxy status), its firewall, and the network security groups between'
        return
    }
    Add-Finding 'ok' 'proxy' "$($script:Proxy) answers"
    $target = $Storage
    if ($target -eq '') { $target = "md-ready.blob.$Suffix" }
    $told = Get-ConnectStatus "${target}:443"
    $reason = $told -replace '^HTTP/1\.\d ', ''
    if ($reason -match '^200') {
        Add-Finding 'ok' 'proxy-storage' "a tunnel to $target opens"
    } elseif ($reason -match '^407') {
        Add-Finding 'fail' 'proxy-storage' "${target}: $reason" 'the Azure agent cannot sign in: take this subnet out of auth.requiredFrom on the proxy'
    } elseif ($reason -match '^502 DNS' -and $Storage -eq '') {
        Add-Finding 'warn' 'proxy-storage' "the proxy would let $target out, which does not exist" 'give -Storage with the name of an account in use'
    } elseif ($reason -match '^502 DNS') {
        Add-Finding 'fail' 'proxy-storage' "${target}: $reason" 'the proxy cannot look the name up: is it right?'
    } elseif ($reason -ne '') {
        Add-Finding 'fail' 'proxy-storage' "${target}: $reason" 'on the proxy VM: lockdown-proxy why this VM, or lockdown-proxy explain the name'
    } else {
        Add-Finding 'fail' 'proxy-storage' "${target}: no answer from $($script:Proxy)" 'on the proxy VM: lockdown-proxy doctor'
    }
    $told = (Get-ConnectStatus "${Wire}:80") -replace '^HTTP/1\.\d ', ''
    if ($told -match '^200') {
        Add-Finding 'fail' 'proxy-forbids' "the proxy opens a tunnel to $Wire" 'this is no lockdown-proxy, or not a safe one: whoever reaches it acts as its VM'
    } elseif ($told -ne '') {
        Add-Finding 'ok' 'proxy-forbids' "$Wire is refused: $told"
    } else {
        Add-Finding 'warn' 'proxy-forbids' "no answer for $Wire" 'on the proxy VM: lockdown-proxy doctor'
    }
}

function Test-System {
    $system = Get-CimInstance -ClassName Win32_OperatingSystem
    if ([version] $system.Version -ge [version] '6.1') {
        Add-Finding 'ok' 'system' "$($system.Caption) $($system.Version)"
    } else {
        Add-Finding 'fail' 'system' "$($system.Caption) $($system.Version) is older than Windows Server 2008 R2" 'use a system that Azure Backup supports'
    }
    $interfaces = @(Get-CimInstance -ClassName Win32_NetworkAdapterConfiguration | Where-Object { $_.IPEnabled -and $_.DefaultIPGateway })
    $static = @($interfaces | Where-Object { -not $_.DHCPEnabled })
    if ($interfaces.Count -eq 0) {
        Add-Finding 'warn' 'dhcp' 'there is no interface with a default route' 'set the network interface to DHCP'
    } elseif ($static.Count -gt 0) {
        Add-Finding 'warn' 'dhcp' "$($static[0].Description) has a fixed address" 'set it to DHCP: a restored VM gets its address from Azure'
    } else {
        Add-Finding 'ok' 'dhcp' "$($interfaces[0].Description) has its address by DHCP"
    }
}

function Test-Vault {
    if ($Vault -eq '') { return }
    if ($Vault -match '^[A-Za-z][A-Za-z0-9-]{1,49}$') {
        Add-Finding 'ok' 'vault-name' $Vault
    } else {
        Add-Finding 'fail' 'vault-name' "$Vault is no name for a vault" '2 to 50 letters, digits and hyphens, a letter first'
    }
}

Test-Agent
Test-SystemProxy
Test-Platform
Test-Proxy
Test-System
Test-Vault
if ($Json) {
    $told = $null
    if ($Proxy -ne '') { $told = $Proxy }
    ConvertTo-Json -InputObject @{ host = $env:COMPUTERNAME; proxy = $told; ok = -not $Failed; checks = @($Rows) } -Depth 4 -Compress
}
if ($Failed) { exit 1 }
exit 0
