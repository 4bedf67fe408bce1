# SPDX-License-Identifier: GPL-2.0-only
"""An exported case has the same verdict by QEMU and bash alone."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from harness.base import process
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from tests.program import environment, harness

pytestmark = pytest.mark.guest
CASE = "timens/manpage/session.session"


def start(*words: str | Path) -> process.Completed:
    """Run the harness."""
    within = process.Surroundings(env=environment())
    return process.run(harness(*words), deadline=Deadline.after(600.0), check=False, within=within)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a results folder with a run of one case."""
    folder = tmp_path_factory.mktemp("results")
    done = start("run", "deb", "--cases", CASE, "--results", folder)
    assert done.status == ExitStatus.AS_EXPECTED, done.text + done.complaint
    return folder


@pytest.fixture(scope="module")
def bundle(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an unpacked bundle."""
    folder = tmp_path_factory.mktemp("bundle")
    done = start("export", "last", CASE, "--bundle", folder / "case.tar", "--results", results)
    assert done.status == ExitStatus.AS_EXPECTED, done.complaint
    with tarfile.open(folder / "case.tar") as archive:
        archive.extractall(folder, filter="data")
    return folder / "case"


def play(bundle: Path, folder: Path) -> process.Completed:
    """Run a bundle as its README says, without a variable of ours."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder), "TIMEOUT": "300"}
    within = process.Surroundings(env=env, cwd=folder)
    return process.run([bundle / "run.sh"], deadline=Deadline.after(600.0), check=False, within=within)


def test_bundle_has_the_verdict_of_the_run(bundle: Path, tmp_path: Path) -> None:
    """The session of the manual page is typed and matches; nothing is left behind."""
    done = play(bundle, tmp_path)

    assert done.text.splitlines()[-1] == "match", done.text + done.complaint
    assert done.status == 0
    assert "ns2# " in done.text
    assert not list(tmp_path.iterdir())
    assert "The result was:\n\n    match\n" in (bundle / "README").read_text()


def test_difference_from_the_profile_is_a_mismatch(bundle: Path, tmp_path: Path) -> None:
    """The script ends with status 1 when the kernel prints something else."""
    steps = bundle / "steps.sh"
    before = steps.read_text()
    steps.write_text(before.replace("monotonic ", "monotonik "))
    try:
        done = play(bundle, tmp_path)
    finally:
        steps.write_text(before)

    assert done.status == 1
    assert ">>> mismatch: line " in done.text


@pytest.mark.parametrize(
    ("case", "problem"),
    [("timens/none.session", "the run has no such case"), (CASE, "unknown suffix")],
)
def test_bad_input_is_named(case: str, problem: str, results: Path, tmp_path: Path) -> None:
    """An unknown case, and an archive whose suffix says nothing."""
    done = start("export", "last", case, "--bundle", tmp_path / "case.rar", "--results", results)

    assert done.status == ExitStatus.USAGE
    assert problem in done.complaint
    assert "hint: " in done.complaint
