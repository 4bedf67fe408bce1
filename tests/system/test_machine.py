# SPDX-License-Identifier: GPL-2.0-only
"""A running machine ends with its block, and with the harness, however the harness ends."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import pipeline
from harness.base import paths, process
from harness.base.deadline import Deadline
from harness.base.errors import HostError
from harness.guest import guest_clock
from harness.guest.console import Unanswered
from harness.guest.machine import Machine
from harness.guest.template import Template, cloned
from harness.model.verdict import Fate
from harness.pipeline import Prepared
from harness.session.console_name import ConsoleName
from tests.crowd import crowded

pytestmark = pytest.mark.guest

PATIENCE_MILLISECONDS = 30_000


def soon() -> Deadline:
    """Return a deadline that is long enough for a clone on a busy host."""
    return Deadline.after(60)


@contextlib.contextmanager
def watched(pid: int) -> Iterator[int]:
    """Open a descriptor of a process for the block."""
    pidfd = os.pidfd_open(pid)
    try:
        yield pidfd
    finally:
        os.close(pidfd)


def has_ended(pidfd: int) -> bool:
    """Wait a limited time until the process has ended."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(PATIENCE_MILLISECONDS))


def first_line(fifo: Path) -> str:
    """Wait for the first line of a named pipe and return it."""
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        poll = select.poll()
        poll.register(reading, select.POLLIN)
        assert poll.poll(PATIENCE_MILLISECONDS), "nothing came"
        return os.read(reading, 100).decode()
    finally:
        os.close(reading)


def test_qemu_ends_with_the_block(template: Template, tmp_path: Path) -> None:
    """After a block that succeeds or fails no process is left, and the logs have the output of the consoles."""
    with cloned(template, folder=tmp_path, deadline=soon()) as machine:
        pid = machine.pid
        machine.console(ConsoleName.ADMIN, deadline=soon()).run("echo said; echo kept >/dev/kmsg", deadline=soon())
    with pytest.raises(ZeroDivisionError), cloned(template, folder=tmp_path, deadline=soon()) as other:
        raise ZeroDivisionError

    assert not machine.is_running
    assert not other.is_running
    for each in (pid, other.pid):
        with pytest.raises(ProcessLookupError):
            os.kill(each, 0)
    assert (tmp_path / "qemu.log").read_text() == ""


def test_the_logs_have_everything(template: Template, tmp_path: Path) -> None:
    """The logs have all output of consoles and kernel, even output that was not waited for."""
    with cloned(template, folder=tmp_path, deadline=soon()) as machine:
        admin = machine.console(ConsoleName.ADMIN, deadline=soon())
        admin.run("echo said on admin; echo said by the kernel >/dev/kmsg", deadline=soon())

    assert "said on admin\n" in (tmp_path / "admin.log").read_text()
    assert "said by the kernel" in (tmp_path / "kernel.log").read_text()
    assert machine.nonce in (tmp_path / "admin.log").read_text()


def test_consoles_are_adopted_at_first_use(machine: Machine) -> None:
    """An unused console costs nothing; a used console gets the nonce and the prompt once."""
    before = list(machine.adopted)
    console = machine.console(ConsoleName.INSIDE, deadline=soon(), prompt="mine# ")
    again = machine.console(ConsoleName.INSIDE, deadline=soon(), prompt="other# ")

    assert before == []
    assert again is console
    assert machine.adopted == [console]
    assert console.prompt == "mine# "


def test_qemu_is_killed(machine: Machine) -> None:
    """Waiting for a console of a killed machine reports a lost machine; QEMU does not answer any more."""
    admin = machine.console(ConsoleName.ADMIN, deadline=soon())
    admin.type("echo begun; sleep 1000\n", deadline=soon())
    admin.await_text("begun", deadline=soon())
    machine.kill()
    with pytest.raises(Unanswered) as caught:
        admin.await_prompt(deadline=soon())
    with pytest.raises(HostError):
        machine.monitor(soon()).execute("query-status", deadline=soon())

    assert caught.value.fate is Fate.MACHINE_LOST
    assert machine.fate_of(ConsoleName.ADMIN, caught.value) is Fate.MACHINE_LOST
    assert machine.diagnose(ConsoleName.ADMIN) is Fate.MACHINE_LOST


def test_a_machine_is_probed_after_a_missed_deadline(machine: Machine) -> None:
    """The probes have their own deadline: the command hung, and the shell continues."""
    admin = machine.console(ConsoleName.ADMIN, deadline=soon())
    with pytest.raises(Unanswered) as caught:
        admin.run("sleep 1000", deadline=Deadline.after(0.5))
    fate = machine.fate_of(ConsoleName.ADMIN, caught.value)
    after = admin.run("echo alive", deadline=soon())

    assert fate is Fate.COMMAND_HUNG
    assert after.output == "alive\n"


