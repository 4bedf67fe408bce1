# SPDX-License-Identifier: GPL-2.0-only
"""Short programs, started without copying this process: they end with it, and an interrupt loses none of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harness.base import process, quick_start
from harness.base.deadline import Deadline
from harness.base.errors import HostError
from harness.base.quick_start import QuickStart, begin, can_start
from tests.unit.base.test_process import ENDLESS, FAR, dies_with, has_ended, is_gone

RUNNING = """
import sys, threading
from harness.base import process
from harness.base.deadline import Deadline

threading.Thread(target=sys.stdin.read).start()
pipe = sys.argv[1]
process.run(["sh", "-c", f"echo $$ >/proc/self/fd/{pipe}; exec sleep 1000"], deadline=Deadline.after(3600),
            within=process.Surroundings(pass_fds=[int(pipe)]))
"""


def test_program_dies_with_a_killed_parent() -> None:
    """SIGKILL to the process that runs a program ends the program too."""
    read_end, write_end = os.pipe()
    within = process.Surroundings(pass_fds=[write_end])
    words = [sys.executable, "-c", RUNNING, str(write_end)]
    with process.start(words, stdin=subprocess.PIPE, within=within) as parent:
        os.close(write_end)
        with os.fdopen(read_end) as pid:
            grandchild = int(pid.readline())
        assert dies_with(parent, grandchild)


def test_abandoned_before_it_starts_it_is_ended() -> None:
    """A start that nobody waits for any more ends its program at once."""
    ended: list[subprocess.Popen[bytes]] = []

    def end(child: subprocess.Popen[bytes]) -> None:
        process.end(child)
        ended.append(child)

    start = QuickStart(ENDLESS, {}, end)
    start.abandon()
    start.start()

    assert [child.returncode for child in ended] == [-signal.SIGKILL]
    assert is_gone(ended[0].pid)


def test_programs_are_started_by_one_thread(tmp_path: Path) -> None:
    """A thread that ends after it started a program does not end the program."""
    starts: list[QuickStart] = []

    def start_and_end() -> None:
        starts.append(QuickStart(ENDLESS, {}, process.end))
        begin(starts[0], may_set_times=True)
        starts[0].wait()

    thread = threading.Thread(target=start_and_end)
    thread.start()
    thread.join()
    child = starts[0].wait()
    pidfd = os.pidfd_open(child.pid)
    try:
        os.kill(child.pid, 0)
        starts[0].abandon()
        assert has_ended(pidfd)
    finally:
        os.close(pidfd)
    assert child.returncode == -signal.SIGKILL


def test_a_forked_process_starts_programs() -> None:
    """A forked process has no thread of its parent, and makes its own."""
    code = (
        "import os\n"
        "from harness.base import process\n"
        "from harness.base.deadline import Deadline\n"
        "run = lambda: process.run(['echo', 'ran'], deadline=Deadline.after(60)).text\n"
        "run()\n"
        "pid = os.fork()\n"
        "if not pid:\n"
        "    os._exit(len(run()))\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )

    assert process.run([sys.executable, "-c", code], deadline=Deadline.after(120)).text == "4\n"


def test_setpriv_that_cannot_be_started_is_an_error(tmp_path: Path) -> None:
    """The error of the other thread arrives in the one that waits."""
    start = QuickStart(["true"], {"cwd": tmp_path / "gone"}, process.end)
    begin(start, may_set_times=True)

    with pytest.raises(FileNotFoundError, match="gone"):
        start.wait()
    with pytest.raises(HostError, match="true cannot be started"):
        process.run(["true"], deadline=FAR, within=process.Surroundings(cwd=tmp_path / "gone"))


@pytest.mark.parametrize(
    ("program", "expected"),
    [("cat", True), ("/bin/cat", True), ("./cat", True), ("./script", False), ("./plain", False), ("no-such", False)],
)
def test_can_start_only_programs_of_this_machine(program: str, expected: bool, tmp_path: Path) -> None:
    """Scripts, files that are not executable, and names that are not on PATH need the careful way."""
    (tmp_path / "cat").symlink_to("/bin/cat")
    (tmp_path / "script").write_text("#!/bin/sh\n")
    (tmp_path / "script").chmod(0o755)
    (tmp_path / "plain").write_bytes(Path("/bin/cat").read_bytes())

    assert can_start(program, cwd=tmp_path, env=None) is expected
    assert not can_start(program, cwd=tmp_path, env={"PATH": "/nowhere"}) or "/" in program


def test_without_setpriv_programs_run_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host without util-linux's setpriv starts programs the careful way."""
    monkeypatch.setattr(quick_start, "_SETPRIV", "/no/such/setpriv")

    assert process.run(["echo", "ran"], deadline=FAR).text == "ran\n"
