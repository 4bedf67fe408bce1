# SPDX-License-Identifier: GPL-2.0-only
"""Explore a real kernel with the suite about shelves: no finding, one that is a case, and a kernel that dies."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.base import process
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from tests.program import environment, harness

pytestmark = pytest.mark.guest
SUITE = Path(__file__).parents[1] / "data" / "explored"
SECONDS = 600.0


def start(*words: str | Path, cwd: Path) -> process.Completed:
    """Run the harness in a folder."""
    return process.run(
        harness(*words),
        deadline=Deadline.after(SECONDS),
        check=False,
        within=process.Surroundings(env=environment(), cwd=cwd),
    )


def explore(*words: str | Path, cwd: Path) -> process.Completed:
    """Explore Debian's kernel for a moment, with the suite in that folder."""
    fixed = ("--suite", "shelves", "--minutes", "0.05", "--seed", "1", "-n", "1", "--output", "found")
    return start("explore", "deb", *fixed, *words, cwd=cwd)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """Return a folder with a copy of the suite."""
    shutil.copytree(SUITE, tmp_path / "shelves")
    return tmp_path


def test_a_kernel_that_follows_the_model(desk: Path) -> None:
    """Nothing differs, and the lines say what was done."""
    done = explore(cwd=desk)

    assert done.status == ExitStatus.AS_EXPECTED, done.text + done.complaint
    assert "no differences found" in done.text
    assert "0 operations (0.00 %) with more than one answer allowed" in done.text
    assert not (desk / "found").exists()


def test_a_finding_is_a_case(desk: Path) -> None:
    """By another profile something differs; the written session runs, and shows the same difference."""
    done = explore("--profile", "small", "--findings", "1", cwd=desk)
    assert done.status == ExitStatus.DIFFERS, done.text + done.complaint
    assert ": expected full, got 0" in done.text

    session = desk / "found/finding-1.session"
    shutil.copy(session, desk / "shelves")
    words = ("run", "deb", "--suite", "shelves", "--profile", "small", "--results", "results", "-n", "1")
    run = start(*words, cwd=desk)

    assert run.status == ExitStatus.DIFFERS, run.text + run.complaint
    assert "finding-1.session" in run.text
    assert session.read_text().count(" = full\n") == 1


def test_a_kernel_that_dies_is_a_finding(desk: Path) -> None:
    """The session file has the operation alone, and the splat."""
    model = desk / "shelves/model.py"
    text = model.read_text()
    changed = text.replace("'count'))}", "'count', 'crash'))}").replace(
        'if verb == "count"', 'if verb == "crash":\n            return ("0",)\n        if verb == "count"'
    )
    assert changed.count("crash") == 2
    model.write_text(changed)
    done = explore("--findings", "1", cwd=desk)
    written = (desk / "found/finding-1.session").read_text()

    assert done.status == ExitStatus.DIFFERS, done.text + done.complaint
    assert "# shelves 'crash " in written
    assert "sysrq" in done.text.lower()
    assert "| " in written
