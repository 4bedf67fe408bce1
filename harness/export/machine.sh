# SPDX-License-Identifier: GPL-2.0-only
# ---- the machine: QEMU, with the kernel log in a file and each console on a pair of pipes ----

folder=$(mktemp -d) || exit 2
trap 'kill "$qemu" 2>/dev/null; wait "$qemu" 2>/dev/null; rm -rf "$folder"' EXIT
qemu=
for name in admin inside observer; do
	mkfifo "$folder/$name.in" "$folder/$name.out" || exit 2
	exec {fd}<>"$folder/$name.in" && to[$name]=$fd
	exec {fd}<>"$folder/$name.out" && from[$name]=$fd
done
command -v "$QEMU" >/dev/null || { echo "$QEMU is missing: apt install qemu-system-x86"; exit 2; }
"$QEMU" "${OPTIONS[@]}" \
	-chardev file,id=kernel,path="$folder/kernel.log" -device isa-serial,chardev=kernel,index=0 \
	-chardev pipe,id=admin,path="$folder/admin" -device isa-serial,chardev=admin,index=1 \
	-chardev pipe,id=inside,path="$folder/inside" -device isa-serial,chardev=inside,index=2 \
	-chardev pipe,id=observer,path="$folder/observer" -device isa-serial,chardev=observer,index=3 \
	-kernel bzImage -initrd guest.cpio -append "$APPEND" </dev/null 2>"$folder/qemu.log" &
qemu=$!
