#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs a KUnit suite in the guest and prints its report.
#
#   kunit list          the kernel log of a boot with kunit.action=list, and what the kernel can run again
#   kunit boot SUITE    the report of the boot, from the kernel log
#   kunit again SUITE   run it through debugfs, and print the report
#
# Status 4 with a reason: this kernel cannot run the suite.

debugfs=${DEBUGFS:-/sys/kernel/debug}
[ -d $debugfs/kunit ] || mount -t debugfs debugfs $debugfs 2>/dev/null

case $1 in
list)
	[ -e /sys/module/kunit ] || echo 'harness: no KUnit'
	[ ! -e /sys/module/kunit/parameters/autorun ] || echo 'harness: autorun'
	for file in $debugfs/kunit/*/run; do
		[ ! -e "$file" ] || echo "harness: again ${file%/run}"
	done
	dmesg
	;;
boot)
	log=$(dmesg)
	if [[ $log != *'TAP version '* ]]; then
		echo 'this kernel ran no KUnit suite when it was booted'
		exit 4
	fi
	# A suite that the kernel does not have leaves a plan of no tests.
	report=${log#*TAP version }
	if [[ $report != *" $2"[[:space:]]* && $report != *" $2" ]]; then
		echo "this kernel has no KUnit suite $2"
		exit 4
	fi
	printf '%s\n' "$log"
	;;
again)
	if [ ! -e "$debugfs/kunit/$2/run" ]; then
		echo "this kernel has no KUnit suite $2 that runs again"
		exit 4
	fi
	echo 1 >"$debugfs/kunit/$2/run" && cat "$debugfs/kunit/$2/results"
	;;
esac
