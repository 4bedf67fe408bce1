# SPDX-License-Identifier: GPL-2.0-only
"""What becomes of a console's shell and of the machine behind it; the guest at the other end is a script."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path

import pytest

from harness.base.deadline import Deadline
from harness.guest import console as console_module
from harness.guest.console import Console, Unanswered
from harness.guest.wires import Wires
from harness.model.verdict import Fate
from tests.unit.guest.scripted import Act, ScriptedShell, printing, scripted_guest, soon

MEBI = 1 << 20


def nested(prompt: bytes, *, pid: int = 1000) -> Act:
    """A command that starts a shell; its ``exit`` ends it."""

    def act(shell: ScriptedShell) -> None:
        outer = (shell.prompt, shell.pid)
        shell.begin()
        shell.prompt, shell.pid = prompt, pid
        shell.end()
        while (line := shell.read()) != b"exit":
            shell.begin()
            shell.say(b"nested: " + line + b"\n")
            shell.end()
        shell.begin()
        shell.say(b"exit\n")
        shell.prompt, shell.pid = outer
        shell.end(4)

    return act


def test_run_follows_a_nested_shell(tmp_path: Path) -> None:
    """A shell started by a command has its own prompt and pid; after its end the outer shell answers."""
    with scripted_guest(tmp_path, {b"unshare -C bash": nested(b"sh2# ")}) as guest:
        console = guest.adopted()
        started = console.run("unshare -C bash", deadline=soon())
        within = console.run("hello", deadline=soon())
        left = console.run("exit", deadline=soon())

    assert (started.output, started.prompt, started.shell) == ("", "sh2# ", 1000)
    assert (within.output, within.prompt, within.shell) == ("nested: hello\n", "sh2# ", 1000)
    assert (left.output, left.prompt, left.shell, left.status) == ("exit\n", "# ", 30655, 4)
    assert (console.prompt, console.shell) == ("# ", 30655)


def test_run_reports_the_end_of_the_shell(tmp_path: Path) -> None:
    """The end of the console's own shell is reported with status and output; the next shell answers again."""

    def die(shell: ScriptedShell) -> None:
        shell.begin()
        shell.say(b"last words\n")
        shell.die(137)

    with scripted_guest(tmp_path, {b"kill -9 $$": die, b"echo": printing(b"alive\n")}) as guest:
        console = guest.adopted()
        with pytest.raises(Unanswered) as caught:
            console.run("kill -9 $$", deadline=soon())
        answer = console.run("echo", deadline=soon())

    assert (caught.value.fate, caught.value.status, caught.value.output) == (Fate.SHELL_DIED, 137, "last words\n")
    assert (answer.output, answer.shell) == ("alive\n", 30755)


def test_run_reports_shell_that_died_between_commands(tmp_path: Path) -> None:
    """A shell that died between two commands is reported at the next one, which is not typed into the new shell."""
    with scripted_guest(tmp_path, {b"one": printing(b"1\n"), b"two": printing(b"2\n")}) as guest:
        console = guest.adopted()
        console.run("one", deadline=soon())
        guest.shells["admin"].die(137)
        with pytest.raises(Unanswered) as caught:
            console.run("one", deadline=soon())
        answer = console.run("two", deadline=soon())

    assert (caught.value.fate, caught.value.status) == (Fate.SHELL_DIED, 137)
    assert answer.output == "2\n"


def test_run_adds_job_notices_to_the_answer(tmp_path: Path) -> None:
    """The notice of a job between announcement and prompt belongs to that answer; the next answer has none."""
    notice = b"[1]+  Done                    sleep 1\n"
    with scripted_guest(tmp_path, {b"true": printing(b"", notice=notice), b"echo": printing(b"e\n")}) as guest:
        console = guest.adopted()
        noticed = console.run("true", deadline=soon())
        after = console.run("echo", deadline=soon())

    assert noticed.output == notice.decode()
    assert after.output == "e\n"


@pytest.mark.parametrize("amount", [1, 100_000, MEBI])
def test_run_ignores_background_output_before_a_command(amount: int, tmp_path: Path) -> None:
    """The output of a background job at the prompt is not part of the next command's output."""
    admin: list[ScriptedShell] = []

    def disturb(shell: ScriptedShell) -> None:
        shell.begin()
        admin[0].say(b"n" * amount + b"\n# ")
        shell.end()

    with scripted_guest(tmp_path, {b"echo": printing(b"clean\n"), b"disturb": disturb}) as guest:
        console, other = guest.adopted(), guest.adopted("inside")
        admin.append(guest.shells["admin"])
        other.run("disturb", deadline=soon())
        answer = console.run("echo", deadline=soon())

    assert answer.output == "clean\n"


def test_run_ignores_announcement_between_commands(tmp_path: Path) -> None:
    """A prompt that came by itself is not taken for the answer to the next command."""
    with scripted_guest(tmp_path, {b"echo": printing(b"mine\n")}) as guest:
        console = guest.adopted()
        guest.shells["admin"].end(130)
        answer = console.run("echo", deadline=soon())

    assert (answer.output, answer.status) == ("mine\n", 0)


def test_prompt_of_invalid_utf8_ends_a_command(tmp_path: Path) -> None:
    """A prompt that is not UTF-8 is shown with replacement characters, and ends a command."""
    with scripted_guest(tmp_path, {b"bash": nested(b"\xff\xfe# ")}) as guest:
        console = guest.adopted()
        started = console.run("bash", deadline=Deadline.after(120))
        within = console.run("hello", deadline=Deadline.after(120))

    assert started.prompt == "\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}# "
    assert within.output == "nested: hello\n"


