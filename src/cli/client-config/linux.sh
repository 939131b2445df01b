#!/bin/sh
# Sends the HTTP(S) of this Linux VM through its proxy, or takes that back: sh linux.sh [--for LIST] [--dry-run] [--undo].
# `lockdown-proxy client-config linux` prints it with the settings of a proxy filled in. What it writes it can take out
# again: each file as it was is kept below $state until then.
set -eu

# Filled in by client-config.
proxy_host='@PROXY_HOST@'
proxy_port='@PROXY_PORT@'
no_proxy_list='@NO_PROXY@'
purposes='@PURPOSES@'
mode='@MODE@'
root=''

state=/var/lib/lockdown-proxy-client
mark='lockdown-proxy client-config'

usage() {
  cat <<'END'
usage: sh linux.sh [--for agent,updates,sql,mars,all] [--dry-run] [--undo] [--root DIR]

  --for      what is to go through the proxy (agent,updates):
               agent    the Azure agent and its extensions, logins and what they start
               updates  apt, dnf, yum and zypper
               sql,mars are for Windows and change nothing here; all is everything
  --dry-run  say what would change, and change nothing
  --undo     take out what an earlier run put in, whatever it was for
  --root     a folder that holds the system's files, instead of /
END
}

fail() {
  printf 'linux.sh: %s\n' "$1" >&2
  exit "${2:-1}"
}

say() { printf '%s\n' "$1"; }

while [ $# -gt 0 ]; do
  case $1 in
    --for)
      [ $# -ge 2 ] || fail '--for: name what is to go through the proxy, such as agent,updates' 2
      purposes=$2
      shift
      ;;
    --for=*) purposes=${1#--for=} ;;
    --dry-run) if [ "$mode" = undo ]; then mode=dry-undo; else mode=dry-run; fi ;;
    --undo) if [ "$mode" = dry-run ]; then mode=dry-undo; else mode=undo; fi ;;
    --root)
      [ $# -ge 2 ] || fail '--root: name a folder' 2
      root=${2%/}
      shift
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    *)
      printf 'linux.sh: unknown argument: %s\n' "$1" >&2
      usage >&2
      exit 2
      ;;
  esac
  shift
done

for_agent=0
for_updates=0
for purpose in $(printf '%s' "$purposes" | tr ',' ' '); do
  case $purpose in
    agent) for_agent=1 ;;
    updates) for_updates=1 ;;
    sql | mars) ;;
    all) for_agent=1 for_updates=1 ;;
    *) fail "--for: $purpose is none of agent, updates, sql, mars, all" 2 ;;
  esac
done
case $mode:$proxy_host in
  *undo:*) ;;
  *: | *:@*) fail 'no proxy: print this script by lockdown-proxy client-config linux --proxy HOST:PORT' 2 ;;
esac
[ -z "$root" ] || [ -d "$root" ] || fail "--root: $root is no folder" 2
case $mode in
  apply | undo)
    [ -n "$root" ] || [ "$(id -u)" = 0 ] || fail 'run it as root: sudo sh linux.sh; nothing was changed'
    ;;
esac
proxy_url=http://$proxy_host:$proxy_port
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
plan=$work/plan
: >"$plan"

