# SPDX-License-Identifier: GPL-2.0-only
"""Write the answer to a fix: only what was seen often enough is a Tested-by."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.model.run_record import CaseRecord, OutcomeCount, RunRecord
from harness.model.verdict import Outcome
from harness.report.tables.tested_by import FixedCase, fix_answer, fixed_cases, is_tested
from tests.unit.report.sample import KERNEL, RUN

WHO = "A Tester <a@example.com>"


def case(failed: int, runs: int, name: str = "repro/crash") -> CaseRecord:
    """Return a case that failed in some of its runs."""
    outcome = Outcome.KERNEL if failed else Outcome.MATCH
    counts = (OutcomeCount(Outcome.KERNEL, failed), OutcomeCount(Outcome.MATCH, runs - failed))
    tries = tuple(one for one in counts if one.times)
    return CaseRecord(name, "repro", "crash", outcome, reason="oops: BUG at f" if failed else "", tries=tries)


def run(*cases: CaseRecord) -> RunRecord:
    """Return a run of some cases."""
    return replace(RUN, kernel=KERNEL, cases=cases)


def test_many_failures_without_and_none_with_a_fix_are_a_tested_by() -> None:
    """The text has both kernels, k of n, the reason and the probability of chance."""
    text = fix_answer(run(case(7, 10)), run(case(0, 10)), who=WHO)

    assert "failed 7 of 10 times without the fix: oops: BUG at f" in text
    assert "failed 0 of 10 times with it" in text
    assert "in 0.15 % of such comparisons" in text
    assert text.endswith(f"Tested-by: {WHO}\n")
    assert all(len(line) <= 80 for line in text.splitlines() if not line.startswith(("With", "On")))


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ((1, 10), (0, 10), "That may be chance (50.00 %)"),
        ((1, 1), (0, 1), "That may be chance (50.00 %); run more: --repeat 99 says enough"),
        ((10, 10), (1, 10), "It still fails."),
        ((0, 10), (0, 10), "no case failed without the fix"),
    ],
)
def test_what_may_be_chance_is_no_tested_by(before: tuple[int, int], after: tuple[int, int], says: str) -> None:
    """One failure proves little, and one that is left proves the contrary."""
    text = fix_answer(run(case(*before)), run(case(*after)), who=WHO)

    assert says in text
    assert "Tested-by: A" not in text
    assert not is_tested(run(case(*before)), run(case(*after)))


def test_failure_that_only_the_fix_has_is_no_tested_by() -> None:
    """A fix that breaks another case is named."""
    before = run(case(10, 10), case(0, 10, "repro/other"))
    after = run(case(0, 10), case(10, 10, "repro/other"))
    text = fix_answer(before, after, who=WHO)

    assert "repro/other fails with the fix only" in text
    assert not is_tested(before, after)
    assert [one.case for one in fixed_cases(before, after)] == ["repro/crash"]


def test_wanted_runs_are_enough() -> None:
    """With one run fewer, chance is more likely than allowed."""
    one = FixedCase("", "", (3, 10), (0, 10))
    wanted = one.wanted_runs

    assert FixedCase("", "", (3, 10), (0, wanted)).is_fixed
    assert not FixedCase("", "", (3, 10), (0, wanted - 1)).is_fixed


def test_chance_is_that_of_the_hypergeometric_distribution() -> None:
    """Three of three against none of three: one of twenty orders."""
    assert FixedCase("", "", (3, 3), (0, 3)).chance == pytest.approx(1 / 20)
    assert FixedCase("", "", (3, 3), (3, 3)).chance == pytest.approx(1.0)
