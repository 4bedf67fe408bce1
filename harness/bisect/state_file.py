"""The state of a bisection on disk: read, and held for one process at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from harness.base.errors import NewerFormatError, UsageError
from harness.base.events import Note, Report
from harness.bisect.state import BisectState, load_bisect

STATE_NAME = "state.json"
_LOCK_NAME = ".lock"


def load_state(folder: Path) -> BisectState | None:
    """The state in a folder; None when there is none.

    :raises UsageError: it is damaged, or of a newer harness.
    """
    file = folder / STATE_NAME
    try:
        return load_bisect(file.read_text(encoding="utf-8"), source=str(file))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read", evidence=str(error), remedy="start again with --restart") from None
    except NewerFormatError:
        raise
    except UsageError as error:
        raise UsageError(error.what, evidence=error.evidence, remedy="start again with --restart") from None


@contextlib.contextmanager
def held(folder: Path, *, report: Report) -> Iterator[None]:
    """The folder for this process alone; another one that is at it is waited for, which is said."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / _LOCK_NAME)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        report(Note(f"waiting for another harness that is at this bisection, {folder}"))
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
