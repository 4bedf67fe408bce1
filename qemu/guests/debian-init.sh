#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
#
# /init of the initramfs of the guest debian: loads the modules that the root file system needs, mounts the image with a
# writable overlay, adds the files of the guest and of the suite (/guest), and starts systemd.

busybox=/bin/busybox

$busybox mount -t proc proc /proc
$busybox mount -t sysfs sysfs /sys
$busybox mount -t devtmpfs devtmpfs /dev

fail() {
	echo "<2>harness: the guest has no root file system: $*" >/dev/kmsg
	$busybox sleep 1
	$busybox poweroff -f
}

# Named in the order in which they can be loaded. One that fails is reported by what needs it.
for module in /modules/*.ko; do
	[ ! -e "$module" ] || $busybox insmod "$module" 2>/dev/null || echo "<4>harness: insmod $module failed" >/dev/kmsg
done

$busybox mount -t squashfs -o ro /dev/vda /lower || fail "/dev/vda cannot be mounted as squashfs"
$busybox mount -t tmpfs -o mode=755 tmpfs /rw || fail "tmpfs cannot be mounted"
$busybox mkdir /rw/upper /rw/work
$busybox mount -t overlay -o lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work overlay /root ||
	fail "overlay cannot be mounted"

# An overlay cannot be the upper layer of another one: what containers are unpacked to is in the tmpfs itself.
for path in /home /srv /var/lib/containers /var/lib/lxc /var/lib/machines /var/tmp; do
	$busybox mkdir -p "/rw/plain$path" "/root$path"
	$busybox mount --bind "/rw/plain$path" "/root$path"
done
$busybox chmod 1777 /root/var/tmp

$busybox cp -a /guest/. /root/

$busybox mount --move /dev /root/dev
$busybox umount /proc /sys
# The memory of the initramfs is freed by switch_root, which removes its files.
exec $busybox switch_root /root /sbin/init
