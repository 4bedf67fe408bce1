#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Prepares a machine for the kernel's selftests: mounts what systemd mounts, with its options. A kernel that does not have
# a file system type is fine: the tests that need it skip.

mount_at() { # TYPE PATH [OPTIONS]
	mkdir -p "$2" && mount -t "$1" ${3:+-o "$3"} "$1" "$2"
}
{
	mount_at cgroup2 /sys/fs/cgroup nsdelegate,memory_recursiveprot || mount_at cgroup2 /sys/fs/cgroup
	for type in debugfs:/sys/kernel/debug tracefs:/sys/kernel/tracing securityfs:/sys/kernel/security \
		bpf:/sys/fs/bpf hugetlbfs:/dev/hugepages mqueue:/dev/mqueue tmpfs:/dev/shm; do
		mount_at "${type%%:*}" "${type#*:}"
	done
} >/dev/null 2>&1
true
