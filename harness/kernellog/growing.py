# SPDX-License-Identifier: GPL-2.0-only
"""Collect the lines of a splat whose end has not been read. Pure.

Within a splat, unknown lines are held back: they belong to it if a known line follows (other CPUs and programs write in
between), and do not if there are too many.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from enum import Enum

from harness.kernellog.kinds import Opening, SplatKind
from harness.kernellog.lines import RULE, is_end, is_story, is_tail, is_trace, is_unrelated, match_dump
from harness.kernellog.lost import kind_of_remains
from harness.kernellog.prefix import Line
from harness.kernellog.splat import Splat, make_splat

SPLAT_LIMIT_BYTES = 1024 * 1024
"""Largest memory of one splat; a longer one is a broken log."""
_LINE_COST_BYTES = 256
HELD_LIMIT_LINES = 64


class Phase(Enum):
    """Part of a splat; the value is the largest number of consecutive unknown lines in it."""

    HEAD = 16
    TRACE = 4
    TAIL = 3


_CHECKERS = (SplatKind.KASAN, SplatKind.KCSAN, SplatKind.KMSAN, SplatKind.KFENCE, SplatKind.UBSAN)
_STORYTELLERS = (SplatKind.LOCKDEP, *_CHECKERS)
_INNER = (SplatKind.LIST_CORRUPTION, SplatKind.REFCOUNT, SplatKind.DEBUGOBJECTS)
_COVERS = (Opening.CUT, Opening.WARN, Opening.KERNEL_BUG)
_FAULTS = (SplatKind.OOPS, SplatKind.BUG, *_INNER)
_RUST = "rust_kernel: panicked at "
_PREFACES = (_RUST, "CFI failure ")
_MARKED = (Opening.WARN, Opening.KERNEL_BUG)
"""What ends at a mark, so that unknown lines within a trace do not end it."""
_MARKED_LINES = 16
_PANIC_LINES = 16
"""Largest number of unknown lines after the end of a fault or of a checker's report, whose panic may follow."""
_PREFACE_LINES = 4
_MARKS = ("-", "=")


