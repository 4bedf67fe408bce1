# SPDX-License-Identifier: GPL-2.0-only
"""Describe a splat by its first line, equal for the same bug in all releases. Pure.

A title is a description and the guilty function. The description has no part that differs from run to run: no address,
pid, command, CPU, counter, and no size of a function. Forms that changed between releases have one description.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from harness.kernellog.plumbing import plain_name

_TITLE_LIMIT = 300
_SYMBOL = r"(?P<fn>[A-Za-z_$][\w.$:]*?)(?:\+0x[0-9a-f]+(?:/0x[0-9a-f]+)?)?"


@dataclass(frozen=True, slots=True)
class Description:
    """The first line of a splat, taken apart.

    :param text: what went wrong, without a function.
    :param function: the function that the line names; empty for none.
    :param place: the file and line that it names; empty for none.
    :param other: the second function of a data race; empty for none.
    :param module: the module of the function, in brackets; empty for the kernel's own.
    """

    text: str
    function: str = ""
    place: str = ""
    other: str = ""
    module: str = ""


# The first pattern that matches decides; "fn" is the function of the line, "at" a place in the source.
_RULES: tuple[tuple[str, str], ...] = (
    (r"(?P<what>[A-Z].*first lines lost)$", "{what}"),
    # WARN_ON()'s line: to v6.17 with CPU and pid first, from v6.18 with both last, before v3.x bare.
    (
        (
            r"WARNING: (?:CPU: \d+ PID: -?\d+ )?(?:\[.*\] )?(?:at )?(?P<at>[\w./+-]+:\d+) (?:at )?(?P<fn>[\w.$]+)\+0x"
            r"[0-9a-f]+/0x[0-9a-f]+(?: (?P<module>\[[^]]*\]))?"
        ),
        "WARNING",
    ),
    (r"WARNING: (?:CPU: \d+ PID: -?\d+ )?(?:\[.*\] )?at (?P<at>[\w./+-]+:\d+)", "WARNING"),
    (r"WARNING: CPU: \d+ PID: ", "WARNING"),
    (r"kernel BUG at (?P<at>[\w./+-]+:\d+)", "kernel BUG"),
    (r"kernel BUG at ", "kernel BUG"),
    (r"rust_kernel: panicked at (?P<at>[\w./+-]+:\d+)(?::\d+)?: (?P<what>.+)", "Rust panic: {what}"),
    (r"rust_kernel: panicked at '(?P<what>.*)', (?P<at>[\w./+-]+:\d+)", "Rust panic: {what}"),
    (r"rust_kernel: panicked at (?P<at>[\w./+-]+:\d+)", "Rust panic"),
    (rf"CFI failure at {_SYMBOL}(?: |$)", "CFI failure"),
    # Memory checkers.
    (rf"BUG: KAS[Aa][Nn]: (?P<what>[\w ()/-]+?) in {_SYMBOL}(?: |$)", "BUG: KASAN: {what}"),
    (r"BUG: KAS[Aa][Nn]: (?P<what>[\w ()/-]+?) on ", "BUG: KASAN: {what}"),
    (rf"BUG: KMSAN: (?P<what>[\w -]+?) in {_SYMBOL}(?: |$)", "BUG: KMSAN: {what}"),
    (rf"BUG: KFENCE: (?P<what>[\w -]+?) in {_SYMBOL}(?: |$)", "BUG: KFENCE: {what}"),
    (rf"BUG: KCSAN: (?P<what>[\w: -]+?) in {_SYMBOL} / (?P<other>[A-Za-z_][\w.$]*)", "BUG: KCSAN: {what}"),
    (rf"BUG: KCSAN: (?P<what>[\w: -]+?) in {_SYMBOL}(?: |$)", "BUG: KCSAN: {what}"),
    (r"UBSAN: (?P<what>.*) in (?P<at>[\w./+-]+:\d+)", "UBSAN: {what}"),
    # Oopses.
    (
        r"(?:BUG: )?(?:unable to handle kernel|kernel) NULL pointer|BUG: Kernel NULL pointer",
        "BUG: kernel NULL pointer dereference",
    ),
    (r"BUG: unable to handle (?:kernel paging request|page fault)", "BUG: unable to handle page fault"),
    (r"BUG: Unable to handle kernel (?P<what>[a-z ]+?)(?: at | for |$)", "BUG: unable to handle kernel {what}"),
    (r"BUG: unable to handle kernel (?P<what>[a-z ]+?)(?: at | for | \[|$)", "BUG: unable to handle kernel {what}"),
    (r"BUG: unable to handle kernel", "BUG: unable to handle kernel access"),
    (r"(?:CPU ?\d+ )?Unable to handle kernel NULL pointer", "BUG: kernel NULL pointer dereference"),
    (r"(?:CPU ?\d+ )?Unable to handle kernel paging request", "BUG: unable to handle page fault"),
    (r"(?:CPU ?\d+ )?Unable to handle kernel (?P<what>.+?)(?: at | in virtual|$)", "Unable to handle kernel {what}"),
    (r"(?:Oops: )?general protection fault", "general protection fault"),
    (r"(?:traps: )?PANIC: double fault", "PANIC: double fault"),
    (r"BUG: (?P<what>(?:TASK |IRQ )?stack guard page was hit)", "BUG: {what}"),
    (r"Unhandled (?:fault|prefetch abort): (?P<what>[^(]+?) \(", "Unhandled fault: {what}"),
    (r"Oops: (?P<what>[a-z][\w /-]{2,60}?): [0-9a-f]{4} ", "{what}"),
    (r"(?:Oops|Internal error): (?:Oops(?: - |: ))?(?!Oops)(?P<what>[A-Za-z][\w ,-]*?)(?:: |, | \[)", "Oops: {what}"),
    (r"(?:Oops|Internal error)", "Oops"),
    (r"(?:traps: )?(?P<what>[a-z][\w /-]{2,60}): [0-9a-f]{4} (?:ilc:\d )?\[#", "{what}"),
    (r"Bad mode in (?P<what>.*?) handler detected", "Bad mode in {what} handler"),
    # Stalls.
    (r"(?:NMI )?(?:watchdog: )?BUG: soft lockup", "BUG: soft lockup"),
    (r"(?:NMI )?(?:watchdog: )?(?:CPU ?\d+: )?(?:Watchdog |self-)detected hard LOCKUP", "hard LOCKUP"),
    (r"(?:rcu: )?INFO: rcu\w* (?:self-)?detected (?:expedited )?stall", "INFO: RCU stall"),
    (r"INFO: task .+ blocked (?:in I/O wait )?for more than", "INFO: task hung"),
    (r"INFO: task .+ can't die for more than", "INFO: task can't die"),
    (r"BUG: workqueue lockup", "BUG: workqueue lockup"),
    # Locks and context.
    (r"(?:\[ )?(?:WARNING|INFO|BUG): (?P<what>possible .*?)(?: detected| \]|$)", "WARNING: {what}"),
    (r"(?:\[ )?(?:WARNING|INFO|BUG): inconsistent (?:\{\S+\} )?lock state", "WARNING: inconsistent lock state"),
    (
        (
            r"(?:\[ )?(?:WARNING|INFO|BUG): (?P<what>suspicious RCU usage|bad unlock balance|bad contention"
            r"|held lock freed)"
        ),
        "WARNING: {what}",
    ),
    (
        r"(?:\[ )?(?:WARNING|INFO|BUG): lock held (?P<what>when returning to user space|at task exit)",
        "WARNING: lock held {what}",
    ),
    (r"(?:\[ )?(?:WARNING|INFO|BUG): .*/\d+ still has locks held", "WARNING: task still has locks held"),
    (r"(?:\[ )?(?:WARNING|INFO|BUG): (?P<what>\S+-safe -> \S+-unsafe lock order)", "WARNING: {what}"),
    (r"(?:\[ )?(?:WARNING|INFO|BUG): [Ii]nvalid wait context", "WARNING: invalid wait context"),
    (r"(?:\[ )?(?:WARNING|INFO|BUG): [Nn]ested lock was not taken", "WARNING: nested lock was not taken"),
    (r"(?:\[ )?(?:WARNING|INFO|BUG): (?P<what>trying to register non-static key)", "INFO: {what}"),
    (r"BUG: sleeping function called", "BUG: sleeping function called from invalid context"),
    (r"BUG: scheduling while atomic", "BUG: scheduling while atomic"),
    (r"BUG: workqueue leaked (?P<what>[\w, ]+)", "BUG: workqueue leaked {what}"),
    (r"BUG: (?P<what>(?:spinlock|rwlock) [a-zA-Z -]+?)(?: on CPU|$)", "BUG: {what}"),
    (r"BUG: Dentry .* still in use", "BUG: Dentry still in use"),
    (r"BUG: using (?P<what>\w+\(\)) in preemptible", "BUG: using {what} in preemptible code"),
    (r"list_(?P<what>add|del)(?:_\w+)? ?double add", "list_{what} double add"),
    (r"list_(?P<what>add|del)", "list_{what} corruption"),
    (r"refcount_t: (?P<what>.*)", "refcount_t: {what}"),
    (
        (
            r"ODEBUG: (?P<what>[\w-]+ [\w-]+"
            r"|\w+)(?: \(active state \d+\))?(?: object)?: ?(?:[0-9a-f]+ )?object type: (?P<type>\w+)"
        ),
        "ODEBUG: {what} {type}",
    ),
    (r"ODEBUG: (?P<what>\w+ \w+(?: \w+)?).* object type: (?P<type>\w+)", "ODEBUG: {what} {type}"),
    # Pages, slabs, leaks.
    (r"BUG: Bad (?P<what>page state|page map|page cache|rss-counter state|swap)", "BUG: Bad {what}"),
    (r"BUG (?P<what>\S.*?) \((?:Not tainted|Tainted: [^)]*)\): (?P<type>.*)", "BUG {what}: {type}"),
    (r"INFO: (?:Allocated|Freed) in |INFO: Slab 0x", "BUG: slab object corrupted"),
    (r"BUG: memory leak|unreferenced object ", "kmemleak: unreferenced object"),
    (r"kmemleak: \d+ new suspected", "kmemleak: new suspected memory leaks"),
    (r"harness: BUG: left behind: (?P<what>[^:]+)", "left behind: {what}"),
    # Complaints of one line.
    (
        r"WARNING: kernel stack (?P<what>regs|frame pointer) .*has bad (?P<type>.*?value)",
        "WARNING: kernel stack {what} has bad {type}",
    ),
    (r"WARNING: can't (?P<what>\S+) unwind", "WARNING: can't {what} unwind"),
    (r"sysfs: cannot create duplicate filename", "sysfs: cannot create duplicate filename"),
    (r"unregister_netdevice: waiting for", "unregister_netdevice: waiting for a device to become free"),
    (r"VFS: Busy inodes after unmount", "VFS: Busy inodes after unmount"),
    (
        rf".*ref_tracker: .*(?:has \d+/\d+ users at|leaked reference)\.?(?:\s*{_SYMBOL})?\s*$",
        "ref_tracker: leaked reference",
    ),
    (r"irq \d+: nobody cared", "irq: nobody cared"),
    (r"stack-protector: Kernel stack is corrupted in", "stack is corrupted"),
    (
        (
            rf"Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: (?:[0-9a-f]{{8,16}}"
            rf"|{_SYMBOL})\s*$"
        ),
        "Kernel panic - not syncing: kernel stack is corrupted",
    ),
    (r"Kernel panic - not syncing: (?:\S+ )?corrupted stack end", "Kernel panic - not syncing: corrupted stack end"),
)
_NAMED_GROUP = re.compile(r"\(\?P<\w+>")


@cache
def _which() -> re.Pattern[str]:
    """Return the pattern that finds which rule matches; the rule itself takes the line apart.

    Most commands import this module and read no splat; compiling it and the rules takes them 13 ms.
    """
    return re.compile(
        "|".join(f"(?P<r{index}>{_NAMED_GROUP.sub('(?:', pattern)})" for index, (pattern, _) in enumerate(_RULES))
    )


@cache
def _rule(index: int) -> re.Pattern[str]:
    """Compile a rule when the first line matches it."""
    return re.compile(_RULES[index][0])


# For all other texts: the parts that differ from run to run.
_VARYING = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\[ *\d+\.\d{4,}\].*", ""),
        (r"-{8,}\[ cut here \].*", ""),
        (r"\+0x[0-9a-f]+/0x[0-9a-f]+", ""),
        (r"\(exit_?code=0x[0-9a-f]+\)", ""),
        (r"\bCPU ?#?:? ?\d+", "CPU"),
        (r"\bcpu \d+", "cpu N"),
        (r"\b(?:pid|PID|tid|ino|inode|uid)[:= ] ?-?\d+", "ID"),
        (r"(?:comm|task|process|by)[:= ] ?\"?[^\s\"]+?\"?/\d+", "task"),
        (r"\bpfn:[0-9a-f]+", "pfn:N"),
        (r"[\w.^*:+-]+/(?:0x[0-9a-f]+/)?\d+\b", "task"),
        (r"\{i=[0-9a-f]+,n=[^}]*\}", ""),
        # An exit code is what happened, not where.
        (r"(?<!exitcode=)(?:\b0x[0-9a-f]+|\b(?=[a-f]*\d)[0-9a-f]{8,16})\b|\(_*ptrval_*\)|\(null\)", "ADDR"),
        (r"(?<![\w.:=-])-?\d{2,}(?![\w.:-]*[a-zA-Z])\b", "N"),
        (r"\s+", " "),
    )
)
_MAY_VARY = re.compile(r"[0-9+({]|\s\s|--|[^ -~]|ptrval")


def describe(content: str) -> Description:
    """Take the first line of a splat apart.

    :param content: the line that names the problem, without its prefix.
    """
    content = content[:_TITLE_LIMIT]
    which = _which().match(content)
    if which is None or which.lastgroup is None:
        return Description(scrubbed(content))
    index = int(which.lastgroup[1:])
    text = _RULES[index][1]
    found = _rule(index).match(content)
    assert found is not None
    parts = {name: (value or "").strip() for name, value in found.groupdict().items()}
    filled = text.format(what=parts.get("what", ""), type=parts.get("type", "")) if "{" in text else text
    return Description(
        scrubbed(filled),
        plain_name(parts.get("fn", "")),
        parts.get("at", ""),
        plain_name(parts.get("other", "")),
        parts.get("module", ""),
    )


def scrubbed(text: str) -> str:
    """Return a text without the parts that differ from run to run."""
    if not _MAY_VARY.search(text):
        return text.strip(" .:,!")
    for pattern, replacement in _VARYING:
        text = pattern.sub(replacement, text)
    return text.strip(" .:,!")


def title_of(description: Description, function: str) -> str:
    """Return the title of a splat.

    :param description: its first line.
    :param function: the guilty function; empty if no function is known.
    """
    if description.text == "WARNING" and description.place:
        module = description.module if function == description.function else ""
        return f"WARNING: at {description.place} {function} {module}".rstrip(" ")
    place = f" at {description.place}" if description.place else ""
    other = f" / {description.other}" if description.other else ""
    return f"{description.text}{place}{f' in {function}{other}' if function else ''}"
