# SPDX-License-Identifier: GPL-2.0-only
"""Read KTAP back with a strict reader and compare it with the run."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.run_record import CaseRecord, OutcomeCount, RunRecord
from harness.model.verdict import Outcome
from harness.report.formats.ktap import render_ktap
from tests.unit.report.formats.ktap_reader import Test, read_ktap
from tests.unit.report.sample import CASES, RUN, case

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)


def read(*runs: RunRecord) -> tuple[Test, ...]:
    """Write runs and read them back."""
    return read_ktap(render_ktap(runs, names=[f"run-{number}" for number in range(len(runs))]))


def leaf(one: CaseRecord) -> Test:
    """Write one case and read it back."""
    [run] = read(replace(RUN, problems=(), cases=(one,)))
    [found] = run.leaves()
    return found


def test_each_case_appears_once_by_id() -> None:
    """Kernels contain folders, which contain cases; the description of a case is its id."""
    [run] = read(RUN)
    ids = [one.description for one in run.leaves()]

    assert ids == [*(one.id for one in CASES), "harness/problem 1"]
    assert run.description == "run-0"
    assert not run.is_ok
    assert "cases/setns/test_fds.py" in [group.description for group in run.within]


@pytest.mark.parametrize(
    ("outcome", "is_ok", "directive"),
    [
        (Outcome.MATCH, True, ""),
        (Outcome.MISMATCH, False, ""),
        (Outcome.KERNEL, False, ""),
        (Outcome.LOST, False, ""),
        (Outcome.TIMEOUT, False, "TIMEOUT"),
        (Outcome.SKIPPED, True, "SKIP"),
        (Outcome.ERROR, False, "ERROR"),
    ],
)
def test_each_outcome_has_its_directive(outcome: Outcome, is_ok: bool, directive: str) -> None:
    """An outcome without a directive of KTAP is named after the hash."""
    found = leaf(case("cases/a/b.session", outcome, reason="why # not"))

    assert (found.is_ok, found.directive) == (is_ok, directive)
    assert found.data == ("" if is_ok and not directive else "why # not" if directive else f"{outcome}: why # not")


@pytest.mark.parametrize("field", ["known", "excused"])
def test_known_failure_is_xfail(field: str) -> None:
    """The result before XFAIL is ok, so that a reader that does not know XFAIL does not fail."""
    hung = case("cases/a.session", Outcome.TIMEOUT, reason="hung")
    why = "it is the clock"
    found = leaf(replace(hung, known=why) if field == "known" else replace(hung, excused=why))

    assert (found.is_ok, found.directive, found.data) == (True, "XFAIL", "it is the clock")
    assert "timeout: hung" in found.diagnosis


def test_group_is_skipped_if_all_its_cases_are() -> None:
    """A kernel is skipped if nothing else ran on it."""
    [run] = read(replace(RUN, problems=(), cases=(case("cases/a/b.session", Outcome.SKIPPED, reason="no cgroups"),)))

    assert run.is_ok
    assert run.directive == "SKIP"
    assert [group.directive for group in run.within] == ["SKIP"]


def test_diagnostic_lines_precede_the_result() -> None:
    """Diff, splats and the failure rate are diagnostic lines of the case."""
    found = leaf(
        replace(
            case("cases/a.session", Outcome.KERNEL, reason="warned", diff="-7:freezer:/\n+7:freezer:/..\n"),
            tries=(OutcomeCount(Outcome.MATCH, 2), OutcomeCount(Outcome.KERNEL, 1)),
        )
    )

    assert "failed 1 of 3 times" in found.diagnosis
    assert "-7:freezer:/" in found.diagnosis
    assert any("fingerprint 4be0f7a1" in line for line in found.diagnosis)


def test_cases_that_were_not_run_are_skipped() -> None:
    """A run that -x or an interruption ended names them."""
    text = render_ktap([replace(RUN, not_run=("cgroupns/views/late.session",))], names=["run"])

    assert "ok 1 cgroupns/views/late.session # SKIP not run: the run ended before" in text


def test_unfinished_run_fails() -> None:
    """It fails even if all cases that ran matched."""
    [run] = read(replace(RUN, complete=False, problems=(), cases=CASES[:2]))

    assert not run.is_ok
    assert run.leaves()[-1].description == "harness/the run did not finish"


def test_several_kernels_are_top_level_tests() -> None:
    """Each run is one test of the outermost level; ids may repeat in each."""
    first, second = read(RUN, replace(RUN, problems=(), cases=()))

    assert len(first.leaves()) == len(CASES) + 1
    assert (second.is_ok, second.directive) == (True, "SKIP")


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, st.sampled_from(Outcome))
def test_guest_output_is_not_taken_for_a_result(path: str, reason: str, diff: str, outcome: Outcome) -> None:
    """Whatever the text of id, reason and diff, one case gives one test with its outcome."""
    hostile = case(
        f"cases/{path}", outcome, reason=f"{reason}\nnot ok 1 x", diff=f"ok 1 fake\n  KTAP version 1\n{diff}"
    )
    found = leaf(hostile)

    assert found.is_ok == (outcome in (Outcome.MATCH, Outcome.SKIPPED))
