"""The consoles of a machine on a person's terminal, one at a time."""

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
"""Ctrl-], as telnet has it."""
NEXT = b"\x1e"
"""Ctrl-^."""

_PORTS = {ConsoleName.ADMIN: "/dev/ttyS1", ConsoleName.INSIDE: "/dev/ttyS2", ConsoleName.OBSERVER: "/dev/ttyS3"}
_KEYS = re.compile(b"([" + re.escape(LEAVE + NEXT) + b"])")
_ANNOUNCEMENT = re.compile(re.escape(INTRODUCER) + rb"([CDE]);[^\x07\x1b]*\x07")
_SECONDS = 5.0
_LOG_LINES = 15
_CHUNK_BYTES = 1 << 16
_TERMINFO = ("/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo")
_LINE_LENGTH = 3000  # a terminal takes 4095 bytes as one line
_AFTERWARDS = b"\x1b[0m\x1b[?25h\x1b[?2004l"
"""Plain text, a cursor, no marks around what is pasted: what a program of the guest may have left behind."""


def relay_consoles(machine: Machine, first: ConsoleName) -> str:
    """Connect this terminal with one console after another until the person leaves or the machine ends.

    :param first: the console to begin with.
    :return: how it ended; of a machine that did so by itself the last words.
    """
    with _raw_terminal(), _resizes() as resizes:
        seat = _Seat(machine, first)
        try:
            return seat.stay(resizes)
        except (BrokenPipeError, TimeoutError) as error:
            return f"the console does not take what is typed: {error}"
        finally:
            _write(_AFTERWARDS if os.environ.get("TERM", "dumb") != "dumb" else b"")


class Screen:
    """What comes from a console, without the announcements of its shells, which not every terminal passes over."""

    def __init__(self) -> None:
        self.has_died = False
        """Whether the console's first shell has ended, and the next one has not yet come to its prompt."""
        self.is_fresh = False
        """Whether that next one stands at its first prompt; to be taken back by who deals with it."""
        self.is_idle = True
        """Whether a shell stands at its prompt and nothing was typed since; to be taken back by who types."""
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they come; return what is to be seen."""
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
    """Whether an announcement may begin there, the rest of which is still to come."""
    start = end[: len(INTRODUCER)]
    return INTRODUCER.startswith(start) and len(end) < MARKER_LIMIT and b"\x07" not in end


class _Seat:
    """A person before the consoles."""

    def __init__(self, machine: Machine, first: ConsoleName) -> None:
        self._machine = machine
        self._wires = machine.wires
        self._current = first
        self._screens = {name: Screen() for name in ConsoleName}
        self._visited: set[ConsoleName] = set()

    def stay(self, resizes: int) -> str:
        """Pass everything on until it is over; returns how it ended."""
        with selectors.DefaultSelector() as selector:
            for handle, name in ((sys.stdin.fileno(), "keys"), (resizes, "size"), (self._wires.fileno(), "wires")):
                selector.register(handle, selectors.EVENT_READ, name)
            self._turn_to(self._current)
            while self._wires.is_open(self._current.value):
                for key, _ in selector.select():
                    if key.data == "size":
                        os.read(resizes, 64)
                        self._pass_size()
                    elif key.data == "keys" and not self._take_keys(os.read(sys.stdin.fileno(), 4096)):
                        return "left; the machine is gone"
                # Whatever woke us: what was done for it may have taken in output of the current console.
                self._show()
        self._wires.drain(Deadline.after(1.0))
        return f"the machine ended\n{_last_words(self._machine)}"

    def _take_keys(self, typed: bytes) -> bool:
        """Pass on what was typed; false when the person leaves."""
        for part in _KEYS.split(typed):
            if part == LEAVE:
                return False
            if part == NEXT:
                order = list(ConsoleName)
                self._turn_to(order[(order.index(self._current) + 1) % len(order)])
            elif part:
                self._screens[self._current].is_idle = False
                self._wires.send(self._current.value, part, deadline=Deadline.after(_SECONDS))
        return bool(typed)

    def _show(self) -> None:
        """Show what has come from the current console."""
        self._wires.pump(Deadline.after(0))
        screen = self._screens[self._current]
        while data := self._wires.take(self._current.value, _CHUNK_BYTES):
            _write(screen.feed(data))
        if screen.is_fresh:
            screen.is_fresh = False
            self._furnish(self._current, is_fresh=True)

    def _turn_to(self, name: ConsoleName) -> None:
        self._current = name
        _write(f"\r\n[console {name}; Ctrl-^ goes to the next one, Ctrl-] leaves]\r\n".encode())
        self._show()
        if name not in self._visited:
            self._visited.add(name)
            self._furnish(name)
        else:
            self._wires.send(name.value, b"\n", deadline=Deadline.after(_SECONDS))

    def _furnish(self, name: ConsoleName, *, is_fresh: bool = False) -> None:
        """Echo, line ends, line editing and the size of the terminal, none of which the harness itself wants.

        :param is_fresh: the shell has just come in the place of one that ended, and does not know the nonce.
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
            # A console in the midst of something stays as it is.
            self._wires.send(name.value, b"\n", deadline=Deadline.after(_SECONDS))
        else:
            _write(console.prompt.encode())

    def _pass_size(self) -> None:
        """Tell the terminals in use the size of this one, through a shell that stands idle on another one.

        Where all are busy nothing is said: what goes on there is not the harness's to disturb.
        """
        others = [name for name in reversed(ConsoleName) if name is not self._current and self._screens[name].is_idle]
        if not others:
            return
        helper = min(others, key=lambda name: name in self._visited)
        columns, rows = os.get_terminal_size(sys.stdout.fileno())
        words = "; ".join(f"stty -F {_PORTS[name]} rows {rows} cols {columns}" for name in self._visited)
        try:
            console = self._machine.console(helper, deadline=Deadline.after(_SECONDS))
            console.run(words, deadline=Deadline.after(_SECONDS))
        except Unanswered:
            return


def _terminfo(term: str) -> list[str]:
    """Commands that give a shell the description of this terminal, which the guest has no file of.

    ncurses takes a compiled one from the variable TERMINFO: terminfo(5), "b64:".
    """
    for folder in (str(Path.home() / ".terminfo"), *_TERMINFO):
        file = Path(folder) / term[:1] / term
        if term and "/" not in term and file.is_file():
            text = "b64:" + base64.urlsafe_b64encode(file.read_bytes()).decode()
            parts = [text[at : at + _LINE_LENGTH] for at in range(0, len(text), _LINE_LENGTH)]
            return ["TERMINFO=", *(f"TERMINFO+={part}" for part in parts), "export TERMINFO"]
    return []


def _last_words(machine: Machine) -> str:
    """What the kernel said last; first of all what went wrong."""
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
    """A descriptor that can be read when the terminal's size has changed."""
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
