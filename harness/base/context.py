# SPDX-License-Identifier: GPL-2.0-only
"""What every call of the stages carries: where products are kept, until when to work, and where to report."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from harness.base.deadline import Deadline
from harness.base.events import Report, ignore
from harness.base.store import Store


@dataclass(frozen=True, slots=True)
class Context:
    """The surroundings of a stage: made at the top of a command and passed down unchanged, or narrowed.

    :param store: keeps the products of all stages.
    :param deadline: the time at which the whole work has failed.
    :param report: receives what goes on; called from whichever thread works.
    """

    store: Store
    deadline: Deadline
    report: Report = field(default=ignore, repr=False, compare=False)

    def within(self, seconds: float) -> Context:
        """Return this context with a deadline at most that many seconds from now.

        :param seconds: the time that the next stage may take.
        """
        return replace(self, deadline=self.deadline.sooner(seconds))
