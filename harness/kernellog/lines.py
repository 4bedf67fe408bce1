# SPDX-License-Identifier: GPL-2.0-only
"""Classify the lines within a splat: a dump of registers or a stack, an explanation, an end mark, or neither. Pure.

The patterns are texts of the kernel's printk calls, from v3.18 to v6.18, on x86, arm, arm64, riscv, powerpc and s390
(arch/*/kernel/dumpstack.c, traps.c, process.c, arch/*/mm/fault.c, kernel/locking/lockdep.c, mm/slub.c, mm/debug.c,
mm/kasan/report.c, lib/dump_stack.c).
"""

from __future__ import annotations

import re

# Registers, stacks and modules: the common part of all dumps, in old and new forms.
_FRAME = (
    r" *(?:<[/#A-Z0-9]+> *)?(?:\(?\[<[0-9a-f]+>\] *)*(?:\? +)?(?:[\w.$]+\+0x[0-9a-f]+/0x|(?:0x)?[0-9a-f]{16}\b|\(?\[<)"
    r"|\[[0-9a-f]{8,16}\] \[[0-9a-f]{8,16}\] | ?\(?[\w.$]+\)? from "
)
_REGISTERS = (
    r" *(?:[RE]?IP|RSP|ESP|[RE][A-Z0-9]{2}|[C-G]S|CR\d|DR\d|PKRU|Code|pc|lr|sp|pstate|x\d+|r\d+|epc|ra|gp|tp|t\d|s\d+"
    r"|a\d"
    r"|status|NIP|LR|CTR|MSR|REGS|CFAR|GPR\d\d|DAR|XER) *(?::|\[?<|[\[ (])"
    r"|EFLAGS:|Stack:|Stack: \(0x| *(?:[0-9a-f]{8,16} +)+[0-9a-f]{8,16} *$|PGD |P4D |\*pd[pte]+ = |\*pte? = "
    r"|\*p[gm]d = |pgd = "
    r"|\[[0-9a-f]{8,16}\] (?:\*?pgd=|address between)|#PF: |BAD$|PC is at |LR is at |Flags: [nN]|Control: "
    r"|Exception stack"
    r"|Register r?\w+ information|[0-9a-f]{4}: (?: *[0-9a-f]{8})+|Krnl |Last Breaking-Event|--- interrupt: |     LR = "
    r"|Instruction dump:|Faulting instruction address|[BL]E PAGE_SIZE|---\[ interrupt|user pgtable: |swapper pgtable: "
    r"|(?:Mem|Data) abort info:| {2}(?:ESR|EC|SET|EA|FSC|ISV|CM|ISS|GCS|Overlay|Xs|DABT|IABT|S1PTW|TnD"
    r"|Exception class)\b"
)
_DUMP = re.compile(
    f"{_FRAME}|{_REGISTERS}"
    r"| *</?(?:TASK|IRQ|EOI|EOE|NMI|SOFTIRQ|ENTRY_TRAMPOLINE|#\w+)>| *Call [Tt]race:|Backtrace:|stack backtrace:"
    r"|Modules linked in:|CPU: \d+ |Hardware name:|Workqueue: |Tainted: |Process |task:|Task dump"
    r"|Dumping ftrace| *\(ftrace buffer empty\)|note: |Kernel Offset|Rebooting in|Shutting down cpus|Sending NMI"
    r"|NMI backtrace"
    r"|rcu: |---\[|\t| *\(?(?:detected by|t=\d)|Disabling lock debugging|Fixing recursive fault|Future hung task"
    r"|kasan: |KASAN maybe|SMP: |CPU features: |Memory Limit: |unwind stack type|PHYS_OFFSET: "
    # Locks and context.
    r"|irq event stamp|(?:hard|soft)irqs last|INFO: lockdep is turned off|(?:no locks|\d+ locks?) held by| *#\d+: "
    r"|Showing |in_atomic\(\)|preempt_count: |RCU nest depth|Preemption disabled at|INFO: (?:task .* blocked on|\w+ 0x)"
    r'|"echo 0 >| {6}(?:Not tainted|Tainted)|WARNING: (?:kernel stack |stack |can\'t )| lock: | *last function: '
    # Pages, slabs, workqueues.
    r"|page:|page dumped|flags: |raw: |head: |invalid mapping|page_owner|(?:Redzone|Object|Padding|Bytes b4|Slab|FIX) "
    r"|(?:INFO: )?(?:Allocated|Freed) in |KASAN: | *(?:pwq |workqueue |pool |pending: |in-flight: )|addr:|file: "
    # Leaks, interrupts, objects.
    r'| +comm "| +hex dump| +backtrace|(?: {4}[0-9a-f]{2}| {2,}[0-9a-f]{2} [0-9a-f]{2} )|handlers:|Disabling IRQ #'
    r"|kobject_add_internal failed|(?:unexpected|target) type: "
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
    r"|Shutting down cpus|SMP: stopping|CPU features: |Memory Limit: |PHYS_OFFSET: "
)
_TRACE = re.compile(_FRAME + r"| *Call [Tt]race:|stack backtrace:| *</?(?:TASK|IRQ)>")
_UNRELATED = re.compile(
    r"sysrq: |SysRq : |.* invoked oom-killer: |.*: page allocation failure|\S+\[\d+\]: segfault at|traps: \S+\[\d+\]"
    r"|Memory cgroup out of memory|Out of memory|Linux version |reboot: |ACPI: PM: Preparing"
)
_END = re.compile(r"---\[ end (?:trace|Kernel panic)")
RULE = re.compile(r"={5,}$")
"""The line of equal signs above a lockdep report, and around one of a memory checker."""


match_dump = _DUMP.match
"""Return a match if the line is a typical line of a splat. The pattern's own method, as it is called for most lines."""


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
