"""Errors say what, show evidence, say what to do; and each kind has its exit status."""

from __future__ import annotations

import pickle

import pytest

from harness.base.errors import CaseError, ExitStatus, HarnessError, HostError, SeriesError, UsageError

KINDS = (HarnessError, UsageError, CaseError, SeriesError, HostError)


def test_text_has_three_parts() -> None:
    """The text is the sentence, the evidence indented line by line, and the remedy."""
    error = HostError("the disk is full", evidence="/a: 0 left\n/b: 0 left\n", remedy="free some space")

    assert str(error) == "the disk is full\n    /a: 0 left\n    /b: 0 left\nWhat to do: free some space"


@pytest.mark.parametrize("evidence", ["", "\n", "  \n\n"])
def test_parts_that_are_missing_leave_no_line(evidence: str) -> None:
    """Without evidence and remedy, or with evidence of blanks alone, the sentence stands alone."""
    assert str(UsageError("no such image", evidence=evidence)) == "no such image"


@pytest.mark.parametrize("kind", KINDS)
def test_error_crosses_processes(kind: type[HarnessError]) -> None:
    """Kind and all three parts survive pickling, as between a test's worker and its controller."""
    error = kind("what", evidence="evidence", remedy="remedy")
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is kind
    assert (copy.what, copy.evidence, copy.remedy) == ("what", "evidence", "remedy")
    assert str(copy) == str(error)


def test_exit_status_tells_whose_fault_it_is() -> None:
    """Each kind has the exit status of who must act; the kernel's fault and the harness's never share one."""
    statuses = {kind: kind("x").exit_status for kind in KINDS[1:]}

    assert statuses == {
        UsageError: ExitStatus.USAGE,
        CaseError: ExitStatus.CASE_BROKEN,
        SeriesError: ExitStatus.DIFFERS,
        HostError: ExitStatus.HOST,
    }
    assert len(set(ExitStatus)) == len(ExitStatus.__members__)
    assert [status.value for status in ExitStatus] == [0, 1, 2, 3, 4, 125, 128, 130]
