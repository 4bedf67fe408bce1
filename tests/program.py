"""The harness as its users start it: a program of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.process import Completed, run

PROGRAM = Path(sys.executable).with_name("harness")


def harness(*words: str | Path) -> list[str]:
    """The words that start it."""
    return [str(PROGRAM), *map(str, words)]


def environment(**more: str) -> dict[str, str]:
    """This environment without what could change how the harness behaves, and with ``more``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "CI", "COLUMNS"))}
    return {**kept, **more}


def start(*words: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Completed:
    """Run it to its end."""
    return run(harness(*words), deadline=Deadline.after(120), check=False, env=env or environment(), cwd=cwd)
