# SPDX-License-Identifier: GPL-2.0-only
"""A host whose commands get a part of a processor: a limit of a cgroup, of version 1 or 2."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.system.ssh_hosts import SshHost

_PERIOD = 100_000
"""The period of the limit in microseconds."""


def _top() -> tuple[Path, bool] | None:
    """Return the folder of the cgroups that can limit processors, and whether they are of version 2."""
    for path, is_second in (("/sys/fs/cgroup/cpu", False), ("/sys/fs/cgroup", True)):
        control = Path(path, "cgroup.subtree_control")
        if is_second and control.is_file() and "cpu" in control.read_text().split():
            return Path(path), True
        if not is_second and Path(path, "cpu.shares").is_file():
            return Path(path), False
    return None


@dataclass(frozen=True)
class CpuLimit:
    """A group of processes with a limit.

    :param group: the folder of the cgroup.
    :param top: the folder of all others.
    """

    group: Path
    top: Path

    def take(self, host: SshHost) -> None:
        """Limit the processes of a host, and those that they start."""
        for pid in host.processes():
            with contextlib.suppress(OSError):
                (self.group / "cgroup.procs").write_text(str(pid))

    def lift(self) -> None:
        """Let them run as others."""
        for pid in (self.group / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                (self.top / "cgroup.procs").write_text(pid)


@contextlib.contextmanager
def cpu_limit(*, percent: int) -> Iterator[CpuLimit]:
    """Make a limit of processor time, for the length of a ``with`` block.

    :param percent: the share of one processor.
    """
    if (found := _top()) is None:
        pytest.skip("no cgroup of this machine limits processors")
    top, is_second = found
    group = top / f"host-{secrets.token_hex(4)}"
    group.mkdir()
    limit = CpuLimit(group, top)
    try:
        quota = _PERIOD * percent // 100
        if is_second:
            (group / "cpu.max").write_text(f"{quota} {_PERIOD}")
        else:
            (group / "cpu.cfs_period_us").write_text(str(_PERIOD))
            (group / "cpu.cfs_quota_us").write_text(str(quota))
        yield limit
    finally:
        limit.lift()
        with contextlib.suppress(OSError):  # a process that has just ended
            group.rmdir()
