# SPDX-License-Identifier: GPL-2.0-only
"""Define the context of a stage: the store, the deadline and the receiver of events."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from harness.base.deadline import Deadline
from harness.base.events import Report, ignore
from harness.base.store import Store


@dataclass(frozen=True, slots=True)
class Context:
    """The surroundings of a stage: made at the top of a command and passed down unchanged, or narrowed.

    :param store: the products of all stages.
    :param deadline: the deadline of the whole command.
    :param report: receives events; called from any thread.
    """

    store: Store
    deadline: Deadline
    report: Report = field(default=ignore, repr=False, compare=False)

    def within(self, seconds: float) -> Context:
        """Return this context with a deadline at most ``seconds`` from now.

        :param seconds: the time limit of the next stage.
        """
        return replace(self, deadline=self.deadline.sooner(seconds))
