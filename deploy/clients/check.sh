#!/usr/bin/env bash
# Is this Linux VM ready to be backed up through its proxy? Looks, changes nothing, and says for each finding what mends
# it. Needs bash and coreutils alone. `--help` says how.
set -uo pipefail
# Bytes, whatever the locale is; and what the tools say is not translated.
export LC_ALL=C

proxy='' storage='' vault='' region='' root='' as_json=0
imds=169.254.169.254 wire=168.63.129.16
wait_s=${CHECK_WAIT_S:-5}

usage() {
  cat <<'END'
usage: check.sh [options]

  --proxy HOST:PORT     the proxy; what the Azure agent is told in /etc/waagent.conf unless given
  --storage HOST        a storage name to reach through it (the name of an account in use is best)
  --vault NAME          the vault's name, to be looked at
  --vault-region NAME   the region that the vault is in, such as westeurope
  --json                one JSON object, for fleets
  --root DIR            a folder that holds the system's files, instead of /

exit code: 0 nothing failed (warnings may have come), 1 something did, 2 wrong usage
END
}

while (($# > 0)); do
  case $1 in
    --json) as_json=1 ;;
    -h | --help)
      usage
      exit 0
      ;;
    --proxy | --storage | --vault | --vault-region | --root)
      if (($# < 2)); then
        printf 'check.sh: %s: a value is missing\n' "$1" >&2
        exit 2
      fi
      case $1 in
        --proxy) proxy=$2 ;;
        --storage) storage=$2 ;;
        --vault) vault=$2 ;;
        --vault-region) region=$2 ;;
        --root) root=${2%/} ;;
      esac
      shift
      ;;
    *)
      printf 'check.sh: unknown argument: %s\n' "$1" >&2
      usage >&2
      exit 2
      ;;
  esac
  shift
