# SPDX-License-Identifier: GPL-2.0-only
"""The harness, started as a program."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.process import Completed, Surroundings, run

PROGRAM = Path(sys.executable).with_name("harness")


def harness(*arguments: str | Path) -> list[str]:
    """Return the command that starts the harness with these arguments."""
    return [str(PROGRAM), *map(str, arguments)]


@contextmanager
def signals_by_default() -> Iterator[None]:
    """Start programs in the block with default handlers for signals, however the tests themselves were started.

    A background job of a shell without job control ignores SIGINT (POSIX, 2.11), a program started by nohup(1) ignores
    SIGHUP, and their children inherit that. The tests ignore them again after the block: only the start is inside.
    """
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    ignored = [number for number in numbers if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)


def environment(**more: str) -> dict[str, str]:
    """Return the environment without variables that change the behavior of the harness, and with ``more``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "CI", "COLUMNS"))}
    return {**kept, **more}


def start(*arguments: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Completed:
    """Run the harness and return its result."""
    return run(
        harness(*arguments),
        deadline=Deadline.after(120),
        check=False,
        within=Surroundings(env=env or environment(), cwd=cwd),
    )
