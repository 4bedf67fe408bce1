"""A shell of the guest on a serial port: the only user of pexpect.

How the end of a command is known, and what the bytes mean, is in ``harness/guest/prompt.py``.
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
"""A terminal in canonical mode takes no longer line: termios(3)."""
_LAST_WORDS_SECONDS = 5.0
"""How long a machine whose kernel panicked may take to say the rest and end."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a shell answered to one command.

    :param output: what was printed, as text; a gap in very long output says how many bytes it leaves out.
    :param status: exit status as the shell gives it (128 + the signal for a killed command).
    :param shell: pid of the shell that printed the prompt after it, as that shell knows itself.
    :param prompt: the prompt that now stands there.
    :param seconds: from sending the command to the prompt.
    """

    output: str
    status: int
    shell: int
    prompt: str
    seconds: float


class Unanswered(Exception):  # noqa: N818  the word says what happened; it is no error of the harness
    """A command did not return.

    :param fate: what is known of it at this point.
    :param output: what was printed until then.
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
        """Bytes of this wire as soon as there are any that the bound lets pass; pexpect's contract."""
        deadline = Deadline.never() if timeout is None else Deadline.after(timeout)
        try:
            while True:
                if passing := self.bound.feed(self._take(size, deadline)):
                    return passing
                if deadline.is_past:
                    raise pexpect.TIMEOUT("much came, but nothing that was waited for")
        except pexpect.ExceptionPexpect:
            # Who waited in vain sees the tail.
            if passing := self.bound.release():
                return passing
            raise

    def await_match(self, pattern: re.Pattern[bytes], deadline: Deadline) -> None:
        """Wait until a pattern matches; :attr:`seen_before` and :attr:`seen_match` say where.

        :raises pexpect.TIMEOUT: it did not before the deadline. :raises pexpect.EOF: the machine is gone.
        """
        seconds = deadline.seconds_left
        self.bound.awaited = pattern
        self.expect_list([pattern], timeout=None if seconds == float("inf") else seconds)

    def _take(self, size: int, deadline: Deadline) -> bytes:
        """Bytes of this wire as soon as there are any."""
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
        """What came before the match, or until the time-out or the end."""
        return self.before if isinstance(self.before, bytes) else b""

    @property
    def seen_match(self) -> re.Match[bytes]:
        """The match that the last wait ended with."""
        assert isinstance(self.match, re.Match)
        return self.match


