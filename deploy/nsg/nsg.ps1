<#
.SYNOPSIS
The network security group of a locked-down subnet: nothing gets out to the internet but the proxy.

.DESCRIPTION
Does with Az PowerShell what nsg.sh does with the az CLI. A second run changes nothing that is right, and a run that was
interrupted is completed by the next.

The old procedure used the classic cmdlets. Get-AzureNetworkSecurityGroup is Get-AzNetworkSecurityGroup here,
Set-AzureNetworkSecurityRule is Add- or Set-AzNetworkSecurityRuleConfig followed by Set-AzNetworkSecurityGroup, and
-Type Outbound is -Direction Outbound. Its port range 80-443 let out 364 ports; two are meant.

.PARAMETER ResourceGroupName
The resource group.

.PARAMETER Proxy
The private address of the proxy VM, such as 10.0.0.5.

.PARAMETER Name
The group to make or complete.

.PARAMETER Location
Where it is made; the resource group's own region unless given.

.PARAMETER Subnet
VNET/SUBNET: puts the group on this subnet, and looks at its routes and peerings.

.PARAMETER Tight
Instead of the internet on ports 80 and 443, one rule a service tag on port 443.

.PARAMETER Tags
Those tags.

.PARAMETER DryRun
Says what would change, and changes nothing; -WhatIf does the same.

