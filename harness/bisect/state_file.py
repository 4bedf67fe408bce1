# SPDX-License-Identifier: GPL-2.0-only
"""Read the state of a bisection from disk, and lock it for one process at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from harness.base.errors import NewerFormatError, UsageError
from harness.base.events import Note, Report
from harness.bisect.state import BisectState, SeenRecord, load_bisect
from harness.bisect.targets import Kind
from harness.results.case_ids import current_case_id

STATE_NAME = "state.json"
_LOCK_NAME = ".lock"


def load_state(folder: Path) -> BisectState | None:
    """Read the state in a folder; None if there is none.

    :raises UsageError: the state is damaged.
    :raises NewerFormatError: a newer harness wrote it.
    """
    file = folder / STATE_NAME
    try:
        return current_state(load_bisect(file.read_text(encoding="utf-8"), source=str(file)))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read", evidence=str(error), remedy="start over with --restart") from None
    except NewerFormatError:
        raise
    except UsageError as error:
        raise UsageError(error.what, evidence=error.evidence, remedy="start over with --restart") from None


def current_state(state: BisectState) -> BisectState:
    """Return the state with the case ids of today (:func:`current_case_id`)."""
    ids = [*(one.id for one in state.files), *(file for one in state.targets for file in one.files)]
    ids += [one.name for one in state.targets if one.kind is Kind.CASE]
    renamed = {old: new for old in ids if (new := current_case_id(old)) != old}

    def current(text: str) -> str:
        for old, new in renamed.items():
            text = text.replace(old, new)
        return text

    if not renamed:
        return state
    targets = tuple(
        replace(
            one,
            name=current(one.name),
            files=tuple(map(current, one.files)),
            good=current(one.good),
            bad=current(one.bad),
        )
        for one in state.targets
    )
    steps = tuple(
        replace(
            step,
            splits=tuple(replace(one, target=current(one.target)) for one in step.splits),
            seen=tuple(SeenRecord(current(one.target), current(one.value)) for one in step.seen),
        )
        for step in state.steps
    )
    files = tuple(replace(one, id=current(one.id)) for one in state.files)
    return replace(state, targets=targets, steps=steps, files=files)


@contextlib.contextmanager
def held(folder: Path, *, report: Report) -> Iterator[None]:
    """Lock the folder for this process; report it if another process has to be waited for."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / _LOCK_NAME)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        report(Note(f"waiting for another harness process that runs this bisection, {folder}"))
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
