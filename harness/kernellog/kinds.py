# SPDX-License-Identifier: GPL-2.0-only
"""Name the kinds of splats, and recognize the lines that begin one. Pure.

The patterns in the tables are texts of the kernel's own printk calls, from v3.18 to v6.18
(kernel/panic.c, kernel/locking/lockdep.c, kernel/rcu/tree_stall.h, kernel/hung_task.c, kernel/watchdog.c,
lib/list_debug.c, lib/refcount.c, lib/debugobjects.c, lib/ubsan.c, lib/ref_tracker.c, mm/kasan, mm/kfence, mm/kmsan,
mm/kmemleak.c, kernel/kcsan, kernel/cfi.c, kernel/irq/spurious.c, fs/super.c, fs/sysfs/dir.c, net/core/dev.c,
rust/kernel/lib.rs, arch/*/mm/fault.c, arch/*/kernel/dumpstack.c, arch/*/kernel/traps.c); if a form changed between
releases, one pattern has all forms.
"""

from __future__ import annotations

import re
from enum import StrEnum


class SplatKind(StrEnum):
    """The kind of problem that the kernel reports."""

    PANIC = "panic"
    OOPS = "oops"
    BUG = "bug"
    WARNING = "warning"
    LOCKDEP = "lockdep"
    KASAN = "kasan"
    UBSAN = "ubsan"
    KCSAN = "kcsan"
    KMSAN = "kmsan"
    KFENCE = "kfence"
    RCU_STALL = "rcu_stall"
    HUNG_TASK = "hung_task"
    SOFT_LOCKUP = "soft_lockup"
    HARD_LOCKUP = "hard_lockup"
    LIST_CORRUPTION = "list_corruption"
    KMEMLEAK = "kmemleak"
    REFCOUNT = "refcount"
    DEBUGOBJECTS = "debugobjects"
    LEFTOVER = "leftover"


class Opening(StrEnum):
    """The kind of line that begins a splat; the first two do not name the problem yet."""

    CUT = "cut"
    """``------------[ cut here ]------------``: a later line names the kind."""
    PRELUDE = "prelude"
    """A line before an oops: an attempt to execute data, an alignment trap, KASAN's guess at the address."""
    TRAP = "trap"
    """``Oops: 0002 [#1]``, ``invalid opcode: 0000 [#1]``: an oops, or more often the second line of another splat."""
    SLAB = "slab"
    """``BUG kmalloc-512 (Not tainted): ...``: a slab's own report, up to v4.7 also within KASAN's."""
    LOST = "lost"
    """A line within a slab's report; it begins a splat only if the lines before it are missing."""
    KERNEL_BUG = "kernel_bug"
    """``kernel BUG at FILE:LINE!``."""
    WARN = "warn"
    """``WARNING:`` with file and line, printed by WARN_ON()."""
    FOLLOW_UP = "follow_up"
    """A panic that follows an earlier report, by its text."""
    NOTICE = "notice"
    """A complaint of one line; a dump of the stack may follow it."""
    OTHER_BUG = "other_bug"
    """``BUG:`` with another text."""
    OTHER_WARNING = "other_warning"
    """``WARNING:`` with another text."""
    LEAK = "leak"
    """``unreferenced object 0x... (size N):``, an entry of kmemleak's list."""
    NAMED = "named"
    """Any line that names the kind of the splat."""


