# SPDX-License-Identifier: GPL-2.0-only
"""Type commands into a shell of the guest on a serial port; the wrapper of pexpect.

``harness/guest/prompt.py`` defines how the end of a command is recognized and what the bytes mean.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pexpect
from pexpect.spawnbase import SpawnBase

from harness.base.deadline import Deadline
from harness.base.errors import CaseError
from harness.guest.prompt import (
    BOOT_NONCE,
    MARKER_LIMIT,
    Bound,
    Ended,
    ShellDied,
    announcement_pattern,
    as_text,
    output_of,
    read_announcement,
)
from harness.guest.wires import Wires
from harness.model.verdict import Fate
from harness.session.shell_syntax import read_shell

if TYPE_CHECKING:
    _SpawnBase = SpawnBase[bytes]
else:
    _SpawnBase = SpawnBase  # generic for type checkers only

_READ_BYTES = 4096
_CANONICAL_LINE_BYTES = 4095
"""A terminal in canonical mode accepts no longer line: termios(3)."""
_LAST_WORDS_SECONDS = 5.0
"""Time that a machine whose kernel panicked gets to print the rest and end."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The result of one command of a shell.

    :param output: the output as text; a line in very long output gives the number of bytes that are left out.
    :param status: exit status as the shell reports it (128 + the signal for a killed command).
    :param shell: pid of the shell that printed the prompt after the command, in that shell's own pid namespace.
    :param prompt: the prompt that the shell printed last.
    :param seconds: time from sending the command to the prompt.
    """

    output: str
    status: int
    shell: int
    prompt: str
    seconds: float


class Unanswered(Exception):  # noqa: N818  a command without a result is an observation, not an error of the harness
    """A command did not return.

    :param fate: the state of the machine, as far as it is known at this point.
    :param output: the output until then.
    :param status: exit status of the console's first shell, if that ended.
    """

    def __init__(self, fate: Fate, output: str, *, status: int | None = None) -> None:
        super().__init__(fate, output)
        self.fate = fate
        self.output = output
        self.status = status


class _Port(_SpawnBase):
    """pexpect's view of one wire."""

    def __init__(self, wires: Wires, name: str) -> None:
        super().__init__(timeout=None, maxread=_READ_BYTES, searchwindowsize=4 * MARKER_LIMIT)
        self.delaybeforesend = None
        self.delayafterread = None
        self.wires = wires
        self.port = name
        self.bound = Bound(BOOT_NONCE)

    def read_nonblocking(self, size: int = 1, timeout: float | None = None) -> bytes:
        """Wait for bytes of this wire that the bound lets pass, and return them; see pexpect's SpawnBase."""
        deadline = Deadline.never() if timeout is None else Deadline.after(timeout)
        try:
            while True:
                if passing := self.bound.feed(self._take(size, deadline)):
                    return passing
                if deadline.is_past:
                    raise pexpect.TIMEOUT("output came, but no match")
        except pexpect.ExceptionPexpect:
            # After a wait without a match, the tail of the output is still shown.
            if passing := self.bound.release():
                return passing
            raise

    def await_match(self, pattern: re.Pattern[bytes], deadline: Deadline) -> None:
        """Wait until a pattern matches; :attr:`seen_before` and :attr:`seen_match` hold the result.

        :raises pexpect.TIMEOUT: nothing matched before the deadline.
        :raises pexpect.EOF: the machine is gone.
        """
        while True:
            seconds = deadline.seconds_left
            self.bound.awaited = pattern
            try:
                self.expect_list([pattern], timeout=None if seconds == float("inf") else seconds)
            except pexpect.TIMEOUT:
                # The clock of a machine is slower than that of pexpect while QEMU waits for a processor.
                if deadline.is_past:
                    raise
            else:
                return

    def _take(self, size: int, deadline: Deadline) -> bytes:
        """Wait for bytes of this wire and return them."""
        dying = False
        while not (data := self.wires.take(self.port, size)):
            if not self.wires.is_open(self.port):
                raise pexpect.EOF("the serial port was closed")
            if self.wires.kernel_log.is_panicked and not dying:
                dying, deadline = True, deadline.sooner(_LAST_WORDS_SECONDS)
            if not self.wires.pump(deadline) and deadline.is_past:
                if dying:
                    raise pexpect.EOF("the kernel panicked")
                raise pexpect.TIMEOUT("nothing came")
        return data

    @property
    def seen_before(self) -> bytes:
        """Return the output before the match, or until the timeout or the end of the machine."""
        return self.before if isinstance(self.before, bytes) else b""

    @property
    def seen_match(self) -> re.Match[bytes]:
        """Match that ended the last wait."""
        assert isinstance(self.match, re.Match)
        return self.match


