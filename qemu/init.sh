#!/usr/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
#
# /init of the guest (pid 1): prepares a machine as systemd does, but without any cgroup hierarchy, and keeps a shell on
# each of ttyS1 (admin), ttyS2 (inside) and ttyS3 (observer). It runs on kernels since 3.18: features that may be missing
# are tried, and their absence is ignored.
#
# After the end of a shell it writes ESC ] 133 ; E ; STATUS ; NONCE ; CONSOLE BEL to that port and starts another shell.

# Read the nonce that the harness wrote for this clone of the machine; "boot" until then.
read_nonce() {
	nonce=boot
	[ ! -r /run/harness.nonce ] || read -r nonce </run/harness.nonce
}

# Keep a shell on a port. nsctl makes the session, sets the terminal and ends after all output is sent.
keep_shell() { # CONSOLE TTY PROMPT
	cd /root || cd /
	export TERM=dumb HOME=/root USER=root LOGNAME=root SHELL=/bin/bash HARNESS_CONSOLE="$1" PS1="$3"
	export ENV=/etc/bash.bashrc
	unset OLDPWD SHLVL
	while :; do
		read_nonce
		HARNESS_NONCE=$nonce nsctl session "$2" bash --noediting
		status=$?
		read_nonce
		printf '\033]133;E;%s;%s;%s\007' "$status" "$nonce" "$1" >"$2"
		# The shell cannot be executed: do not loop without a pause.
		[ "$status" -lt 126 ] || [ "$status" -gt 127 ] || sleep 1
	done
}

# "keep-shell CONSOLE TTY PROMPT" does only that: a guest with another init runs it as a service.
if [ "${1-}" = keep-shell ]; then
	shift
	keep_shell "$@"
fi

export PATH=/usr/bin:/bin

# By the path of the program: until /proc is mounted, the shell cannot execute itself for an applet.
/usr/bin/busybox mount -t proc proc /proc

# Set a kernel parameter that this kernel may not have.
set_parameter() { # PATH VALUE
	[ ! -e "$1" ] || echo "$2" >"$1"
}

# Load every process at the same addresses: QEMU's emulation keeps translated code by its virtual address, and would
# translate the C library again for each program that has it at another address (cat: 58 ms, with this 14 ms).
set_parameter /proc/sys/kernel/randomize_va_space 0

mount -t sysfs sysfs /sys
if ! mount -t devtmpfs devtmpfs /dev 2>/dev/null; then
	mount -t tmpfs -o mode=755 dev /dev
	mknod -m 600 /dev/console c 5 1
	mknod -m 600 /dev/kmsg c 1 11
	mknod -m 666 /dev/null c 1 3
	mknod -m 666 /dev/zero c 1 5
	mknod -m 666 /dev/full c 1 7
	mknod -m 666 /dev/random c 1 8
	mknod -m 666 /dev/urandom c 1 9
	mknod -m 666 /dev/tty c 5 0
	mknod -m 666 /dev/ptmx c 5 2
	for port in 0 1 2 3; do mknod -m 600 /dev/ttyS$port c 4 $((64 + port)); done
fi
mkdir -p /dev/pts
mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts 2>/dev/null
ln -s /proc/self/fd /dev/fd
ln -s /proc/self/fd/0 /dev/stdin
ln -s /proc/self/fd/1 /dev/stdout
ln -s /proc/self/fd/2 /dev/stderr
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs /run
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs /tmp

# As systemd does: a mount in a new mount namespace is visible outside unless it is made private or a slave.
mount --make-rshared /

set_parameter /proc/sys/kernel/hostname guest
set_parameter /proc/sys/kernel/sysrq 1
# All messages but debug reach the kernel's console, even if it was booted "quiet": kmemleak reports at level 6.
set_parameter /proc/sys/kernel/printk '7 4 1 7'
# Otherwise the kernel drops all but ten lines to /dev/kmsg in five seconds.
set_parameter /proc/sys/kernel/printk_devkmsg on
ifconfig lo up 2>/dev/null

say() {
	echo "<5>harness: $*" >/dev/kmsg
}

for shell in 'admin /dev/ttyS1 # ' 'inside /dev/ttyS2 inside# ' 'observer /dev/ttyS3 observer# '; do
	console=${shell%% *}
	prompt=${shell#* }
	port=${prompt%% *}
	prompt=${prompt#* }
	if [ -c "$port" ]; then
		keep_shell "$console" "$port" "$prompt" &
	else
		say "no $port for the console $console"
	fi
done
say 'guest ready'

# Reap orphans as well. The shells are restarted forever, so this loop does not end.
while :; do
	wait
	sleep 1
done
