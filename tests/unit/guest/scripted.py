# SPDX-License-Identifier: GPL-2.0-only
"""A guest that is a script: the far ends of a machine's serial ports, and shells, a thread each, that speak like bash.

What a shell does at a command is a function (:data:`Act`) under the command's text; a shell that finds none says that
the command is not found. Input is read by lines, as from a terminal in canonical mode without echo; Ctrl-C is a line of
its own.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from harness.base.deadline import Deadline
from harness.guest.console import Console
from harness.guest.prompt import BOOT_NONCE
from harness.guest.qemu import KERNEL_LOG, PORT_NAMES
from harness.guest.wires import Wires

FIRST_PID = 30655
NONCE = "0123456789abcdef"
_ADOPTION = re.compile(rb"HARNESS_NONCE=(\w+)(?:; PS1='(.*)')?")


def soon() -> Deadline:
    """Far enough away for whatever is to succeed, near enough for a test that fails."""
    return Deadline.after(120)


class PortClosed(Exception):  # noqa: N818  no error: the harness hung up
    """The other end is gone."""


@dataclass
class ScriptedShell:
    """One shell, as the function of a command sees it.

    :param wire: the guest's end of the port.
    :param script: what it knows.
    """

    wire: socket.socket
    script: Mapping[bytes, Act]
    prompt: bytes = b"# "
    pid: int = FIRST_PID
    nonce: bytes = BOOT_NONCE.encode()
    _typed: bytearray = field(default_factory=bytearray)

    def say(self, output: bytes) -> None:
        """Print bytes."""
        with _closing_told():
            self.wire.sendall(output)

    def read(self) -> bytes:
        """The next line that was typed, without its end; ``^C`` as it comes."""
        while not (found := re.match(rb"(.*?)(?:\n|(\x03))", self._typed, re.DOTALL)):
            with _closing_told():
                data = self.wire.recv(65536)
            if not data:
                raise PortClosed
            self._typed += data
        line = found[2] or found[1]
        del self._typed[: found.end()]
        return line

    def begin(self) -> None:
        """Announce that a command was read and its output follows."""
        self.say(b"\x1b]133;C;" + self.nonce + b"\x07")

    def end(self, status: int = 0, *, notice: bytes = b"") -> None:
        """Announce the end of a command and print the prompt, a notice between the two."""
        self.say(self.announcement(status) + notice + self.prompt)

    def announcement(self, status: int = 0) -> bytes:
        """The announcement of a command's end."""
        return b"\x1b]133;D;%d;%s;%d;%s\x07" % (status, self.nonce, self.pid, self.prompt)

    def die(self, status: int, *, console: str = "admin") -> None:
        """What init says when the shell has ended, and the first words of the next shell."""
        self.say(b"\x1b]133;E;%d;%s;%s\x07" % (status, self.nonce, console.encode()))
        self.pid, self.prompt = self.pid + 100, b"# "
        self.end()

    def live(self) -> None:
        """Read and execute until the port is closed."""
        with contextlib.suppress(PortClosed):
            while True:
                self._execute(self.read())

    def _execute(self, line: bytes) -> None:
        if adoption := _ADOPTION.fullmatch(line):
            self.begin()
            self.nonce = adoption[1]
            if adoption[2] is not None:
                self.prompt = adoption[2].replace(b"'\\''", b"'")
            self.end()
        elif line == b"\x03":
            self.end(130)
        elif not line or line.startswith(b"#"):
            self.end()
        elif line in self.script:
            self.script[line](self)
        else:
            self.begin()
            self.say(b"bash: " + line + b": command not found\n")
            self.end(127)


Act: TypeAlias = Callable[[ScriptedShell], None]


def printing(output: bytes, *, status: int = 0, notice: bytes = b"") -> Act:
    """A command that prints something and ends."""

    def act(shell: ScriptedShell) -> None:
        shell.begin()
        shell.say(output)
        shell.end(status, notice=notice)

    return act


@dataclass(frozen=True, slots=True)
class ScriptedGuest:
    """A guest and the harness's side of it.

    :param ends: the guest's ends of the ports, by name.
    :param shells: by name, for what happens out of turn.
    """

    wires: Wires
    ends: Mapping[str, socket.socket]
    shells: Mapping[str, ScriptedShell]

    def console(self, name: str = "admin") -> Console:
        """A console whose shell stands at its prompt."""
        return Console(self.wires, name)

    def adopted(self, name: str = "admin") -> Console:
        """A console that has adopted its shell, under :data:`NONCE`."""
        console = self.console(name)
        console.adopt(NONCE, prompt=None, deadline=soon())
        return console

    def log(self, text: bytes) -> None:
        """Let the kernel say something."""
        self.ends[KERNEL_LOG].sendall(text)

    def end(self) -> None:
        """Close every port, as the death of QEMU does."""
        for wire in self.ends.values():
            with contextlib.suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def scripted_guest(folder: Path, script: Mapping[bytes, Act]) -> Iterator[ScriptedGuest]:
    """A guest whose shells stand at their prompts, for the length of a ``with`` block.

    :param folder: for the logs of the ports.
    :param script: what each shell does at a command.
    """
    pairs = {name: socket.socketpair() for name in PORT_NAMES}
    ends = {name: pair[1] for name, pair in pairs.items()}
    shells = {name: ScriptedShell(ends[name], script) for name in PORT_NAMES if name != KERNEL_LOG}
    threads = [threading.Thread(target=shell.live, name=name) for name, shell in shells.items()]
    wires = Wires({name: pair[0] for name, pair in pairs.items()}, folder=folder)
    guest = ScriptedGuest(wires, ends, shells)
    for thread in threads:
        thread.start()
    try:
        yield guest
    finally:
        wires.close()
        guest.end()
        for thread in threads:
            thread.join()
        for wire in ends.values():
            wire.close()


@contextlib.contextmanager
def _closing_told() -> Iterator[None]:
    try:
        yield
    except OSError:
        raise PortClosed from None
