# SPDX-License-Identifier: GPL-2.0-only
# ---- results as TAP ----

count=0

end() { # STATUS TEXT
	case $1 in
	0) ;;
	4) echo "1..0 # SKIP ${2#skipped: }" ;;
	*) [ "$2" = mismatch ] || echo "not ok $((count + 1)) - $2" ;;
	esac
	exit "$1"
}

show() {
	sed 's/^/# /'
}

plan() { # NUMBER OF STEPS
	echo "1..$1"
}

result() { # WORD
	count=$((count + 1))
	text=${typed//$'\n'/ }
	echo "$1 $count - $at${text//#/\\#}"
}

passed() {
	result ok
}

differ() {
	printf 'expected: %s\n' "$wanted" | show
	result "not ok"
	failed=1
}
