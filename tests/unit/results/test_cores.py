# SPDX-License-Identifier: GPL-2.0-only
"""The core of a case is found, or that of another case with the same error."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base.errors import UsageError
from harness.model.run_record import CaseRecord, RunRecord, no_kernel
from harness.model.verdict import Outcome, SplatReport
from harness.results.cores import CORE_NAME, ORIGIN_NAME, find_core, find_cores, read_origin
from harness.results.find_run import FoundRun

OOPS = SplatReport("oops", "oops in f", "0123", "text")


def case(name: str, *splats: SplatReport) -> CaseRecord:
    """A case that failed."""
    return CaseRecord(f"s/{name}.session", "s", name, Outcome.KERNEL, folder=f"cases/{name}", splats=splats)


@pytest.fixture
def run(tmp_path: Path) -> FoundRun:
    """Three cases, of which the second has a core."""
    (tmp_path / "cases/b").mkdir(parents=True)
    (tmp_path / "cases/b" / CORE_NAME).write_bytes(b"core")
    cases = (case("a", OOPS), case("b", OOPS), case("ab"))
    return FoundRun(tmp_path, RunRecord(no_kernel("deb"), 0.0, cases=cases))


def test_its_own_core(run: FoundRun) -> None:
    """By the end of its id."""
    found = find_core(run, "s/b.session")

    assert (found.case.name, found.holder.name) == ("b", "b")
    assert [one.case.name for one in find_cores(run.folder, run.run.cases)] == ["b"]


def test_the_core_of_the_same_error(run: FoundRun) -> None:
    """A run keeps one core for each error, and the cases share it."""
    found = find_core(run, "/a.session")

    assert (found.case.name, found.holder.name) == ("a", "b")


@pytest.mark.parametrize(
    ("name", "what"),
    [("ab.session", "has no core"), ("b.session", "several cases"), ("c.session", "no case of")],
)
def test_no_core(run: FoundRun, name: str, what: str) -> None:
    """The error names those that have one."""
    with pytest.raises(UsageError, match=what) as error:
        find_core(run, name)

    assert "s/b.session" in error.value.evidence


def test_a_damaged_description_is_an_error(run: FoundRun) -> None:
    """A full disk cut it off."""
    found = find_core(run, "s/b.session")
    (found.file.parent / ORIGIN_NAME).write_text("{")
    with pytest.raises(UsageError, match="missing or damaged"):
        read_origin(found)
