# SPDX-License-Identifier: GPL-2.0-only
"""Go on with a run that was ended early: its results are taken over, and the other cases are run."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base.errors import ExitStatus
from harness.pipeline import Prepared
from harness.results.folder import load_run
from tests.program import start

pytestmark = pytest.mark.guest
CASES = {
    "one": "    # echo one\n    one\n",
    "two": "    # echo two\n    three\n",
    "three": "    # echo three\n    three\n",
}


@pytest.fixture
def results(prepared: Prepared, tmp_path: Path) -> Path:
    """Return the results of a run of two of the three cases; one file is changed afterwards."""
    assert prepared.template is not None
    (tmp_path / "cases").mkdir()
    for name, text in CASES.items():
        (tmp_path / "cases" / f"{name}.session").write_text(text)
    names = [word for name in ("one", "two") for word in ("--cases", tmp_path / "cases" / f"{name}.session")]
    done = start("run", "deb", *names, "--results", tmp_path / "results")
    assert done.status == ExitStatus.DIFFERS, done.complaint
    return tmp_path / "results"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_other_cases_are_run(results: Path, tmp_path: Path, workers: str) -> None:
    """With the logs of the earlier run, and the kernel that it names; a case whose file has changed is run again."""
    first = (results / "latest").resolve()
    (tmp_path / "cases" / "one.session").write_text("    # echo changed\n    changed\n")
    done = start("run", "--resume", "last", "--cases", tmp_path / "cases", "-n", workers, "--results", results)
    earlier, run = load_run(first), load_run(results / "latest")
    kept = {Path(case.id).stem: case for case in earlier.cases}
    cases = {Path(case.id).stem: case for case in run.cases}

    assert done.status == ExitStatus.DIFFERS, done.complaint
    assert run.complete
    assert set(cases) == set(CASES)
    assert cases["two"] == kept["two"]
    assert cases["one"].digest != kept["one"].digest
    assert (results / "latest" / cases["two"].folder / "admin.log").read_bytes()
    assert f"1 cases are those of {first.name}" in run.notes


def test_another_suite_is_refused(results: Path) -> None:
    """The error shows what both are of."""
    done = start("run", "--resume", "last", "--suite", "timens", "--results", results)

    assert done.status == ExitStatus.USAGE
    assert "that run is of another kernel or suite" in done.complaint
    assert "suite cgroupns" in done.complaint
    assert "suite timens" in done.complaint


def test_several_kernels_are_refused(results: Path) -> None:
    """A run is of one kernel."""
    done = start("run", "--resume", "last", "deb", "deb", "--results", results)

    assert done.status == ExitStatus.USAGE
    assert "--resume are for one kernel" in done.complaint
