# SPDX-License-Identifier: GPL-2.0-only
"""Read the kernel log as it comes, and find complete splats, each once. Pure.

A splat starts at the line that names it (or at the line above, for a cut mark or a rule of equal signs). It ends at its
end mark, at the rule that closes a memory checker's report, or at lines that are not part of a splat. Within a splat,
unknown lines are held back: they belong to it if a known line follows (other CPUs and programs write in between), and
do not if there are too many.

A panic that follows a splat is a part of it, which is then ``fatal``. An OOM kill, the segmentation fault of a program
and the dumps of sysrq are not splats.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from enum import Enum

from harness.kernellog.lines import (
    RULE,
    Opening,
    SplatKind,
    content_of,
    has_stamp,
    is_candidate,
    is_dump,
    is_end,
    is_story,
    is_tail,
    is_trace,
    is_unrelated,
    start_of,
)
from harness.kernellog.splat import Splat, fingerprint_of, title_of

__all__ = ["KernelLog", "Splat", "SplatKind", "scan"]

LINE_LIMIT_BYTES = 16 * 1024
"""Longest part of a line that is kept; the kernel's own lines are below 1 KiB, lists of modules are longer."""
SPLAT_LIMIT_LINES = 4000
SPLAT_LIMIT_BYTES = 1024 * 1024
HELD_LIMIT_LINES = 64


class _Phase(Enum):
    """Part of a splat; the value is the largest number of consecutive unknown lines in it."""

    HEAD = 16
    TRACE = 4
    TAIL = 3


_CHECKERS = (SplatKind.KASAN, SplatKind.KCSAN, SplatKind.KMSAN, SplatKind.KFENCE, SplatKind.UBSAN)
_STORYTELLERS = (SplatKind.LOCKDEP, *_CHECKERS)
_INNER = (SplatKind.LIST_CORRUPTION, SplatKind.REFCOUNT, SplatKind.DEBUGOBJECTS)
_VAGUE = (Opening.OTHER_BUG, Opening.OTHER_WARNING)
_COVERS = (Opening.CUT, Opening.WARN, Opening.KERNEL_BUG)


@dataclass(slots=True)
class _Growing:
    """A splat whose end has not been read."""

    line: int
    kind: SplatKind | None = None
    opening: Opening = Opening.CUT
    title: str = ""
    fatal: bool = False
    phase: _Phase = _Phase.HEAD
    lines: list[str] = field(default_factory=list)
    held: list[tuple[int, str]] = field(default_factory=list)
    unknown: int = 0
    size: int = 0

    @property
    def is_full(self) -> bool:
        """Return whether the splat has reached its size limit, as in a broken log."""
        return len(self.lines) >= SPLAT_LIMIT_LINES or self.size >= SPLAT_LIMIT_BYTES

    def take(self, line: str) -> None:
        """Add a line that belongs to the splat, and the lines that were held back before it."""
        added = [*(held for _, held in self.held), line]
        self.lines += added
        self.size += sum(map(len, added))
        self.held.clear()
        self.unknown = 0

    def hold(self, number: int, line: str, *, blank: bool) -> bool:
        """Hold a line back, and return whether more may follow."""
        self.held.append((number, line))
        self.unknown += not blank
        return self.unknown <= self.phase.value and len(self.held) <= HELD_LIMIT_LINES

    def knows(self, content: str) -> bool:
        """Return whether the line is typical for this part of the splat."""
        if self.phase is _Phase.TAIL:
            return is_tail(content)
        return is_dump(content) or (self.kind in _STORYTELLERS and is_story(content))

    def name(self, opening: Opening, kind: SplatKind, content: str) -> None:
        """Set kind and title of the splat from a line."""
        self.opening, self.kind, self.title = opening, kind, title_of(content)

    def goes_on_with(self, opening: Opening, kind: SplatKind | None) -> bool:
        """Return whether a line that could start a splat belongs to this one."""
        if opening is Opening.FOLLOW_UP or (opening is Opening.SLAB and self.kind is SplatKind.KASAN):
            return True
        if kind is SplatKind.PANIC:
            return not self.unknown
        if self.phase is not _Phase.HEAD:
            return False
        if self.kind is None:
            return opening is not Opening.CUT
        if self.unknown:
            return False
        if opening is Opening.TRAP:
            return self.kind in (SplatKind.OOPS, *_INNER) or self.opening is Opening.KERNEL_BUG
        if self.kind in _INNER:
            return opening in _COVERS
        return kind in _INNER and self.opening in _COVERS

    def finished(self) -> Splat:
        kind = self.kind or SplatKind.WARNING
        text = "\n".join(self.lines)
        words = (content_of(line)[0] for line in self.lines[1:])
        title = self.title or title_of(next(filter(None, words), "cut here"))
        return Splat(kind, title, text, fingerprint_of(kind, title, text), self.fatal, self.line)


