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

say() {
	echo "<5>harness: $*" >/dev/kmsg
}

# Set a kernel parameter that this kernel may not have.
set_parameter() { # PATH VALUE
	[ ! -e "$1" ] || echo "$2" >"$1"
}

# On a kernel with kmemleak: list leaks in the kernel log at each line that the harness types at the kernel log's port,
# which no shell uses. That ends the machine: all other processes are killed and all later mounts undone first, so that
# what they use is no longer in use. debugfs is mounted in a mount namespace of its own, so that no case sees it.
watch_leaks() {
	leaks=/sys/kernel/debug/kmemleak
	mount -t debugfs debugfs /sys/kernel/debug && [ -w $leaks ] || exit
	echo scan=off >$leaks
	# Objects of the last five seconds are no leaks yet. Where the kernel has /dev/mem, that age is set to zero: without
	# randomization, the kernel is mapped at this address (Documentation/x86/x86_64/mm.rst).
	pause=6
	age=$(sed -n 's/ . jiffies_min_age$//p' /proc/kallsyms)
	if [ -n "$age" ] && [ -w /dev/mem ] &&
		printf '\0\0\0\0\0\0\0\0' | dd of=/dev/mem bs=8 seek=$(((0x$age - 0xffffffff80000000) / 8)); then
		pause=0
	fi
	scan_twice
	# What is left from the boot is not the fault of a case.
	echo clear >$leaks
	list_leftovers
	before=$left
	mounts=$(wc -l </proc/1/mounts)
	stty -F /dev/ttyS0 -echo
	exec </dev/ttyS0
	echo ready >&3
	exec 3>&-
	while read -r request; do
		[ "$request" = leaks ] || continue
		kill -9 -1
		# Reaped by the loop at the end of this file, once a second.
		sleep 1
		tail -n +$((mounts + 1)) /proc/1/mounts | cut -d ' ' -f 2 | tac | while read -r mounted; do
			nsenter -t 1 -m umount "$mounted"
		done
		report_leftovers
		scan_twice
		# Without a limit, a leak in a loop would fill the log.
		head -n 400 $leaks | while IFS= read -r line; do
			echo "<4>$line" >/dev/kmsg
		done
		say 'leaks listed'
	done
}

# The first scan takes note of new objects, and the second one of those that have not changed since.
scan_twice() {
	for _ in 1 2; do
		sleep $pause
		echo scan >$leaks
	done
}

# What the suite counts (guest.leftovers in its suite.toml), a line "NAME: NUMBER" each. debugfs is mounted.
list_leftovers() {
	left=
	[ ! -x /usr/lib/harness/leftovers ] || left=$(/usr/lib/harness/leftovers)
}

# Name what there is more of than before the case. The kernel frees some objects a while after their last user is gone.
report_leftovers() {
	for _ in 1 2 3; do
		list_leftovers
		[ "$left" != "$before" ] || return
		sleep 1
	done
	printf '%s\n' "$left" | while IFS= read -r line; do
		name=${line%:*}
		was=$(printf '%s\n' "$before" | grep -F -m 1 "$name: ")
		was=${was##*: }
		[ "${line##*: }" -le "${was:-0}" ] ||
			echo "<4>harness: BUG: left behind: $line, ${was:-0} before the case" >/dev/kmsg
	done
}

if [ "$1" = leaks ]; then
	watch_leaks
	exit
fi

# By the path of the program: until /proc is mounted, the shell cannot execute itself for an applet.
/usr/bin/busybox mount -t proc proc /proc

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

if [ -d /sys/kernel/debug ]; then
	mkfifo /run/leaks.ready
	unshare --mount --propagation private /init leaks >/dev/null 2>&1 3>/run/leaks.ready &
	# Ends at once where the kernel has no kmemleak: nothing has the pipe open then.
	read -r _ </run/leaks.ready
	rm /run/leaks.ready
fi

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
