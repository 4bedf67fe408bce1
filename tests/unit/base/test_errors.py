# SPDX-License-Identifier: GPL-2.0-only
"""Errors say what, show evidence, say what to do; and each kind has its exit status."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from harness.base.errors import CaseError, ExitStatus, HarnessError, HostError, SeriesError, UsageError, provided_by

KINDS = (HarnessError, UsageError, CaseError, SeriesError, HostError)


def test_text_has_three_parts() -> None:
    """The text is the sentence, the evidence indented line by line, and the remedy."""
    error = HostError("the disk is full", evidence="/a: 0 left\n/b: 0 left\n", remedy="free some space")

    assert str(error) == "the disk is full\n    /a: 0 left\n    /b: 0 left\nhint: free some space"


def test_the_log_is_named_below_the_evidence() -> None:
    """Also where there is no other evidence; the evidence itself holds no path."""
    error = SeriesError("it does not build", evidence="a.c:1: error\n", log=Path("/a/b.log"))

    assert str(error) == "it does not build\n    a.c:1: error\n    the whole log: /a/b.log"
    assert str(SeriesError("x", log=Path("/a/b.log"))) == "x\n    the whole log: /a/b.log"


def test_provided_by_names_packages_once() -> None:
    """The inner block knows best."""
    with pytest.raises(HostError) as caught, provided_by(["outer"]), provided_by(["inner"]):
        raise HostError("no compiler")

    assert caught.value.packages == ("inner",)


@pytest.mark.parametrize("evidence", ["", "\n", "  \n\n"])
def test_parts_that_are_missing_leave_no_line(evidence: str) -> None:
    """Without evidence and remedy, or with evidence of blanks alone, the sentence stands alone."""
    assert str(UsageError("no such image", evidence=evidence)) == "no such image"


@pytest.mark.parametrize("kind", KINDS)
def test_error_crosses_processes(kind: type[HarnessError]) -> None:
    """Kind and all three parts survive pickling, as between a test's worker and its controller."""
    error = kind("what", evidence="evidence", remedy="remedy", log=Path("/a/b.log"), packages=["gcc"])
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is kind
    assert (copy.what, copy.evidence, copy.remedy) == ("what", "evidence", "remedy")
    assert (copy.log, copy.packages) == (Path("/a/b.log"), ("gcc",))
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
