"""What a guest shell says about itself, between the bytes of its output. Pure.

Every shell of the guest announces its prompts by escape sequences (the idea of OSC 133, "semantic prompts"):

    ESC ] 133 ; C ; NONCE BEL                           a command line was read; its output follows
    ESC ] 133 ; D ; STATUS ; NONCE ; PID ; PROMPT BEL   the command ended; the shell PID prints PROMPT next
    ESC ] 133 ; E ; STATUS ; NONCE ; CONSOLE BEL        the console's first shell ended; a new one starts

The nonce is drawn by the host for each machine, so that no output, not even the log of another run, can pass for an
announcement. Printed prompts stay as the manual page prints them, and decide nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

BOOT_NONCE = "boot"
"""The nonce that shells have until the host gives them one (see qemu/init.sh)."""

INTRODUCER = b"\x1b]133;"
MARKER_LIMIT = 4096
"""No announcement is longer, in bytes; what is, is output."""

_ANY_ANNOUNCEMENT = re.compile(rb"\x1b\]133;[CDE];[^\x07\x1b]*\x07")


@dataclass(frozen=True, slots=True)
class Ended:
    """A command ended: its exit status, the pid of the shell that says so, and the prompt that it prints next."""

    status: int
    shell: int
    prompt: str


@dataclass(frozen=True, slots=True)
class ShellDied:
    """The first shell of a console ended, with that exit status (128 + the signal when it was killed)."""

    status: int


def announcement_pattern(nonce: str) -> bytes:
    """A regular expression for "a command ended" (groups 1-3) or "the shell died" (group 4) under that nonce."""
    word = re.escape(nonce.encode())
    return (
        rb"\x1b\]133;(?:D;(\d{1,3});" + word + rb";(\d{1,10});([^\x07]{0,2048})\x07"
        rb"|E;(\d{1,3});" + word + rb";[a-z]+\x07)"
    )


def read_announcement(match: re.Match[bytes]) -> Ended | ShellDied:
    """What a match of :func:`announcement_pattern` says."""
    if match[4] is not None:
        return ShellDied(int(match[4]))
    # \x01 and \x02 are how bash marks the invisible parts of a prompt; they are not printed.
    prompt = match[3].translate(None, b"\x01\x02").decode(errors="replace")
    return Ended(int(match[1]), int(match[2]), prompt)


def output_of(raw: bytes, nonce: str) -> bytes:
    """The output proper in what came since the command was sent: what stands before "output follows" is echo."""
    opening = b"\x1b]133;C;" + nonce.encode() + b"\x07"
    _, found, after = raw.partition(opening)
    return (after if found else raw).replace(opening, b"")


def as_text(output: bytes) -> str:
    """Output as text for a transcript: line ends normalised, announcements out, invalid UTF-8 shown as U+FFFD."""
    clean = _ANY_ANNOUNCEMENT.sub(b"", output).replace(b"\r\n", b"\n")
    return clean.decode(errors="replace")


class Bound:
    """A stream with a bound: passes bytes on, but of one command's output no more than the head and the tail.

    What is left out is counted. Announcements always get through, however much output surrounds them.

    :param head: bytes of output that pass at once. :param tail: bytes kept of what comes after.
    """

    def __init__(self, nonce: str, *, head: int = 512 * 1024, tail: int = 64 * 1024) -> None:
        self._pattern = re.compile(announcement_pattern(nonce))
        self._head = head
        self._tail = tail
        self.restart()

    def restart(self) -> None:
        """A new command: nothing has passed yet."""
        self._passed = 0
        self._held = bytearray()
        self.dropped = 0
        """Bytes of this command's output left out so far."""
        self.head_end = 0
        """How many bytes passed before the gap."""

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they come; return those that may pass now."""
        if not self._held and self._passed + len(data) <= self._head:
            self._passed += len(data)
            return data
        passing = b""
        if not self._held:
            room = max(0, self._head - self._passed)
            passing, data = data[:room], data[room:]
            self._passed += len(passing)
        searched_from = max(0, len(self._held) - MARKER_LIMIT)
        self._held += data
        if self._pattern.search(self._held, searched_from):
            # The end of the command is here: let the tail through, announcement and all.
            found = self._pattern.search(self._held, searched_from)
            assert found is not None
            self._drop(max(0, found.start() - self._tail))
            passing, self._held = passing + bytes(self._held), bytearray()
            self._passed = 0
        else:
            self._drop(max(0, len(self._held) - self._tail - MARKER_LIMIT))
        return passing

    def _drop(self, count: int) -> None:
        if count:
            if not self.dropped:
                self.head_end = self._passed
            self.dropped += count
            del self._held[:count]
