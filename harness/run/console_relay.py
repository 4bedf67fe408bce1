# SPDX-License-Identifier: GPL-2.0-only
"""Relay the consoles of a machine to the user's terminal, one at a time."""

from __future__ import annotations

import base64
import os
import re
import selectors
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.base.deadline import Deadline
from harness.guest.console import Unanswered
from harness.guest.machine import Machine
from harness.guest.prompt import INTRODUCER, MARKER_LIMIT
from harness.guest.qemu import KERNEL_LOG
from harness.kernellog.reader import scan
from harness.report.text import plain_text
from harness.session.console_name import ConsoleName

LEAVE = b"\x1d"
"""Ctrl-], as in telnet."""
NEXT = b"\x1e"
"""Ctrl-^."""

_PORTS = {ConsoleName.ADMIN: "/dev/ttyS1", ConsoleName.INSIDE: "/dev/ttyS2", ConsoleName.OBSERVER: "/dev/ttyS3"}
_KEYS = re.compile(b"([" + re.escape(LEAVE + NEXT) + b"])")
_ANNOUNCEMENT = re.compile(re.escape(INTRODUCER) + rb"([CDE]);[^\x07\x1b]*\x07")
_SECONDS = 5.0
_LOG_LINES = 15
_CHUNK_BYTES = 1 << 16
_TERMINFO = ("/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo")
_LINE_LENGTH = 3000  # a terminal accepts lines of up to 4095 bytes
_AFTERWARDS = b"\x1b[0m\x1b[?25h\x1b[?2004l"
"""Reset terminal modes that a program of the guest may have left: attributes, hidden cursor, bracketed paste."""


def relay_consoles(machine: Machine, first: ConsoleName) -> str:
    """Connect this terminal with the consoles until the user leaves or the machine ends.

    :param first: the console to begin with.
    :return: the reason of the end, with the last lines of the kernel log if the machine ended by itself.
    """
    with _raw_terminal(), _resizes() as resizes:
        session = _Session(machine, first)
        try:
            return session.relay(resizes)
        except (BrokenPipeError, TimeoutError) as error:
            return f"the console accepts no input: {error}"
        finally:
            _write(_AFTERWARDS if os.environ.get("TERM", "dumb") != "dumb" else b"")