# Kind by kind, matched at the first character after the time stamp. Order matters: the first match wins.
_STARTS: tuple[tuple[Opening, SplatKind | None, str], ...] = (
    (Opening.CUT, None, r"-{8,}\[ cut here \]-"),
    (
        Opening.FOLLOW_UP,
        SplatKind.PANIC,
        (
            r"Kernel panic - not syncing: (?:Fatal |Aiee|softlockup|hung_task|Hard LOCKUP|RCU |.*panic(?:_on_\w+)? set"
            r"|panic_on_\w+|scheduling while atomic|kernel: panic)"
        ),
    ),
    (Opening.NAMED, SplatKind.PANIC, r"Kernel panic - not syncing"),
    (
        Opening.NAMED,
        SplatKind.LOCKDEP,
        (
            r"(?:\[ )?(?:WARNING|INFO|BUG): (?:possible (?:circular|recursive|irq lock inv|deadlock)"
            r"|inconsistent (?:\{\S+\} )?lock state|suspicious RCU usage|\S+-safe -> \S+-unsafe lock order"
            r"|bad (?:unlock balance|contention) detected|held lock freed|lock held (?:when returning|at task exit)"
            r"|\S.*/\d+ still has locks held|[Nn]ested lock was not taken|[Ii]nvalid wait context"
            r"|circular locking deadlock|trying to register non-static key|MAX_(?:LOCK|STACK_TRACE)"
            r"|key \S+ (?:not in|has not been registered)|possible unsafe lock|suspicious usage)"
        ),
    ),
    (Opening.NAMED, SplatKind.KASAN, r"BUG: KAS[Aa][Nn]: "),
    (Opening.NAMED, SplatKind.KCSAN, r"BUG: KCSAN: "),
    (Opening.NAMED, SplatKind.KMSAN, r"BUG: KMSAN: "),
    (Opening.NAMED, SplatKind.KFENCE, r"BUG: KFENCE: "),
    (Opening.NAMED, SplatKind.UBSAN, r"UBSAN: (?!VERBOSE)"),
    (Opening.NAMED, SplatKind.SOFT_LOCKUP, r"(?:NMI )?(?:watchdog: )?BUG: soft lockup"),
    (
        Opening.NAMED,
        SplatKind.HARD_LOCKUP,
        r"(?:NMI )?(?:watchdog: )?(?:CPU ?\d+: )?(?:Watchdog |self-)detected hard LOCKUP",
    ),
    (
        Opening.NAMED,
        SplatKind.RCU_STALL,
        r"(?:rcu: )?INFO: rcu\w* (?:self-)?detected (?:expedited )?stalls? on",
    ),
    (
        Opening.NAMED,
        SplatKind.HUNG_TASK,
        r"INFO: task .+ (?:blocked (?:in I/O wait )?for more than \d+ seconds|can't die for more than \d+ seconds)",
    ),
    (Opening.NAMED, SplatKind.LIST_CORRUPTION, r"list_(?:add|del)(?:_\w+)?(?: corruption| double add)"),
    (Opening.NAMED, SplatKind.KMEMLEAK, r"kmemleak: \d+ new suspected memory leak"),
    (Opening.LEAK, SplatKind.KMEMLEAK, r"BUG: memory leak|unreferenced object (?:0x[0-9a-f]+|\S+) \(size \d+\):"),
    (Opening.NAMED, SplatKind.REFCOUNT, r"refcount_t: "),
    # Written by the guest's init (qemu/init.sh).
    (Opening.NAMED, SplatKind.LEFTOVER, r"harness: BUG: left behind: "),
    (
        Opening.NAMED,
        SplatKind.DEBUGOBJECTS,
        r"ODEBUG: (?:free|init|activate|deactivate|destroy|assert_init|active_state|object) ",
    ),
    (Opening.KERNEL_BUG, SplatKind.BUG, r"kernel BUG at |rust_kernel: panicked at |CFI failure at "),
    (Opening.PRELUDE, None, r"kernel tried to execute |Alignment trap: "),
    (
        Opening.NAMED,
        SplatKind.OOPS,
        (
            r"BUG: unable to handle |BUG: (?:kernel|Kernel) NULL pointer|BUG: Unable to handle kernel"
            r"|BUG: (?:TASK |IRQ )?stack guard page was hit|(?:CPU ?\d+ )?Unable to handle kernel "
            r"|(?:traps: )?PANIC: double fault|Unhandled fault: |Unhandled prefetch abort: |Insufficient stack space"
        ),
    ),
    (
        Opening.TRAP,
        SplatKind.OOPS,
        (
            r"Oops(?::| -| \[#)|Internal error: |general protection fault"
            r"|(?:traps: )?[a-z][\w /-]{2,60}: [0-9a-f]{4} (?:ilc:\d )?\[#\d+\]|Bad mode in .* handler detected"
        ),
    ),
    # The unwinder complains while it prints another splat, and alone.
    (Opening.NOTICE, SplatKind.WARNING, r"WARNING: (?:can't \S+ unwind |kernel stack (?:regs|frame pointer) )"),
    # Cpumasks of workqueues differ when CPUs come and go.
    (Opening.WARN, SplatKind.WARNING, r"WARNING: (?:CPU: \d+ |at |(?:\[.*\] )?[\w./+-]+:\d+ )"),
    (Opening.OTHER_WARNING, SplatKind.WARNING, r"WARNING: (?!stack |can't |workqueue cpumask)"),
    (Opening.NOTICE, SplatKind.WARNING, r"sysfs: cannot create duplicate filename "),
    (
        Opening.NOTICE,
        SplatKind.BUG,
        (
            r"unregister_netdevice: waiting for |BUG: Dentry .* still in use|VFS: Busy inodes after unmount"
            r"|VFS: Close: file count is 0"
            r"|(?:\w+: )?ref_tracker: .*(?:has \d+/\d+ users at|leaked reference)|irq \d+: nobody cared"
        ),
    ),
    (
        Opening.NAMED,
        SplatKind.BUG,
        r"BUG: (?:sleeping function called|scheduling while atomic|workqueue lockup|Bad )",
    ),
    (Opening.SLAB, SplatKind.BUG, r"BUG \S.*\((?:Not tainted|Tainted: [^)]*)\): "),
    (Opening.LOST, SplatKind.BUG, r"INFO: (?:Allocated|Freed) in |INFO: Slab 0x"),
    (Opening.OTHER_BUG, SplatKind.BUG, r"BUG: "),
)
_START = re.compile("|".join(f"(?P<s{index}>{pattern})" for index, (_, _, pattern) in enumerate(_STARTS)))