def hang(shell: ScriptedShell) -> None:
    """Print something, then read nothing but Ctrl-C."""
    shell.begin()
    shell.say(b"so far\n")
    while shell.read() != b"\x03":
        pass
    shell.end(130)


def test_run_reports_a_hanging_command(tmp_path: Path) -> None:
    """A command that does not return is reported at the deadline with its output; after Ctrl-C the prompt returns."""
    with scripted_guest(tmp_path, {b"hang": hang, b"echo": printing(b"back\n")}) as guest:
        console = guest.adopted()
        with pytest.raises(Unanswered) as caught:
            console.run("hang", deadline=Deadline.after(0.3))
        interrupted = console.interrupt(deadline=soon())
        answer = console.run("echo", deadline=soon())

    assert (caught.value.fate, caught.value.output) == (Fate.COMMAND_HUNG, "so far\n")
    assert interrupted.status == 130
    assert answer.output == "back\n"


def test_run_waits_for_an_abandoned_command(tmp_path: Path) -> None:
    """After a time-out the next command waits for the prompt, and the end of the earlier command does not answer it."""
    may_end = threading.Event()

    def late(shell: ScriptedShell) -> None:
        shell.begin()
        may_end.wait(60)
        shell.say(b"late\n")
        shell.end(5)

    with scripted_guest(tmp_path, {b"late": late, b"echo": printing(b"mine\n")}) as guest:
        console = guest.adopted()
        with pytest.raises(Unanswered):
            console.run("late", deadline=Deadline.after(0.2))
        may_end.set()
        answer = console.run("echo", deadline=soon())

    assert (answer.output, answer.status) == ("mine\n", 0)


def test_run_shows_the_end_of_a_hanging_command(tmp_path: Path) -> None:
    """The end of the output is shown for a command that printed much and hangs."""

    def much(shell: ScriptedShell) -> None:
        shell.begin()
        shell.say(b"x" * MEBI + b"\nwaiting for the lock\n")
        shell.read()

    with scripted_guest(tmp_path, {b"much": much}) as guest:
        console = guest.adopted()
        with pytest.raises(Unanswered) as caught:
            console.run("much", deadline=Deadline.after(2))

    assert caught.value.fate is Fate.COMMAND_HUNG
    assert caught.value.output.endswith("xxx\nwaiting for the lock\n")
    assert "bytes left out" in caught.value.output


class Flood(Wires):
    """Wires on which there is always more to read."""

    deadline = Deadline.never()

    def take(self, name: str, size: int) -> bytes:
        """More, until long after the deadline."""
        assert Deadline.after(0).at < self.deadline.at + 5, "the deadline did not come"
        return b"y" * size


def test_run_stops_endless_output_at_the_deadline(tmp_path: Path) -> None:
    """Endless output does not delay the deadline."""
    ours, theirs = socket.socketpair()
    wires = Flood({"admin": ours}, folder=tmp_path)
    wires.deadline = Deadline.after(0.3)
    console = Console(wires, "admin")
    with contextlib.closing(wires), contextlib.closing(theirs):
        console.type("yes\n", deadline=wires.deadline)
        with pytest.raises(Unanswered) as caught:
            console.await_prompt(deadline=wires.deadline)

    assert caught.value.fate is Fate.COMMAND_HUNG
    assert "bytes left out" in caught.value.output


def test_run_reports_the_end_of_the_machine(tmp_path: Path) -> None:
    """The end of QEMU ends a wait at once, with the output so far; later commands get the same result."""
    with scripted_guest(tmp_path, {b"hang": hang}) as guest:
        console = guest.adopted()
        console.type("hang\n", deadline=soon())
        console.await_text("so far\n", deadline=soon())
        guest.end()
        with pytest.raises(Unanswered) as first:
            console.await_prompt(deadline=soon())
        with pytest.raises(Unanswered) as second:
            console.run("echo", deadline=soon())

    assert (first.value.fate, second.value.fate) == (Fate.MACHINE_LOST, Fate.MACHINE_LOST)


@pytest.mark.parametrize("is_closed", [True, False])
def test_run_ends_at_a_panic(is_closed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A panic in the kernel log ends every wait for a console, closed or not."""
    monkeypatch.setattr(console_module, "_LAST_WORDS_SECONDS", 0.3)
    with scripted_guest(tmp_path, {b"hang": hang}) as guest:
        console = guest.adopted()
        console.type("hang\n", deadline=soon())
        console.await_text("so far\n", deadline=soon())
        guest.log(b"[    9.1] Kernel panic - not syncing: sysrq triggered crash\n")
        if is_closed:
            guest.end()
        with pytest.raises(Unanswered) as caught:
            console.await_prompt(deadline=soon())

    assert caught.value.fate is Fate.KERNEL_GONE


def test_run_reads_all_consoles(tmp_path: Path) -> None:
    """A shell that prints while another one is waited for is not blocked, and no output is lost."""
    with scripted_guest(tmp_path, {b"much": printing(b"z" * MEBI), b"echo": printing(b"e\n")}) as guest:
        admin, inside = guest.adopted(), guest.adopted("inside")
        inside.type("much\n", deadline=soon())
        for _ in range(20):
            admin.run("echo", deadline=soon())
        answer = inside.await_prompt(deadline=soon())

    assert answer.output.endswith("zzz")
    assert len((tmp_path / "inside.log").read_bytes()) > MEBI
