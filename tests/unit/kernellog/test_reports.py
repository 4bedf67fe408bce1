# SPDX-License-Identifier: GPL-2.0-only
"""Reports of all kinds: splats, texts that only look like one, and where each splat begins and ends."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from harness.kernellog.reader import Splat, SplatKind, scan
from tests.unit.kernellog.made_up import oops, warning

NAMES = ("demo_first", "demo_second", "demo_third")


def stamped(lines: Sequence[str]) -> str:
    return "".join(f"[{number:5d}.000001] {line}\n" for number, line in enumerate(lines, 1))


def only(*lines: str) -> Splat:
    (splat,) = scan(stamped(lines))
    return splat


@pytest.mark.parametrize(
    ("lines", "kind", "title"),
    [
        (
            ["unregister_netdevice: waiting for veth0 to become free. Usage count = 2"],
            SplatKind.BUG,
            "unregister_netdevice: waiting for a device to become free",
        ),
        (
            ["VFS: Busy inodes after unmount of loop0. Self-destruct in 5 seconds.  Have a nice day..."],
            SplatKind.BUG,
            "VFS: Busy inodes after unmount",
        ),
        (["VFS: Busy inodes after unmount of loop0 (ext4)"], SplatKind.BUG, "VFS: Busy inodes after unmount"),
        (
            [
                "BUG: Dentry 00000000a1b2c3d4{i=4d,n=file}  still in use (1) [unmount of tmpfs tmpfs]",
                "------------[ cut here ]------------",
                "WARNING: CPU: 0 PID: 71 at fs/dcache.c:1665 demo_check+0x12/0x40",
            ],
            SplatKind.BUG,
            "BUG: Dentry still in use in demo_check",
        ),
        (["VFS: Close: file count is 0"], SplatKind.BUG, "VFS: Close: file count is 0"),
        (
            [
                "ref_tracker: veth0@00000000a1b2c3d4 has 1/2 users at",
                "     demo_first+0x12/0x40",
                "     demo_second+0x12/0x40",
            ],
            SplatKind.BUG,
            "ref_tracker: leaked reference in demo_first",
        ),
        (
            [
                'irq 18: nobody cared (try booting with the "irqpoll" option)',
                "CPU: 0 UID: 0 PID: 0 Comm: swapper/0 Not tainted 6.12.1 #1",
                "Call Trace:",
                " <IRQ>",
                " dump_stack_lvl+0x4e/0x70",
                " __report_bad_irq+0x30/0xb0",
                " note_interrupt+0x1e0/0x230",
                " handle_irq_event+0x6b/0x70",
                " </IRQ>",
                "handlers:",
                "[<00000000a1b2c3d4>] demo_interrupt",
                "Disabling IRQ #18",
            ],
            SplatKind.BUG,
            "irq: nobody cared in demo_interrupt",
        ),
        (
            [
                "sysfs: cannot create duplicate filename '/devices/virtual/demo'",
                "CPU: 0 UID: 0 PID: 71 Comm: demo Not tainted 6.12.1 #1",
                "Call Trace:",
                " dump_stack_lvl+0x4e/0x70",
                " sysfs_warn_dup+0x5c/0x70",
                " demo_first+0x5c/0x70",
            ],
            SplatKind.WARNING,
            "sysfs: cannot create duplicate filename in demo_first",
        ),
        (
            [
                "CFI failure at demo_call+0x1c/0x40 (target: demo_other+0x0/0x10; expected type: 0x8a7b6c5d)",
                "Oops: invalid opcode: 0000 [#1] SMP NOPTI",
                "RIP: 0010:demo_call+0x1c/0x40",
                "Call Trace:",
                " demo_first+0x5c/0x70",
            ],
            SplatKind.BUG,
            "CFI failure in demo_call",
        ),
        (
            [
                "INFO: task demo:71 can't die for more than 143 seconds.",
                "task:demo state:D stack:0 pid:71",
                "Call Trace:",
                " __schedule+0x1/0x2",
                " demo_first+0x5c/0x70",
            ],
            SplatKind.HUNG_TASK,
            "INFO: task can't die in demo_first",
        ),
        (
            ["WARNING: kernel stack regs at 00000000a1b2c3d4 in demo:71 has bad 'bp' value 0000000000000000"],
            SplatKind.WARNING,
            "WARNING: kernel stack regs has bad 'bp' value",
        ),
        (
            [
                "rust_kernel: panicked at drivers/demo/demo.rs:21:9:",
                "index out of bounds: the length is 3",
                "------------[ cut here ]------------",
                "kernel BUG at rust/helpers/bug.c:7!",
                "Oops: invalid opcode: 0000 [#1] SMP NOPTI",
                "RIP: 0010:rust_helper_BUG+0x8/0x10",
                "Call Trace:",
                " _RNvCs9_7___rustc17rust_begin_unwind+0x90/0xa0",
                " _RNvNtCs9_4core9panicking9panic_fmt+0x20/0x30",
                " demo_first+0x5c/0x70",
                "---[ end trace 0000000000000000 ]---",
            ],
            SplatKind.BUG,
            "Rust panic: index out of bounds: the length is 3 at drivers/demo/demo.rs:21 in demo_first",
        ),
        (
            [
                "unreferenced object 0xffff888004b1a000 (size 64):",
                '  comm "demo", pid 71, jiffies 4294737290',
                "  hex dump (first 32 bytes):",
                "    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................",
                "  backtrace (crc 8a7b6c5d):",
                "    [<00000000a1b2c3d4>] kmalloc_trace+0x26/0x90",
                "    [<00000000a1b2c3d5>] demo_alloc+0x26/0x90",
                "    [<00000000a1b2c3d6>] demo_first+0x26/0x90",
            ],
            SplatKind.KMEMLEAK,
            "kmemleak: unreferenced object in demo_first",
        ),
        (
            [
                "list_del corruption. prev->next should be ffff888004b1a000, but was 0000000000000000",
                "------------[ cut here ]------------",
                "kernel BUG at lib/list_debug.c:62!",
                "Oops: invalid opcode: 0000 [#1] SMP NOPTI",
                "RIP: 0010:__list_del_entry_valid_or_report+0x8/0x10",
                "Call Trace:",
                " demo_first+0x5c/0x70",
            ],
            SplatKind.LIST_CORRUPTION,
            "list_del corruption in demo_first",
        ),
        (
            [
                "------------[ cut here ]------------",
                "DEBUG_LOCKS_WARN_ON(lock->magic != lock)",
                "WARNING: CPU: 0 PID: 71 at kernel/locking/mutex.c:587 __mutex_lock+0x8/0x10",
                "Call Trace:",
                " demo_first+0x5c/0x70",
            ],
            SplatKind.LOCKDEP,
            "WARNING: locking bug at kernel/locking/mutex.c:587 in demo_first",
        ),
        (
            [
                "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 43s!",
                "Showing busy workqueues and worker pools:",
                "workqueue events: flags=0x0",
                "  pwq 2: cpus=0 node=0 flags=0x0 nice=0 active=1 refcnt=2",
                "    in-flight: 71:demo_first",
            ],
            SplatKind.BUG,
            "BUG: workqueue lockup in demo_first",
        ),
    ],
)
def test_report(lines: list[str], kind: SplatKind, title: str) -> None:
    """A report of any kind is one splat, with its kind and the guilty function."""
    splat = only("booted", *lines)

    assert (splat.kind, splat.title) == (kind, title)
    assert splat.text.count("\n") == len(lines) - 1


@pytest.mark.parametrize(
    "words",
    [
        "WARNING: the option x is deprecated and will be removed",
        "WARNING: firmware is older than 1.2, please update",
        "WARNING: loading unsigned module",
        "demo: WARNING: of its own",
    ],
)
def test_words_of_warning_are_no_splat(words: str) -> None:
    """A message that begins with WARNING: is no splat unless a trace follows."""
    trace = ("Call Trace:", " dump_stack_lvl+0x1/0x2", " demo_first+0x1/0x2")

    assert scan(stamped(["one", words, "two"])) == ()
    assert [splat.kind for splat in scan(stamped(["WARNING: odd state", *trace]))] == [SplatKind.WARNING]


@pytest.mark.parametrize(
    "between",
    [
        ["demo: another driver's line"],
        ["PGD 4b1a067 P4D 0 "],
        ["*pde = 00000000"],
        ["*pdpt = 0000000004b1a001 *pde = 0000000000000000"],
        ["Mem abort info:", "  ESR = 0x0000000096000004", "  EC = 0x25: DABT (current EL), IL = 32 bits"],
        ["[0000000000000008] pgd=0000000004b1a003, p4d=0000000000000000"],
        ["user pgtable: 4k pages, 48-bit VAs, pgdp=0000000004b1a000"],
        [f"eth{number}: link is up" for number in range(9)],
    ],
)
def test_unknown_lines_within_an_oops(between: list[str]) -> None:
    """An oops is one splat with its frames, whatever lines come after its first."""
    lines = oops(NAMES, 71)
    splat = only(lines[0], *between, *lines[1:])

    assert splat.title == "BUG: kernel NULL pointer dereference in demo_first"
    assert splat.fingerprint == only(*lines).fingerprint


@pytest.mark.parametrize("between", [[], ["demo: another line"], ["eth0: up", "eth1: up", "eth2: up"]])
def test_panic_on_warn_is_one_splat(between: list[str]) -> None:
    """With panic_on_warn, warning and panic are one splat with the warning's title."""
    lines = warning(NAMES, 71)
    panic = ("Kernel panic - not syncing: kernel: panic_on_warn set ...", "CPU: 0 PID: 71 Comm: demo", "Call Trace:")
    splat = only(*lines[:3], *between, *panic, *lines[3:])

    assert splat.fatal
    assert splat.kind is SplatKind.WARNING
    assert splat.title == "WARNING: at drivers/demo/core.c:77 demo_first"