done
proxy=${proxy#http://} proxy=${proxy%/}
is_host_port() {
  [[ $1 =~ ^[A-Za-z0-9._-]+:([0-9]{1,5})$ ]] && ((10#${BASH_REMATCH[1]} > 0 && 10#${BASH_REMATCH[1]} < 65536))
}
if [[ -n $proxy ]] && ! is_host_port "$proxy"; then
  printf 'check.sh: --proxy: write HOST:PORT, such as 10.0.0.5:3128; got %s\n' "$proxy" >&2
  exit 2
fi
if [[ -n $storage && ! $storage =~ ^[A-Za-z0-9.-]+$ ]]; then
  printf 'check.sh: --storage: write a host name; got %s\n' "$storage" >&2
  exit 2
fi

rows=() failed=0

# Text without what a terminal would obey, and in ASCII: what is no UTF-8 would not be JSON either.
plain() { printf '%s' "$1" | tr -d '\000-\037\177' | tr -c '\040-\176' '?'; }

# Text as a JSON string.
quoted() {
  local text
  text=$(plain "$1")
  text=${text//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

# usage: found STATE CHECK TEXT [FIX]
found() {
  local state=$1 check=$2 text=$3 fix=${4:-}
  [[ $state != fail ]] || failed=1
  if ((as_json)); then
    rows+=("{\"check\":$(quoted "$check"),\"state\":\"$state\",\"text\":$(quoted "$text"),\"fix\":$([[ -n $fix ]] && quoted "$fix" || printf null)}")
    return
  fi
  printf '%-4s  %-18s  %s\n' "$state" "$check" "$(plain "$text")"
  [[ -z $fix ]] || printf '%26s%s\n' '' "-> $(plain "$fix")"
}

# The value of a key in a file of KEY=VALUE lines; the last one counts, as it does for the agent.
value_of() {
  [[ -r $2 ]] || return 0
  sed -n "s/\r\$//; s/^[[:space:]]*$1[[:space:]]*=[[:space:]]*//p" "$2" | tail -n 1
}

# Opens a TCP connection, says what it is given, and prints what comes back. usage: talk HOST PORT TEXT
talk() {
  # shellcheck disable=SC2016
  timeout "$wait_s" bash -c 'exec 3<>"/dev/tcp/$1/$2" && printf "%b" "$3" >&3 && cat <&3' _ "$1" "$2" "$3" 2>/dev/null
}

opens() {
  # shellcheck disable=SC2016
  timeout "$wait_s" bash -c 'exec 3<>"/dev/tcp/$1/$2"' _ "$1" "$2" 2>/dev/null
}

# The status line that the proxy answers a CONNECT with.
connect_through() {
  # shellcheck disable=SC2016
  timeout "$wait_s" bash -c 'exec 3<>"/dev/tcp/$1/$2" && printf "CONNECT %s HTTP/1.0\r\n\r\n" "$3" >&3 && IFS= read -r line <&3 && printf "%s" "$line"' \
    _ "${proxy%:*}" "${proxy##*:}" "$1" 2>/dev/null | tr -d '\r'
}

conf=$root/etc/waagent.conf
suffix=core.windows.net
set_up='run the script that lockdown-proxy client-config linux prints'

check_agent() {
  local told unit='' name python=''
  if ! command -v waagent >/dev/null; then
    found fail agent 'the Azure agent is not installed' 'install it: apt install walinuxagent, dnf install WALinuxAgent or zypper install python-azure-agent'
  else
    told=$(waagent --version 2>/dev/null | head -n 1)
    found ok agent "${told:-waagent answers}"
  fi
  for name in walinuxagent waagent; do
    if [[ -e $root/usr/lib/systemd/system/$name.service || -e $root/lib/systemd/system/$name.service || -e $root/etc/systemd/system/$name.service ]]; then
      unit=$name
      break
    fi
  done
  if [[ -z $unit ]]; then
    found fail agent-service 'there is no unit walinuxagent or waagent' 'install the Azure agent from the packages of the distribution'
  elif systemctl -q is-active "$unit" 2>/dev/null; then
    found ok agent-service "$unit is running"
  else
    found fail agent-service "$unit is not running" "systemctl enable --now $unit, then journalctl -u $unit"
  fi
  for name in python3 python python2; do
    if command -v "$name" >/dev/null; then
      python=$("$name" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) && break
    fi
  done
  if [[ -z $python ]]; then
    found fail python 'there is no Python, which the agent and its extensions run on' 'install python3'
  elif [[ $python =~ ^([0-9]+)\.([0-9]+)$ ]] && ((BASH_REMATCH[1] > 2 || BASH_REMATCH[2] >= 7)); then
    found ok python "Python $python"
  else
    found fail python "Python $python is older than 2.7" 'install python3'
  fi
  check_agent_proxy
  check_environment "$unit"
}

check_agent_proxy() {
  local host port enabled
  if [[ ! -r $conf ]]; then
    found fail agent-proxy '/etc/waagent.conf is not there, or cannot be read' 'run this as root; install the Azure agent'
    return
  fi
  enabled=$(value_of 'Extensions\.Enabled' "$conf")
  if [[ ${enabled:-y} == [yY] ]]; then
    found ok extensions 'Extensions.Enabled=y'
  else
    found fail extensions "Extensions.Enabled=$enabled: no backup extension can run" 'write Extensions.Enabled=y in /etc/waagent.conf and restart the agent'
  fi
  host=$(value_of 'HttpProxy\.Host' "$conf") port=$(value_of 'HttpProxy\.Port' "$conf")
  [[ $host != None ]] || host=''
  [[ $port != None ]] || port=''
  if [[ -z $host ]]; then
    found fail agent-proxy 'HttpProxy.Host is not set: the agent goes direct' "$set_up"
  elif [[ -z $port ]]; then
    found fail agent-proxy "HttpProxy.Host=$host without HttpProxy.Port: the agent goes direct" "$set_up"
  elif [[ -n $proxy && $proxy != "$host:$port" ]]; then
    found warn agent-proxy "the agent is told $host:$port, not $proxy" "$set_up"
  elif ! is_host_port "$host:$port"; then
    found fail agent-proxy "HttpProxy.Host=$host and HttpProxy.Port=$port are no host and port: the agent cannot use them" "$set_up"
  else
    found ok agent-proxy "$host:$port"
    proxy=${proxy:-$host:$port}
  fi
}

# What a service gets is in its unit, not in /etc/environment.
check_environment() {
  local text name value bad=()
  [[ -n $1 ]] || return 0
  text=$(systemctl show "$1" --property=Environment --value 2>/dev/null | tr ' ' '\n' | tr -d '"')
  for name in http_proxy https_proxy; do
    value=$(sed -n "s/^$name=//p" <<<"$text" | tail -n 1)
    if [[ -z $value ]]; then
      bad+=("$name is not set")
    elif [[ ! $value =~ ^https?://[^/:]+:[0-9]+/?$ && ! $value =~ ^https?://\[[0-9a-fA-F:]+\]:[0-9]+/?$ ]]; then
      bad+=("$name=$value lacks its scheme or port")
    fi
  done
  if ((${#bad[@]} == 0)); then
    found ok agent-environment "http_proxy and https_proxy are set for $1"
  else
    # One alone sends the other half of the requests direct, and nothing says so.
    found fail agent-environment "$(IFS=,; printf '%s' "${bad[*]}" | sed 's/,/, /g') for $1: its extensions go direct" "$set_up"
  fi
}

check_platform() {
  local port told
  for port in 80 32526; do
    if opens "$wire" "$port"; then
      found ok "wire-server-$port" "$wire:$port answers"
    else
      found fail "wire-server-$port" "$wire:$port is not reached" "let TCP $port to $wire out: look at iptables or nftables on this VM; a network security group does not stop it"
    fi
  done
  told=$(talk "$imds" 80 "GET /metadata/instance?api-version=2021-02-01 HTTP/1.0\r\nHost: $imds\r\nMetadata: true\r\n\r\n" | tr -d '\r\n')
  if [[ $told != HTTP/1.[01]\ 200* ]]; then
    found warn metadata "instance metadata at $imds does not answer: region and disks are not known" "let TCP 80 to $imds out, past every proxy"
    return
  fi
  local location disks most=32 kind=''
  # What the name of a storage account ends in, unless one is given.
  case $told in
    *'"azEnvironment":"AzureUSGovernmentCloud"'*) suffix=core.usgovcloudapi.net ;;
    *'"azEnvironment":"AzureChinaCloud"'*) suffix=core.chinacloudapi.cn ;;
  esac
  location=$(grep -oE '"location" *: *"[^"]*"' <<<"$told" | head -n 1 | sed 's/.*: *"//; s/"$//')
  disks=$(sed -n 's/.*"dataDisks" *: *\[//p' <<<"$told" | sed 's/"imageReference".*//; s/"osDisk".*//' | grep -oE '"lun" *:' | wc -l)
  found ok metadata "region ${location:-unknown}"
  # A disk that is no managed one has the address of its blob here.
  if grep -qE '"uri" *: *"http' <<<"$told"; then most=16 kind='unmanaged '; fi
  if ((disks > most)); then
    found fail data-disks "$disks ${kind}data disks; a VM with more than $most cannot be backed up" 'detach disks, or back some up by disk backup'
  else
    found ok data-disks "$disks ${kind}data disks"
  fi
  [[ -n $region ]] || return 0
  # The portal writes West Europe.
  region=${region// /}
  if [[ ${region,,} == "${location,,}" ]]; then
    found ok vault-region "the vault is in $location like this VM"
  else
    found fail vault-region "the vault is in $region, this VM in ${location:-a region unknown}" "make a vault in ${location:-this region}"
  fi
}

check_proxy() {
  local told name=${storage:-md-ready.blob.$suffix}
  if [[ -z $proxy ]]; then
    found fail proxy 'no proxy is known' 'give --proxy HOST:PORT'
    return
  fi
  if ! opens "${proxy%:*}" "${proxy##*:}"; then
    found fail proxy "$proxy is not reached" 'look at the proxy VM (lockdown-proxy status), its firewall, and the network security groups between'
    return
  fi
  found ok proxy "$proxy answers"
  told=$(connect_through "$name:443")
  case $told in
    HTTP/1.[01]\ 200*) found ok proxy-storage "a tunnel to $name opens" ;;
    HTTP/1.[01]\ 407*) found fail proxy-storage "$name: ${told#HTTP/1.? }" 'the Azure agent cannot sign in: take this subnet out of auth.requiredFrom on the proxy' ;;
    HTTP/1.[01]\ 502*DNS*) if [[ -n $storage ]]; then
      found fail proxy-storage "$name: ${told#HTTP/1.? }" 'the proxy cannot look the name up: is it right?'
    else
      found warn proxy-storage "the proxy would let $name out, which does not exist" 'give --storage with the name of an account in use'
    fi ;;
    HTTP/*) found fail proxy-storage "$name: ${told#HTTP/1.? }" 'on the proxy VM: lockdown-proxy why this VM, or lockdown-proxy explain the name' ;;
    *) found fail proxy-storage "$name: no answer from $proxy" 'on the proxy VM: lockdown-proxy doctor' ;;
  esac
  told=$(connect_through "$wire:80")
  case $told in
    HTTP/1.[01]\ 200*) found fail proxy-forbids "the proxy opens a tunnel to $wire" 'this is no lockdown-proxy, or not a safe one: whoever reaches it acts as its VM' ;;
    HTTP/*) found ok proxy-forbids "$wire is refused: ${told#HTTP/1.? }" ;;
    *) found warn proxy-forbids "no answer for $wire" 'on the proxy VM: lockdown-proxy doctor' ;;
  esac
}

check_system() {
  local id version interface
  id=$(value_of ID "$root/etc/os-release" | tr -d '"') version=$(value_of VERSION_ID "$root/etc/os-release" | tr -d '"')
  case $id in
    coreos | flatcar) found fail system "$id cannot be backed up" 'use a distribution that Azure Backup supports' ;;
    '') found warn system '/etc/os-release names no system' 'look the distribution up in the support matrix of Azure Backup' ;;
    *) found ok system "$id $version" ;;
  esac
  if ! command -v ip >/dev/null; then
    found warn dhcp 'not known: there is no ip command here' 'install iproute2 or iproute, or look at the network settings'
    return
  fi
  interface=$(ip -4 route show default 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -n 1)
  if [[ -z $interface ]]; then
    found warn dhcp 'there is no default route' 'set the network interface to DHCP'
  elif ip -4 address show dev "$interface" 2>/dev/null | grep -q ' dynamic '; then
    found ok dhcp "$interface has its address by DHCP"
  else
    found warn dhcp "$interface does not seem to have its address by DHCP" 'set it to DHCP: a restored VM gets its address from Azure'
  fi
}

check_vault() {
  [[ -n $vault ]] || return 0
  if [[ $vault =~ ^[A-Za-z][A-Za-z0-9-]{1,49}$ ]]; then
    found ok vault-name "$vault"
  else
    found fail vault-name "$vault is no name for a vault" '2 to 50 letters, digits and hyphens, a letter first'
  fi
}

check_agent
check_platform
check_proxy
check_system
check_vault
if ((as_json)); then
  printf '{"host":%s,"proxy":%s,"ok":%s,"checks":[%s]}\n' "$(quoted "$(uname -n)")" \
    "$([[ -n $proxy ]] && quoted "$proxy" || printf null)" "$( ((failed)) && printf false || printf true)" "$(IFS=,; printf '%s' "${rows[*]}")"
fi
exit "$failed"
