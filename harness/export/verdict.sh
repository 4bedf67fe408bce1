# SPDX-License-Identifier: GPL-2.0-only
# ---- the verdict ----

splats='(WARNING|BUG|INFO|KASAN|UBSAN): |Oops|Kernel panic|general protection fault'
[ -z "${mark-}" ] || dmesg | sed "1,/$mark/d" >"$folder/kernel.log"
if [ -e "$folder/kernel.log" ] && found=$(grep -E "$splats" "$folder/kernel.log"); then
	show <<<"$found"
	end 1 "mismatch: the kernel log has: ${found%%$'\n'*}"
fi
[ -z "$failed" ] || end 1 mismatch
end 0 match