@dataclass(slots=True)
class Growing:
    """A splat whose end has not been read.

    :param line: number of its first line.
    :param last: number of the last line that was read for it.
    """

    line: int
    last: int
    kind: SplatKind | None = None
    opening: Opening = Opening.CUT
    head: str = ""
    fatal: bool = False
    phase: Phase = Phase.HEAD
    lines: list[Line] = field(default_factory=list)
    held: list[tuple[int, Line]] = field(default_factory=list)
    unknown: int = 0
    size: int = 0
    is_full: bool = False
    """Whether the splat has reached its size limit, as in a broken log."""

    def take(self, line: Line) -> None:
        """Add a line that belongs to the splat, and the lines that were held back before it."""
        if self.held:
            self.lines += (held for _, held in self.held)
            self.size += sum(len(held.text) + _LINE_COST_BYTES for _, held in self.held)
            self.held.clear()
        self.lines.append(line)
        self.unknown = 0
        self.size += len(line.text) + _LINE_COST_BYTES
        if self.size >= SPLAT_LIMIT_BYTES:
            self.is_full = True

    def take_frame(self, number: int, line: Line) -> bool:
        """Add a line that looks like a frame of a call trace, and return whether it is one and belongs to the splat."""
        if self.phase is Phase.TAIL or self.is_full or not match_dump(line.content):
            return False
        self.last = number
        self.take(line)
        if self.phase is Phase.HEAD:
            self._advance(line.content)
        return True

    def hold(self, number: int, line: Line, *, is_counted: bool) -> bool:
        """Hold a line back, and return whether more may follow."""
        self.held.append((number, line))
        self.unknown += is_counted
        return self.unknown <= self._unknown_limit() and len(self.held) <= HELD_LIMIT_LINES

    def _unknown_limit(self) -> int:
        limit: int = self.phase.value
        if self.phase is Phase.TAIL and self.kind in (*_FAULTS, *_CHECKERS):
            return _PANIC_LINES
        if self.phase is Phase.TRACE and (self.kind in (SplatKind.OOPS, *_INNER) or self.opening in _MARKED):
            return _MARKED_LINES
        return limit

    def ignores(self, opening: Opening, content: str) -> bool:
        """Return whether a line that could start a splat is an ordinary line if it comes within this one."""
        if opening is Opening.LOST:
            return True
        if opening is Opening.NOTICE and match_dump(content):
            return True
        is_vague = opening in (Opening.NOTICE, Opening.OTHER_WARNING)
        return is_vague and self.phase is not Phase.TAIL and self.opening not in (Opening.NOTICE, Opening.OTHER_WARNING)

    def goes_on_with(self, opening: Opening, kind: SplatKind | None) -> bool:
        """Return whether a line that could start a splat belongs to this one."""
        if opening is Opening.FOLLOW_UP or (opening is Opening.SLAB and self.kind is SplatKind.KASAN):
            return True
        if kind is SplatKind.PANIC:
            return not self.unknown
        if self.kind is None and self.opening is Opening.CUT and self.phase is Phase.TRACE:
            # The stack of another processor came between the mark and its text.
            return opening in (Opening.WARN, Opening.KERNEL_BUG, Opening.NAMED)
        if self.phase is not Phase.HEAD:
            return False
        if self.opening is Opening.LOST:
            return opening is Opening.TRAP
        if self.kind is None:
            return opening is not Opening.CUT or self.opening is Opening.PRELUDE
        if opening is Opening.TRAP:
            return self.kind in (SplatKind.OOPS, *_INNER) or self.opening is Opening.KERNEL_BUG
        if self.kind in _INNER and opening in (Opening.WARN, Opening.KERNEL_BUG):
            return True
        if self.head.startswith(_PREFACES) and opening in _COVERS:
            return len(self.lines) + len(self.held) <= _PREFACE_LINES
        return not self.unknown and self._is_followed_by(opening, kind)

    def _is_followed_by(self, opening: Opening, kind: SplatKind | None) -> bool:
        if self.opening is Opening.LEAK and opening is Opening.LEAK:
            return len(self.lines) == 1 and self.head.startswith("BUG: ")
        if self.opening is Opening.NOTICE:
            return opening in _COVERS and len(self.lines) <= _PREFACE_LINES
        if self.kind in _INNER:
            return opening in _COVERS
        return kind in _INNER and self.opening in _COVERS

    def accept(self, opening: Opening, kind: SplatKind | None, line: Line) -> None:
        """Add a line that starts a splat or names the current one."""
        self.take(line)
        if kind is SplatKind.PANIC:
            self.fatal = True
            self.phase = Phase.TRACE
        elif opening is Opening.SLAB:
            # The rule above it looked like the end of KASAN's report.
            self.phase = Phase.HEAD
        if kind is None:
            self.opening = opening if not self.head else self.opening
        elif self.kind is None or (kind in _INNER and self.kind not in _INNER):
            self.opening, self.kind, self.head = opening, kind, line.content

    def go_on(self, number: int, line: Line, *, is_counted: bool) -> bool:
        """Add a line that starts no splat, and return whether more may follow."""
        content = line.content
        phase = self.phase
        if content[:1] in _MARKS and self._ends_at(content):
            self.take(line)
            self.phase = Phase.TAIL
            return True
        if is_tail(content) if phase is Phase.TAIL else match_dump(content) or self._tells(content):
            self.take(line)
            if phase is Phase.HEAD:
                self._advance(content)
            return True
        return not is_unrelated(content) and self.hold(number, line, is_counted=is_counted and bool(content.strip()))

    def _tells(self, content: str) -> bool:
        return self.kind in _STORYTELLERS and is_story(content)

    def _ends_at(self, content: str) -> bool:
        is_closing = self.kind in _CHECKERS and self.phase is Phase.HEAD
        return is_end(content) or (is_closing and RULE.match(content) is not None)

    def _advance(self, content: str) -> None:
        """Go from head to trace; a memory checker's report has several traces, lockdep's has its explanation first."""
        if self.kind in _CHECKERS:
            return
        if content.startswith("stack backtrace:") if self.kind is SplatKind.LOCKDEP else is_trace(content):
            self.phase = Phase.TRACE

    def finished(self) -> Splat | None:
        """Return the splat; None if its lines are none after all: a message of one line, or the rest of a dump."""
        if self.is_full:
            self.take(_TRUNCATED)
        kind, head = self.kind, self.head
        if self.opening is Opening.OTHER_WARNING and not any(is_trace(line.content) for line in self.lines):
            return None
        if self.opening is Opening.LOST:
            found = kind_of_remains([line.content for line in self.lines])
            if found is None:
                return None
            kind, head = found
        if kind is None and self.opening is Opening.PRELUDE:
            kind, head = SplatKind.OOPS, "Oops"
        elif kind is None:
            kind, head = SplatKind.WARNING, self._first_words()
        if head.startswith(_RUST) and head.endswith(":"):
            head = f"{head} {self._line_after(head)}"
        return make_splat(kind, head, self.lines, is_fatal=self.fatal, number=self.line)

    def _line_after(self, head: str) -> str:
        contents = [line.content for line in self.lines]
        return next((after for before, after in itertools.pairwise(contents) if before == head), "")

    def _first_words(self) -> str:
        """Return the text below a cut mark that no known line explains."""
        contents = [line.content for line in self.lines[1:]]
        return next((one for one in contents if one.strip() and not match_dump(one) and not is_end(one)), "WARNING")


_TRUNCATED = Line("[truncated by the harness: the rest is in the log]", "")
