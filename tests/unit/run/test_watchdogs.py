# SPDX-License-Identifier: GPL-2.0-only
"""Reports of a guest's watchdogs on a busy host."""

from __future__ import annotations

import pytest

from harness.kernellog.kinds import SplatKind
from harness.kernellog.reader import scan
from harness.kernellog.taint import TAINTS
from harness.run.watchdogs import SOFT_LOCKUP_TAINT, WAIT_SECONDS, without_watchdogs_of_the_host

LOCKUP = """\
[   31.000000] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [sh:77]
[   31.000001] CPU: 0 PID: 77 Comm: sh Not tainted 6.1.0 #1
[   31.000002] RIP: 0010:cgroup_example+0x10/0x40
[   31.000003] Call Trace:
[   31.000004]  do_syscall_64+0x5b/0xc0
"""
STALL = """\
[   21.000000] rcu: INFO: rcu_sched self-detected stall on CPU
[   21.000001] rcu: \t0-....: (5249 ticks this GP) idle=9d4/1/0x4000000000000000 softirq=12/12 fqs=2625
[   21.000002] CPU: 0 PID: 77 Comm: sh Not tainted 6.1.0 #1
[   21.000003] RIP: 0010:cgroup_example+0x10/0x40
"""
WARNING = """\
[   11.000000] ------------[ cut here ]------------
[   11.000001] WARNING: CPU: 0 PID: 77 at kernel/cgroup/example.c:5 cgroup_example+0x10/0x40
[   11.000002] RIP: 0010:cgroup_example+0x10/0x40
[   11.000003] ---[ end trace 0000000000000000 ]---
"""


@pytest.mark.parametrize(("text", "kind"), [(LOCKUP, SplatKind.SOFT_LOCKUP), (STALL, SplatKind.RCU_STALL)])
def test_watchdogs_of_a_busy_host_are_left_out(text: str, kind: SplatKind) -> None:
    """What the watchdogs reported while QEMU waited is the host's; all other splats are the kernel's."""
    splats = scan(WARNING + text)
    assert [splat.kind for splat in splats] == [SplatKind.WARNING, kind]

    kept, taint = without_watchdogs_of_the_host(splats, SOFT_LOCKUP_TAINT | 1 << 9, waited=WAIT_SECONDS)
    assert [splat.kind for splat in kept] == [SplatKind.WARNING]
    assert taint == 1 << 9


def test_watchdogs_of_a_quiet_host_are_the_kernels() -> None:
    """A machine that waited less than half of a watchdog's period was not late because of the host."""
    splats = list(scan(LOCKUP + STALL))

    assert without_watchdogs_of_the_host(splats, SOFT_LOCKUP_TAINT, waited=WAIT_SECONDS - 1) == (
        splats,
        SOFT_LOCKUP_TAINT,
    )


def test_the_taint_is_that_of_soft_lockups() -> None:
    """The bit has the letter L."""
    assert [taint.letter for taint in TAINTS if 1 << taint.bit == SOFT_LOCKUP_TAINT] == ["L"]
