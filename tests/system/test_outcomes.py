# SPDX-License-Identifier: GPL-2.0-only
"""Each way in which a case can fail, provoked in a real guest, and its outcome.

A kernel that spins with interrupts off is not provoked: since v5.5 (commit a24ca9976843 ("x86/iopl: Remove legacy IOPL
option")) a program cannot do that, and the guest loads no modules. A paused processor looks the same from outside.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest

from harness.base.deadline import Deadline
from harness.guest.console import Unanswered
from harness.guest.diagnosis import read_processor
from harness.guest.machine import Machine
from harness.model.run_record import CaseRecord
from harness.model.verdict import Fault, Outcome
from harness.run.case import CaseEnvironment, RunningCase, conclude, opened, run_session
from harness.run.play import unanswered_step
from harness.run.python_api import Shell
from harness.session.console_name import ConsoleName
from harness.session.transcript import parse

PlaySession: TypeAlias = Callable[[str], CaseRecord]
PlayPython: TypeAlias = Callable[[Callable[[RunningCase], None]], CaseRecord]

pytestmark = pytest.mark.guest

SPLATS = {
    "warning": ["WARNING: CPU: 0 PID: 7 at kernel/cgroup/namespace.c:57 copy_cgroup_ns+0x1/0x2", "Call Trace:"],
    "bug": ["kernel BUG at kernel/cgroup/cgroup.c:1234!"],
    "lockdep": ["WARNING: possible circular locking dependency detected", "stack backtrace:", " dump_stack+0x1/0x2"],
    "kasan": ["BUG: KASAN: use-after-free in free_cgroup_ns+0x1c/0x40", "Read of size 8 at addr ffff8880 by task sh/1"],
    "rcu_stall": ["rcu: INFO: rcu_sched self-detected stall on CPU", "rcu: 0-....: (2099 ticks this GP)"],
    "hung_task": ["INFO: task bash:77 blocked for more than 120 seconds.", "Call Trace:", " schedule+0x5a/0xd0"],
    "soft_lockup": ["watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [bash:77]"],
    "list_corruption": ["list_add corruption. next->prev should be prev (ffff1), but was ffff2. (next=ffff3)."],
    "kmemleak": ["kmemleak: 2 new suspected memory leaks (see /sys/kernel/debug/kmemleak)"],
}
SOON = 60.0


@pytest.fixture
def short_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the wait before a machine counts as dead."""
    monkeypatch.setattr("harness.guest.machine.PROBE_SECONDS", 2.0)


@pytest.fixture
def play_session(environment: CaseEnvironment) -> PlaySession:
    """Return a function that plays the text of a session file on its own machine and returns the record."""
    numbers = itertools.count(1)

    def play(text: str) -> CaseRecord:
        transcript = parse(text, path="inner.session", preparations=environment.suite.preparations)
        return run_session(transcript, environment, folder=f"session-{next(numbers)}")

    return play


@pytest.fixture
def play_python(environment: CaseEnvironment) -> PlayPython:
    """Return a function that runs a Python case on its own machine, like the plug-in, and returns the record."""
    numbers = itertools.count(1)

    def play(body: Callable[[RunningCase], None]) -> CaseRecord:
        raised: Unanswered | None = None
        with opened(environment, "inner.py::test_inner", folder=f"python-{next(numbers)}") as case:
            try:
                body(case)
            except Unanswered as error:
                raised = error
            return conclude(case, raised, title="", trace="")

    return play


def begin(case: RunningCase, command: str) -> Machine:
    """Start a command that prints ``begun`` and does not return."""
    deadline = Deadline.after(SOON)
    console = case.machine().console(ConsoleName.ADMIN, deadline=deadline)
    console.type(f"echo begun; {command}\n", deadline=deadline)
    console.await_text("begun\n", deadline=deadline)
    return case.machine()


def test_match(play_session: PlaySession) -> None:
    """A case whose output is as in the file is a match."""
    record = play_session(
        "title: t\n\n    # echo one; echo two >&2\n    one\n    two\n    observer# echo $((1 + 1))\n    2\n"
    )

    assert (record.outcome, record.reason, record.diff) == (Outcome.MATCH, "", "")
    assert record.machine


def test_mismatch(play_session: PlaySession) -> None:
    """A case with other output is a mismatch; the reason names the line, the diff shows both."""
    record = play_session("    # echo one\n    two\n    # echo three\n    three\n")

    assert record.outcome is Outcome.MISMATCH
    assert record.reason.startswith("inner.session:1: ")
    assert "-two\n+one\n" in record.diff
    assert "three" in record.transcript