class Console:
    """One shell of a machine.

    :param wires: the machine's wires.
    :param name: the port.
    """

    def __init__(self, wires: Wires, name: str) -> None:
        self.name = name
        self.prompt = ""
        """The prompt that stands there now."""
        self.shell = 0
        """Pid of the shell that printed it."""
        self._port = _Port(wires, name)
        self._wires = wires
        self._nonce = BOOT_NONCE
        self._pattern = re.compile(announcement_pattern(BOOT_NONCE))
        self._stands = True  # whether the prompt does, as far as was read

    def await_first_prompt(self, deadline: Deadline) -> None:
        """Wait until the shell that init started stands at its prompt; what is typed earlier is thrown away by it.

        :raises Unanswered: it never did.
        """
        self._await_end(deadline)

    def adopt(self, nonce: str, *, prompt: str | None, deadline: Deadline) -> None:
        """Give the shell this machine's nonce, and a prompt if another one is wanted.

        :raises Unanswered: the shell does not answer.
        """
        # An assignment and nothing more: under emulation each thing that a clone does first is translated first.
        words = [f"HARNESS_NONCE={nonce}"]
        if prompt is not None:
            words.append("PS1='" + prompt.replace("'", "'\\''") + "'")
        self._nonce = nonce
        self._pattern = re.compile(announcement_pattern(nonce))
        self._port.bound = Bound(nonce)
        self.run("; ".join(words), deadline=deadline)

    def run(self, command: str, *, deadline: Deadline) -> CommandResult:
        """Type a command line (or several, as continuation lines) and return what the shell answered.

        A command that was given up before, or a shell that came after one that died, is waited for first.

        :raises Unanswered: no prompt came before the deadline, the shell died (maybe before this command, which is
            then not typed), or the machine is gone.
        :raises CaseError: a line is longer than a terminal takes, or it is more than one command.
        """
        _check_typable(command)
        self._catch_up(deadline)
        started = time.monotonic()
        self.type(command + "\n", deadline=deadline)
        ended, output = self._await_end(deadline)
        return CommandResult(output, ended.status, ended.shell, ended.prompt, time.monotonic() - started)

    def type(self, text: str, *, deadline: Deadline) -> None:
        """Type text as it is, without waiting for anything; see :meth:`await_text`.

        :raises Unanswered: the machine is gone, or takes no input.
        """
        self._stands = False
        try:
            self._wires.send(self.name, text.encode(), deadline=deadline)
        except BrokenPipeError:
            raise Unanswered(Fate.MACHINE_LOST, "") from None
        except TimeoutError:
            raise Unanswered(Fate.KERNEL_GONE, "") from None

    def await_text(self, pattern: str, *, deadline: Deadline) -> str:
        """Wait until output matches a regular expression; return what came up to it.

        For a command that asks for something before it ends.

        :raises Unanswered: it never did.
        """
        self._expect(re.compile(pattern.encode()), deadline)
        return as_text(output_of(self._port.seen_before + self._port.seen_match.group(), self._nonce))

    def await_prompt(self, *, deadline: Deadline) -> CommandResult:
        """Wait for the end of a command that was typed with :meth:`type`.

        :raises Unanswered: as :meth:`run`.
        """
        started = time.monotonic()
        ended, output = self._await_end(deadline)
        return CommandResult(output, ended.status, ended.shell, ended.prompt, time.monotonic() - started)

    def interrupt(self, *, deadline: Deadline) -> CommandResult:
        """Type Ctrl-C and wait for the prompt.

        :raises Unanswered: not even that brings it back.
        """
        self.type("\x03", deadline=deadline)
        return self.await_prompt(deadline=deadline)

    def _catch_up(self, deadline: Deadline) -> None:
        """Let the prompt stand there, and learn what happened to the shell while nobody looked."""
        if not self._stands:
            self._await_end(deadline)
        self._wires.pump(Deadline.after(0))
        unread = self._wires.unread(self.name)
        while unread > 0:
            try:
                self._port.await_match(self._pattern, Deadline.after(0))
            except pexpect.ExceptionPexpect:
                unread -= _READ_BYTES  # noise; or the end, which the next wait tells of
            else:
                self._finish_end(deadline)

    def _await_end(self, deadline: Deadline) -> tuple[Ended, str]:
        self._expect(self._pattern, deadline)
        return self._finish_end(deadline)

    def _finish_end(self, deadline: Deadline) -> tuple[Ended, str]:
        """An announcement was matched: take it in, up to the prompt."""
        raw = self._port.seen_before
        said = read_announcement(self._port.seen_match)
        if isinstance(said, ShellDied):
            self._stands = False
            raise Unanswered(Fate.SHELL_DIED, self._text(raw), status=said.status)
        # Only when the printed prompt stands there does the shell read: a new shell throws away what came earlier.
        # Between announcement and prompt bash puts the notices of ended jobs: output, for whoever reads along.
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
    """See that a terminal takes it, and that it has one end.

    :raises CaseError: it does not, or has several.
    """
    lines = command.split("\n")
    longest = max(len(line.encode()) for line in lines)
    if longest > _CANONICAL_LINE_BYTES:
        raise CaseError(
            f"a command line of {longest} bytes is longer than a terminal takes ({_CANONICAL_LINE_BYTES})",
            evidence=command[:100] + " ...",
            remedy="write it as several lines, or let a here-document make a script of it",
        )
    for count in range(1, len(lines)):
        if not read_shell("\n".join(lines[:count])).incomplete:
            raise CaseError(
                "this is more than one command, and each would be answered by itself",
                evidence=command if len(command) < 1000 else command[:1000] + " ...",
                remedy="run one after the other, or join them with ; or &&",
            )