class Console:
    """One shell of a machine.

    :param wires: the machine's wires.
    :param name: name of the serial port.
    """

    def __init__(self, wires: Wires, name: str) -> None:
        self.name = name
        self.prompt = ""
        """The prompt that the shell printed last."""
        self.shell = 0
        """Pid of the shell that printed it."""
        self._port = _Port(wires, name)
        self._wires = wires
        self._nonce = BOOT_NONCE
        self._pattern = re.compile(announcement_pattern(BOOT_NONCE))
        self._stands = True  # whether the prompt was the last output that was read

    def await_first_prompt(self, deadline: Deadline) -> None:
        """Wait until the shell that init started prints its first prompt; it discards input that came earlier.

        :raises Unanswered: no prompt came before the deadline.
        """
        self._await_end(deadline)

    def adopt(self, nonce: str, *, prompt: str | None, deadline: Deadline) -> None:
        """Set the shell's nonce to this machine's, and its prompt.

        :param prompt: the new prompt; None keeps the prompt.
        :raises Unanswered: the shell does not answer.
        """
        # Only assignments: under emulation, code that a clone runs for the first time has to be translated first.
        assignments = [f"HARNESS_NONCE={nonce}"]
        if prompt is not None:
            assignments.append("PS1='" + prompt.replace("'", "'\\''") + "'")
        self._nonce = nonce
        self._pattern = re.compile(announcement_pattern(nonce))
        self._port.bound = Bound(nonce)
        self.run("; ".join(assignments), deadline=deadline)

    def run(self, command: str, *, deadline: Deadline) -> CommandResult:
        """Type a command line (or several, as continuation lines), wait for the prompt, and return the result.

        If an earlier command has not ended, or a new shell replaces one that died, its prompt is awaited first.

        :raises Unanswered: no prompt came before the deadline, the shell died (maybe before this command, which is
            then not typed), or the machine is gone.
        :raises CaseError: a line is longer than a terminal accepts, or the text holds more than one command.
        """
        _check_typable(command)
        self._catch_up(deadline)
        started = time.monotonic()
        self.type(command + "\n", deadline=deadline)
        ended, output = self._await_end(deadline)
        return CommandResult(output, ended.status, ended.shell, ended.prompt, time.monotonic() - started)

    def type(self, text: str, *, deadline: Deadline) -> None:
        """Type text unchanged, without waiting for anything; see :meth:`await_text`.

        :raises Unanswered: the machine is gone, or accepts no input.
        """
        self._stands = False
        try:
            self._wires.send(self.name, text.encode(), deadline=deadline)
        except BrokenPipeError:
            raise Unanswered(Fate.MACHINE_LOST, "") from None
        except TimeoutError:
            raise Unanswered(Fate.KERNEL_GONE, "") from None

    def await_text(self, pattern: str, *, deadline: Deadline) -> str:
        """Wait until output matches a regular expression, and return the output up to the end of the match.

        Used for a command that reads input before it ends.

        :raises Unanswered: nothing matched before the deadline.
        """
        self._expect(re.compile(pattern.encode()), deadline)
        return as_text(output_of(self._port.seen_before + self._port.seen_match.group(), self._nonce))

    def await_prompt(self, *, deadline: Deadline) -> CommandResult:
        """Wait for the end of a command that was typed with :meth:`type`.

        :raises Unanswered: see :meth:`run`.
        """
        started = time.monotonic()
        ended, output = self._await_end(deadline)
        return CommandResult(output, ended.status, ended.shell, ended.prompt, time.monotonic() - started)

    def interrupt(self, *, deadline: Deadline) -> CommandResult:
        """Type Ctrl-C and wait for the prompt.

        :raises Unanswered: no prompt came before the deadline.
        """
        self.type("\x03", deadline=deadline)
        return self.await_prompt(deadline=deadline)

    def _catch_up(self, deadline: Deadline) -> None:
        """Wait for the prompt of an earlier command, and read announcements that came since the last command."""
        if not self._stands:
            self._await_end(deadline)
        self._wires.pump(Deadline.after(0))
        unread = self._wires.unread(self.name)
        while unread > 0:
            try:
                self._port.await_match(self._pattern, Deadline.after(0))
            except pexpect.ExceptionPexpect:
                unread -= _READ_BYTES  # noise; or the end, which the next wait reports
            else:
                self._finish_end(deadline)

    def _await_end(self, deadline: Deadline) -> tuple[Ended, str]:
        self._expect(self._pattern, deadline)
        return self._finish_end(deadline)

    def _finish_end(self, deadline: Deadline) -> tuple[Ended, str]:
        """Read the announcement that was matched, and the output up to the prompt."""
        raw = self._port.seen_before
        said = read_announcement(self._port.seen_match)
        if isinstance(said, ShellDied):
            self._stands = False
            raise Unanswered(Fate.SHELL_DIED, self._text(raw), status=said.status)
        # The shell reads only after it has printed the prompt: a new shell discards input that came earlier.
        # bash prints notices of ended jobs between the announcement and the prompt; they belong to the output.
        self.prompt, self.shell = said.prompt, said.shell
        if said.printed:
            self._expect(re.compile(re.escape(said.printed)), deadline, before=raw)
            raw += self._port.seen_before
        self._stands = True
        self._port.bound.restart()
        return said, self._text(raw)

    def _text(self, raw: bytes) -> str:
        return as_text(output_of(raw, self._nonce))

    def _expect(self, pattern: re.Pattern[bytes], deadline: Deadline, *, before: bytes = b"") -> None:
        try:
            self._port.await_match(pattern, deadline)
        except pexpect.TIMEOUT:
            raise Unanswered(Fate.COMMAND_HUNG, self._text(before + self._port.seen_before)) from None
        except pexpect.EOF:
            gone = self._wires.kernel_log.is_panicked
            fate = Fate.KERNEL_GONE if gone else Fate.MACHINE_LOST
            raise Unanswered(fate, self._text(before + self._port.seen_before)) from None


def _check_typable(command: str) -> None:
    """Check that a terminal accepts the lines, and that they are one command.

    :raises CaseError: a line is too long, or there are several commands.
    """
    lines = command.split("\n")
    longest = max(len(line.encode()) for line in lines)
    if longest > _CANONICAL_LINE_BYTES:
        raise CaseError(
            f"a command line of {longest} bytes is longer than a terminal accepts ({_CANONICAL_LINE_BYTES})",
            evidence=command[:100] + " ...",
            remedy="split it into several lines, or write it into a script with a here-document",
        )
    for count in range(1, len(lines)):
        if not read_shell("\n".join(lines[:count])).incomplete:
            raise CaseError(
                "the text holds more than one command; run() takes one",
                evidence=command if len(command) < 1000 else command[:1000] + " ...",
                remedy="call run() for each, or join them with ; or &&",
            )
