#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Prepares a machine for the kernel's selftests: mounts what systemd mounts, with its options. A kernel that does not have
# a file system type is fine: the tests that need it skip.
#
# With a machine type that has disks (qemu/selftests.toml), the tests are on an ext4 file system, and the guest has swap.

mount_at() { # TYPE PATH [OPTIONS]
	mkdir -p "$2" && mount -t "$1" ${3:+-o "$3"} "$1" "$2"
}
{
	mount_at cgroup2 /sys/fs/cgroup nsdelegate,memory_recursiveprot || mount_at cgroup2 /sys/fs/cgroup
	for type in debugfs:/sys/kernel/debug tracefs:/sys/kernel/tracing securityfs:/sys/kernel/security \
		bpf:/sys/fs/bpf hugetlbfs:/dev/hugepages mqueue:/dev/mqueue tmpfs:/dev/shm; do
		mount_at "${type%%:*}" "${type#*:}"
	done
	for module in /usr/lib/harness/modules/*.ko; do
		[ ! -e "$module" ] || insmod "$module"
	done
	for disk in /sys/block/vd*; do
		read -r name <"$disk/serial"
		case $name in
		swap) swapon "/dev/${disk##*/}" ;;
		files)
			tests=/usr/lib/kselftest
			mkdir -p /mnt/files && mount -t ext4 "/dev/${disk##*/}" /mnt/files &&
				[ -d $tests ] && cp -a $tests/. /mnt/files && mount --bind /mnt/files $tests
			;;
		esac
	done
} >/dev/null 2>&1
true
