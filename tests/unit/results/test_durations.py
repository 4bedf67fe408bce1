# SPDX-License-Identifier: GPL-2.0-only
"""The durations of cases, as they are written for the balance of shards."""

from __future__ import annotations

from dataclasses import replace

from harness.model.run_record import OutcomeCount
from harness.model.verdict import Outcome
from harness.results.durations import durations_of
from tests.unit.report.sample import RUN, case


def test_durations_are_medians_of_one_repetition() -> None:
    """A repeated case counts once; a case that was skipped in all runs has no duration."""
    runs = [replace(RUN, cases=(replace(case("a", Outcome.MATCH), seconds=seconds),)) for seconds in (1.0, 9.0, 2.0)]
    repeated = replace(case("b", Outcome.MATCH), seconds=9.0, tries=(OutcomeCount(Outcome.MATCH, 3),))
    skipped = replace(case("c", Outcome.SKIPPED), seconds=0.1)

    assert durations_of([*runs, replace(RUN, cases=(repeated, skipped))]) == {"a": 2.0, "b": 3.0}
