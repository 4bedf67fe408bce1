# SPDX-License-Identifier: GPL-2.0-only
"""Read the announcements that a guest shell prints between the bytes of its output. Pure.

Every shell of the guest announces its prompts by escape sequences (the idea of OSC 133, "semantic prompts"):

    ESC ] 133 ; C ; NONCE BEL                           a command line was read; its output follows
    ESC ] 133 ; D ; STATUS ; NONCE ; PID ; PROMPT BEL   the command ended; the shell PID prints PROMPT next
    ESC ] 133 ; E ; STATUS ; NONCE ; CONSOLE BEL        the console's first shell ended; a new one starts

The host draws a random nonce for each machine, so that no output, not even the log of another run, can be mistaken
for an announcement. Printed prompts stay as the manual page prints them; no decision depends on them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

BOOT_NONCE = "boot"
"""The nonce of the shells until the host sets another one (see qemu/init.sh)."""

INTRODUCER = b"\x1b]133;"
MARKER_LIMIT = 4096
"""Longest announcement in bytes; anything longer is output."""

_ANY_ANNOUNCEMENT = re.compile(rb"\x1b\]133;[CDE];[^\x07\x1b]*\x07")


@dataclass(frozen=True, slots=True)
class Ended:
    """Announcement that a command ended.

    :param status: exit status of the command.
    :param shell: pid of the shell that announces it.
    :param prompt: the prompt that the shell prints next; invalid UTF-8 is shown as U+FFFD.
    :param printed: the bytes of the prompt.
    """

    status: int
    shell: int
    prompt: str
    printed: bytes


@dataclass(frozen=True, slots=True)
class ShellDied:
    """Announcement that the first shell of a console ended, with its status (128 + the signal when it was killed)."""

    status: int


def announcement_pattern(nonce: str) -> bytes:
    """Return a regular expression for "a command ended" (groups 1-3) or "the shell died" (group 4) with a nonce."""
    escaped = re.escape(nonce.encode())
    return (
        rb"\x1b\]133;(?:D;(\d{1,3});" + escaped + rb";(\d{1,10});([^\x07]{0,2048})\x07"
        rb"|E;(\d{1,3});" + escaped + rb";[a-z]+\x07)"
    )


def read_announcement(match: re.Match[bytes]) -> Ended | ShellDied:
    """Read the announcement in a match of :func:`announcement_pattern`."""
    if match[4] is not None:
        return ShellDied(int(match[4]))
    # \x01 and \x02 are how bash marks the invisible parts of a prompt; they are not printed.
    printed = match[3].translate(None, b"\x01\x02")
    return Ended(int(match[1]), int(match[2]), printed.decode(errors="replace"), printed)


def output_of(raw: bytes, nonce: str) -> bytes:
    """Return the output in the bytes since a command was sent, without the echo before "output follows"."""
    opening = _opening(nonce)
    _, found, after = raw.partition(opening)
    return (after if found else raw).replace(opening, b"")


def as_text(output: bytes) -> str:
    """Convert output to text: line ends normalized, announcements removed, invalid UTF-8 shown as U+FFFD."""
    clean = _ANY_ANNOUNCEMENT.sub(b"", output).replace(b"\r\n", b"\n")
    return clean.decode(errors="replace")


def _opening(nonce: str) -> bytes:
    return b"\x1b]133;C;" + nonce.encode() + b"\x07"


class Bound:
    """Pass bytes of a stream on, but of one command's output no more than the head and the tail.

    A line between head and tail gives the number of bytes that are left out. Announcements and matches of
    :attr:`awaited` always pass, however much output surrounds them.

    :param nonce: nonce of the announcements.
    :param head: bytes of output that pass at once.
    :param tail: last bytes of the rest that pass at the end.
    """

    def __init__(self, nonce: str, *, head: int = 512 * 1024, tail: int = 64 * 1024) -> None:
        self.awaited: re.Pattern[bytes] | None = None
        """Pattern that ends the output, beside announcements."""
        self._announcement = re.compile(re.escape(_opening(nonce)) + b"|" + announcement_pattern(nonce))
        self._head = head
        self._tail = tail
        self._passed = 0
        self._recent = b""  # the last bytes that passed: a match may begin there
        self._held = bytearray()
        self._dropped = 0

    def restart(self) -> None:
        """Begin with the output of the next command."""
        self._passed = 0
        self._recent = b""

    def feed(self, data: bytes) -> bytes:
        """Take bytes of the stream, and return those that may pass now."""
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
        """Return the bytes that were held back, without the part that is left out.

        :param upto: offset where the tail ends; all bytes after it pass.
        """
        self._drop((len(self._held) if upto is None else upto) - self._tail)
        gap = f"\n[{self._dropped} bytes left out; the log of this console has them]\n" if self._dropped else ""
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
        """Find where the first announcement or match begins in the held bytes; the last ``fresh`` bytes are new."""
        start = len(self._held) - fresh - MARKER_LIMIT
        before = self._recent if start < 0 else b""
        window = before + self._held[max(0, start) :]
        patterns = filter(None, (self._announcement, self.awaited))
        starts = [found.start() for pattern in patterns if (found := pattern.search(window))]
        return min(starts) - len(before) + max(0, start) if starts else None

    def _drop(self, count: int) -> None:
        if count > 0:
            self._dropped += count
            del self._held[:count]
