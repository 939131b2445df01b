#!/usr/bin/env bash
# Builds lockdown-proxy_VERSION_ARCH.deb for each architecture named (amd64 and arm64 where none is) into deploy/deb/out,
# or into $OUT. The package needs nothing from the internet where it is installed; building it needs npm's registry.
set -euo pipefail
cd "$(dirname "$0")/../.."
umask 022

version=$(node -p 'require("./package.json").version')
out=${OUT:-deploy/deb/out}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"

put() { install -D -m "$1" "$2" "$3"; }

# Sources, production modules and the Node of that architecture, without its headers and manuals.
program() {
  local home=$1 cpu=$2
  mkdir -p "$home"
  cp -r package.json package-lock.json src allowlist LICENSE "$home/"
  cp .npmrc "$home/"
  (cd "$home" && npm ci --silent --omit=dev --ignore-scripts --os=linux --cpu="$cpu" --libc=glibc)
  (cd "$home/node_modules/node-linux-$cpu" && rm -rf include share CHANGELOG.md README.md)
  # What modules keep for whoever works on them.
  find "$home/node_modules" \( -name .npmignore -o -name '.eslintrc*' -o -name .editorconfig \) -delete
  rm -f "$home/node_modules/.package-lock.json" "$home"/{package-lock.json,.npmrc,LICENSE}
  ln -sfn "../node-linux-$cpu/bin/node" "$home/node_modules/.bin/node"
  [[ -x $home/node_modules/.bin/node ]] || { echo "build.sh: no Node for $cpu came with the modules" >&2; exit 1; }
  find "$home" -type d -exec chmod 755 {} + -o -type f -perm /111 -exec chmod 755 {} + -o -type f -exec chmod 644 {} +
}

# Node needs libatomic, which a bare Debian lacks: Debian's own goes along, for a machine that can fetch nothing.
libatomic() {
  local arch=$1 to=$2 apt=$work/apt-$1 options notice
  mkdir -p "$apt"/{lists,cache/archives}/partial "$apt/unpacked"
  options=(-qq -o APT::Architecture="$arch" -o APT::Architectures="$arch" -o APT::Sandbox::User=root
    -o Dir::State::lists="$apt/lists" -o Dir::State::status=/dev/null -o Dir::Cache="$apt/cache")
  apt-get "${options[@]}" update || true
  # The package that libatomic1 depends on for its copyright is named after the compiler's version.
  notice=$(apt-cache "${options[@]:1}" depends --important libatomic1 | sed -n 's/^ *Depends: \(gcc-[0-9]*-base\)$/\1/p' | head -n 1)
  (cd "$apt" && apt-get "${options[@]}" download libatomic1 "$notice")
  for file in "$apt"/*.deb; do dpkg-deb -x "$file" "$apt/unpacked"; done
  put 644 "$apt"/unpacked/usr/lib/*/libatomic.so.1 "$to/libatomic.so.1"
  printf '\nThe libatomic that comes with this package:\n\n' >>"$3"
  cat "$apt/unpacked/usr/share/doc/$notice/copyright" >>"$3"
}

build() {
  local arch=$1 cpu root=$work/$1 name=lockdown-proxy doc
  case $arch in
  amd64) cpu=x64 ;;
  arm64) cpu=arm64 ;;
  *) echo "build.sh: unknown architecture $arch: amd64 or arm64" >&2; exit 2 ;;
  esac
  doc=$root/usr/share/doc/$name
  program "$root/usr/lib/$name" "$cpu"
  put 755 deploy/deb/command "$root/usr/bin/$name"
  put 644 deploy/deb/config.yaml "$root/etc/$name/config.yaml"
  put 644 deploy/deb/ours.txt "$root/etc/$name/ours.txt"
  put 644 deploy/deb/needrestart.conf "$root/etc/needrestart/conf.d/$name.conf"
  put 644 deploy/logrotate/$name "$root/etc/logrotate.d/$name"
  put 644 deploy/systemd/$name.service "$root/lib/systemd/system/$name.service"
  put 644 deploy/systemd/$name.socket "$root/lib/systemd/system/$name.socket"
  put 644 deploy/systemd/$name.sysusers "$root/usr/lib/sysusers.d/$name.conf"
  put 644 deploy/systemd/$name.tmpfiles "$root/usr/lib/tmpfiles.d/$name.conf"
  put 644 deploy/deb/lintian-overrides "$root/usr/share/lintian/overrides/$name"
  put 644 deploy/deb/completion "$root/usr/share/bash-completion/completions/$name"
  put 644 deploy/deb/$name.1 "$root/usr/share/man/man1/$name.1"
  gzip -9n "$root/usr/share/man/man1/$name.1"
  # The scripts for other machines: for the network security group, and for application VMs.
  (cd deploy && find nsg windows clients -type f -perm /111 -exec install -D -m 755 {} "$root/usr/share/$name/{}" \; \
    -o -type f -exec install -D -m 644 {} "$root/usr/share/$name/{}" \;)
  put 644 README.md "$doc/README.md"
  put 644 LICENSE "$doc/copyright"
  printf '\nThe Node that comes with this package:\n\n' >>"$doc/copyright"
  cat "$root/usr/lib/$name/node_modules/node-linux-$cpu/LICENSE" >>"$doc/copyright"
  libatomic "$arch" "$root/usr/lib/$name/lib" "$doc/copyright"
  put 644 CHANGELOG.md "$doc/changelog"
  gzip -9n "$doc/changelog"

  mkdir -p "$root/DEBIAN"
  (cd "$root" && find etc -type f -printf '/%p\n' | sort) >"$root/DEBIAN/conffiles"
  for script in postinst prerm postrm; do put 755 "deploy/deb/$script" "$root/DEBIAN/$script"; done
  (cd "$root" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
  sed -e "s/@VERSION@/${DEB_VERSION:-$version}/" -e "s/@ARCH@/$arch/" \
    -e "s/@SIZE@/$(du -sk --exclude=DEBIAN "$root" | cut -f1)/" deploy/deb/control >"$root/DEBIAN/control"
  # xz is what every Debian and Ubuntu reads.
  dpkg-deb --root-owner-group -Zxz -z"${LEVEL:-6}" --build "$root" "$out/${name}_${DEB_VERSION:-$version}_$arch.deb"
  rm -rf "$root"
}

for arch in "${@:-amd64}"; do build "$arch"; done
if (($# == 0)); then build arm64; fi
