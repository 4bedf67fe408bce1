# SPDX-License-Identifier: GPL-2.0-only
"""Titles of splats."""

from __future__ import annotations

import pytest

from harness.kernellog.title import describe, title_of


@pytest.mark.parametrize(
    ("content", "title"),
    [
        ("WARNING: CPU: 0 PID: 1 at kernel/foo.c:12 bar+0x1/0x2", "WARNING: at kernel/foo.c:12 bar"),
        ("WARNING: CPU: 3 PID: 99 at kernel/foo.c:12 bar+0x5/0x7()", "WARNING: at kernel/foo.c:12 bar"),
        ("WARNING: at kernel/foo.c:12 bar+0x1/0x2()", "WARNING: at kernel/foo.c:12 bar"),
        ("WARNING: kernel/foo.c:12 at bar+0x1/0x2, CPU#3: kworker/3:1/99", "WARNING: at kernel/foo.c:12 bar"),
        ("WARNING: [a < 0 && b] kernel/foo.c:12 at bar+0x1/0x2, CPU#3: sh/99", "WARNING: at kernel/foo.c:12 bar"),
        ("WARNING: CPU: 0 PID: 1 at m.c:9 bar+0x1/0x2 [mod]", "WARNING: at m.c:9 bar [mod]"),
        ("BUG: kernel NULL pointer dereference, address: 0000000000000008", "BUG: kernel NULL pointer dereference"),
        (
            "BUG: unable to handle kernel NULL pointer dereference at 0000000000000008",
            "BUG: kernel NULL pointer dereference",
        ),
        (
            "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000008",
            "BUG: kernel NULL pointer dereference",
        ),
        ("BUG: unable to handle page fault for address: ffff888004b1a000", "BUG: unable to handle page fault"),
        ("BUG: unable to handle kernel paging request at ffff888004b1a000", "BUG: unable to handle page fault"),
        ("Oops: general protection fault, probably for address 0x7: 0000 [#1] SMP", "general protection fault"),
        ("general protection fault: 0000 [#12] PREEMPT SMP KASAN", "general protection fault"),
        ("traps: PANIC: double fault, error_code: 0x0", "PANIC: double fault"),
        ("divide error: 0000 [#1] SMP", "divide error"),
        ("Oops: divide error: 0000 [#1] SMP", "divide error"),
        ("Internal error: Oops: 0000000096000046 [#1] SMP", "Oops"),
        ("Internal error: Oops - BUG: 00000000f2000800 [#1] SMP", "Oops: BUG"),
        ("BUG: spinlock wrong CPU on CPU#0, sh/71", "BUG: spinlock wrong CPU"),
        ("Unhandled fault: page domain fault (0x81b) at 0x00001044", "Unhandled fault: page domain fault"),
        ("BUG: KASAN: use-after-free in f+0x3a/0x60 [mod]", "BUG: KASAN: use-after-free in f"),
        (
            "BUG: KASan: out of bounds access in f.isra.3+0x3a/0x60 at addr ffff8800",
            "BUG: KASAN: out of bounds access in f",
        ),
        ("BUG: KCSAN: data-race in reader / writer.part.0", "BUG: KCSAN: data-race in reader / writer"),
        ("INFO: task kworker/u4:1:34 blocked for more than 122 seconds.", "INFO: task hung"),
        ("INFO: task Web Content:34 blocked in I/O wait for more than 5 seconds.", "INFO: task hung"),
        ("INFO: task fuse:77 can't die for more than 143 seconds.", "INFO: task can't die"),
        ("watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [kworker/1:2:97]", "BUG: soft lockup"),
        ("BUG: scheduling while atomic: sh/83/0x00000002", "BUG: scheduling while atomic"),
        ("[ BUG: sh/71 still has locks held! ]", "WARNING: task still has locks held"),
        ("[ INFO: possible circular locking dependency detected ]", "WARNING: possible circular locking dependency"),
        ("WARNING: possible circular locking dependency detected", "WARNING: possible circular locking dependency"),
        ("BUG: Bad page state in process init  pfn:02a21", "BUG: Bad page state"),
        ("BUG: Bad rss-counter state mm:ffff8800a1b2c3d4 idx:0 val:15", "BUG: Bad rss-counter state"),
        (
            "BUG: using smp_processor_id() in preemptible [00000000] code: sh/71",
            "BUG: using smp_processor_id() in preemptible code",
        ),
        ("BUG: spinlock bad magic on CPU#1, sh/71", "BUG: spinlock bad magic"),
        ("kmemleak: 3 new suspected memory leaks", "kmemleak: new suspected memory leaks"),
        (
            "harness: BUG: left behind: objects of create_user_ns: 13, 0 before the case",
            "left behind: objects of create_user_ns",
        ),
        ("INFO: rcu_sched self-detected stall on CPU { 0}  (t=2100 jiffies g=1178)", "INFO: RCU stall"),
        ("rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-.... } 21 jiffies", "INFO: RCU stall"),
        ("Oops: 0002 [#3] PREEMPT SMP", "Oops"),
        ("list_del corruption, ffff880012345678->next is LIST_POISON1 (dead000000000100)", "list_del corruption"),
        ("list_add double add: new=ffff880012345678, prev=ffff880012345678", "list_add double add"),
        ("kernel BUG at kernel/cgroup/cgroup.c:512!", "kernel BUG at kernel/cgroup/cgroup.c:512"),
        ("rust_kernel: panicked at samples/rust/demo.rs:21:9:", "Rust panic at samples/rust/demo.rs:21"),
        ("CFI failure at call_it+0x1c/0x40 (target: other+0x0/0x10; expected type: 0x8a7b)", "CFI failure in call_it"),
        (
            "unregister_netdevice: waiting for veth7 to become free. Usage count = 3",
            "unregister_netdevice: waiting for a device to become free",
        ),
        ('irq 18: nobody cared (try booting with the "irqpoll" option)', "irq: nobody cared"),
        (
            "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000700",
            "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000700",
        ),
        (
            "UBSAN: array-index-out-of-bounds in kernel/cgroup/cgroup.c:2012:9",
            "UBSAN: array-index-out-of-bounds at kernel/cgroup/cgroup.c:2012",
        ),
        (
            "BUG: table sizes differ for sh/71: 12345 != 0xffff8800a1b2c3d4",
            "BUG: table sizes differ for task: N != ADDR",
        ),
        ("BUG: " + "x" * 5000, "BUG: " + "x" * 295),
    ],
)
def test_title(content: str, title: str) -> None:
    """A title keeps what the bug is, drops what differs from run to run, and is bounded."""
    description = describe(content)

    assert title_of(description, description.function) == title


@pytest.mark.parametrize("pid", [12, 77, 32768, 4194304])
@pytest.mark.parametrize(
    "form",
    [
        "BUG: something odd in sh/{pid}",
        "BUG: worker leaked, pid={pid} ino={pid}",
        "BUG: Dentry 0000000{pid}{{i={pid},n=file}}  still in use (1) [unmount of tmpfs tmpfs]",
        "INFO: task dd:{pid} blocked for more than {pid} seconds.",
        "VFS: Busy inodes after unmount of loop{pid} (ext4)",
        "ref_tracker: eth{pid}@00000000{pid} has {pid}/{pid} users at",
        "BUG: MAX_LOCKDEP_ENTRIES too low, {pid} used by dd/{pid}",
    ],
)
def test_title_has_no_counter(form: str, pid: int) -> None:
    """Pids, inodes, devices' numbers and counters are not in a title."""
    first, second = describe(form.format(pid=pid)), describe(form.format(pid=99999))

    assert first == second
