# SPDX-License-Identifier: GPL-2.0-only
"""``./bootstrap test`` ends with what failed, however much was printed after it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from harness.base import paths
from tests.tox_summary import failures

TOX = """\
[tox]
no_package = true
[testenv:suite]
skip_install = true
allowlist_externals = sh
ignore_errors = true
commands =
    sh -c 'echo "init.sh line 87: pass appears unused"; exit 1'
    sh -c 'echo "FAILED a.py::b - AssertionError"; echo "1 failed"; exit 1'
    sh -c 'echo all is well'
"""


def run(folder: Path, tox: str) -> subprocess.CompletedProcess[str]:
    (folder / "tox.ini").write_text(tox)
    command = [
        sys.executable,
        "-m",
        "tests.tox_summary",
        "--root",
        str(folder),
        "-c",
        str(folder / "tox.ini"),
        "-e",
        "suite",
    ]
    return subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_what_failed_stands_at_the_end(tmp_path: Path) -> None:
    """Each failed command is named with its last lines, one of pytest with its failed tests alone."""
    done = run(tmp_path, TOX)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-4:] == [
        """failed: suite: sh -c 'echo "init.sh line 87: pass appears unused"; exit 1' (exit status 1)""",
        "    init.sh line 87: pass appears unused",
        """failed: suite: sh -c 'echo "FAILED a.py::b - AssertionError"; echo "1 failed"; exit 1' (exit status 1)""",
        "    FAILED a.py::b - AssertionError",
    ]


def test_nothing_is_named_where_nothing_failed(tmp_path: Path) -> None:
    """The exit status is tox's."""
    done = run(tmp_path, TOX.replace("exit 1", "exit 0"))

    assert (done.returncode, "failed:" in done.stderr) == (0, False)


def test_a_long_output_is_cut_to_its_end() -> None:
    """The whole output stands where the command printed it."""
    command = {"command": ["/bin/x"], "output": "".join(f"{n}\n" for n in range(100)), "err": "", "retcode": 2}
    running = {**command, "retcode": None}
    lines = list(failures({"testenvs": {"e": {"test": [running, command]}}}))

    assert (len(lines), lines[0], lines[-1]) == (13, "failed: e: x (exit status 2)", "    99")
