# SPDX-License-Identifier: GPL-2.0-only
"""``harness shell``: a person at the consoles, on a real terminal and in a real guest."""

from __future__ import annotations

import base64
import os
import re
import select
import signal
import subprocess
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from harness.base.deadline import Deadline
from harness.base.errors import CaseError, ExitStatus, UsageError
from harness.base.process import Surroundings, start
from harness.run.console_relay import Screen, _terminfo
from harness.run.interactive import read_case
from harness.suite.load import default_suite
from tests.program import environment, harness

CASE = """\
title: a session with two consoles
varies: 4711

    # echo $$
    4711
    # echo 4711 >/tmp/pid
    inside# cat /tmp/pid
    4711
    # echo not reached
    not reached
"""
STREAM = b"a\x1b]133;C;nonce\x07b\x1b[1mc\x1b]0;title\x07d\x1b]133;D;0;nonce;12;# \x07# "
SHOWN = b"ab\x1b[1mc\x1b]0;title\x07d# "


@pytest.mark.parametrize("size", range(1, len(STREAM) + 1))
def test_announcements_are_not_shown_however_they_arrive(size: int) -> None:
    """What a shell says to the harness is taken out; other sequences are the terminal's business."""
    screen = Screen()
    pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]

    assert b"".join(map(screen.feed, pieces)) == SHOWN
    assert screen.is_idle


def test_what_only_begins_like_an_announcement_is_shown() -> None:
    """A program that prints half of one does not stop the output."""
    screen = Screen()
    half = b"\x1b]133;C;" + b"x" * 5000

    assert screen.feed(half) + screen.feed(b"y") == half + b"y"


def test_a_shell_that_ended_is_known_by_the_next_ones_prompt() -> None:
    """The shell that comes in its place has to be furnished; a prompt after a command is nothing new."""
    screen = Screen()
    screen.feed(b"\x1b]133;D;0;nonce;12;# \x07# ")
    after_a_command = screen.is_fresh
    screen.feed(b"exit\x1b]133;E;0;boot;admin\x07")
    between = screen.is_fresh
    screen.feed(b"\x1b]133;D;0;boot;13;# \x07# ")

    assert (after_a_command, between, screen.is_fresh) == (False, False, True)


def test_the_description_of_the_terminal_is_carried_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guest's shell puts it together again from lines that a terminal takes."""
    entry = os.urandom(4000)
    (tmp_path / ".terminfo/m").mkdir(parents=True)
    (tmp_path / ".terminfo/m/mine").write_bytes(entry)
    (tmp_path / "mine").write_bytes(entry)
    monkeypatch.setenv("HOME", str(tmp_path))
    commands = _terminfo("mine")
    text = "".join(command.partition("=")[2] for command in commands if command.startswith("TERMINFO"))

    assert base64.urlsafe_b64decode(text.removeprefix("b64:")) == entry
    assert max(map(len, commands)) < 4095
    assert commands[-1] == "export TERMINFO"
    assert _terminfo("nosuchterminal") == _terminfo("../mine") == _terminfo("") == []


def test_a_case_is_named_with_or_without_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last colon counts, and only before a number."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.session", "b:c.session"):
        (tmp_path / name).write_text(CASE)
    words = ["a.session", "a.session:7", "b:c.session", "b:c.session:3"]

    assert [(case.path, line) for case, line in (read_case(word, default_suite()) for word in words)] == [
        ("a.session", None),
        ("a.session", 7),
        ("b:c.session", None),
        ("b:c.session", 3),
    ]


def test_a_case_that_cannot_be_played_is_told(tmp_path: Path) -> None:
    """Nothing is booted for it."""
    (tmp_path / "test_x.py").touch()
    (tmp_path / "broken.session").write_text("titel: x\n")

    with pytest.raises(UsageError, match="is not a session file"):
        read_case(str(tmp_path / "test_x.py"), default_suite())
    with pytest.raises(UsageError, match=r"no case nosuch\.session"):
        read_case("nosuch.session:3", default_suite())
    with pytest.raises(CaseError, match="titel"):
        read_case(str(tmp_path / "broken.session"), default_suite())


# readline asks the terminal to mark what is pasted, and back. What follows it may come with the next read only.
_PASTE = re.compile(rb"\x1b\[\?2004[hl](?:\r|(?=[^\r]))")


