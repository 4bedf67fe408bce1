# SPDX-License-Identifier: GPL-2.0-only
"""Tests of ``harness/base/context.py``."""

from __future__ import annotations

import math
from pathlib import Path

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.events import Note, StageEvent
from harness.base.store import Store


def test_within_narrows_the_deadline_and_keeps_the_rest() -> None:
    """A stage gets the earlier of its own deadline and the command's."""
    reported: list[StageEvent] = []
    context = Context(Store(Path("s")), Deadline(100.0, clock=lambda: 10.0), reported.append)

    narrowed = context.within(5)
    narrowed.report(Note("one"))

    assert narrowed.deadline.at == 15.0
    assert narrowed.store == context.store
    assert reported == [Note("one")]
    assert context.within(math.inf).deadline.at == 100.0


def test_context_ignores_events_by_default() -> None:
    """A program that shows nothing needs no receiver of events."""
    Context(Store(Path("s")), Deadline.never()).report(Note("unheard"))
