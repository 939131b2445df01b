#!/usr/bin/env bash
# The network security group of a locked-down subnet: nothing gets out to the internet but the proxy. Uses the az CLI.
# `--help` says how; a second run changes nothing that is right, and a run that was interrupted is completed by the next.
set -euo pipefail

nsg=NSG-lockdown
group='' proxy='' location='' subnet=''
tight=0 dry_run=0
tags='Storage AzureBackup AzureActiveDirectory AzureResourceManager'
first_priority=200
# Not the one of the rule for the internet: the two ways can replace each other without a moment in which neither stands.
first_tag_priority=201
deny_priority=4000

usage() {
  cat <<'END'
usage: nsg.sh --resource-group RG --proxy ADDRESS [options]

  -g, --resource-group RG  the resource group
  --proxy ADDRESS          the private address of the proxy VM, such as 10.0.0.5
  --nsg NAME               the group to make or complete (NSG-lockdown)
  -l, --location REGION    where it is made (the resource group's own region)
  --subnet VNET/SUBNET     puts the group on this subnet, and looks at its routes and peerings
  --tight                  instead of the internet on ports 80 and 443, one rule a service tag on port 443
  --tags "TAG TAG"         those tags (Storage AzureBackup AzureActiveDirectory AzureResourceManager)
  --dry-run                print the commands that would change something, and change nothing

exit code: 0 done, 1 something failed, 2 wrong usage
END
}

fail() {
  printf 'nsg.sh: %s\n' "$1" >&2
  exit "${2:-1}"
}
say() { printf '%s\n' "$*"; }
warn() { printf 'warning: %s\n' "$*" >&2; }

while (($# > 0)); do
  flag=$1
  case $flag in
    --tight) tight=1 ;;
    --dry-run) dry_run=1 ;;
    -h | --help)
      usage
      exit 0
      ;;
    -g | --resource-group | --proxy | --nsg | -l | --location | --subnet | --tags)
      if (($# < 2)) || [[ -z $2 ]]; then fail "$flag: a value is missing" 2; fi
      case $flag in
        -g | --resource-group) group=$2 ;;
        --proxy) proxy=$2 ;;
        --nsg) nsg=$2 ;;
        -l | --location) location=$2 ;;
        --subnet) subnet=$2 ;;
        --tags) tags=$2 ;;
      esac
      shift
      ;;
    *)
      printf 'nsg.sh: unknown argument: %s\n' "$flag" >&2
      usage >&2
      exit 2
      ;;
  esac
  shift
done

