# SPDX-License-Identifier: GPL-2.0-only
# ---- the machine: this one, with three shells on terminals of their own ----

[ "$(id -u)" = 0 ] || end 4 "skipped: this needs root"
command -v script >/dev/null || end 4 "skipped: script(1) is missing: apt install bsdutils"
folder=$(mktemp -d) || exit 2
trap 'kill $consoles 2>/dev/null; wait 2>/dev/null; rm -rf "$folder"' EXIT
consoles=
mkdir "$folder/bin"
chmod 755 "$folder" # cases become other users
PATH=$folder/bin:$PATH:/usr/sbin:/sbin
unset ENV BASH_ENV HISTFILE
# shellcheck disable=SC2016
export PATH TERM=dumb SHELL=/bin/sh HARNESS_NONCE=boot PS0='\e]133;C;${HARNESS_NONCE}\a'
PROMPT_COMMAND='printf "\033]133;D;%s;%s;%s;%s\007" "$?" "$HARNESS_NONCE" "$BASHPID" "${PS1@P}"'
export PROMPT_COMMAND
bash=$(command -v bash)
# Nested shells announce their prompts as well. They must not be started by a shell that drops PS1.
wrapper='#!/bin/sh\nexec %s --norc --noprofile --noediting "$@"\n'
# shellcheck disable=SC2016
[ "$(PS1=kept /bin/sh -c 'echo "$PS1"')" = kept ] ||
	wrapper='#!/usr/bin/perl\nexec "%s", "--norc", "--noprofile", "--noediting", @ARGV;\n'
for name in bash sh; do
	# shellcheck disable=SC2059
	printf "$wrapper" "$bash" >"$folder/bin/$name"
	chmod +x "$folder/bin/$name"
done
build_helpers
for name in admin inside observer; do
	mkfifo "$folder/$name.in" "$folder/$name.out" || exit 2
	exec {fd}<>"$folder/$name.in" && to[$name]=$fd
	exec {fd}<>"$folder/$name.out" && from[$name]=$fd
	prompt="$name# "
	[ "$name" != admin ] || prompt='# '
	(cd / && exec env PS1="$prompt" script -qfec "exec $folder/bin/bash" /dev/null) \
		<"$folder/$name.in" >"$folder/$name.out" 2>&1 &
	consoles+=" $!"
done
mark="harness-export: begin $$"
echo "$mark" >/dev/kmsg || mark=