.EXAMPLE
./nsg.ps1 -ResourceGroupName rg -Proxy 10.0.0.5 -Subnet vnet/apps -DryRun
#>
[CmdletBinding(SupportsShouldProcess = $true)]
param(
    [Parameter(Mandatory = $true)] [ValidateNotNullOrEmpty()] [string] $ResourceGroupName,
    [Parameter(Mandatory = $true)] [ValidateNotNullOrEmpty()] [string] $Proxy,
    [string] $Name = 'NSG-lockdown',
    [string] $Location = '',
    [string] $Subnet = '',
    [switch] $Tight,
    [string[]] $Tags = @('Storage', 'AzureBackup', 'AzureActiveDirectory', 'AzureResourceManager'),
    [switch] $DryRun
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$FirstPriority = 200
$FirstTagPriority = 201
$DenyPriority = 4000
$Changes = 0
if ($WhatIfPreference) { $DryRun = $true }

function Stop-Script([string] $Message, [int] $Code = 1) {
    Write-Error -Message $Message -ErrorAction Continue
    exit $Code
}

function Test-Private([string] $Text) {
    $address = $null
    if ($Text -notmatch '^\d{1,3}(\.\d{1,3}){3}$' -or -not [Net.IPAddress]::TryParse($Text, [ref] $address)) { return $false }
    $b = $address.GetAddressBytes()
    return $b[0] -eq 10 -or ($b[0] -eq 172 -and $b[1] -ge 16 -and $b[1] -lt 32) -or
        ($b[0] -eq 192 -and $b[1] -eq 168) -or ($b[0] -eq 100 -and $b[1] -ge 64 -and $b[1] -lt 128)
}

$Proxy = $Proxy -replace '/32$', ''
if (-not (Test-Private $Proxy)) {
    Stop-Script "-Proxy: $Proxy is no private IPv4 address; give the proxy VM's own, such as 10.0.0.5" 2
}
if ($Subnet -ne '' -and $Subnet -notmatch '^[^/]+/[^/]+$') { Stop-Script "-Subnet: write VNET/SUBNET; got $Subnet" 2 }
if ($Tags.Count -eq 0) { Stop-Script '-Tags: name at least one service tag' 2 }
foreach ($tag in $Tags) {
    if ($tag -notmatch '^[A-Za-z0-9.]+$') { Stop-Script "-Tags: $tag is no service tag" 2 }
}
if ($null -eq (Get-Command -Name 'Get-AzNetworkSecurityGroup' -ErrorAction SilentlyContinue)) {
    Stop-Script 'Az.Network is not here: run Install-Module Az.Network -Scope CurrentUser; nothing was changed'
}
if ($null -eq (Get-AzContext -ErrorAction SilentlyContinue)) {
    Stop-Script 'not logged in: run Connect-AzAccount, and Set-AzContext -Subscription NAME; nothing was changed'
}

$Source = "$Proxy/32"
$Rules = @()
if ($Tight) {
    $priority = $FirstTagPriority
    foreach ($tag in $Tags) {
        $ruleName = 'allow-proxy-' + $tag.ToLowerInvariant().Replace('.', '-')
        $Rules += @{ Name = $ruleName; Priority = $priority; Access = 'Allow'; Protocol = 'Tcp'; Source = $Source; Destination = $tag; Ports = @('443') }
        $priority++
    }
} else {
    $Rules += @{ Name = 'allow-proxy-internet'; Priority = $FirstPriority; Access = 'Allow'; Protocol = 'Tcp'; Source = $Source; Destination = 'Internet'; Ports = @('80', '443') }
}
$Rules += @{ Name = 'deny-internet'; Priority = $DenyPriority; Access = 'Deny'; Protocol = '*'; Source = '*'; Destination = 'Internet'; Ports = @('*') }

# One line for a rule, as it is wanted or as it is there.
function Get-RuleText($Priority, $Direction, $Access, $Protocol, $From, $To, $Ports) {
    return "$Priority $Direction $Access $Protocol $(@($From) -join ' ') $(@($To) -join ' ') $(@($Ports) -join ' ')"
}

$place = Get-AzResourceGroup -Name $ResourceGroupName -ErrorAction SilentlyContinue
if ($null -eq $place) { Stop-Script "there is no resource group $ResourceGroupName in this subscription; nothing was changed" }
if ($Subnet -ne '') {
    $vnetName, $subnetName = $Subnet -split '/'
    $vnet = Get-AzVirtualNetwork -ResourceGroupName $ResourceGroupName | Where-Object { $_.Name -eq $vnetName }
    $part = $null
    if ($null -ne $vnet) { $part = $vnet.Subnets | Where-Object { $_.Name -eq $subnetName } }
    if ($null -eq $part) { Stop-Script "-Subnet: there is no $Subnet in the resource group $ResourceGroupName; nothing was changed" }
}
$group = Get-AzNetworkSecurityGroup -ResourceGroupName $ResourceGroupName -ErrorAction Stop | Where-Object { $_.Name -eq $Name }
$present = @()
if ($null -ne $group) { $present = @($group.SecurityRules) }
# Azure refuses two rules of one direction with one priority: said before anything is changed.
foreach ($rule in $Rules) {
    foreach ($other in $present) {
        if ($other.Direction -eq 'Outbound' -and $other.Priority -eq $rule.Priority -and $other.Name -ne $rule.Name -and $other.Name -notlike 'allow-proxy-*') {
            Stop-Script "the rule $($other.Name) has priority $($rule.Priority), which $($rule.Name) needs: give it another; nothing was changed"
        }
    }
}
if ($null -eq $group) {
    if ($Location -eq '') { $Location = $place.Location }
    Write-Output "New-AzNetworkSecurityGroup -ResourceGroupName $ResourceGroupName -Name $Name -Location $Location"
    $Changes++
    if (-not $DryRun) { $group = New-AzNetworkSecurityGroup -ResourceGroupName $ResourceGroupName -Name $Name -Location $Location }
} else {
    Write-Output "as it should be: the group $Name"
}

$ruleChanges = 0
foreach ($rule in $Rules) {
    $found = $present | Where-Object { $_.Name -eq $rule.Name }
    $wanted = Get-RuleText $rule.Priority 'Outbound' $rule.Access $rule.Protocol $rule.Source $rule.Destination $rule.Ports
    $is = ''
    if ($null -ne $found) {
        $is = Get-RuleText $found.Priority $found.Direction $found.Access $found.Protocol $found.SourceAddressPrefix $found.DestinationAddressPrefix $found.DestinationPortRange
    }
    if ($is -eq $wanted) {
        Write-Output "as it should be: $($rule.Name)"
        continue
    }
    $ruleChanges++
    $values = @{
        Name = $rule.Name; Priority = $rule.Priority; Direction = 'Outbound'; Access = $rule.Access; Protocol = $rule.Protocol
        SourceAddressPrefix = $rule.Source; SourcePortRange = '*'
        DestinationAddressPrefix = $rule.Destination; DestinationPortRange = $rule.Ports
    }
    if ($null -eq $found) {
        Write-Output "Add-AzNetworkSecurityRuleConfig $($rule.Name): $wanted"
        if (-not $DryRun) { $null = $group | Add-AzNetworkSecurityRuleConfig @values }
    } else {
        Write-Output "Set-AzNetworkSecurityRuleConfig $($rule.Name): $wanted (was: $is)"
        if (-not $DryRun) { $null = $group | Set-AzNetworkSecurityRuleConfig @values }
    }
}
# What these scripts name so is theirs: a run with -Tight takes out what one without had put in, and the other way round.
foreach ($old in $present) {
    if ($old.Name -like 'allow-proxy-*' -and @($Rules | ForEach-Object { $_.Name }) -notcontains $old.Name) {
        $ruleChanges++
        Write-Output "Remove-AzNetworkSecurityRuleConfig $($old.Name)"
        if (-not $DryRun) { $null = $group | Remove-AzNetworkSecurityRuleConfig -Name $old.Name }
    }
}
if ($ruleChanges -gt 0) {
    $Changes += $ruleChanges
    # All rules at once: the group never stands half changed.
    if (-not $DryRun) { $null = $group | Set-AzNetworkSecurityGroup }
}

if ($Subnet -ne '') {
    $attached = ''
    if ($null -ne $part.NetworkSecurityGroup) { $attached = ($part.NetworkSecurityGroup.Id -split '/')[-1] }
    if ($attached -eq $Name) {
        Write-Output "as it should be: $Name on $Subnet"
    } else {
        if ($attached -ne '') { Write-Warning "$Subnet has the group $attached, which $Name replaces" }
        $Changes++
        Write-Output "Set-AzVirtualNetworkSubnetConfig $Subnet -NetworkSecurityGroup $Name"
        if (-not $DryRun) {
            # The object that is there is changed, so that its routes, endpoints and delegations stay.
            $part.NetworkSecurityGroup = $group
            $null = $vnet | Set-AzVirtualNetwork
        }
    }
    if ($null -ne $part.RouteTable) {
        Write-Warning "$Subnet has the route table $(($part.RouteTable.Id -split '/')[-1]): a route for 0.0.0.0/0 in it makes the internet part of VirtualNetwork"
    }
    foreach ($peering in @($vnet.VirtualNetworkPeerings)) { Write-Warning "$vnetName is peered: $($peering.Name); look at what lets out there" }
}

# What stays open.
foreach ($other in $present) {
    if ($other.Direction -eq 'Outbound' -and $other.Access -eq 'Allow' -and $other.Priority -lt $DenyPriority -and $other.Name -notlike 'allow-proxy-*') {
        Write-Warning "the rule $($other.Name) ($($other.Priority)) lets out to $(@($other.DestinationAddressPrefix) -join ' ') before deny-internet ($DenyPriority) comes: is that meant?"
    }
}
Write-Warning 'AllowVnetOutBound (65000) stays: VirtualNetwork also means peered networks, networks behind a gateway, and every prefix that a route table names. A proxy, NAT or default route there is a way out past this group.'
if ($Tight) {
    Write-Output 'With -Tight the Download Center, certificate revocation lists and package mirrors are in no tag and are not reached:'
    Write-Output '  set ranges: { source: discovery } on the proxy, whose managed identity then needs the role Reader,'
    Write-Output '  and bring packages and agents by another way.'
}
if ($DryRun) {
    Write-Output "$Changes changes would be made; nothing was changed (-DryRun)"
} elseif ($Changes -eq 0) {
    Write-Output 'nothing to change'
} else {
    Write-Output "done: $Changes changes"
}
