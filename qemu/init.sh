#!/usr/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
#
# /init of the guest (pid 1): prepares a machine such as systemd leaves it, but without any cgroup hierarchy, then
# keeps a shell on each of ttyS1 (admin), ttyS2 (inside) and ttyS3 (observer). It runs on kernels since 3.18: what may be
# missing is tried and passed over.
#
# When a shell ends it writes ESC ] 133 ; E ; STATUS ; NONCE ; CONSOLE BEL on that port and starts another one.

export PATH=/usr/bin:/bin

# The path of the program and not the applet: until /proc is there the shell cannot run itself for an applet.
/usr/bin/busybox mount -t proc proc /proc

# Sets a kernel parameter that this kernel may not have.
set_parameter() { # PATH VALUE
	[ ! -e "$1" ] || echo "$2" >"$1"
}

# Every process at the same addresses: QEMU's emulation keeps translated code by its virtual address, and translates
# the C library anew for each program that has it elsewhere (cat: 58 ms so, 14 ms with this).
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

# As systemd does it: a mount made in a new mount namespace shows outside unless somebody makes it private or a slave.
mount --make-rshared /

set_parameter /proc/sys/kernel/hostname guest
set_parameter /proc/sys/kernel/sysrq 1
# All but debug messages reach the kernel's console, also when it was booted "quiet": kmemleak reports at level 6.
set_parameter /proc/sys/kernel/printk '7 4 1 7'
# Else more than ten lines to /dev/kmsg in five seconds are dropped.
set_parameter /proc/sys/kernel/printk_devkmsg on
ifconfig lo up 2>/dev/null

say() {
	echo "<5>harness: $*" >/dev/kmsg
}

# What the harness wrote for this clone of the machine; "boot" before it did.
read_nonce() {
	nonce=boot
	[ ! -r /run/harness.nonce ] || read -r nonce </run/harness.nonce
}

# A shell on a port, for ever. nsctl makes the session, sets the terminal and stays until all output is on its way.
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
		# No shell at all: do not spin.
		[ "$status" -lt 126 ] || [ "$status" -gt 127 ] || sleep 1
	done
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

# Reaps what loses its parent, too. The shells come again for ever, so this does not end.
while :; do
	wait
	sleep 1
done