def test_panic(play_session: PlaySession, tmp_path: Path) -> None:
    """A panic has the outcome kernel, and its log is complete, although QEMU ends with it."""
    record = play_session(
        "    # echo before\n    before\n    # echo c >/proc/sysrq-trigger\n    # echo after\n    after\n"
    )

    assert record.outcome is Outcome.KERNEL
    assert "Kernel panic - not syncing: sysrq triggered crash" in record.reason
    assert "the kernel does not answer" in record.reason
    (splat,) = record.splats
    assert "sysrq_handle_crash" in splat.text
    assert (tmp_path / record.folder / "kernel.log").read_text().rstrip().endswith(splat.text.splitlines()[-1])
    assert "before" in record.transcript


@pytest.mark.parametrize("kind", SPLATS)
def test_splat(kind: str, play_session: PlaySession) -> None:
    """A case whose output matches while the kernel warns has the outcome kernel."""
    splat_lines = "\n".join(f"    > {line}" for line in SPLATS[kind])
    record = play_session(
        f"    # while IFS= read -r line; do echo \"<4>$line\" >/dev/kmsg; done <<'EOF'\n{splat_lines}\n    > EOF\n"
        "    # echo all as expected\n    all as expected\n"
    )

    assert record.outcome is Outcome.KERNEL
    (splat,) = record.splats
    assert splat.kind == kind
    assert splat.title in record.reason
    assert all(line in splat.text for line in SPLATS[kind])
    assert record.diff == ""


def test_words_of_a_program_are_no_splat(play_session: PlaySession) -> None:
    """The output of a command on its console is not searched for splats."""
    record = play_session("    # echo 'Kernel panic - not syncing: said on a console'\n    Kernel panic - ...\n")

    assert (record.outcome, record.reason) == (Outcome.MATCH, "")


def test_taint(play_session: PlaySession) -> None:
    """A kernel that became tainted without a message is detected."""
    record = play_session("    # echo 512 >/proc/sys/kernel/tainted\n    # echo as expected\n    as expected\n")

    assert record.outcome is Outcome.KERNEL
    assert record.reason == "taint: the kernel became tainted: W (the kernel issued a warning)"


def test_a_command_hangs(play_session: PlaySession) -> None:
    """A command that does not return is a timeout; the kernel and the interrupted shell still answer."""
    record = play_session("timeout: 1\n\n    # echo so far; sleep 1000\n    so far\n    # echo never\n    never\n")

    assert record.outcome is Outcome.TIMEOUT
    assert record.reason.startswith("inner.session:3: the command hung; the shell and the kernel answer")
    assert "sleep 1000" in record.reason
    assert "so far" in record.transcript


@pytest.mark.usefixtures("short_probe")
def test_a_shell_is_silent(play_session: PlaySession) -> None:
    """A shell that Ctrl-C does not interrupt is distinguished from a command that hangs; the kernel still answers."""
    record = play_session("timeout: 1\n\n    # trap '' INT; while :; do :; done\n    # echo never\n    never\n")
    if record.fault is Fault.HOST:
        pytest.skip(record.reason)  # other programs took the processor that the loop of the guest wants

    assert record.outcome is Outcome.TIMEOUT
    assert "the shell is silent and cannot be interrupted; the kernel answers" in record.reason


@pytest.mark.usefixtures("short_probe")
def test_a_shell_is_stopped(play_session: PlaySession) -> None:
    """A stopped shell is reported as silent."""
    record = play_session("timeout: 1\n\n    # kill -STOP $$\n    # echo never\n    never\n")

    assert record.outcome is Outcome.TIMEOUT
    assert "the shell is silent" in record.reason


@pytest.mark.parametrize("command", ["kill -9 $$", "exit 3", "exec sh -c 'kill -SEGV $$'"])
def test_a_shell_dies(command: str, play_session: PlaySession) -> None:
    """The end of a console's shell is reported at once, without waiting for a deadline."""
    record = play_session(f"    # {command}\n    # echo never\n    never\n")

    assert record.outcome is Outcome.TIMEOUT
    assert record.reason.startswith("inner.session:1: the shell died; the kernel answers")
    assert record.seconds < 20


def test_a_shell_is_killed_from_another_console(play_session: PlaySession) -> None:
    """A shell that another console kills is reported as dead at its next command."""
    record = play_session(
        "varies: 77\n\n    observer# echo $$\n    77\n    # kill -9 77; while [ -d /proc/77 ]; do :; done\n"
        "    observer# echo never\n    never\n"
    )

    assert record.outcome is Outcome.TIMEOUT
    assert record.reason.startswith("inner.session:6: the shell died")


