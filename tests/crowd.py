"""A processor that is never free."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator

_PROGRAMS = 20


@contextlib.contextmanager
def crowded(processor: int) -> Iterator[None]:
    """So many programs on one processor that another hardly gets a turn there, for the length of a block.

    Each has a session of its own: a host may share its processors among sessions first (autogroup, sched(7)).
    """
    words = ["taskset", "--cpu-list", str(processor), "sh", "-c", "while :; do :; done"]
    with contextlib.ExitStack() as ends:
        for _ in range(_PROGRAMS):
            child = ends.enter_context(subprocess.Popen(words, start_new_session=True))
            ends.callback(child.kill)
        yield
