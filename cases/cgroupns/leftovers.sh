#!/usr/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# Count what cases of this suite may leave behind, a line "NAME: NUMBER" each. It runs before the first case and after all
# processes and mounts of a case are gone, on kernels with kmemleak: an object that is still on a list of the kernel is
# no leak for kmemleak, nor is a counter that is not decremented.

left=/run/harness.left
mkdir -p $left

# Thaw and remove all cgroups of a hierarchy: a case need not clean up.
empty() {
	find $left -name freezer.state | while read -r file; do
		echo THAWED >"$file"
		sleep 0.1
	done
	find $left -depth -mindepth 1 -type d -exec rmdir {} \;
	umount $left
}

{
	# "4:freezer:/", "1:name=a:/", "0::/"
	while IFS=: read -r number names _; do
		case $names in
		'') [ "$number" = 0 ] && mount -t cgroup2 none $left && empty ;;
		name=*) mount -t cgroup -o "none,$names" none $left && empty ;;
		*) mount -t cgroup -o "$names" none $left && empty ;;
		esac
	done </proc/self/cgroup
	sync
	echo 2 >/proc/sys/vm/drop_caches
} >/dev/null 2>&1

echo "hierarchies: $(grep -c '^[1-9]' /proc/self/cgroup)"
if [ -r /proc/cgroups ]; then
	awk 'NR > 1 && $3 > most { most = $3 } END { print "cgroups of a hierarchy: " most + 0 }' /proc/cgroups
fi

# Not the applet of busybox, which has no -C. The limit with which root can make another namespace shows how many the kernel counts.
limit=/proc/sys/user/max_cgroup_namespaces
if [ -w $limit ]; then
	read -r before <$limit
	count=0
	while [ $count -lt 16 ]; do
		echo $((count + 1)) >$limit
		/usr/bin/unshare -C true 2>/dev/null && break
		count=$((count + 1))
	done
	echo "$before" >$limit
	echo "counted cgroup namespaces: $count"
fi

# Objects by the function that allocated them, slub_debug=U: "      1 find_css_set+0x9c/0x2a0 age=..."; lines of the traces
# below begin with more blanks. Freed objects wait in KASAN's quarantine until their cache is shrunk.
for cache in user_namespace nsproxy mnt_cache kmalloc-512 kmalloc-1k kmalloc-2k kmalloc-cg-512 kmalloc-cg-1k kmalloc-cg-2k; do
	[ -r /sys/kernel/debug/slab/$cache/alloc_traces ] || continue
	echo 1 >/sys/kernel/slab/$cache/shrink
	cat /sys/kernel/debug/slab/$cache/alloc_traces
done | awk '
	$2 ~ /^([a-z_]*css_alloc|cgroup|css|find_css_set|copy_cgroup_ns|create_user_ns|create_new_namespaces|alloc_vfsmnt)/ {
		sub(/[+.].*/, "", $2)
		count[$2] += $1
	}
	END { for (name in count) print "objects of " name ": " count[name] }' | sort