# Heads that are unmistakable anywhere in a line: printk output of two processors, or of a program, may share a line.
_GLUED = re.compile(
    r"BUG: (?:KASAN: \S+ in |unable to handle |kernel NULL pointer dereference, |sleeping function called from "
    r"|memory leak$)"
    r"|-{12}\[ cut here \]-{12}|WARNING: CPU: \d+ PID: \d+ at |kernel BUG at \S+:\d+!|Kernel panic - not syncing: "
    r"|(?:Oops: )?general protection fault.*: 0000 \[#\d+\]|INFO: task \S+:\d+ blocked for more than \d+ seconds"
    r"|(?:watchdog: )?BUG: soft lockup - CPU#\d+ stuck|(?:rcu: )?INFO: rcu\w* (?:self-)?detected stalls? on"
    r"|(?:WARNING|INFO): possible (?:circular|recursive) lock"
)

_GLUED_WORDS = ("BUG", "cut here", "WARNING: ", "INFO: ", "Kernel panic", "general protection")

# Every line that can start a splat, or come right before it, contains at least one of these. None begins with a lower
# case letter: the search would stop at every word.
_CANDIDATE = re.compile(
    rb"BUG|WARNING *: |INFO *: |--\[ cut|Kernel panic|Oops|#\d+\]|LOCKUP|UBSAN *: |ODEBUG *: |_t: |_add[ _]|_del[ _]"
    rb"|\(see /sys|\(size "
    rb"|Unable to handle|Unhandled |Alignment|Insufficient|Bad mode|PANIC *: |Internal error|\(uid: |_netdevice: "
    rb"|VFS *: [BC]|_tracker: "
    rb"|\(try boot|'/|CFI failure|_kernel: p|\*\* |====="
)


search_candidate = _CANDIDATE.search
"""Return a match if any line of the bytes could start a splat: a cheap check before :func:`start_of`."""


def start_of(content: str) -> tuple[Opening, SplatKind | None] | None:
    """Return how a line without its stamp begins a splat, and the kind if it names one; None for other lines."""
    found = _START.match(content)
    if found is None or found.lastgroup is None:
        return None
    opening, kind, _ = _STARTS[int(found.lastgroup[1:])]
    return opening, kind


def glued_start(content: str) -> str:
    """Return the part of a line from a head that follows an unfinished text in the same line; empty if there is none.

    :param content: a line that does not begin a splat by itself.
    """
    if not any(word in content for word in _GLUED_WORDS):
        return ""
    found = _GLUED.search(content)
    return content[found.start() :] if found else ""
