"""The harness as its users start it: a program of its own."""

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


def harness(*words: str | Path) -> list[str]:
    """The words that start it."""
    return [str(PROGRAM), *map(str, words)]


@contextmanager
def signals_by_default() -> Iterator[None]:
    """Let programs that are started in the block be interrupted, however the tests themselves were started.

    A background job of a shell without job control ignores SIGINT (POSIX, 2.11), what nohup(1) starts ignores SIGHUP,
    and a program inherits that. The tests go on ignoring them: only the start needs to be in the block.
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
    """This environment without what could change how the harness behaves, and with ``more``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "CI", "COLUMNS"))}
    return {**kept, **more}


def start(*words: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Completed:
    """Run it to its end."""
    return run(
        harness(*words),
        deadline=Deadline.after(120),
        check=False,
        within=Surroundings(env=env or environment(), cwd=cwd),
    )
