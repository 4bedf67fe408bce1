# SPDX-License-Identifier: GPL-2.0-only
"""Tests of ``harness/base/errors.py``: the parts of an error, and the exit status of each kind."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from harness.base.errors import CaseError, ExitStatus, HarnessError, HostError, SeriesError, UsageError, provided_by

KINDS = (HarnessError, UsageError, CaseError, SeriesError, HostError)


def test_str_has_three_parts() -> None:
    """The text is the problem, the evidence indented line by line, and the hint."""
    error = HostError("the disk is full", evidence="/a: 0 left\n/b: 0 left\n", remedy="free some space")

    assert str(error) == "the disk is full\n    /a: 0 left\n    /b: 0 left\nhint: free some space"


def test_str_names_the_log_below_the_evidence() -> None:
    """The log's path is shown with and without other evidence, and is not part of the evidence."""
    error = SeriesError("it does not build", evidence="a.c:1: error\n", log=Path("/a/b.log"))

    assert str(error) == "it does not build\n    a.c:1: error\n    the whole log: /a/b.log"
    assert str(SeriesError("x", log=Path("/a/b.log"))) == "x\n    the whole log: /a/b.log"


def test_provided_by_names_packages_once() -> None:
    """The packages of the inner block take precedence."""
    with pytest.raises(HostError) as caught, provided_by(["outer"]), provided_by(["inner"]):
        raise HostError("no compiler")

    assert caught.value.packages == ("inner",)


@pytest.mark.parametrize("evidence", ["", "\n", "  \n\n"])
def test_str_omits_missing_parts(evidence: str) -> None:
    """Without evidence and hint, or with blank evidence, the text is the problem alone."""
    assert str(UsageError("no such image", evidence=evidence)) == "no such image"


@pytest.mark.parametrize("kind", KINDS)
def test_pickle_keeps_kind_and_parts(kind: type[HarnessError]) -> None:
    """Kind and all parts survive pickling, as between a test's worker and its controller."""
    error = kind("what", evidence="evidence", remedy="remedy", log=Path("/a/b.log"), packages=["gcc"])
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is kind
    assert (copy.what, copy.evidence, copy.remedy) == ("what", "evidence", "remedy")
    assert (copy.log, copy.packages) == (Path("/a/b.log"), ("gcc",))
    assert str(copy) == str(error)


def test_exit_status_differs_by_kind() -> None:
    """Each kind has its exit status; a kernel's fault and the harness's never share one."""
    statuses = {kind: kind("x").exit_status for kind in KINDS[1:]}

    assert statuses == {
        UsageError: ExitStatus.USAGE,
        CaseError: ExitStatus.CASE_BROKEN,
        SeriesError: ExitStatus.DIFFERS,
        HostError: ExitStatus.HOST,
    }
    assert len(set(ExitStatus)) == len(ExitStatus.__members__)
    assert [status.value for status in ExitStatus] == [0, 1, 2, 3, 4, 125, 128, 130]
