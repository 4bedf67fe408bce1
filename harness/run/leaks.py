# SPDX-License-Identifier: GPL-2.0-only
"""Have the guest list what kmemleak finds after a case, in the kernel log.

The guest's init waits for it at the port of the kernel log (``qemu/init.sh``): no console is needed, whatever the case
has done with its shells. The processes of the case are killed, so nothing else can be run on the machine after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from harness.base.deadline import Deadline
from harness.guest.qemu import KERNEL_LOG
from harness.guest.wires import Wires
from harness.kernellog.kinds import SplatKind
from harness.kernellog.splat import Splat

OPTION = "CONFIG_DEBUG_KMEMLEAK"
"""The option of a kernel that lists leaks."""
SECONDS = 120.0
"""Two scans take 2 s of a plain kernel's time; a kernel without /dev/mem waits twice for 6 s more. What is left
behind is counted up to three times."""
_REQUEST = b"leaks\n"
_DONE = b"harness: leaks listed"


class LeakingMachine(Protocol):
    """What a scan needs of a machine."""

    wires: Wires
    folder: Path

    def deadline(self, seconds: float) -> Deadline:
        """Return a deadline for what the guest does."""


def list_leaks(machine: LeakingMachine) -> bool:
    """Have a machine list its leaks; they are splats of its kernel log then.

    :param machine: the machine; none of its shells lives on.
    :return: whether the list came before the deadline.
    """
    deadline = machine.deadline(SECONDS)
    log = machine.folder / f"{KERNEL_LOG}.log"
    before = log.stat().st_size
    try:
        machine.wires.send(KERNEL_LOG, _REQUEST, deadline=deadline)
    except (BrokenPipeError, TimeoutError):
        return False
    while not _has_listed(log, before):
        # A wait ends in real time, before the deadline on the clock of a slow kernel.
        if not machine.wires.pump(deadline) and (deadline.is_past or not machine.wires.is_open(KERNEL_LOG)):
            return False
    return True


def without_count(splats: Sequence[Splat]) -> list[Splat]:
    """Leave out the line in which the kernel counts leaks, if it lists them as well: it is the same for every leak.

    :param splats: the splats of a machine.
    """
    is_listed = any(one.kind is SplatKind.KMEMLEAK and one.function for one in splats)
    return [one for one in splats if not (is_listed and one.kind is SplatKind.KMEMLEAK and not one.function)]


def _has_listed(log: Path, before: int) -> bool:
    with log.open("rb") as file:
        file.seek(before)
        return _DONE in file.read()
