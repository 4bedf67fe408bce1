# SPDX-License-Identifier: GPL-2.0-only
"""Write what a tester answers to a fix: how often it failed without and with it, and a Tested-by if that says enough.

Pure: two run records in, text out. A reproducer of a race fails in some runs only, so that a few good runs prove
nothing. The numbers of failures are compared by Fisher's exact test: how likely the difference is by chance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.model.run_record import CaseRecord, KernelRecord, RunRecord
from harness.model.verdict import FAILED, Outcome
from harness.report.text import one_line

MOST_CHANCE = 0.01
"""The largest probability of chance with which a fix counts as tested."""
_MOST_RUNS = 10_000
_SHOWN_DIGITS = 12


@dataclass(frozen=True, slots=True)
class FixedCase:
    """A case that failed without a fix.

    :param case: its id.
    :param reason: why it failed, in one line.
    :param before: how often it failed without the fix, and of how many runs.
    :param after: how often it failed with the fix, and of how many runs.
    """

    case: str
    reason: str
    before: tuple[int, int]
    after: tuple[int, int]

    @property
    def chance(self) -> float:
        """Return the probability of so few failures with the fix if it changed nothing."""
        (failed, runs), (fails, more) = self.before, self.after
        total, bad, good = math.comb(runs + more, more), failed + fails, runs + more - failed - fails
        ways = (math.comb(bad, one) * math.comb(good, more - one) for one in range(fails + 1))
        return sum(ways) / total if runs and more else 1.0

    @property
    def is_fixed(self) -> bool:
        """Return whether it does not fail with the fix, and that is not chance."""
        return not self.after[0] and self.chance <= MOST_CHANCE

    @property
    def wanted_runs(self) -> int:
        """Return how many runs with the fix would say enough, if none fails; 0 if no number does."""
        failed, runs = self.before
        enough = (more for more in range(1, _MOST_RUNS) if FixedCase("", "", (failed, runs), (0, more)).is_fixed)
        return next(enough, 0)


def fixed_cases(before: RunRecord, after: RunRecord) -> tuple[FixedCase, ...]:
    """Return the cases that failed without a fix and have a verdict in both runs."""
    now = {case.id: case for case in after.cases}
    return tuple(
        FixedCase(case.id, one_line(case.reason), _times(case), _times(now[case.id]))
        for case in before.cases
        if case.times_failed and case.id in now and now[case.id].times_asked
    )


def _times(case: CaseRecord) -> tuple[int, int]:
    return case.times_failed, case.times_asked


def fix_answer(before: RunRecord, after: RunRecord, *, who: str) -> str:
    """Return the text for a mail.

    :param before: the run without the fix.
    :param after: the run with it.
    :param who: name and address of the tester.
    """
    found = fixed_cases(before, after)
    lines = [
        f"Without: {_kernel(before.kernel)}",
        f"With:    {_kernel(after.kernel)}",
        f"On:      QEMU {after.qemu}, {after.acceleration}, {one_line(after.machine_type)}",
        "",
    ]
    for one in found:
        lines += [*_case_lines(one), ""]
    lines += list(_new_failures(before, after))
    lines.append(f"Tested-by: {one_line(who)}" if is_tested(before, after) else "No Tested-by: see above.")
    return "\n".join(lines if found else [*lines[:-1], "No Tested-by: no case failed without the fix."]) + "\n"


def is_tested(before: RunRecord, after: RunRecord) -> bool:
    """Return whether the runs justify a Tested-by: each case that failed is fixed, and no other one fails."""
    found = fixed_cases(before, after)
    return bool(found) and all(one.is_fixed for one in found) and not list(_new_failures(before, after))


def _case_lines(one: FixedCase) -> Sequence[str]:
    lines = [
        f"{one_line(one.case)}:",
        f"  failed {one.before[0]} of {one.before[1]} times without the fix: {one.reason}",
        f"  failed {one.after[0]} of {one.after[1]} times with it",
    ]
    if one.after[0]:
        return [*lines, "  It still fails."]
    if one.is_fixed:
        return [
            *lines,
            f"  By chance this happens in {_percent(one.chance)} of such comparisons (Fisher's exact test).",
        ]
    wanted = f": --repeat {one.wanted_runs} says enough if none fails" if one.wanted_runs else " on both kernels"
    return [*lines, f"  That may be chance ({_percent(one.chance)}); run more{wanted}."]


def _percent(chance: float) -> str:
    return "less than 0.01 %" if chance < 0.0001 else f"{100 * chance:.2f} %"


def _new_failures(before: RunRecord, after: RunRecord) -> Iterator[str]:
    old = {case.id: case for case in before.cases}
    for case in after.cases:
        was = old.get(case.id)
        is_new = was is not None and was.times_asked and not was.times_failed
        if case.outcome in FAILED and case.outcome is not Outcome.ERROR and is_new:
            yield f"{one_line(case.id)} fails with the fix only: {one_line(case.reason)}"


def _kernel(kernel: KernelRecord) -> str:
    series = f' with "{one_line(kernel.build.series)}"' if kernel.build.series else ""
    build = f", commit {kernel.build.commit[:_SHOWN_DIGITS]}" if kernel.build.commit and not series else ""
    base = f", on {kernel.build.base[:_SHOWN_DIGITS]}" if series and kernel.build.base else ""
    return f"{one_line(kernel.release)} ({one_line(kernel.called)}{build}){series}{base}"