class KernelLog:
    """The scanner of one kernel log.

    Feed it bytes in pieces of any size: the splats are the same. Memory is bounded for any input.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._lines_seen = 0
        self._growing: _Growing | None = None
        self._rule: tuple[int, str] | None = None
        self._stamps_seen = False
        self._panicked = False
        self._done: list[Splat] = []

    @property
    def pending(self) -> bool:
        """Return whether a splat has begun whose end was not read; :meth:`close` ends it."""
        return self._growing is not None

    @property
    def is_panicked(self) -> bool:
        """Return whether the log has the line of a panic."""
        return self._panicked

    def feed(self, data: bytes) -> list[Splat]:
        """Read more of the log.

        :param data: bytes of the console; carriage returns and NULs are ignored.
        :return: the splats that ended here; the last lines of a log often leave one :attr:`pending`.
        """
        data = data.translate(None, b"\r\0")
        cut = data.rfind(b"\n")
        if cut < 0:
            self._rest = (self._rest + data)[:LINE_LIMIT_BYTES]
            return []
        block = self._rest + data[:cut]
        self._rest = data[cut + 1 :][:LINE_LIMIT_BYTES]
        self._read(block)
        return self._taken()

    def close(self) -> list[Splat]:
        """End a pending splat and an unfinished line, and return the splats that ended; more may be read afterwards."""
        if self._rest:
            block, self._rest = self._rest, b""
            self._read(block)
        self._finish()
        return self._taken()

    def _taken(self) -> list[Splat]:
        done, self._done = self._done, []
        return done

    def _read(self, block: bytes) -> None:
        """Read complete lines, without the last newline."""
        first = self._lines_seen + 1
        self._lines_seen += block.count(b"\n") + 1
        if self._growing is None and self._stamps_seen and not is_candidate(block):
            self._rule = None
            return
        for number, whole in enumerate(block.split(b"\n"), first):
            line = whole[:LINE_LIMIT_BYTES]
            self._stamps_seen = self._stamps_seen or has_stamp(line)
            if self._growing is not None or is_candidate(line):
                self._read_line(number, _text(line))
            else:
                self._rule = None

    def _read_line(self, number: int, line: str) -> None:
        content, stamped = content_of(line)
        started = start_of(content)
        if started and started[0] in _VAGUE and self._stamps_seen and not stamped:
            # Output of a program: if the kernel stamps its lines, a vague line without a stamp is not the kernel's.
            started = None
        growing = self._growing
        if growing is not None:
            goes_on = growing.goes_on_with(*started) if started else not is_unrelated(content)
            if goes_on and not growing.is_full:
                if started:
                    self._accept(growing, started, line, content)
                elif not self._go_on(growing, number, line, content):
                    self._finish()
                return
            self._finish()
        rule, self._rule = self._rule, None
        if started:
            growing = self._growing = _Growing(rule[0] if rule else number, lines=[rule[1]] if rule else [])
            self._accept(growing, started, line, content)
        elif RULE.match(content):
            self._rule = number, line

    def _accept(self, growing: _Growing, started: tuple[Opening, SplatKind | None], line: str, content: str) -> None:
        """Add a line that starts a splat or names the current one."""
        opening, kind = started
        growing.take(line)
        if kind is SplatKind.PANIC:
            self._panicked = growing.fatal = True
            growing.phase = _Phase.TRACE
        elif opening is Opening.SLAB:
            # The rule above it looked like the end of KASAN's report.
            growing.phase = _Phase.HEAD
        if kind is not None and (growing.kind is None or (kind in _INNER and growing.kind not in _INNER)):
            growing.name(opening, kind, content)
        if kind is SplatKind.KMEMLEAK:
            self._finish()

    def _go_on(self, growing: _Growing, number: int, line: str, content: str) -> bool:
        """Add a line to the current splat, and return whether more may follow."""
        if is_end(content) or (RULE.match(content) and growing.kind in _CHECKERS and growing.phase is _Phase.HEAD):
            growing.take(line)
            growing.phase = _Phase.TAIL
        elif growing.knows(content):
            growing.take(line)
            self._advance(growing, content)
        else:
            return growing.hold(number, line, blank=not content.strip())
        return True

    def _advance(self, growing: _Growing, content: str) -> None:
        """Go from head to trace; a memory checker's report has several traces, lockdep's has its explanation first."""
        if growing.phase is not _Phase.HEAD or growing.kind in _CHECKERS:
            return
        if content.startswith("stack backtrace:") if growing.kind is SplatKind.LOCKDEP else is_trace(content):
            growing.phase = _Phase.TRACE

    def _finish(self) -> None:
        """End the current splat; lines that were held back are not part of it, but may have the rule of the next."""
        growing, self._growing = self._growing, None
        if growing is None:
            return
        if growing.is_full:
            growing.take("[truncated by the harness: the rest is in the log]")
        self._done.append(growing.finished())
        if growing.held and RULE.match(content_of(growing.held[-1][1])[0]):
            self._rule = growing.held[-1]


def scan(text: str) -> tuple[Splat, ...]:
    """Find all splats of a whole kernel log, in the order of their first lines."""
    log = KernelLog()
    return tuple(itertools.chain(log.feed(text.encode(errors="replace")), log.close()))


def _text(line: bytes) -> str:
    return line.decode(errors="replace")
