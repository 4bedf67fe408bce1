# SPDX-License-Identifier: GPL-2.0-only
"""Hold the shell scripts that run on hosts, where no Python of ours may be yet. Pure."""

from __future__ import annotations

UNREACHABLE_STATUS = 255
"""The exit status of ssh(1) for an error of its own."""

PROBE = r"""
set -u
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
[ -n "$store" ] || store=${HARNESS_STORE:-}
[ -n "$store" ] || store=${XDG_CACHE_HOME:-$HOME/.cache}/kernel-patch-harness
case $store in
/*) ;;
*) store=$HOME/$store ;;
esac
pythons=
for name in "python$version" python3 "/usr/bin/python$version" "/usr/local/bin/python$version"; do
	path=$(command -v "$name") || continue
	found=$("$path" -c 'import ssl, ctypes, sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
	pythons="$pythons $path ($found)"
	if [ "$found" = "$version" ]; then
		echo "python=$path"
		break
	fi
done
echo "pythons=$pythons"
echo "machine=$(uname -m)"
echo "cores=$(nproc)"
echo "memory=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo)"
existing=$store
while [ ! -d "$existing" ]; do
	existing=$(dirname "$existing")
done
echo "disk=$(df -Pm "$existing" | awk 'END { print $4 }')"
echo "store=$store"
echo "qemu=$(qemu-system-x86_64 --version 2>/dev/null | head -n 1)"
if [ -r /dev/kvm ] && [ -w /dev/kvm ]; then
	echo "kvm=usable"
elif [ -e /dev/kvm ]; then
	echo "kvm=not permitted"
else
	echo "kvm=no /dev/kvm"
fi
if ! command -v bwrap >/dev/null; then
	echo "bubblewrap=no program bwrap on PATH"
elif said=$(bwrap --unshare-user-try --unshare-pid --unshare-net --ro-bind / / true 2>&1); then
	echo "bubblewrap=works"
else
	echo "bubblewrap=$(echo "$said" | tail -n 1)"
fi
echo "compiler=$(LC_ALL=C gcc --version 2>/dev/null | head -n 1)"
echo "linker=$(LC_ALL=C ld --version 2>/dev/null | head -n 1)"
no_builds=
while read -r program package; do
	command -v "$program" >/dev/null || [ -e "$program" ] || no_builds="$no_builds $package"
done <<EOF
git git
make make
gcc gcc
ld binutils
flex flex
bison bison
bc bc
perl perl
xz xz-utils
/usr/include/elfutils/version.h libelf-dev
EOF
echo "no_builds=$no_builds"
missing=
for digest in $digests; do
	[ -d "$store/host-environment/$(printf %.24s "$digest")" ] || missing="$missing $digest"
done
echo "missing=$missing"
"""
"""Prints facts about a host. Set before it: ``version``, ``store`` (may be empty), ``digests``."""

INSTALL = r"""
set -eu
umask 077
name=$(printf %.24s "$digest")
mkdir -p "$store/host-environment"
making=$(mktemp -d "$store/host-environment/.$name.making-XXXXXX")
trap 'rm -rf "$making"' EXIT
cat >"$making/archive"
echo "$digest  $making/archive" | sha256sum -c --quiet -
mkdir "$making/content"
tar -xzf "$making/archive" -C "$making/content"
mv -T "$making/content" "$store/host-environment/$name" || [ -d "$store/host-environment/$name" ]
"""
"""Unpacks the archive on standard input. Set before it: ``store`` (absolute) and ``digest``."""