# Standard input with KEY set to VALUE: every line that sets KEY now is replaced by one, a line that is a comment about it
# is followed by one, else one is put behind SECTION or at the end. usage: set_key KEY SEPARATOR VALUE [SECTION]
set_key() {
  awk -v key="$1" -v sep="$2" -v value="$3" -v section="${4:-}" -v cr="$eol" '
    function name_of(line) { sub(/\r$/, "", line); sub(/^[ \t]+/, "", line); sub(/[ \t]*=.*/, "", line); return line }
    { lines[NR] = $0; if (index($0, "=") && name_of($0) == key) { if (!at) at = NR; drop[NR] = 1 } }
    { bare = $0; sub(/^[ \t]*#[ \t]*/, "", bare)
      if (!hint && $0 ~ /^[ \t]*#/ && index(bare, "=") && name_of(bare) == key) hint = NR }
    { bare = $0; sub(/[ \t\r]+$/, "", bare); if (section != "" && bare == section) top = NR }
    END {
      ours = key sep value cr
      if (!at) at = hint ? hint : top
      for (i = 1; i <= NR; i++) {
        if (!(i in drop)) print lines[i]
        if (i == at) { print ours; done = 1 }
      }
      if (!done) { if (section != "") print section cr; print ours }
    }'
}

# The folder in $state that keeps a file as it was (`before`, or `absent`) and as it was left (`after`). While it is
# written there is `writing`: what a run that was cut off leaves of the file is nobody's edit.
kept_of() { printf '%s%s/files%s' "$root" "$state" "$1"; }

# What a file was before the first run, or is now if another hand has been at it since.
original_of() {
  if [ -e "$(kept_of "$1")/writing" ]; then
    if [ -e "$(kept_of "$1")/before" ]; then cat "$(kept_of "$1")/before"; fi
  elif [ -e "$(kept_of "$1")/after" ] && cmp -s "$(kept_of "$1")/after" "$root$1"; then
    if [ -e "$(kept_of "$1")/before" ]; then cat "$(kept_of "$1")/before"; fi
  elif [ -e "$root$1" ]; then
    cat "$root$1"
  fi
}

# How a file's lines end.
eol_of() {
  if original_of "$1" | head -n 1 | grep -q "$(printf '\r')\$"; then printf '\r'; fi
}

# Notes that a file shall become what $work/new holds. usage: want FILE WHAT
count=0
want() {
  if [ -e "$root$1" ] && cmp -s "$work/new" "$root$1"; then
    say "  as it should be  $1"
    return
  fi
  count=$((count + 1))
  cp "$work/new" "$work/$count"
  printf '%s\t%s\n' "$count" "$1" >>"$plan"
  say "  will change      $1: $2"
}

# Writes into the file that is there, through links, so that owner, mode and labels stay; a new one is readable by all.
put() {
  if [ -e "$root$2" ]; then
    cat "$1" >"$root$2"
  else
    mkdir -p "$(dirname "$root$2")"
    (umask 022 && cat "$1" >"$root$2")
    if command -v restorecon >/dev/null 2>&1 && [ -z "$root" ]; then restorecon "$2" 2>/dev/null || :; fi
  fi
}

# The units of the agent by the names that Ubuntu and Debian, and RHEL and SLES, give them; an alias is not another one.
agent_units() {
  for unit in walinuxagent waagent; do
    for folder in /etc/systemd/system /usr/lib/systemd/system /lib/systemd/system; do
      if [ -f "$root$folder/$unit.service" ] && [ ! -L "$root$folder/$unit.service" ]; then
        say "$unit"
        break
      fi
    done
  done
}

variables() {
  printf 'http_proxy=%s%s\nhttps_proxy=%s%s\nno_proxy=%s%s\n' "$1$proxy_url$1" "$2" "$1$proxy_url$1" "$2" "$1$no_proxy_list$1" "$2"
}

plan_agent() {
  if [ -e "$root/etc/waagent.conf" ]; then
    eol=$(eol_of /etc/waagent.conf)
    original_of /etc/waagent.conf | set_key HttpProxy.Host = "$proxy_host" | set_key HttpProxy.Port = "$proxy_port" >"$work/new"
    want /etc/waagent.conf "HttpProxy.Host=$proxy_host, HttpProxy.Port=$proxy_port"
  else
    say '  not here         /etc/waagent.conf: the Azure agent is not installed'
  fi
  units=$(agent_units)
  for unit in $units; do
    # A service does not read /etc/environment.
    {
      printf '# Written by %s; taken out by its --undo.\n[Service]\n' "$mark"
      variables '' '' | sed 's/.*/Environment="&"/'
    } >"$work/new"
    want "/etc/systemd/system/$unit.service.d/90-lockdown-proxy.conf" 'http_proxy, https_proxy and no_proxy of the agent and its extensions'
  done
  [ -n "$units" ] || say '  not here         the unit walinuxagent or waagent: no drop-in for the agent'
  eol=$(eol_of /etc/environment)
  original_of /etc/environment | set_key http_proxy = "$proxy_url" | set_key https_proxy = "$proxy_url" |
    set_key no_proxy = "$no_proxy_list" >"$work/new"
  want /etc/environment "http_proxy=$proxy_url, https_proxy=$proxy_url, no_proxy=$no_proxy_list"
}

plan_updates() {
  found=0
  if [ -d "$root/etc/apt/apt.conf.d" ]; then
    found=1
    printf '// Written by %s; taken out by its --undo.\nAcquire::http::Proxy "%s";\nAcquire::https::Proxy "%s";\n' \
      "$mark" "$proxy_url" "$proxy_url" >"$work/new"
    want /etc/apt/apt.conf.d/90lockdown-proxy "apt through $proxy_url"
  fi
  for file in /etc/dnf/dnf.conf /etc/yum.conf; do
    if [ -e "$root$file" ] && [ ! -L "$root$file" ]; then
      found=1
      eol=$(eol_of "$file")
      original_of "$file" | set_key proxy = "$proxy_url" '[main]' >"$work/new"
      want "$file" "proxy=$proxy_url"
    fi
  done
  if [ -e "$root/etc/sysconfig/proxy" ]; then
    found=1
    eol=$(eol_of /etc/sysconfig/proxy)
    original_of /etc/sysconfig/proxy | set_key PROXY_ENABLED = '"yes"' | set_key HTTP_PROXY = "\"$proxy_url\"" |
      set_key HTTPS_PROXY = "\"$proxy_url\"" | set_key NO_PROXY = "\"$no_proxy_list\"" >"$work/new"
    want /etc/sysconfig/proxy "PROXY_ENABLED, HTTP_PROXY, HTTPS_PROXY, NO_PROXY for zypper"
  fi
  [ "$found" = 1 ] || say '  not here         apt, dnf, yum or zypper'
}

# Every file that an earlier run has changed, by its name below the root.
changed_files() {
  [ -d "$root$state/files" ] || return 0
  find "$root$state/files" -name after | sed "s|^$root$state/files||; s|/after\$||" | sort
}

# A file that another hand has changed since: our lines go, and where one had stood before, that one comes back.
without_ours() {
  : >"$work/had"
  [ ! -e "$(kept_of "$1")/before" ] || cp "$(kept_of "$1")/before" "$work/had"
  awk -v had="$work/had" -v after="$(kept_of "$1")/after" '
    BEGIN {
      while ((getline line < had) > 0) { was[line] = 1; list[++n] = line }
      while ((getline line < after) > 0) { now[line] = 1; if (!(line in was)) ours[line] = 1 }
      for (i = 1; i <= n; i++) if (!(list[i] in now)) { key = list[i]; sub(/=.*/, "", key); old[key] = list[i] }
    }
    { if ($0 in ours) { key = $0; sub(/=.*/, "", key); if (key in old) { print old[key]; delete old[key] } } else print }
  ' "$root$1"
}

plan_undo() {
  for file in $(changed_files); do
    kept=$(kept_of "$file")
    if [ ! -e "$root$file" ]; then
      say "  gone already     $file"
    elif [ -e "$kept/writing" ] || cmp -s "$kept/after" "$root$file"; then
      if [ -e "$kept/absent" ]; then say "  will remove      $file"; else say "  will restore     $file, byte for byte"; fi
    else
      say "  will restore     $file: it was changed since, so only the lines of client-config go"
    fi
    count=$((count + 1))
    printf '%s\t%s\n' "$count" "$file" >>"$plan"
  done
}

# Nothing is begun that cannot be ended.
check_rights() {
  while IFS="$(printf '\t')" read -r _ file; do
    target=$root$file
    while [ ! -e "$target" ]; do target=$(dirname "$target"); done
    [ -w "$target" ] || fail "$file cannot be written; nothing was changed"
  done <"$plan"
  mkdir -p "$root$state/files" 2>/dev/null || fail "$state cannot be made; nothing was changed"
}

apply() {
  while IFS="$(printf '\t')" read -r at file; do
    kept=$(kept_of "$file")
    mkdir -p "$kept"
    # The first run sees the file as it was; a later one must not take its own work for that, nor lose that of others.
    if [ ! -e "$kept/after" ]; then
      if [ -e "$root$file" ]; then cp -p "$root$file" "$kept/before"; else : >"$kept/absent"; fi
    elif [ -e "$root$file" ] && [ ! -e "$kept/writing" ] && ! cmp -s "$kept/after" "$root$file"; then
      without_ours "$file" >"$work/before"
      cp "$work/before" "$kept/before"
      rm -f "$kept/absent"
    fi
    : >"$kept/writing"
    cp "$work/$at" "$kept/after"
    put "$work/$at" "$file"
    rm "$kept/writing"
  done <"$plan"
}

undo() {
  while IFS="$(printf '\t')" read -r _ file; do
    kept=$(kept_of "$file")
    if [ ! -e "$root$file" ]; then
      :
    elif [ -e "$kept/writing" ] || cmp -s "$kept/after" "$root$file"; then
      if [ -e "$kept/absent" ]; then
        rm "$root$file"
        case $file in *.service.d/*) rmdir "$(dirname "$root$file")" 2>/dev/null || : ;; esac
      else
        put "$kept/before" "$file"
      fi
    else
      without_ours "$file" >"$work/new"
      put "$work/new" "$file"
    fi
    rm -r "$kept"
  done <"$plan"
  rm -rf "$root$state"
}

# The agent takes its settings at its start.
restart_agent() {
  [ -z "$root" ] && [ -d /run/systemd/system ] || return 0
  systemctl daemon-reload
  for unit in $(agent_units); do
    if systemctl -q is-active "$unit"; then
      systemctl restart "$unit"
      say "restarted $unit"
    fi
  done
}

case $mode in
  undo | dry-undo)
    say "This takes out what client-config has put in on this machine:"
    plan_undo
    ;;
  *)
    say "This sends requests through $proxy_url, but for $no_proxy_list:"
    if [ "$for_agent" = 1 ]; then plan_agent; fi
    if [ "$for_updates" = 1 ]; then plan_updates; fi
    [ "$for_agent$for_updates" != 00 ] || say "  $purposes: nothing on Linux"
    ;;
esac
if [ "$count" = 0 ]; then
  say 'Nothing to change.'
  exit 0
fi
case $mode in
  dry-*)
    say 'Nothing was changed (--dry-run).'
    exit 0
    ;;
esac
check_rights
case $mode in
  undo) undo ;;
  *) apply ;;
esac
restart_agent
say "Done. Programs that run already keep their old settings until they start anew."