class Screen:
    """Filter of the output of a console: it removes announcements of shells, which some terminals would show."""

    def __init__(self) -> None:
        self.has_died = False
        """Whether the console's first shell has ended and the next one has not printed its prompt yet."""
        self.is_fresh = False
        """Whether the next shell has printed its first prompt; the reader of the flag resets it."""
        self.is_idle = True
        """Whether a shell has printed its prompt and nothing was typed since; the code that types resets it."""
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Take bytes of the console, and return those to show."""
        data = self._held + data
        for found in _ANNOUNCEMENT.finditer(data):
            if found[1] == b"E":
                self.has_died = True
            elif found[1] == b"D":
                self.is_idle = True
                self.is_fresh, self.has_died = self.is_fresh or self.has_died, False
        shown = _ANNOUNCEMENT.sub(b"", data)
        at = shown.rfind(b"\x1b")
        self._held = shown[at:] if at >= 0 and _may_be_one(shown[at:]) else b""
        return shown[: len(shown) - len(self._held)]


def _may_be_one(end: bytes) -> bool:
    """Return whether the bytes may be the beginning of an announcement."""
    start = end[: len(INTRODUCER)]
    return INTRODUCER.startswith(start) and len(end) < MARKER_LIMIT and b"\x07" not in end


class _Session:
    """A user's session at the consoles."""

    def __init__(self, machine: Machine, first: ConsoleName) -> None:
        self._machine = machine
        self._wires = machine.wires
        self._current = first
        self._screens = {name: Screen() for name in ConsoleName}
        self._visited: set[ConsoleName] = set()

    def relay(self, resizes: int) -> str:
        """Relay input and output until the session ends, and return the reason of the end."""
        with selectors.DefaultSelector() as selector:
            for handle, name in ((sys.stdin.fileno(), "keys"), (resizes, "size"), (self._wires.fileno(), "wires")):
                selector.register(handle, selectors.EVENT_READ, name)
            self._select(self._current)
            while self._wires.is_open(self._current.value):
                for key, _ in selector.select():
                    if key.data == "size":
                        os.read(resizes, 64)
                        self._pass_size()
                    elif key.data == "keys" and not self._take_keys(os.read(sys.stdin.fileno(), 4096)):
                        return "left; the machine is gone"
                # Whatever ended the wait: output of the current console may have been read meanwhile.
                self._show()
        self._wires.drain(Deadline.after(1.0))
        return f"the machine ended\n{_last_words(self._machine)}"

    def _take_keys(self, typed: bytes) -> bool:
        """Send the input to the console; return False if the user leaves."""
        for part in _KEYS.split(typed):
            if part == LEAVE:
                return False
            if part == NEXT:
                order = list(ConsoleName)
                self._select(order[(order.index(self._current) + 1) % len(order)])
            elif part:
                self._screens[self._current].is_idle = False
                self._wires.send(self._current.value, part, deadline=Deadline.after(_SECONDS))
        return bool(typed)

    def _show(self) -> None:
        """Show new output of the current console."""
        self._wires.pump(Deadline.after(0))
        screen = self._screens[self._current]
        while data := self._wires.take(self._current.value, _CHUNK_BYTES):
            _write(screen.feed(data))
        if screen.is_fresh:
            screen.is_fresh = False
            self._set_up(self._current, is_fresh=True)

    def _select(self, name: ConsoleName) -> None:
        self._current = name
        _write(f"\r\n[console {name}; Ctrl-^ goes to the next one, Ctrl-] leaves]\r\n".encode())
        self._show()
        if name not in self._visited:
            self._visited.add(name)
            self._set_up(name)
        else:
            self._wires.send(name.value, b"\n", deadline=Deadline.after(_SECONDS))

    def _set_up(self, name: ConsoleName, *, is_fresh: bool = False) -> None:
        """Set up a console for a person: echo, line ends, line editing and the size of the terminal.

        :param is_fresh: whether the shell has just replaced one that ended, and has no nonce yet.
        """
        columns, rows = os.get_terminal_size(sys.stdout.fileno())
        term = os.environ.get("TERM", "dumb")
        commands = [f"stty sane rows {rows} cols {columns}; export TERM='{term}'", *_terminfo(term)]
        try:
            console = self._machine.console(name, deadline=Deadline.after(_SECONDS))
            if is_fresh:
                console.adopt(self._machine.nonce, prompt=None, deadline=Deadline.after(_SECONDS))
            for command in (*commands, "set -o emacs; history -c"):
                console.run(command, deadline=Deadline.after(_SECONDS))
        except Unanswered:
            # A busy console is left unchanged.
            self._wires.send(name.value, b"\n", deadline=Deadline.after(_SECONDS))
        else:
            _write(console.prompt.encode())

    def _pass_size(self) -> None:
        """Set the size of this terminal on the consoles in use, through an idle shell on one of them.

        If all shells are busy, the size is not set: their commands must not be disturbed.
        """
        others = [name for name in reversed(ConsoleName) if name is not self._current and self._screens[name].is_idle]
        if not others:
            return
        helper = min(others, key=lambda name: name in self._visited)
        columns, rows = os.get_terminal_size(sys.stdout.fileno())
        command = "; ".join(f"stty -F {_PORTS[name]} rows {rows} cols {columns}" for name in self._visited)
        try:
            console = self._machine.console(helper, deadline=Deadline.after(_SECONDS))
            console.run(command, deadline=Deadline.after(_SECONDS))
        except Unanswered:
            return


def _terminfo(term: str) -> list[str]:
    """Return the commands that give a shell the description of this terminal, for which the guest has no file.

    ncurses reads a compiled description from the variable TERMINFO: terminfo(5), "b64:".
    """
    for folder in (str(Path.home() / ".terminfo"), *_TERMINFO):
        file = Path(folder) / term[:1] / term
        if term and "/" not in term and file.is_file():
            text = "b64:" + base64.urlsafe_b64encode(file.read_bytes()).decode()
            parts = [text[at : at + _LINE_LENGTH] for at in range(0, len(text), _LINE_LENGTH)]
            return ["TERMINFO=", *(f"TERMINFO+={part}" for part in parts), "export TERMINFO"]
    return []


def _last_words(machine: Machine) -> str:
    """Return the last lines of the kernel log, with the splats first."""
    log = plain_text((machine.folder / f"{KERNEL_LOG}.log").read_text(errors="replace"))
    wrong = [splat.title for splat in scan(log)]
    return "\n".join([*wrong, *log.splitlines()[-_LOG_LINES:]])


@contextmanager
def _raw_terminal() -> Iterator[None]:
    before = termios.tcgetattr(sys.stdin.fileno())
    try:
        tty.setraw(sys.stdin.fileno())
        yield
    finally:
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, before)


@contextmanager
def _resizes() -> Iterator[int]:
    """Yield a file descriptor that is readable when the terminal's size has changed."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    before = signal.signal(signal.SIGWINCH, lambda number, frame: None)
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGWINCH, before)
        os.close(reader)
        os.close(writer)


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(sys.stdout.fileno(), data) :]