def test_a_shell_dies_in_a_python_case(play_python: PlayPython) -> None:
    """A Python case without a mounted hierarchy reports a dead shell, too."""

    def body(case: RunningCase) -> None:
        Shell(case, ConsoleName.INSIDE).run("kill -9 $$")

    record = play_python(body)

    assert record.outcome is Outcome.TIMEOUT
    assert "the shell died" in record.reason


@pytest.mark.usefixtures("short_probe")
def test_the_kernel_is_gone(play_python: PlayPython) -> None:
    """A machine whose processor is stopped does not answer, although QEMU runs and answers itself."""

    def body(case: RunningCase) -> None:
        machine = begin(case, "sleep 1000")
        machine.monitor(Deadline.after(SOON)).execute("stop", deadline=Deadline.after(SOON))
        Shell(case, ConsoleName.ADMIN).run("echo never", seconds=0.5)

    record = play_python(body)

    assert record.outcome is Outcome.TIMEOUT
    assert "the kernel does not answer, but QEMU runs" in record.reason
    assert "QEMU is paused" in record.reason


def test_the_place_of_a_silent_kernel(play_python: PlayPython) -> None:
    """The function that the processor was in is named by the symbols of another machine with the same kernel."""

    def body(case: RunningCase) -> None:
        line = Shell(case, ConsoleName.ADMIN).run("grep -w cgroup_rmdir /proc/kallsyms")
        address = f"{int(line.split()[0], 16) + 4:016x}"
        case.machine().diagnosis = read_processor("running", f"RIP={address} RFL=00000046 HLT=0")
        case.fate = case.machine().diagnosis.fate
        case.outcomes.append(unanswered_step("inner.py", "spin", case.machine()))

    record = play_python(body)

    assert "at: spin; the processor runs with interrupts off, at cgroup_rmdir+0x4" in record.reason


@pytest.mark.usefixtures("short_probe")
def test_qemu_is_stopped(play_python: PlayPython) -> None:
    """A QEMU that does not answer is not waited for forever, and is killed."""
    pids = []

    def body(case: RunningCase) -> None:
        pids.append(begin(case, "sleep 1000").pid)
        os.kill(pids[0], signal.SIGSTOP)
        Shell(case, ConsoleName.ADMIN).run("echo never", seconds=0.5)

    record = play_python(body)

    assert record.outcome is Outcome.TIMEOUT
    assert "the kernel does not answer" in record.reason
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_qemu_is_killed(play_python: PlayPython, play_session: PlaySession) -> None:
    """A lost machine fails one case only: the next case has its own machine."""

    def body(case: RunningCase) -> None:
        os.kill(begin(case, "sleep 1000").pid, signal.SIGKILL)
        Shell(case, ConsoleName.ADMIN).run("echo never")

    record = play_python(body)
    after = play_session("    # echo alive\n    alive\n")

    assert record.outcome is Outcome.LOST
    assert "the machine was lost: QEMU ended" in record.reason
    assert "rebooted" not in record.reason
    assert record.seconds < 20
    assert after.outcome is Outcome.MATCH


def test_skipped_by_needs(play_session: PlaySession) -> None:
    """A case whose needs the kernel does not meet is skipped without a machine; the reason names the option."""
    record = play_session("needs: CONFIG_NO_SUCH_OPTION\n\n    # echo never\n    never\n")

    assert record.outcome is Outcome.SKIPPED
    assert "CONFIG_NO_SUCH_OPTION" in record.reason
    assert record.machine == ""


def test_skipped_by_a_hierarchy(play_session: PlaySession) -> None:
    """A case with a controller that the kernel does not have is skipped; the reason names the controller."""
    record = play_session("hierarchies: v1:nosuch\n\n    # echo never\n    never\n")

    assert record.outcome is Outcome.SKIPPED
    assert "controller nosuch" in record.reason


@pytest.mark.parametrize("missing", ["program", "template"])
def test_a_fault_of_the_host(missing: str, environment: CaseEnvironment, tmp_path: Path) -> None:
    """A machine that cannot be started is an error of the host, not of the kernel."""
    prepared, template = environment.prepared, environment.prepared.template
    assert template is not None
    if missing == "program":
        request = replace(prepared.request, program=Path("/no/such/qemu"))
        prepared = replace(prepared, request=request, template=replace(template, request=request))
    else:
        prepared = replace(prepared, template=replace(template, folder=tmp_path / "gone"))
    environment = replace(environment, prepared=prepared, folder=tmp_path)
    record = run_session(parse("    # echo never\n    never\n", path="inner.session"), environment, folder="inner")

    assert (record.outcome, record.fault) == (Outcome.ERROR, Fault.HOST)
    assert ("/no/such/qemu" if missing == "program" else "template") in record.reason
    assert record.splats == ()
