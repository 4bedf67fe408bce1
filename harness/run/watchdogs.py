# SPDX-License-Identifier: GPL-2.0-only
"""Tell reports of a guest's watchdogs that a busy host caused from those that the kernel caused. Pure.

A guest's clock runs while QEMU waits for a processor of the host. After 20 seconds in which a task or the virtual
processor got nowhere, the watchdogs of the kernel report a soft lockup, an RCU stall or a hung task, and all they know
is the guest's clock.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.kernellog.kinds import SplatKind
from harness.kernellog.splat import Splat

WATCHDOGS = frozenset({SplatKind.RCU_STALL, SplatKind.HUNG_TASK, SplatKind.SOFT_LOCKUP, SplatKind.HARD_LOCKUP})
SOFT_LOCKUP_TAINT = 1 << 14
"""TAINT_SOFTLOCKUP, Documentation/admin-guide/tainted-kernels.rst."""
WAIT_SECONDS = 10.0
"""Half of the 20 seconds of the shortest watchdog: a machine that waited less cannot have been late because of that."""


def without_watchdogs_of_the_host(splats: Sequence[Splat], taint: int, *, waited: float) -> tuple[list[Splat], int]:
    """Leave out what a watchdog reported because the host was busy.

    A kernel that truly hangs does not answer, and is judged by that.

    :param splats: the splats of a machine.
    :param taint: the taint flags of its kernel.
    :param waited: how many seconds QEMU waited for a processor.
    :return: the splats and the taint flags that the kernel is judged by.
    """
    if waited < WAIT_SECONDS:
        return list(splats), taint
    return [splat for splat in splats if splat.kind not in WATCHDOGS], taint & ~SOFT_LOCKUP_TAINT
