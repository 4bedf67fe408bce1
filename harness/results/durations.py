# SPDX-License-Identifier: GPL-2.0-only
"""Compute the durations of cases from runs, for the durations file that balances shards. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from statistics import median

from harness.model.run_record import CaseRecord, RunRecord
from harness.model.verdict import Outcome


def durations_of(runs: Iterable[RunRecord]) -> dict[str, float]:
    """Return the median duration of each case in seconds, by id; cases that were skipped everywhere are left out."""
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for run in runs:
        for case in run.cases:
            if case.outcome is not Outcome.SKIPPED:
                seconds[case.id].append(seconds_once(case))
    return {name: median(values) for name, values in seconds.items()}


def seconds_once(case: CaseRecord) -> float:
    """Return the duration of one of a case's repetitions in seconds."""
    return case.seconds / max(1, sum(one.times for one in case.tries))
