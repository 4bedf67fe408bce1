# SPDX-License-Identifier: GPL-2.0-only
"""KTAP: what is written is read back by a strict reader, and says the same."""

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
    """The runs, written and read back."""
    return read_ktap(render_ktap(runs, names=[f"run-{number}" for number in range(len(runs))]))


def leaf(one: CaseRecord) -> Test:
    """A case alone, written and read back."""
    [run] = read(replace(RUN, problems=(), cases=(one,)))
    [found] = run.leaves()
    return found


def test_each_case_is_there_once_under_its_id() -> None:
    """Kernels hold folders, folders hold cases; the description of a case is its id."""
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
def test_each_outcome_has_its_words(outcome: Outcome, is_ok: bool, directive: str) -> None:
    """A directive where KTAP has one, else the outcome's own name behind the hash."""
    found = leaf(case("cases/a/b.session", outcome, reason="why # not"))

    assert (found.is_ok, found.directive) == (is_ok, directive)
    assert found.data == ("" if is_ok and not directive else "why # not" if directive else f"{outcome}: why # not")


@pytest.mark.parametrize("field", ["known", "excused"])
def test_a_known_failure_is_expected_to_fail(field: str) -> None:
    """XFAIL, in front of which stands ok: who does not know the word must not fail by it."""
    hung = case("cases/a.session", Outcome.TIMEOUT, reason="hung")
    why = "it is the clock"
    found = leaf(replace(hung, known=why) if field == "known" else replace(hung, excused=why))

    assert (found.is_ok, found.directive, found.data) == (True, "XFAIL", "it is the clock")
    assert "timeout: hung" in found.diagnosis


def test_a_group_is_skipped_when_all_in_it_is() -> None:
    """And the kernel with it, when nothing else was asked."""
    [run] = read(replace(RUN, problems=(), cases=(case("cases/a/b.session", Outcome.SKIPPED, reason="no cgroups"),)))

    assert run.is_ok
    assert run.directive == "SKIP"
    assert [group.directive for group in run.within] == ["SKIP"]


def test_what_helps_a_person_stands_before_the_result() -> None:
    """Difference, splat and how often it failed are diagnostic lines of the case."""
    found = leaf(
        replace(
            case("cases/a.session", Outcome.KERNEL, reason="warned", diff="-7:freezer:/\n+7:freezer:/..\n"),
            tries=(OutcomeCount(Outcome.MATCH, 2), OutcomeCount(Outcome.KERNEL, 1)),
        )
    )

    assert "failed 1 of 3 times" in found.diagnosis
    assert "-7:freezer:/" in found.diagnosis
    assert any("fingerprint 4be0f7a1" in line for line in found.diagnosis)


def test_a_run_that_did_not_finish_fails() -> None:
    """Also when all that was asked matched."""
    [run] = read(replace(RUN, complete=False, problems=(), cases=CASES[:2]))

    assert not run.is_ok
    assert run.leaves()[-1].description == "harness/the run did not finish"


def test_several_kernels_are_beside_each_other() -> None:
    """One test a run on the outermost level; ids may be the same in each."""
    first, second = read(RUN, replace(RUN, problems=(), cases=()))

    assert len(first.leaves()) == len(CASES) + 1
    assert (second.is_ok, second.directive) == (True, "SKIP")


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, st.sampled_from(Outcome))
def test_nothing_that_a_guest_says_is_taken_for_a_result(path: str, reason: str, diff: str, outcome: Outcome) -> None:
    """Whatever stands in id, reason and difference: one case in is one case out, with its own outcome."""
    hostile = case(
        f"cases/{path}", outcome, reason=f"{reason}\nnot ok 1 x", diff=f"ok 1 fake\n  KTAP version 1\n{diff}"
    )
    found = leaf(hostile)

    assert found.is_ok == (outcome in (Outcome.MATCH, Outcome.SKIPPED))
