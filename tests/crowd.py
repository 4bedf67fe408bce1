# SPDX-License-Identifier: GPL-2.0-only
"""Load on a processor."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator

_PROGRAMS = 20


@contextlib.contextmanager
def crowded(processor: int, programs: int = _PROGRAMS) -> Iterator[None]:
    """Run so many programs on one processor during a block that another one hardly gets any time there.

    :param processor: its number.
    :param programs: the number of programs; another one gets one part of that many and one.

    Each program has its own session, since a host may divide its processors among sessions first (autogroup, sched(7)).
    """
    command = ["taskset", "--cpu-list", str(processor), "sh", "-c", "while :; do :; done"]
    with contextlib.ExitStack() as ends:
        for _ in range(programs):
            child = ends.enter_context(subprocess.Popen(command, start_new_session=True))
            ends.callback(child.kill)
        yield
