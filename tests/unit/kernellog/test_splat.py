# SPDX-License-Identifier: GPL-2.0-only
"""Titles and fingerprints of splats."""

from __future__ import annotations

import pytest

from harness.kernellog.lines import SplatKind
from harness.kernellog.splat import fingerprint_of, frames_of, title_of


@pytest.mark.parametrize(
    ("content", "title"),
    [
        ("WARNING: CPU: 0 PID: 1 at kernel/foo.c:12 bar+0x1/0x2", "WARNING: at kernel/foo.c:12 bar"),
        ("WARNING: CPU: 3 PID: 99 at kernel/foo.c:12 bar+0x5/0x7()", "WARNING: at kernel/foo.c:12 bar"),
        ("WARNING: at kernel/foo.c:12 bar+0x1/0x2()", "WARNING: at kernel/foo.c:12 bar"),
        ("WARNING: kernel/foo.c:12 at bar+0x1/0x2, CPU#3: kworker/3:1/99", "WARNING: at kernel/foo.c:12 bar"),
        ("WARNING: [a < 0 && b] kernel/foo.c:12 at bar+0x1/0x2, CPU#3: sh/99", "WARNING: at kernel/foo.c:12 bar"),
        ("WARNING: CPU: 0 PID: 1 at m.c:9 bar+0x1/0x2 [mod]", "WARNING: at m.c:9 bar [mod]"),
        (
            "BUG: kernel NULL pointer dereference, address: 0000000000000008",
            "BUG: kernel NULL pointer dereference, address: ADDR",
        ),
        ("BUG: KASAN: use-after-free in f+0x3a/0x60 [mod]", "BUG: KASAN: use-after-free in f [mod]"),
        (
            "INFO: task kworker/u4:1:34 blocked for more than 122 seconds.",
            "INFO: task kworker:PID blocked for more than N seconds.",
        ),
        (
            "INFO: task Web Content:34 blocked for more than 5 seconds.",
            "INFO: task Web Content:PID blocked for more than N seconds.",
        ),
        (
            "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [kworker/1:2:97]",
            "watchdog: BUG: soft lockup - CPU stuck for Ns! [kworker:PID]",
        ),
        ("BUG: scheduling while atomic: sh/83/0x00000002", "BUG: scheduling while atomic: sh/PID"),
        ("[ BUG: sh/71 still has locks held! ]", "[ BUG: sh/PID still has locks held! ]"),
        ("BUG: Bad page state in process init  pfn:02a21", "BUG: Bad page state in process init pfn:N"),
        ("kmemleak: 3 new suspected memory leaks", "kmemleak: N new suspected memory leaks"),
        (
            "INFO: rcu_sched self-detected stall on CPU { 0}  (t=2100 jiffies g=1178)",
            "INFO: rcu_sched self-detected stall on CPU",
        ),
        ("Oops: 0002 [#3] PREEMPT SMP", "Oops: 0002 [#N] PREEMPT SMP"),
        (
            "list_del corruption, ffff880012345678->next is LIST_POISON1 (dead000000000100)",
            "list_del corruption, ADDR->next is LIST_POISON1 (ADDR)",
        ),
        ("kernel BUG at kernel/cgroup/cgroup.c:512!", "kernel BUG at kernel/cgroup/cgroup.c:512!"),
        (
            "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000700",
            "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000700",
        ),
        (
            "UBSAN: array-index-out-of-bounds in kernel/cgroup/cgroup.c:2012:9",
            "UBSAN: array-index-out-of-bounds in kernel/cgroup/cgroup.c:2012:9",
        ),
        ("BUG: " + "x" * 5000, "BUG: " + "x" * 295),
    ],
)
def test_title(content: str, title: str) -> None:
    """A title keeps what the bug is, drops what differs from run to run, and is bounded."""
    assert title_of(content) == title


TRACE = """\
[    7.0] WARNING: CPU: 0 PID: 1 at a.c:1 victim+0x1/0x2
[    7.0] RIP: 0010:victim+0x1/0x2
[    7.0] Call Trace:
[    7.0]  <TASK>
[    7.0]  ? __warn+0x7b/0xd0
[    7.0]  dump_stack_lvl+0x49/0x63
[    7.0]  victim.isra.0+0x9/0x20
[    7.0]  ? guess+0x9/0x20
[    7.0]  caller.constprop.0.cold+0x9/0x20 [mod]
[    7.0]  third+0x9/0x20
[    7.0]  fourth+0x9/0x20
[    7.0]  fifth+0x9/0x20
[    7.0] RIP: 0033:0x47fbe9
[    7.0]  beyond+0x9/0x20
"""


def test_frames() -> None:
    """Guesses, plumbing, suffixes, offsets and what lies behind user space are left out; the pointer comes first."""
    frames = frames_of(SplatKind.WARNING, TRACE)

    assert frames == ("victim", "victim", "caller", "third", "fourth", "fifth")


def test_fingerprint_depends_on_five_frames_and_kind() -> None:
    """The sixth frame, offsets, guesses and the title do not count; the fifth and the kind do."""
    base = fingerprint_of(SplatKind.WARNING, "a", TRACE)

    assert (
        fingerprint_of(SplatKind.WARNING, "b", TRACE.replace("fifth", "other").replace("+0x9/0x20", "+0x8/0x30"))
        == base
    )
    assert fingerprint_of(SplatKind.WARNING, "a", TRACE.replace("guess", "other")) == base
    assert fingerprint_of(SplatKind.WARNING, "a", TRACE.replace("fourth", "other")) != base
    assert fingerprint_of(SplatKind.OOPS, "a", TRACE) != base


def test_fingerprint_without_frames() -> None:
    """Without frames, kind and title decide."""
    assert fingerprint_of(SplatKind.BUG, "a", "BUG: a") == fingerprint_of(SplatKind.BUG, "a", "[  7.0] BUG: a")
    assert fingerprint_of(SplatKind.BUG, "a", "BUG: a") != fingerprint_of(SplatKind.BUG, "b", "BUG: a")


def test_interrupt_that_noticed_a_stall_is_left_out() -> None:
    """The frames of the timer interrupt do not count for a stall, in the old form and the new; they do for an oops."""
    new = " <IRQ>\n tick+0x1/0x2\n </IRQ>\n <TASK>\n victim+0x1/0x2\n </TASK>\n"
    old = " <IRQ>  [<ffffffff81>] tick+0x1/0x2\n [<ffffffff82>] timer+0x1/0x2\n <EOI>  [<ffffffff83>] victim+0x1/0x2\n"

    assert frames_of(SplatKind.RCU_STALL, new) == ("victim",)
    assert frames_of(SplatKind.SOFT_LOCKUP, old) == ("victim",)
    assert frames_of(SplatKind.OOPS, new) == ("tick", "victim")


def test_lockdep_counts_from_its_backtrace() -> None:
    """The chain of dependencies of a lockdep report does not count, the backtrace does."""
    text = "-> #1 (a){+.+.}:\n       chain+0x1/0x2\nstack backtrace:\nCall Trace:\n victim+0x1/0x2\n"

    assert frames_of(SplatKind.LOCKDEP, text) == ("victim",)
    assert frames_of(SplatKind.LOCKDEP, "WARNING: a\n victim+0x1/0x2\n") == ("victim",)
