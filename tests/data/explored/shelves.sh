#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The guest program of the suite about shelves, which have room for three things.
declare -A things
IFS=';'
for operation in $1; do
	operation=${operation# }
	verb=${operation% *} shelf=${operation#* }
	count=${things[$shelf]:-0}
	answer=0
	case $verb in
	count) answer=$count ;;
	put) if [ "$count" -lt 3 ]; then things[$shelf]=$((count + 1)); else answer=full; fi ;;
	take) if [ "$count" -gt 0 ]; then things[$shelf]=$((count - 1)); else answer=empty; fi ;;
	# Not in the model: for the test of a kernel that does not survive.
	crash) echo c >/proc/sysrq-trigger ;;
	*) exit 64 ;;
	esac
	echo "$operation = $answer"
done