is_private() {
  local a b c d rest
  IFS=. read -r a b c d rest <<<"$1"
  [[ -z $rest && $1 =~ ^([0-9]{1,3}\.){3}[0-9]{1,3}$ ]] || return 1
  ((10#$a < 256 && 10#$b < 256 && 10#$c < 256 && 10#$d < 256)) || return 1
  ((10#$a == 10 || (10#$a == 172 && 10#$b >= 16 && 10#$b < 32) || (10#$a == 192 && 10#$b == 168) || \
    (10#$a == 100 && 10#$b >= 64 && 10#$b < 128)))
}

[[ -n $group ]] || fail '--resource-group: name the resource group' 2
[[ -n $proxy ]] || fail '--proxy: give the private address of the proxy VM, such as 10.0.0.5' 2
is_private "${proxy%/32}" || fail "--proxy: $proxy is no private IPv4 address; give the proxy VM's own, such as 10.0.0.5" 2
[[ -z $subnet || $subnet =~ ^[^/]+/[^/]+$ ]] || fail "--subnet: write VNET/SUBNET; got $subnet" 2
proxy=${proxy%/32}/32
read -ra tag_list <<<"$tags"
((${#tag_list[@]} > 0)) || fail '--tags: name at least one service tag' 2
for tag in "${tag_list[@]}"; do
  [[ $tag =~ ^[A-Za-z0-9.]+$ ]] || fail "--tags: $tag is no service tag" 2
done

has_az=1
if ! command -v az >/dev/null; then
  ((dry_run)) || fail 'the az CLI is not here: install azure-cli, or run this in Azure Cloud Shell; nothing was changed'
  has_az=0
  warn 'the az CLI is not here: this is what would be run for a group that is not there yet'
elif ! az account show --output none 2>/dev/null; then
  fail 'az is not logged in: run az login, and az account set --subscription NAME; nothing was changed'
fi

# Asks, and changes nothing. Empty where the thing is not there.
ask() {
  ((has_az)) || return 0
  local told
  if told=$(az "$@" 2>"$problems"); then
    # Windows' az ends its lines with CR.
    printf '%s' "${told//$'\r'/}"
  elif grep -qE 'ResourceGroupNotFound|SubscriptionNotFound' "$problems"; then
    fail "$(tail -n 1 "$problems"); make it with az group create, or look at az account show"
  elif ! grep -qiE 'not ?found|does not exist|could not be found' "$problems"; then
    fail "az $1 $2 $3: $(tail -n 1 "$problems")"
  fi
}

changes=0
# Prints a command as it can be pasted, and runs it unless this is a dry run.
change() {
  changes=$((changes + 1))
  printf 'az'
  printf ' %q' "$@"
  printf '\n'
  ((dry_run)) || az "$@" --output none || fail "az $1 $2 $3 failed; what was done before it stays, and the next run goes on from there"
}

problems=$(mktemp)
trap 'rm -f "$problems"' EXIT

# usage: rule NAME PRIORITY ACCESS PROTOCOL SOURCE DESTINATION PORT..
rule() {
  local name=$1 priority=$2 access=$3 protocol=$4 source=$5 destination=$6 found='' wanted
  shift 6
  wanted="$priority Outbound $access $protocol $source $destination $*"
  local fields="priority, direction, access, protocol, sourceAddressPrefix || join(',', sourceAddressPrefixes)"
  fields+=", destinationAddressPrefix || join(',', destinationAddressPrefixes)"
  fields+=", destinationPortRange || join(',', destinationPortRanges)"
  [[ $gone == *" $name "* ]] || found=$(ask network nsg rule show -g "$group" --nsg-name "$nsg" -n "$name" --query "[$fields]" --output tsv | tr '\t\n,' '   ' | sed 's/ *$//')
  if [[ $found == "$wanted" ]]; then
    say "as it should be: $name"
    return
  fi
  local verb=create
  [[ -z $found ]] || verb=update
  change network nsg rule "$verb" -g "$group" --nsg-name "$nsg" -n "$name" --priority "$priority" \
    --direction Outbound --access "$access" --protocol "$protocol" --source-address-prefixes "$source" \
    --source-port-ranges '*' --destination-address-prefixes "$destination" --destination-port-ranges "$@"
}

there=$(ask network nsg show -g "$group" -n "$nsg" --query name --output tsv)

if [[ -n $subnet ]] && ((has_az)); then
  known=$(ask network vnet subnet show -g "$group" --vnet-name "${subnet%%/*}" -n "${subnet#*/}" --query name --output tsv)
  [[ -n $known ]] || fail "--subnet: there is no $subnet in the resource group $group; nothing was changed"
fi

# The rules that are wanted: `name priority destination port..`, but for the last, which denies.
wanted=()
if ((tight)); then
  priority=$first_tag_priority
  for tag in "${tag_list[@]}"; do
    wanted+=("allow-proxy-$(tr '[:upper:].' '[:lower:]-' <<<"$tag") $priority $tag 443")
    priority=$((priority + 1))
  done
else
  wanted=("allow-proxy-internet $first_priority Internet 80 443")
fi
# No associative arrays: the bash of macOS has none.
names=' ' places=' '
for line in "${wanted[@]}" "deny-internet $deny_priority"; do
  read -r name number _ <<<"$line"
  names+="$name " places+="$number:$name "
done

# Azure refuses two rules of one direction with one priority. Rules of these scripts make way; of another's it is said
# before anything is changed.
standing=$(ask network nsg rule list -g "$group" --nsg-name "$nsg" --query "[?direction=='Outbound'].[name, priority]" --output tsv)
in_the_way=()
while IFS=$'\t' read -r name number; do
  [[ -n $name && $places == *" $number:"* && $places != *" $number:$name "* ]] || continue
  needed_by=${places#*" $number:"}
  [[ $name == allow-proxy-* ]] || fail "the rule $name has priority $number, which ${needed_by%% *} needs: give it another; nothing was changed"
  in_the_way+=("$name")
done <<<"$standing"

if [[ -z $there ]]; then
  change network nsg create -g "$group" -n "$nsg" ${location:+--location "$location"}
else
  say "as it should be: the group $nsg"
fi
gone=' '
drop() {
  change network nsg rule delete -g "$group" --nsg-name "$nsg" -n "$1"
  gone+="$1 "
}
for name in ${in_the_way[@]+"${in_the_way[@]}"}; do drop "$name"; done
for line in "${wanted[@]}"; do
  read -r name number destination ports <<<"$line"
  read -ra port_list <<<"$ports"
  rule "$name" "$number" Allow Tcp "$proxy" "$destination" "${port_list[@]}"
done
# What these scripts name so is theirs: a run with --tight takes out what one without had put in, and the other way round.
while IFS=$'\t' read -r name _; do
  if [[ $name == allow-proxy-* && $names != *" $name "* && $gone != *" $name "* ]]; then drop "$name"; fi
done <<<"$standing"
rule deny-internet "$deny_priority" Deny '*' '*' Internet '*'

if [[ -n $subnet ]]; then
  vnet=${subnet%%/*} part=${subnet#*/}
  attached=$(ask network vnet subnet show -g "$group" --vnet-name "$vnet" -n "$part" --query networkSecurityGroup.id --output tsv)
  if [[ ${attached##*/} == "$nsg" ]]; then
    say "as it should be: $nsg on $subnet"
  else
    [[ -z $attached || $attached == None ]] || warn "$subnet has the group ${attached##*/}, which $nsg replaces"
    change network vnet subnet update -g "$group" --vnet-name "$vnet" -n "$part" --network-security-group "$nsg"
  fi
fi

# What stays open.
others=$(ask network nsg rule list -g "$group" --nsg-name "$nsg" --output tsv --query \
  "[?direction=='Outbound' && access=='Allow' && priority<\`$deny_priority\` && !starts_with(name, 'allow-proxy-')].[name, priority, destinationAddressPrefix || join(',', destinationAddressPrefixes)]")
while IFS=$'\t' read -r name number destination; do
  [[ -z $name ]] || warn "the rule $name ($number) lets out to $destination before deny-internet ($deny_priority) comes: is that meant?"
done <<<"$others"
warn 'AllowVnetOutBound (65000) stays: VirtualNetwork also means peered networks, networks behind a gateway, and every prefix that a route table names. A proxy, NAT or default route there is a way out past this group.'
if [[ -n $subnet ]]; then
  routes=$(ask network vnet subnet show -g "$group" --vnet-name "${subnet%%/*}" -n "${subnet#*/}" --query routeTable.id --output tsv)
  [[ -z $routes || $routes == None ]] || warn "$subnet has the route table ${routes##*/}: a route for 0.0.0.0/0 in it makes the internet part of VirtualNetwork"
  peers=$(ask network vnet peering list -g "$group" --vnet-name "${subnet%%/*}" --query '[].name' --output tsv | tr '\n' ' ')
  [[ -z $peers ]] || warn "${subnet%%/*} is peered: ${peers% }; look at what lets out there"
fi
if ((tight)); then
  say 'With --tight the Download Center, certificate revocation lists and package mirrors are in no tag and are not reached:'
  say '  set ranges: { source: discovery } on the proxy, whose managed identity then needs the role Reader,'
  say '  and bring packages and agents by another way.'
fi
if ((dry_run)); then
  say "$changes commands would be run; nothing was changed (--dry-run)"
elif ((changes == 0)); then
  say 'nothing to change'
else
  say "done: $changes commands"
fi
