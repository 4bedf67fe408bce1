# SPDX-License-Identifier: GPL-2.0-only
"""Make splats up, in the form that the kernel prints, with functions that no kernel has."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.kernellog.kinds import SplatKind

Lines = tuple[str, ...]


def _trace(functions: Sequence[str], *, guess: str = "") -> Lines:
    frames = [f" {name}+0x{12 + at:x}/0x{80 + at:x}" for at, name in enumerate(functions)]
    guesses = [f" ? {guess}+0x11/0x40"] if guess else []
    return ("Call Trace:", " <TASK>", *guesses, *frames, " entry_SYSCALL_64_after_hwframe+0x76/0x7e", " </TASK>")


def _task(pid: int) -> Lines:
    return (f"CPU: {pid % 4} UID: 0 PID: {pid} Comm: demo{pid} Not tainted 6.12.1 #1", "Hardware name: demo machine")


def _registers(function: str) -> Lines:
    return (
        f"RIP: 0010:{function}+0x12/0x80",
        "Code: 0f 0b 48 8b 45 08 <48> 8b 00 c3",
        "RSP: 0018:ffffc90000123e10 EFLAGS: 00010246",
        "RAX: 0000000000000000 RBX: ffff888004b1a000 RCX: 0000000000000000",
        "CR2: 0000000000000008 CR3: 0000000004b1a000 CR4: 00000000000006f0",
    )


_CUT = "------------[ cut here ]------------"
_END = "---[ end trace 0000000000000000 ]---"
_RULE = "=================================================================="


def oops(functions: Sequence[str], pid: int) -> Lines:
    """Return a dereference of NULL."""
    return (
        f"BUG: kernel NULL pointer dereference, address: {pid:016x}",
        "#PF: supervisor read access in kernel mode",
        "#PF: error_code(0x0000) - not-present page",
        "PGD 0 P4D 0",
        f"Oops: Oops: 0000 [#{pid % 9 + 1}] SMP NOPTI",
        *_task(pid),
        *_registers(functions[0]),
        *_trace(functions[1:], guess="stale"),
        "Modules linked in:",
        _END,
    )


def protection(functions: Sequence[str], pid: int) -> Lines:
    """Return a general protection fault."""
    return (
        f"Oops: general protection fault, probably for non-canonical address 0x{pid:016x}: 0000 [#1] SMP",
        *_task(pid),
        *_registers(functions[0]),
        *_trace(functions[1:]),
        _END,
    )


def warning(functions: Sequence[str], pid: int) -> Lines:
    """Return a WARN_ON()."""
    return (
        _CUT,
        f"WARNING: CPU: {pid % 4} PID: {pid} at drivers/demo/core.c:77 {functions[0]}+0x12/0x80",
        "Modules linked in:",
        *_task(pid),
        *_registers(functions[0]),
        *_trace(functions[1:]),
        _END,
    )


def bug(functions: Sequence[str], pid: int) -> Lines:
    """Return a BUG_ON()."""
    return (
        _CUT,
        "kernel BUG at drivers/demo/core.c:99!",
        "Oops: invalid opcode: 0000 [#1] SMP NOPTI",
        *_task(pid),
        *_registers(functions[0]),
        *_trace(functions[1:]),
        _END,
    )


def kasan(functions: Sequence[str], pid: int) -> Lines:
    """Return a use after free."""
    return (
        _RULE,
        f"BUG: KASAN: slab-use-after-free in {functions[0]}+0x12/0x80",
        f"Read of size 8 at addr ffff888004b1a{pid % 4096:03x} by task demo/{pid}",
        "",
        *_task(pid),
        "Call Trace:",
        " dump_stack_lvl+0x4e/0x70",
        " print_report+0x16b/0x4b0",
        " kasan_report+0xb9/0xf0",
        *(f" {name}+0x12/0x80" for name in functions),
        "",
        f"Allocated by task {pid}:",
        " kasan_save_stack+0x30/0x50",
        " demo_make+0x30/0x50",
        "",
        "The buggy address belongs to the object at ffff888004b1a000",
        " which belongs to the cache kmalloc-64 of size 64",
        "Memory state around the buggy address:",
        " ffff888004b1a000: fa fb fb fb fc fc fc fc",
        "                   ^",
        _RULE,
    )


def lockdep(functions: Sequence[str], pid: int) -> Lines:
    """Return a recursion of a lock."""
    return (
        "",
        "============================================",
        "WARNING: possible recursive locking detected",
        "6.12.1 #1 Not tainted",
        "--------------------------------------------",
        f"demo/{pid} is trying to acquire lock:",
        f"ffff888004b1a000 (&demo->lock){{+.+.}}-{{3:3}}, at: {functions[0]}+0x12/0x80",
        "",
        "but task is already holding lock:",
        f"ffff888004b1b000 (&demo->lock){{+.+.}}-{{3:3}}, at: {functions[1]}+0x12/0x80",
        "",
        "other info that might help us debug this:",
        " Possible unsafe locking scenario:",
        "       CPU0",
        "       ----",
        "  lock(&demo->lock);",
        " *** DEADLOCK ***",
        "stack backtrace:",
        *_task(pid),
        *_trace(("dump_stack_lvl", "print_deadlock_bug", "__lock_acquire", "lock_acquire", *functions)),
    )


def hung(functions: Sequence[str], pid: int) -> Lines:
    """Return a hung task."""
    return (
        f"INFO: task demo:{pid} blocked for more than {pid % 100 + 20} seconds.",
        "      Not tainted 6.12.1 #1",
        '"echo 0 > /proc/sys/kernel/hung_task_timeout_secs" disables this message.',
        f"task:demo            state:D stack:0     pid:{pid}   tgid:{pid}   ppid:1      flags:0x00004002",
        *_trace(("__schedule", "schedule", "schedule_preempt_disabled", "__mutex_lock", *functions)),
    )


def atomic(functions: Sequence[str], pid: int) -> Lines:
    """Return a sleep in atomic context."""
    return (
        "BUG: sleeping function called from invalid context at kernel/locking/mutex.c:585",
        f"in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: {pid}, name: demo",
        "preempt_count: 1, expected: 0",
        *_task(pid),
        *_trace(("dump_stack_lvl", "__might_resched", "__mutex_lock", *functions)),
    )


KINDS: dict[SplatKind, tuple[Callable[[Sequence[str], int], Lines], ...]] = {
    SplatKind.OOPS: (oops, protection),
    SplatKind.WARNING: (warning,),
    SplatKind.BUG: (bug, atomic),
    SplatKind.KASAN: (kasan,),
    SplatKind.LOCKDEP: (lockdep,),
    SplatKind.HUNG_TASK: (hung,),
}
MAKERS = tuple((kind, maker) for kind, makers in KINDS.items() for maker in makers)
