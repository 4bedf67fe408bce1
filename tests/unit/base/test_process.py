# SPDX-License-Identifier: GPL-2.0-only
"""Tests of ``harness/base/process.py`` with real processes."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.base import process
from harness.base.deadline import Deadline
from harness.base.errors import HostError
from harness.base.process import Surroundings
from tests.program import signals_by_default

FAR = Deadline.after(3600)
ENDLESS = ["sleep", "1000"]
PATIENCE_MILLISECONDS = 20_000


def has_ended(pidfd: int) -> bool:
    """Wait at most 20 s for the process to end; return whether it did."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(PATIENCE_MILLISECONDS))


def is_gone(pid: int) -> bool:
    """Return whether the process has ended and was reaped."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_start_ends_the_child_with_the_block() -> None:
    """A running program is killed and reaped at the block's end, and its pipes are closed."""
    with process.start(ENDLESS, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        ran = child.poll() is None

    assert ran
    assert child.returncode == -signal.SIGKILL
    assert is_gone(child.pid)
    assert child.stdin is not None
    assert child.stdin.closed
    assert child.stdout is not None
    assert child.stdout.closed


def test_start_ends_the_child_when_the_block_raises() -> None:
    """An exception that leaves the block ends the program too, and is passed on."""
    pids = []

    def block() -> None:
        with process.start(ENDLESS) as child:
            pids.append(child.pid)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        block()

    assert is_gone(pids[0])


def test_start_keeps_the_status_of_an_ended_child() -> None:
    """A program that ended within the block keeps its exit status."""
    with process.start(["sh", "-c", "exit 7"]) as child:
        child.wait(timeout=20)

    assert child.returncode == 7


def dies_with(parent: process.Child, pid: int) -> bool:
    """Kill a process and return whether another one, which it started, ends as well."""
    pidfd = os.pidfd_open(pid)
    try:
        os.kill(parent.pid, signal.SIGKILL)
        return has_ended(pidfd)
    finally:
        os.close(pidfd)


def test_start_child_dies_with_a_killed_parent() -> None:
    """SIGKILL to the process that started a program ends the program too."""
    parent_code = (
        "import sys\n"
        "from harness.base import process\n"
        "with process.start(['sleep', '1000']) as child:\n"
        "    print(child.pid, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with process.start(
        [sys.executable, "-c", parent_code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=None
    ) as parent:
        assert parent.stdout is not None
        assert dies_with(parent, int(parent.stdout.readline()))


def test_die_with_parent_ends_the_child_of_a_dead_parent() -> None:
    """A child whose parent is gone already ends before it runs anything."""
    code = "import os; from harness.base.process import die_with_parent; die_with_parent(os.getpid()); print('ran on')"
    done = process.run([sys.executable, "-c", code], deadline=FAR, check=False)

    assert (done.status, done.stdout) == (128 + signal.SIGKILL, b"")


def test_run_reports_a_missing_program() -> None:
    """A missing program is a host error that names it."""
    with pytest.raises(HostError) as caught:
        process.run(["no-such-program-at-all"], deadline=FAR)

    assert "no-such-program-at-all" in caught.value.what
    assert "doctor" in caught.value.remedy


@pytest.mark.parametrize(("content", "mode"), [("#!/bin/sh\n", 0o644), ("\x7fELF of no machine", 0o755)])
def test_run_reports_a_program_that_cannot_be_executed(content: str, mode: int, tmp_path: Path) -> None:
    """A file that is not executable, or not for this machine, is a host error."""
    program = tmp_path / "program"
    program.write_text(content)
    program.chmod(mode)

    with pytest.raises(HostError, match="cannot be started"):
        process.run([program], deadline=FAR)


def test_run_kills_a_program_at_the_deadline(tmp_path: Path) -> None:
    """The program is killed at the deadline; the error shows the command, its output, and the hint."""
    note = tmp_path / "pid"
    script = f"echo $$ >{note}; echo out; echo err >&2; exec sleep 1000"
    with pytest.raises(HostError) as caught:
        process.run(["sh", "-c", script], deadline=Deadline.after(1.5), remedy="do this")

    assert "did not end within" in caught.value.what
    assert caught.value.evidence.startswith("$ sh -c echo")
    assert caught.value.evidence.splitlines()[-2:] == ["out", "err"]
    assert caught.value.remedy == "do this"
    assert is_gone(int(note.read_text()))


@pytest.mark.parametrize("leads_group", [True, False])
def test_start_kills_the_group_that_a_program_leads(leads_group: bool) -> None:
    """A program without a group of its own leaves its children behind."""
    command = ["bash", "-c", "sleep 1000 >/dev/null & echo $!; wait"]
    with process.start(command, stdout=subprocess.PIPE, within=Surroundings(leads_group=leads_group)) as child:
        assert child.stdout is not None
        pidfd = os.pidfd_open(int(child.stdout.readline()))
    try:
        if leads_group:
            assert has_ended(pidfd)
        else:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)  # it is there
    finally:
        os.close(pidfd)


def test_run_does_not_wait_after_the_deadline() -> None:
    """A deadline in the past is an error at once."""
    with pytest.raises(HostError, match="within its 0 s"):
        process.run(ENDLESS, deadline=Deadline.after(-1))


def test_run_reports_a_failure() -> None:
    """A failing program is an error with the last lines of its standard error; unchecked, it is a result."""
    script = "seq 100 >&2; echo said; exit 3"
    with pytest.raises(HostError) as caught:
        process.run(["sh", "-c", script], deadline=FAR, remedy="do that")
    done = process.run(["sh", "-c", script], deadline=FAR, check=False)

    assert caught.value.what == "sh failed with status 3"
    assert caught.value.evidence.splitlines()[-1] == "100"
    assert caught.value.remedy == "do that"
    assert (done.status, done.stdout) == (3, b"said\n")
    assert done.complaint.split() == [str(number) for number in range(81, 101)]


def test_run_returns_a_signal_as_negative_status() -> None:
    """The status of a program that a signal ended is minus the signal's number."""
    done = process.run(["sh", "-c", "kill -TERM $$"], deadline=FAR, check=False)

    assert done.status == -signal.SIGTERM


def test_run_passes_input_folder_and_environment(tmp_path: Path) -> None:
    """Input, folder and environment reach the program; its whole output is returned, invalid UTF-8 replaced."""
    script = "pwd; echo $WORD $HOME; cat; printf '\\377'"
    done = process.run(
        ["sh", "-c", script],
        deadline=FAR,
        stdin=b"in\n" * 100_000,
        within=process.Surroundings(cwd=tmp_path, env={"WORD": "w"}),
    )

    assert done.stdout.startswith(f"{tmp_path}\nw\n".encode())
    assert done.stdout.count(b"in\n") == 100_000
    assert done.text.endswith("\N{REPLACEMENT CHARACTER}")
    assert done.argv == ("sh", "-c", script)


def test_complaint_falls_back_on_output() -> None:
    """Without standard error, the complaint is the end of standard output."""
    done = process.run(["sh", "-c", "echo here; false"], deadline=FAR, check=False)

    assert done.complaint == "here"


def test_start_passes_descriptors_by_number() -> None:
    """A passed descriptor has the same number in the program; other descriptors are closed."""
    reading, writing = os.pipe()
    other, unused = os.pipe()
    try:
        code = f"import os; os.write({writing}, b'through'); os.fstat({other})"
        with process.start(
            [sys.executable, "-c", code], stderr=subprocess.PIPE, within=process.Surroundings(pass_fds=[writing])
        ) as child:
            complaint = child.communicate(timeout=20)[1]
        os.set_blocking(reading, False)
        through = os.read(reading, 100)
    finally:
        for descriptor in (reading, writing, other, unused):
            os.close(descriptor)

    assert through == b"through"
    assert b"Bad file descriptor" in complaint


def test_find_program_searches_path_and_sbin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A program is found on PATH, and in the sbin folders if PATH omits them; a missing program is None."""
    program = tmp_path / "a-program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")

    assert process.find_program("a-program") == program
    assert process.find_program("no-such-program-at-all") is None
    assert process.find_program("ldconfig") in (Path("/usr/sbin/ldconfig"), Path("/sbin/ldconfig"))


def test_python_uses_this_interpreter() -> None:
    """The command for a module runs it with the Python that runs the harness."""
    done = process.run(process.python("platform", "--terse"), deadline=FAR)

    assert done.text.startswith("Linux")
    assert process.python("m", "a")[0] == sys.executable


# The signal arrives while Python forks: Python itself drops an exception that a handler raises there.
INTERRUPTED_FORK = """
import os, signal, sys
from harness.base import process

os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGINT))
try:
    with process.start(["sleep", "1000"]):
        sys.exit("the interrupt was lost")
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_start_keeps_an_interrupt_during_the_fork() -> None:
    """Ctrl-C during the start of a program ends the block and the program."""
    with signals_by_default():
        done = process.run([sys.executable, "-c", INTERRUPTED_FORK], deadline=FAR, check=False)

    assert done.text.splitlines()[-1:] == ["interrupted"]
    assert done.status == 0


def test_signals_by_default_resets_an_ignored_sigint() -> None:
    """Tests that run as a background job ignore SIGINT; the programs that they start do not."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with signals_by_default():
            done = process.run(["grep", "SigIgn", "/proc/self/status"], deadline=FAR)
        after = signal.getsignal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)

    assert not int(done.text.split()[1], 16) & 1 << (signal.SIGINT - 1)
    assert after is signal.SIG_IGN


def test_start_blocks_no_signal_in_the_child() -> None:
    """A program can be interrupted as if a shell had started it."""
    done = process.run(["grep", "SigBlk", "/proc/self/status"], deadline=FAR)

    assert int(done.text.split()[1], 16) == 0
