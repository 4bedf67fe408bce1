# SPDX-License-Identifier: GPL-2.0-only
"""Make title and fingerprint of a splat of the kernel log, equal for the same bug. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from harness.kernellog.lines import SplatKind, content_of

FRAMES_IN_FINGERPRINT = 5
_FINGERPRINT_DIGITS = 16
_TITLE_LIMIT = 300


@dataclass(frozen=True, slots=True)
class Splat:
    """One complete error report of the kernel.

    :param kind: the kind of problem.
    :param title: the line that names the problem, without time stamp, address, pid, CPU number and function size.
    :param text: all lines from the first to the last, unchanged.
    :param fingerprint: 16 hexadecimal digits over the kind and the first five reliable frames (see
        :func:`frames_of`), or over kind and title when there are no frames.
    :param fatal: whether the kernel panicked with it.
    :param line: number of the first line in the log, from 1.
    """

    kind: SplatKind
    title: str
    text: str
    fingerprint: str
    fatal: bool
    line: int


_TITLE_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # Three forms of WARN_ON()'s line: to v6.17 with CPU and pid first, from v6.18 with both last, before v3.x bare.
        (
            (
                r"^WARNING: (?:CPU: \d+ PID: \d+ )?(?:\[.*\] )?(?:at )?(\S+:\d+) (?:at )?([\w.$]+)\+0x[0-9a-f]+"
                r"/0x[0-9a-f]+ ?(\[[^]]*\])?(?:\(\))?(?:, CPU#\d+: .*)?$"
            ),
            r"WARNING: at \1 \2 \3",
        ),
        (r"\+0x[0-9a-f]+/0x[0-9a-f]+", ""),
        (r"^Unable to handle (.*) at virtual address .*", r"Unable to handle \1"),
        (r"(detected (?:expedited )?stalls? on \S+).*", r"\1"),
        (r"(task .+?)(?:/[\w:+-]+)?:\d+ (blocked .*for more than) \d+", r"\1:PID \2 N"),
        (r"\bCPU ?#?:? ?\d+", "CPU"),
        (r"\bcpu \d+", "cpu N"),
        (r"stuck for \d+s! \[(.*?)(?:/[\w:+-]+)?:\d+\]", r"stuck for Ns! [\1:PID]"),
        (r"(scheduling while atomic: .*?)/\d+/0x[0-9a-f]+", r"\1/PID"),
        (r"\bpid[:=] ?\d+", "pid: PID"),
        (r"(task|by|BUG:|WARNING:) (\S+?)/\d+\b", r"\1 \2/PID"),
        (r"\bpfn:[0-9a-f]+", "pfn:N"),
        (r"kmemleak: \d+ new", "kmemleak: N new"),
        (r"\[#\d+\]", "[#N]"),
        (r"\b(pool cpus=\S+ node=\S+ flags=\S+ nice=\S+ )?stuck for \d+s", "stuck for Ns"),
        # An exit code is what happened, not where.
        (r"(?<!exitcode=)\b(?:0x[0-9a-f]+|[0-9a-f]{8,16})\b|\(_*ptrval_*\)", "ADDR"),
        (r"\s+", " "),
    )
)


def title_of(content: str) -> str:
    """Return a line without the parts that differ from run to run.

    :param content: the line that names the problem, without its time stamp.
    """
    content = content[:_TITLE_LIMIT]
    for pattern, replacement in _TITLE_RULES:
        content = pattern.sub(replacement, content)
    return content.strip(" ")


# Functions that report, catch or wait: they are in every splat of a kind, and do not distinguish bugs.
_PLUMBING = re.compile(
    r"_*(?:dump_stack(?:_lvl)?|show_(?:stack|regs|trace\w*)|v?panic|nmi_panic|check_panic_on_warn|oops_\w+|die(?:_body)?"
    r"|warn(?:_slowpath\w*|_printk)?|report_bug|handle_bug|fixup_bug|exc_\w+|asm_exc_\w+|do_(?:error_trap|trap\w*)"
    r"|do_invalid_op|invalid_op|no_context|bad_area\w*|page_fault\w*|do_page_fault|trace_do_page_fault|async_page_fault"
    r"|do_(?:user_addr|kern_addr)_fault|spurious_\w+|general_protection|do_general_protection"
    r"|kasan_\w+|asan_\w+|kcsan_\w+|tsan_\w+|kmsan_\w+|msan_\w+|kfence_\w+|ubsan_\w+|print_(?:address_description|report)"
    r"|check_memory_region|check_region_inline|print_trailer|end_report|handle_overflow"
    r"|lockdep_\w+|print_\w*(?:bug|bug_header|dependency|deadlock)\w*|check_(?:noncircular|prev\w*|deadlock|irq_usage|usage\w*)"
    r"|validate_chain|lock_acquire\w*|lock_release\w*|mark_(?:lock\w*|usage|held_locks)|valid_state|debug_check_no_locks\w*"
    r"|might_(?:sleep|resched)|schedule\w*|io_schedule\w*|refcount_warn_saturate|refcount_\w+_checked"
    r"|list_(?:add|del)(?:_entry)?(?:_valid\w*)?|debug_(?:print_object|object_\w+|check_no_obj_freed)"
    r"|bad_page|object_err|slab_\w*err\w*|sched_show_task|asm_sysvec_\w+|sysvec_\w+|apic_timer_interrupt"
    r"|watchdog_\w+|rcu_(?:dump\w*|check\w*|sched_clock\w*))"
)
_FRAME = re.compile(
    r" *(?:<[/#A-Z0-9]+> *)?(?:\[<[0-9a-f]+>\] *)*(?P<guess>\? +)?(?P<name>[A-Za-z_][\w.$]*)\+0x[0-9a-f]+/0x[0-9a-f]+"
)
_POINTER = re.compile(
    r"(?:RIP|EIP|IP|pc) ?: *(?:[0-9a-f]{4}:)?(?:\[<[0-9a-f]+>\] *)*(?P<name>[A-Za-z_][\w.$]*)\+0x[0-9a-f]+/0x"
)
_STOP = re.compile(r"---\[ end |RIP: (?:0033|0023|002b):|[Aa]llocated by |[Ff]reed by |Uninit was | *Call [Tt]race:")
_INTERRUPT_OPENS = re.compile(r" *<(?:IRQ|NMI)>")
_INTERRUPT_CLOSES = re.compile(r" *<(?:/IRQ|/NMI|EOI|<EOE>)>")
_STALLS = (SplatKind.RCU_STALL, SplatKind.SOFT_LOCKUP, SplatKind.HARD_LOCKUP)


def frames_of(kind: SplatKind, text: str) -> tuple[str, ...]:
    """Return the reliable functions of a splat's first call trace, innermost first.

    The function of the instruction pointer comes first. Guesses of the unwinder (``? function``), the functions that
    print the splat and, for a stall, the interrupt that noticed it are left out. Compiler suffixes (``.isra.0``,
    ``.cold``) are removed. The trace of a lockdep report begins at its stack backtrace.
    """
    contents = [content_of(line)[0] for line in text.splitlines()]
    if kind is SplatKind.LOCKDEP and "stack backtrace:" in contents:
        del contents[: contents.index("stack backtrace:") + 1]
    return tuple(_walk(contents, skip_interrupts=kind in _STALLS))


def _walk(contents: Iterable[str], *, skip_interrupts: bool) -> Iterable[str]:
    seen: list[str] = []
    in_interrupt = traced = False
    for content in contents:
        if _INTERRUPT_CLOSES.match(content):
            in_interrupt = False
        elif _INTERRUPT_OPENS.match(content):
            in_interrupt = skip_interrupts
        if traced and _STOP.match(content):
            return
        pointer = _POINTER.match(content)
        found = pointer or _FRAME.match(content)
        if found is None or in_interrupt:
            continue
        traced = traced or pointer is None
        name = found["name"].partition(".")[0]
        if (pointer is None and found["guess"]) or _PLUMBING.fullmatch(name) or (pointer and name in seen[-1:]):
            continue
        seen.append(name)
        yield name


def fingerprint_of(kind: SplatKind, title: str, text: str) -> str:
    """Return the fingerprint of a splat; see :class:`Splat`."""
    frames = frames_of(kind, text)[:FRAMES_IN_FINGERPRINT]
    return hashlib.sha256("\n".join((kind.value, *(frames or (title,)))).encode()).hexdigest()[:_FINGERPRINT_DIGITS]
