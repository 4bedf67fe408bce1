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
    """A command ended: its exit status, the pid of the shell that says so, and the prompt that it prints next.

    :param printed: the bytes of the prompt, as they come; ``prompt`` shows those that are no UTF-8 as U+FFFD.
    """

    status: int
    shell: int
    prompt: str
    printed: bytes


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
    printed = match[3].translate(None, b"\x01\x02")
    return Ended(int(match[1]), int(match[2]), printed.decode(errors="replace"), printed)


def output_of(raw: bytes, nonce: str) -> bytes:
    """The output proper in what came since the command was sent: what stands before "output follows" is echo."""
    opening = _opening(nonce)
    _, found, after = raw.partition(opening)
    return (after if found else raw).replace(opening, b"")


def as_text(output: bytes) -> str:
    """Output as text for a transcript: line ends normalised, announcements out, invalid UTF-8 shown as U+FFFD."""
    clean = _ANY_ANNOUNCEMENT.sub(b"", output).replace(b"\r\n", b"\n")
    return clean.decode(errors="replace")


def _opening(nonce: str) -> bytes:
    return b"\x1b]133;C;" + nonce.encode() + b"\x07"


class Bound:
    """A stream with a bound: passes bytes on, but of one command's output no more than the head and the tail.

    A line in the midst of what passes says how much is left out. Announcements always get through, and so does what is
    waited for, however much output surrounds them.

    :param head: bytes of output that pass at once.
    :param tail: bytes kept of what comes after.
    """

    def __init__(self, nonce: str, *, head: int = 512 * 1024, tail: int = 64 * 1024) -> None:
        self.awaited: re.Pattern[bytes] | None = None
        """What lets the tail through, beside announcements."""
        self._announcement = re.compile(re.escape(_opening(nonce)) + b"|" + announcement_pattern(nonce))
        self._head = head
        self._tail = tail
        self._passed = 0
        self._recent = b""  # the last of what passed: what is looked for may begin there
        self._held = bytearray()
        self._dropped = 0

    def restart(self) -> None:
        """What comes now is of the next command."""
        self._passed = 0
        self._recent = b""

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they come; return those that may pass now."""
        passing = b""
        if not self._held:
            room = self._head - self._passed
            if len(data) <= room:
                return self._pass(data)
            passing, data = self._pass(data[:room]), data[room:]
        self._held += data
        start = self._find(len(data))
        if start is not None:
            passing += self.release(upto=start)
        else:
            self._drop(len(self._held) - self._tail - MARKER_LIMIT)
        return passing

    def release(self, *, upto: int | None = None) -> bytes:
        """What is held back, but for the part that is left out for good.

        :param upto: the tail ends there; all that follows passes.
        """
        self._drop((len(self._held) if upto is None else upto) - self._tail)
        gap = f"\n[{self._dropped} bytes left out here; the log of this console has them]\n" if self._dropped else ""
        passing = gap.encode() + self._held
        self._held, self._dropped = bytearray(), 0
        self._pass(passing)
        self._passed = 0
        return passing

    def _pass(self, data: bytes) -> bytes:
        self._passed += len(data)
        self._recent = data[-MARKER_LIMIT:] if len(data) >= MARKER_LIMIT else (self._recent + data)[-MARKER_LIMIT:]
        return data

    def _find(self, fresh: int) -> int | None:
        """Where in what is held the first thing begins that lets it through; ``fresh`` bytes were not searched yet."""
        start = len(self._held) - fresh - MARKER_LIMIT
        before = self._recent if start < 0 else b""
        window = before + self._held[max(0, start) :]
        patterns = filter(None, (self._announcement, self.awaited))
        places = [found.start() for pattern in patterns if (found := pattern.search(window))]
        return min(places) - len(before) + max(0, start) if places else None

    def _drop(self, count: int) -> None:
        if count > 0:
            self._dropped += count
            del self._held[:count]