@pytest.mark.parametrize("between", [[], ["demo: a line"] * 12])
def test_panic_belongs_to_its_cause(between: list[str]) -> None:
    """A panic that follows an oops, soon after its end mark, is a part of it."""
    splat = only(*oops(NAMES, 71), *between, "Kernel panic - not syncing: Fatal exception in interrupt")

    assert splat.fatal
    assert splat.kind is SplatKind.OOPS


@pytest.mark.parametrize("after", [[], ["[    9.1] "], ["CPU: 0 PID: 71 Comm: demo", "Call Trace:", " demo_a+0x1/0x2"]])
def test_no_title_says_cut_here(after: list[str]) -> None:
    """A cut mark that nothing explains never is the title."""
    assert all(
        "cut here" not in splat.title for splat in scan(stamped(["------------[ cut here ]------------", *after]))
    )


def test_first_lines_lost() -> None:
    """A splat whose first lines were lost is found by what is left of it, and blames the same function."""
    lines = oops(NAMES, 71)
    splat = only("one", "** 214 printk messages dropped **", *lines[6:])

    assert splat.kind is SplatKind.OOPS
    assert splat.title == "Oops: first lines lost in demo_first"


def test_lost_lines_alone_are_no_splat() -> None:
    """A note on lost messages between ordinary lines, or before a dump of sysrq, is no splat."""
    dump = ("Call Trace:", " demo_first+0x1/0x2", " demo_second+0x1/0x2")

    assert scan(stamped(["one", "** 214 printk messages dropped **", "two", "three"])) == ()
    assert scan(stamped(["one", "** 214 printk messages dropped **", *dump, *["words"] * 40])) == ()


def test_every_leak_is_a_splat() -> None:
    """The entries of kmemleak's list are splats of their own."""
    entry = "unreferenced object 0xffff888004b1a000 (size 64):\n  backtrace:\n    [<00000000a1b2c3d6>] {}+0x26/0x90\n"

    assert [splat.function for splat in scan(entry.format("demo_a") + entry.format("demo_b"))] == ["demo_a", "demo_b"]


def test_lines_of_another_processor_within_a_trace() -> None:
    """A dozen unknown lines within the trace of a fault do not end it: its end mark and its panic belong to it."""
    lines = oops(NAMES, 71)
    at = next(number for number, line in enumerate(lines) if line == " <TASK>") + 2
    panic = "Kernel panic - not syncing: Fatal exception in interrupt"
    splat = only(*lines[:at], *["demo: another processor's line"] * 12, *lines[at:], panic)

    assert splat.fatal
    assert splat.fingerprint == only(*lines).fingerprint
