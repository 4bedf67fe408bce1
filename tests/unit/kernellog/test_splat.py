# SPDX-License-Identifier: GPL-2.0-only
"""Kind, title and fingerprint of whole splats."""

from __future__ import annotations

import pytest

from harness.kernellog.frames import frames_of
from harness.kernellog.kinds import SplatKind
from harness.kernellog.reader import Splat, scan
from harness.kernellog.splat import fingerprint_of

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
[    7.0]  sixth+0x9/0x20
[    7.0] RIP: 0033:0x47fbe9
[    7.0]  beyond+0x9/0x20
"""


def only(text: str) -> Splat:
    splats = scan(text)
    assert len(splats) == 1
    return splats[0]


def test_frames() -> None:
    """Guesses, plumbing, suffixes, offsets and what lies behind user space are left out; the pointer comes first."""
    frames = frames_of(SplatKind.WARNING, TRACE)

    assert frames == ("victim", "caller", "third", "fourth", "fifth", "sixth")


def test_fingerprint_depends_on_five_frames() -> None:
    """The sixth frame, offsets, guesses and the line of the source do not count; the fifth does."""
    base = only(TRACE).fingerprint

    assert only(TRACE.replace("sixth", "other").replace("+0x9/0x20", "+0x8/0x30")).fingerprint == base
    assert only(TRACE.replace("guess", "other")).fingerprint == base
    assert only(TRACE.replace("a.c:1 ", "a.c:7 ")).fingerprint == base
    assert only(TRACE.replace("fourth", "other")).fingerprint != base
    assert only(TRACE.replace("fifth", "other")).fingerprint != base


def test_fingerprint_depends_on_kind_and_description() -> None:
    """Equal frames of two kinds, or of two descriptions, are two bugs."""
    prints = {
        fingerprint_of(kind, description, "f", ["f"])
        for kind in (SplatKind.OOPS, SplatKind.WARNING)
        for description in ("a", "b")
    }

    assert len(prints) == 4


def test_fingerprint_without_frames() -> None:
    """Without frames, the words of the splat decide."""
    assert only("BUG: one thing").fingerprint == only("[    7.0] BUG: one thing").fingerprint
    assert only("BUG: one thing").fingerprint != only("BUG: another thing").fingerprint


OOPS = """\
[    3.1] BUG: kernel NULL pointer dereference, address: 0000000000000010
[    3.1] #PF: supervisor read access in kernel mode
[    3.1] PGD 0 P4D 0
[    3.1] Oops: Oops: 0000 [#1] SMP
[    3.1] CPU: 0 UID: 0 PID: 71 Comm: sh Not tainted 6.12.1 #1
[    3.1] RIP: 0010:{function}+0x12/0x40
[    3.1] Code: 00 <48> 8b
[    3.1] Call Trace:
[    3.1]  <TASK>
[    3.1]  {caller}+0x31/0x60
[    3.1]  vfs_read+0x31/0x60
[    3.1]  </TASK>
[    3.1] ---[ end trace 0000000000000000 ]---
"""


def test_two_null_dereferences_are_two_bugs() -> None:
    """The same oops in two functions has two titles and two fingerprints."""
    first, second = (only(OOPS.format(function=name, caller="demo_read")) for name in ("demo_first", "demo_second"))

    assert (first.kind, second.kind) == (SplatKind.OOPS, SplatKind.OOPS)
    assert first.title == "BUG: kernel NULL pointer dereference in demo_first"
    assert second.title == "BUG: kernel NULL pointer dereference in demo_second"
    assert first.fingerprint != second.fingerprint


@pytest.mark.parametrize(
    "plumbing", ["memcpy", "_raw_spin_lock_irqsave", "__sanitizer_cov_trace_pc", "strlen", "kfree"]
)
def test_plumbing_is_not_guilty(plumbing: str) -> None:
    """A fault in a function that serves any caller is the caller's."""
    splat = only(OOPS.format(function=plumbing, caller="demo_read"))

    assert splat.function == "demo_read"


@pytest.mark.parametrize(
    ("place", "kind", "title"),
    [
        (
            "kernel/locking/lockdep.c:4711",
            SplatKind.LOCKDEP,
            "WARNING: locking bug at kernel/locking/lockdep.c:4711 in demo_lock",
        ),
        (
            "kernel/locking/mutex.c:81",
            SplatKind.LOCKDEP,
            "WARNING: locking bug at kernel/locking/mutex.c:81 in demo_lock",
        ),
        ("lib/list_debug.c:33", SplatKind.LIST_CORRUPTION, "list corruption at lib/list_debug.c:33 in demo_lock"),
        ("mm/usercopy.c:81", SplatKind.WARNING, "WARNING: bad usercopy at mm/usercopy.c:81 in demo_lock"),
    ],
)
def test_checker_is_named(place: str, kind: SplatKind, title: str) -> None:
    """A warning in the source of a checker is called by what the checker checks."""
    splat = only(
        f"[    3.1] WARNING: CPU: 0 PID: 71 at {place} __lock_acquire+0x12/0x40\n"
        "[    3.1] Call Trace:\n[    3.1]  lock_acquire+0x31/0x60\n[    3.1]  demo_lock+0x31/0x60\n"
    )

    assert (splat.kind, splat.title) == (kind, title)
