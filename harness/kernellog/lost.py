# SPDX-License-Identifier: GPL-2.0-only
"""Recognize a splat whose first lines were lost, as the kernel printed too fast for the console. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.kernellog.kinds import SplatKind

_DROPPED = re.compile(r"\*\* ?\d+ (?:printk )?messages dropped")
_REMAINS = re.compile(
    r"RIP: 0010:|EIP: |pc : |epc : |Modules linked in:| *Call [Tt]race:|CPU: \d+ |Hardware name: |INFO: (?:Allocated"
    r"|Freed) in "
    r"|(?:Read|Write) of size \d+ (?:at addr|by task)|The buggy address|Code: |stack backtrace:|task: "
)
REMAINS_LINES = 8
"""Largest number of lines between the note on lost messages and the first line of the remains."""

# What shows the kind, the most certain first; the second pattern of a pair must match a line as well.
_EVIDENCE: tuple[tuple[str, SplatKind, str], ...] = (
    (
        (
            r"(?:Read|Write) of size \d+|The buggy address|Memory state around the buggy|INFO: (?:Allocated|Freed) in "
            r"|Redzone "
        ),
        SplatKind.KASAN,
        "BUG: KASAN: first lines lost",
    ),
    (
        r".*is trying to acquire lock|stack backtrace:|.*other info that might help us debug",
        SplatKind.LOCKDEP,
        "WARNING: locking report, first lines lost",
    ),
    (
        r".*\b(?:print_other_cpu_stall|print_cpu_stall|rcu_check_callbacks|rcu_dump_cpu_stacks)\+0x",
        SplatKind.RCU_STALL,
        "INFO: RCU stall",
    ),
    (r".*\b(?:warn_slowpath\w*|__warn|warn_slowpath_fmt)\+0x", SplatKind.WARNING, "WARNING: first lines lost"),
    (
        (
            r"note: .* exited with|CR2: [0-9a-f]*[1-9a-f]|Fixing recursive fault|.*\b(?:die|oops_end|page_fault_oops"
            r"|die_addr|__die)\+0x|Code: .*<[0-9a-f]{2}>"
        ),
        SplatKind.OOPS,
        "Oops: first lines lost",
    ),
    (r"---\[ end trace", SplatKind.WARNING, "WARNING: first lines lost"),
)
_EVIDENCE_RULES = tuple((re.compile(pattern), kind, head) for pattern, kind, head in _EVIDENCE)


def is_dropped(text: str) -> bool:
    """Return whether the line is the kernel's note that messages were lost."""
    return _DROPPED.search(text) is not None


def is_remains(content: str) -> bool:
    """Return whether the line is one that is in the middle of most splats."""
    return _REMAINS.match(content) is not None


def kind_of_remains(contents: Sequence[str]) -> tuple[SplatKind, str] | None:
    """Return the kind of a splat without its first lines, and a line that names it; None if it is no splat."""
    for pattern, kind, head in _EVIDENCE_RULES:
        if any(map(pattern.match, contents)):
            return kind, head
    return None