def test_no_new_processes_in_qemu(machine: Machine) -> None:
    """QEMU runs with its seccomp filter, and without new privileges."""
    status = Path(f"/proc/{machine.pid}/status").read_text()

    assert "Seccomp:\t2" in status
    assert "-sandbox" in machine.argv


def test_a_killed_harness(prepared: Prepared, tmp_path: Path) -> None:
    """SIGKILL to a harness ends its QEMU, although no Python block has ended."""
    (tmp_path / "prepared.json").write_text(pipeline.dump_prepared(prepared))
    os.mkfifo(tmp_path / "fifo")
    code = (
        "import sys; from pathlib import Path\n"
        "from harness import pipeline; from harness.base.deadline import Deadline\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "prepared = pipeline.load_prepared((folder / 'prepared.json').read_text())\n"
        "with pipeline.machine(prepared, folder=folder / 'case', deadline=Deadline.after(60)) as machine:\n"
        "    (folder / 'fifo').write_text(str(machine.pid))\n"
        "    sys.stdin.read()\n"
    )
    with (
        process.start([sys.executable, "-c", code], stdin=process.PIPE, stderr=None) as harness,
        watched(int(first_line(tmp_path / "fifo"))) as qemu,
    ):
        os.kill(harness.pid, signal.SIGKILL)
        ended = has_ended(qemu)

    assert ended


def test_a_killed_controller(prepared: Prepared, tmp_path: Path) -> None:
    """SIGKILL to xdist's controller ends its workers and their machines."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "test_inner.py").write_text(
        "import os, pathlib\n"
        "def test_inner(guest, admin):\n"
        "    admin.run('true')\n"
        f"    pathlib.Path({str(tmp_path / 'fifo')!r}).write_text(f'{{os.getpid()}} {{guest.machine().pid}}')\n"
        "    admin.run('sleep 1000', seconds=300)\n"
    )
    words = ["-n", "1", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", str(tmp_path), str(tmp_path)]
    with process.start(
        [*process.python("pytest"), *words], within=process.Surroundings(cwd=paths.ROOT), stderr=None
    ) as controller:
        worker, machine = (int(word) for word in first_line(tmp_path / "fifo").split())
        with watched(worker) as worker_fd, watched(machine) as machine_fd:
            os.kill(controller.pid, signal.SIGKILL)
            ended = [has_ended(pidfd) for pidfd in (worker_fd, machine_fd)]

    assert ended == [True, True]
    assert worker not in (controller.pid, os.getpid())


def crowd_with(machine: Machine) -> contextlib.AbstractContextManager[None]:
    """Let a machine share one processor with five busy programs during a block."""
    processor = min(os.sched_getaffinity(0))
    for thread in Path(f"/proc/{machine.pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {processor})
    return crowded(processor, 5)


COUNTING = "i=0; while [ $i -lt 10000 ]; do i=$((i+1)); done; echo counted"
ENDLESS = "while :; do :; done"


def test_a_command_has_its_time_on_a_busy_host(prepared: Prepared, tmp_path: Path) -> None:
    """A deadline counts what the guest could have run: a command that is late by the host's clock ends well."""
    with pipeline.machine(prepared, folder=tmp_path, deadline=soon()) as machine:
        admin = machine.consoles[ConsoleName.ADMIN]
        began = machine.clock()
        admin.run(COUNTING, deadline=machine.deadline(120))
        alone = machine.clock() - began
        with crowd_with(machine):
            began = machine.clock()
            answer = admin.run(COUNTING, deadline=machine.deadline(3 * alone))
            passed = machine.clock() - began

    assert answer.output == "counted\n"
    assert passed < answer.seconds / 2


def test_a_hanging_command_is_found_on_a_busy_host(prepared: Prepared, tmp_path: Path) -> None:
    """A command that never ends is reported as that, and not as an effect of the load."""
    with pipeline.machine(prepared, folder=tmp_path, deadline=soon()) as machine, crowd_with(machine):
        with pytest.raises(Unanswered) as caught:
            machine.consoles[ConsoleName.ADMIN].run(ENDLESS, deadline=machine.deadline(2))

        assert machine.fate_of(ConsoleName.ADMIN, caught.value) is Fate.COMMAND_HUNG
    assert machine.clock.waited > 2


def test_a_starved_machine_is_not_reported_as_hung(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that gets so little time that its deadlines come too early is the host's fault."""
    monkeypatch.setattr(guest_clock, "MULTIPLE", 2)
    with pipeline.machine(prepared, folder=tmp_path, deadline=soon()) as machine, crowd_with(machine):
        with pytest.raises(Unanswered) as caught:
            machine.consoles[ConsoleName.ADMIN].run(ENDLESS, deadline=machine.deadline(5))

        assert machine.fate_of(ConsoleName.ADMIN, caught.value) is Fate.STARVED