class Person:
    """Somebody at a terminal of their own, at which the harness runs."""

    def __init__(self, child: subprocess.Popen[bytes], screen: int) -> None:
        self.child = child
        self._screen = screen
        self._unread = b""

    def types(self, text: str | bytes) -> None:
        os.write(self._screen, text if isinstance(text, bytes) else text.encode() + b"\r")

    def sees(self, pattern: str) -> str:
        """What is on the screen up to this pattern, once it is there."""
        deadline = Deadline.after(120)
        while not (found := re.search(pattern.encode(), self._unread)):
            ready, _, _ = select.select([self._screen], [], [], deadline.seconds_left)
            assert ready, f"{pattern!r} does not come, this does: {self._unread[-2000:]!r}"
            try:
                data = os.read(self._screen, 4096)
            except OSError:
                data = b""
            assert data, f"{pattern!r} does not come, the terminal was left after: {self._unread[-2000:]!r}"
            self._unread = _PASTE.sub(b"", self._unread + data)
        seen, self._unread = self._unread[: found.end()], self._unread[found.end() :]
        return seen.decode()

    def resizes(self, rows: int, columns: int) -> None:
        termios.tcsetwinsize(self._screen, (rows, columns))

    def leaves(self) -> int:
        """The exit status, once the harness is gone."""
        self.sees("\r?\nharness: [^\n]*\n")  # _PASTE takes a carriage return along
        return self.child.wait(20)


@contextmanager
def at_a_terminal(folder: Path, *words: str) -> Iterator[Person]:
    """``harness shell`` on a terminal of 24 lines and 80 columns, which must be left as it was found."""
    screen, terminal = os.openpty()
    termios.tcsetwinsize(screen, (24, 80))
    before = termios.tcgetattr(terminal)
    # The terminal must be that of a session, or no process gets the signal for its size.
    command = ["setsid", "--ctty", *harness("shell", *words)]
    env = environment(TERM="xterm")
    with start(
        command, stdin=terminal, stdout=terminal, stderr=terminal, within=Surroundings(cwd=folder, env=env)
    ) as child:
        yield Person(child, screen)
        ended = child.poll()
    after = termios.tcgetattr(terminal)
    os.close(terminal)
    os.close(screen)

    assert ended is not None, "the harness was not left"
    assert after == before


@pytest.mark.guest
def test_a_person_takes_over_where_the_case_was_left(tmp_path: Path) -> None:
    """The case is played to the line; then keys go to the guest, its output to the screen, in the terminal's size."""
    (tmp_path / "two.session").write_text(CASE)
    with at_a_terminal(tmp_path, "deb", "two.session:7") as person:
        played = person.sees(r"\[console inside;.*\]\r\n")
        below = psutil.Process(person.child.pid).children(recursive=True)
        machines = [one for one in below if one.name().startswith("qemu")]
        person.sees("inside# ")
        person.types("echo $((6 * 7)); cat /tmp/pid; stty size")
        answer = person.sees(r"\d+ \d+\r\n.*inside# ")
        person.types(b"\x1e")
        person.sees(r"\[console observer;.*\]\r\n.*observer# ")
        person.types(b"\x1e")
        person.sees(r"\[console admin;.*\]\r\n.*# ")
        person.resizes(30, 101)
        person.types("while [ \"$(stty size)\" != '30 101' ]; do :; done; echo resized")
        person.sees(r"\r\nresized\r\n")
        person.types(b"echo never \x1d")
        status = person.leaves()
    _, alive = psutil.wait_procs(machines, timeout=10)

    assert re.search(r"# echo \$\$\r\n(\d+)\r\n.*# cat /tmp/pid\r\n\1\r\n", played, re.DOTALL)
    assert "not reached" not in played
    assert "\x1b]133" not in played + answer
    assert re.search(r"echo \$\(\(6 \* 7\)\); cat /tmp/pid; stty size\n42\n\d+\n24 80\n", answer.replace("\r", ""))
    assert status == ExitStatus.AS_EXPECTED
    assert len(machines) == 1
    assert not alive


@pytest.mark.guest
def test_a_shell_that_ends_comes_again_and_a_panic_ends_all(tmp_path: Path) -> None:
    """``exit`` is no dead end; when the kernel panics the person learns of it, and has the terminal back."""
    with at_a_terminal(tmp_path, "deb") as person:
        person.sees(r"\[console admin;.*\]\r\n# ")
        # Echoed is not started: the program itself says when Ctrl-C finds it in the foreground.
        person.types("bash -c 'echo $((40 + 2)) ready; read x'")
        person.sees(r"\r\n42 ready\r\n")
        person.types(b"\x03")
        person.sees("# ")
        person.types("exit")
        person.sees("exit\r\n.*# ")
        person.types("echo $((6 * 7)) again")
        person.sees(r"echo \$\(\(6 \* 7\)\) again\r\n42 again\r\n")
        person.types("echo c >/proc/sysrq-trigger")
        person.sees(
            "harness: the machine ended\r\nKernel panic - not syncing: sysrq triggered crash in sysrq_handle_crash\r\n"
        )
        status = person.child.wait(20)

    assert status == ExitStatus.AS_EXPECTED


@pytest.mark.guest
def test_a_terminal_that_is_taken_away_is_given_back(tmp_path: Path) -> None:
    """Ended by a signal, the harness restores the terminal all the same."""
    with at_a_terminal(tmp_path, "deb") as person:
        person.sees(r"\[console admin;.*\]\r\n# ")
        person.child.send_signal(signal.SIGTERM)
        person.sees("harness: interrupted\r\n")
        status = person.child.wait(20)

    assert status == ExitStatus.INTERRUPTED
