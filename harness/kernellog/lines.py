# SPDX-License-Identifier: GPL-2.0-only
"""Classify one line of a kernel log: the start of a splat, a part of a splat, its end, or none of these. Pure.

The patterns in the tables are texts of the kernel's own printk calls, from v3.18 to v6.18
(kernel/panic.c, kernel/locking/lockdep.c, kernel/rcu/tree_stall.h, kernel/hung_task.c, kernel/watchdog.c,
lib/list_debug.c, lib/refcount.c, lib/debugobjects.c, lib/ubsan.c, mm/kasan, mm/kfence, mm/kmsan, kernel/kcsan,
arch/*/mm/fault.c, arch/*/kernel/dumpstack.c); if a form changed between releases, one pattern has all forms.
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


class Opening(StrEnum):
    """The kind of line that begins a splat; the first two do not name the problem yet."""

    CUT = "cut"
    """``------------[ cut here ]------------``: a later line names the kind."""
    PRELUDE = "prelude"
    """The line before an oops that reports an attempt to execute data."""
    TRAP = "trap"
    """``Oops: 0002 [#1]``, ``invalid opcode: 0000 [#1]``: an oops, or more often the second line of another splat."""
    SLAB = "slab"
    """``BUG kmalloc-512 (Not tainted): ...``: a slab's own report, up to v4.7 also within KASAN's."""
    KERNEL_BUG = "kernel_bug"
    """``kernel BUG at FILE:LINE!``."""
    WARN = "warn"
    """``WARNING:`` with file and line, printed by WARN_ON()."""
    FOLLOW_UP = "follow_up"
    """A panic that follows an earlier report, by its text."""
    OTHER_BUG = "other_bug"
    """``BUG:`` with another text."""
    OTHER_WARNING = "other_warning"
    """``WARNING:`` with another text."""
    NAMED = "named"
    """Any line that names the kind of the splat."""


# A kind's pattern is matched at the first character after the time stamp. Order matters: the first match wins.
_STARTS: tuple[tuple[Opening, SplatKind | None, str], ...] = (
    (Opening.CUT, None, r"-{8,}\[ cut here \]-"),
    (
        Opening.FOLLOW_UP,
        SplatKind.PANIC,
        r"Kernel panic - not syncing: (?:Fatal |Aiee|softlockup|hung_task|Hard LOCKUP|RCU |.*panic(?:_on_warn)? set)",
    ),
    (Opening.NAMED, SplatKind.PANIC, r"Kernel panic - not syncing"),
    (
        Opening.NAMED,
        SplatKind.LOCKDEP,
        (
            r"(?:\[ )?(?:WARNING|INFO|BUG): (?:possible (?:circular|recursive|irq lock inv|deadlock)"
            r"|inconsistent lock state|suspicious RCU usage|\S+-safe -> \S+-unsafe lock order"
            r"|bad (?:unlock balance|contention) detected|held lock freed|lock held (?:when returning|at task exit)"
            r"|\S.*/\d+ still has locks held|[Nn]ested lock was not taken|[Ii]nvalid wait context"
            r"|circular locking deadlock|trying to register non-static key|MAX_(?:LOCK|STACK_TRACE)"
            r"|key \S+ (?:not in|has not been registered))"
        ),
    ),
    (Opening.NAMED, SplatKind.KASAN, r"BUG: KAS[Aa][Nn]: "),
    (Opening.NAMED, SplatKind.KCSAN, r"BUG: KCSAN: "),
    (Opening.NAMED, SplatKind.KMSAN, r"BUG: KMSAN: "),
    (Opening.NAMED, SplatKind.KFENCE, r"BUG: KFENCE: "),
    (Opening.NAMED, SplatKind.UBSAN, r"UBSAN: "),
    (Opening.NAMED, SplatKind.SOFT_LOCKUP, r"(?:NMI )?(?:watchdog: )?BUG: soft lockup"),
    (Opening.NAMED, SplatKind.HARD_LOCKUP, r"(?:NMI )?(?:watchdog: )?(?:CPU ?\d+: )?Watchdog detected hard LOCKUP"),
    (
        Opening.NAMED,
        SplatKind.RCU_STALL,
        r"(?:rcu: )?INFO: rcu\w* (?:self-)?detected (?:expedited )?stalls? on",
    ),
    (Opening.NAMED, SplatKind.HUNG_TASK, r"INFO: task .+ blocked (?:in I/O wait )?for more than \d+ seconds"),
    (Opening.NAMED, SplatKind.LIST_CORRUPTION, r"list_(?:add|del)(?:_\w+)?(?: corruption| double add)"),
    (Opening.NAMED, SplatKind.KMEMLEAK, r"kmemleak: \d+ new suspected memory leak"),
    (Opening.NAMED, SplatKind.REFCOUNT, r"refcount_t: "),
    (
        Opening.NAMED,
        SplatKind.DEBUGOBJECTS,
        r"ODEBUG: (?:free|init|activate|deactivate|destroy|assert_init|active_state|object) ",
    ),
    (Opening.KERNEL_BUG, SplatKind.BUG, r"kernel BUG at "),
    (Opening.PRELUDE, None, r"kernel tried to execute "),
    (
        Opening.NAMED,
        SplatKind.OOPS,
        (
            r"BUG: unable to handle |BUG: kernel NULL pointer|BUG: (?:TASK |IRQ )?stack guard page was hit"
            r"|Unable to handle kernel |(?:traps: )?PANIC: double fault"
        ),
    ),
    (
        Opening.TRAP,
        SplatKind.OOPS,
        r"Oops(?::| -)|Internal error: |general protection fault|[a-z][\w /-]{2,60}: [0-9a-f]{4} \[#\d+\]",
    ),
    # The unwinder complains while it prints another splat; cpumasks of workqueues differ when CPUs come and go.
    (Opening.WARN, SplatKind.WARNING, r"WARNING: (?:CPU: \d+ |at |(?:\[.*\] )?[\w./+-]+:\d+ )"),
    (
        Opening.OTHER_WARNING,
        SplatKind.WARNING,
        r"WARNING: (?!kernel stack |stack |can't |workqueue cpumask)",
    ),
    (
        Opening.NAMED,
        SplatKind.BUG,
        r"BUG: (?:sleeping function called|scheduling while atomic|workqueue lockup|Bad )",
    ),
    (Opening.SLAB, SplatKind.BUG, r"BUG \S.*\((?:Not tainted|Tainted: [^)]*)\): "),
    (Opening.OTHER_BUG, SplatKind.BUG, r"BUG: "),
)
_START = re.compile("|".join(f"(?P<s{index}>{pattern})" for index, (_, _, pattern) in enumerate(_STARTS)))

# Every line that can start a splat, or come right before it, contains at least one of these.
_CANDIDATE = re.compile(
    rb"BUG|WARNING: |INFO: |\[ cut here \]|Kernel panic|Oops|\[#|LOCKUP|UBSAN: |ODEBUG: |refcount_t: |list_add|list_del"
    rb"|kmemleak: |general protection|Unable to handle kernel|PANIC: |Internal error: |kernel tried|====="
)
_STAMP_BYTES = re.compile(rb"\[ *\d+\.\d+\]")

_STAMP = re.compile(r"\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? ?")
_LEVEL = re.compile(r"<\d{1,3}>")

# Registers, stacks and modules: the common part of all dumps, on x86 and arm64, in old and new forms.
_FRAME = r" *(?:<[/#A-Z0-9]+> *)?(?:\[<[0-9a-f]+>\] *)?(?:\? +)?(?:[\w.$]+\+0x[0-9a-f]+/0x|(?:0x)?[0-9a-f]{16}\b|\[<)"
_REGISTERS = (
    r" *(?:[RE]?IP|RSP|ESP|[RE][A-Z0-9]{2}|[C-G]S|CR\d|DR\d|PKRU|Code|pc|lr|sp|pstate|x\d+) *(?::|\[?<)"
    r"|EFLAGS:|Stack:| *(?:[0-9a-f]{8,16} +)+[0-9a-f]{8,16} *$|PGD |#PF: |BAD$"
)
_DUMP = re.compile(
    f"{_FRAME}|{_REGISTERS}"
    r"| *</?(?:TASK|IRQ|EOI|EOE|NMI|SOFTIRQ|ENTRY_TRAMPOLINE|#\w+)>| *Call [Tt]race:|Backtrace:|stack backtrace:"
    r"|Modules linked in:|CPU: \d+ |Hardware name:|Workqueue: |Tainted: |Process |task:|Task dump"
    r"|Dumping ftrace|note: |Kernel Offset|Rebooting in|Shutting down cpus|Sending NMI|NMI backtrace|rcu: |---\["
    r"|\t| *\(?(?:detected by|t=\d)|Disabling lock debugging|Fixing recursive fault|Future hung task"
    # Locks and context.
    r"|irq event stamp|(?:hard|soft)irqs last|INFO: lockdep is turned off|(?:no locks|\d+ locks?) held by| *#\d+: "
    r"|Showing |in_atomic\(\)|preempt_count: |RCU nest depth|Preemption disabled at|INFO: (?:task .* blocked on|\w+ 0x)"
    r'|"echo 0 >| {6}(?:Not tainted|Tainted)|WARNING: (?:kernel stack |stack |can\'t )'
    # Pages, slabs, workqueues.
    r"|page:|page dumped|flags: |raw: |head: |invalid mapping|page_owner|(?:Redzone|Object|Padding|Bytes b4|Slab|FIX) "
    r"|Allocated in |Freed in |KASAN: | *(?:pwq |workqueue |pool |pending: |in-flight: )"
)
# The longer texts of lockdep and the memory checkers, with words that ordinary lines may contain as well.
_STORY = re.compile(
    r"-> #\d|.*\{[-+.?=]{4,8}\}|.*is trying to |.*just changed the state|but (?:task|there|this|now)|which lock"
    r"|.*locks? (?:is|are) |the existing|other info|.*(?:Possible|Chain exists)|.*DEADLOCK|.*lock\(|-{5,}|.*taken at:"
    r"|(?:Allocated|Freed|[Rr]ead|[Ww]rite)\b.*(?:task|in |to 0x|at addr|by )|Reported by |value changed"
    r"|The buggy |This frame|Memory state|[> ]*[0-9a-f]{8,16}: ?(?:[0-9a-f]{2} ?)+|[ \t]*\^|Uninit was|Local variable"
    r"|kfence-#|.* at 0x[0-9a-f]+ \(in kfence"
)
_TAIL = re.compile(
    _REGISTERS + r"|note: |Kernel Offset|Rebooting in|Disabling lock debugging|Fixing recursive fault|---\[ end"
    r"|Shutting down cpus"
)
_TRACE = re.compile(_FRAME + r"| *Call [Tt]race:|stack backtrace:| *</?(?:TASK|IRQ)>")
_UNRELATED = re.compile(
    r"sysrq: |SysRq : |.* invoked oom-killer: |.*: page allocation failure|\S+\[\d+\]: segfault at|traps: \S+\[\d+\]"
    r"|Memory cgroup out of memory|Out of memory|Linux version |reboot: |ACPI: PM: Preparing"
)
_END = re.compile(r"---\[ end (?:trace|Kernel panic)")
RULE = re.compile(r"={5,}$")
"""The line of equal signs above a lockdep report, and around one of a memory checker."""


def is_candidate(data: bytes) -> bool:
    """Return whether any line of the bytes could start a splat: a cheap check before :func:`start_of`."""
    return _CANDIDATE.search(data) is not None


def has_stamp(line: bytes) -> bool:
    """Return whether the line contains a time stamp."""
    return _STAMP_BYTES.search(line) is not None


def content_of(line: str) -> tuple[str, bool]:
    """Return the line without level, time stamp and caller, and whether it had a time stamp.

    Programs write to the console as well, so a stamp may follow an unfinished line of a program.
    """
    if stamp := _STAMP.match(line):
        return line[stamp.end() :], True
    if "[" in line:
        stamps = list(_STAMP.finditer(line))
        if stamps:
            return line[stamps[-1].end() :], True
    level = _LEVEL.match(line)
    return (line[level.end() :] if level else line), False


def start_of(content: str) -> tuple[Opening, SplatKind | None] | None:
    """Return how a line without its stamp begins a splat, and the kind if it names one; None for other lines."""
    found = _START.match(content)
    if found is None or found.lastgroup is None:
        return None
    opening, kind, _ = _STARTS[int(found.lastgroup[1:])]
    return opening, kind


def is_dump(content: str) -> bool:
    """Return whether the line is a typical line of a splat."""
    return _DUMP.match(content) is not None


def is_story(content: str) -> bool:
    """Return whether the line is a typical explanation of lockdep and the memory checkers."""
    return _STORY.match(content) is not None


def is_trace(content: str) -> bool:
    """Return whether the line belongs to a call trace."""
    return _TRACE.match(content) is not None


def is_tail(content: str) -> bool:
    """Return whether the line can follow a splat's end mark and still belong to it."""
    return _TAIL.match(content) is not None


def is_end(content: str) -> bool:
    """Return whether the line is an end mark."""
    return _END.match(content) is not None


def is_unrelated(content: str) -> bool:
    """Return whether the line begins a text that only looks like a splat: sysrq's dumps, an OOM kill, a segfault."""
    return _UNRELATED.match(content) is not None
