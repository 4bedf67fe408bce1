# SPDX-License-Identifier: GPL-2.0-only
"""Tests of ``harness/base/seccomp.py`` with real programs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.base.deadline import Deadline
from harness.base.process import Surroundings, run

SET_AN_OLD_TIME = "import os, sys; os.utime(sys.argv[1], (1, 1))"
SET_IT_TO_NOW = "import os, sys; os.utime(sys.argv[1])"


def status_of(code: str, file: Path, *, may_set_times: bool) -> int:
    argv = [sys.executable, "-c", code, str(file)]
    return run(argv, deadline=Deadline.after(120), check=False, within=Surroundings(may_set_times=may_set_times)).status


@pytest.mark.parametrize("code", [SET_AN_OLD_TIME, SET_IT_TO_NOW])
def test_filter_refuses_to_set_times(code: str, tmp_path: Path) -> None:
    """Setting a file's time fails for its owner, for root, and for a child of the program; the file keeps its time."""
    file = tmp_path / "file"
    file.touch()
    before = file.stat().st_mtime_ns
    in_a_child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}, sys.argv[1]], check=True)"

    assert status_of(code, file, may_set_times=False) == 1
    assert status_of(in_a_child, file, may_set_times=False) == 1
    assert file.stat().st_mtime_ns == before
    assert status_of(code, file, may_set_times=True) == 0
    assert file.stat().st_mtime_ns != before


def test_filter_allows_writing_files(tmp_path: Path) -> None:
    """Nothing else is refused: a program can write files."""
    file = tmp_path / "file"

    assert status_of("import sys; open(sys.argv[1], 'w').write('x')", file, may_set_times=False) == 0
    assert file.read_text() == "x"
