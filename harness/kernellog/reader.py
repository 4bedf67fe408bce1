# SPDX-License-Identifier: GPL-2.0-only
"""Read the kernel log as it comes, and find complete splats, each once. Pure.

A splat starts at the line that names it (or at the line above, for a cut mark or a rule of equal signs). It ends at its
end mark, at the rule that closes a memory checker's report, or at lines that are not part of a splat.

If the kernel prints the caller of each line (CONFIG_PRINTK_CALLER), every caller has a splat of its own, so that the
lines of two processors that print at the same time do not mix.

A panic that follows a splat is a part of it, which is then ``fatal``. An OOM kill, the segmentation fault of a program
and the dumps of sysrq are not splats.
"""

from __future__ import annotations

import itertools
import re

from harness.kernellog.growing import Growing, Phase
from harness.kernellog.kinds import Opening, SplatKind, glued_start, search_candidate, start_of
from harness.kernellog.lines import RULE
from harness.kernellog.lost import REMAINS_LINES, is_dropped, is_remains
from harness.kernellog.prefix import Line, read_line, without_colors
from harness.kernellog.splat import Splat

__all__ = ["KernelLog", "Splat", "SplatKind", "scan"]

LINE_LIMIT_BYTES = 16 * 1024
"""Longest part of a line that is kept; the kernel's own lines are below 1 KiB, lists of modules are longer."""
CALLERS_LIMIT = 32
"""Largest number of callers whose splats grow at the same time."""
SILENT_LINES = 256
"""Lines of others after which the splat of a silent caller has ended."""
SILENT_TAIL_LINES = 32
_RULE_LINES = 8

_STAMP_BYTES = re.compile(rb"\[ *\d+\.\d+\]")
_ONE_LINE = (SplatKind.KMEMLEAK, SplatKind.LEFTOVER)
"""Reports that are one line, if they are not a list."""
_VAGUE = (Opening.OTHER_BUG, Opening.OTHER_WARNING)
_ELSEWHERE = re.compile(r"NMI backtrace for cpu")

_INNER_SLAB = "kasan: bad access detected"
"""Ends the first line of a slab's report within one of KASAN, up to v4.7."""

_Started = tuple[Opening, SplatKind | None]


class KernelLog:
    """The scanner of one kernel log.

    Feed it bytes in pieces of any size: the splats are the same. Memory is bounded for any input.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._lines_seen = 0
        self._growing: dict[str, Growing] = {}
        self._rules: dict[str, tuple[int, Line]] = {}
        self._guests: dict[str, str] = {}
        self._stamps_seen = False
        self._dropped = -REMAINS_LINES
        self._is_panicked = False
        self._done: list[Splat] = []

    @property
    def pending(self) -> bool:
        """Return whether a splat has begun whose end was not read; :meth:`close` ends it."""
        return bool(self._growing)

    @property
    def is_panicked(self) -> bool:
        """Return whether the log has the line of a panic."""
        return self._is_panicked

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
        self._read(without_colors(block))
        return self._taken()

    def close(self) -> list[Splat]:
        """End a pending splat and an unfinished line, and return the splats that ended; more may be read afterwards."""
        if self._rest:
            block, self._rest = self._rest, b""
            self._read(without_colors(block))
        for caller in list(self._growing):
            self._finish(caller)
        return self._taken()

    def _taken(self) -> list[Splat]:
        done, self._done = self._done, []
        return done

    def _read(self, block: bytes) -> None:
        """Read complete lines, without the last newline; outside of splats, only those that could start one."""
        number = self._lines_seen + 1
        self._lines_seen += block.count(b"\n") + 1
        stamp_at = -1 if self._stamps_seen else _stamp_position(block)
        at, size = 0, len(block)
        while at <= size:
            if not self._growing and number - self._dropped >= REMAINS_LINES:
                candidate = search_candidate(block, at)
                if candidate is None:
                    break
                begin = max(at, block.rfind(b"\n", at, candidate.start()) + 1)
                number += block.count(b"\n", at, begin)
                at = begin
            end = block.find(b"\n", at)
            end = size if end < 0 else end
            self._stamps_seen = stamp_at < end
            self._read_line(
                number, block[at:end] if end - at <= LINE_LIMIT_BYTES else block[at : at + LINE_LIMIT_BYTES]
            )
            at, number = end + 1, number + 1
        self._stamps_seen = stamp_at < size

    def _read_line(self, number: int, data: bytes) -> None:
        line = read_line(data.decode(errors="replace"))
        started: _Started | None = None
        if line.content[:1] == " " and "+0x" in line.content and "BUG" not in line.content:
            # A frame of a call trace: most lines of most splats.
            growing = self._growing.get(line.caller)
            if growing is not None and growing.take_frame(number, line):
                return
        elif not line.foreign and search_candidate(data):
            if is_dropped(line.text):
                self._dropped = number
            line, started = self._started(line)
        caller = line.caller and self._stream_of(line, started)
        growing = self._growing.get(caller)
        if growing is not None and started is None and not growing.is_full:
            growing.last = number
            is_counted = not line.foreign and (line.stamped or not self._stamps_seen)
            if not growing.go_on(number, line, is_counted=is_counted):
                self._finish(caller)
        elif growing is None or not self._continue(caller, growing, number, line, started):
            self._begin(caller, number, line, started)
        if caller or len(self._growing) > 1:
            self._end_silent(number)

    def _started(self, line: Line) -> tuple[Line, _Started | None]:
        """Return how the line begins a splat, and the line from there."""
        started = start_of(line.content)
        if started is None and (glued := glued_start(line.content)):
            return line._replace(content=glued), start_of(glued)
        if started and started[0] in _VAGUE and self._stamps_seen and not line.stamped:
            # Output of a program: if the kernel stamps its lines, a vague line without a stamp is not the kernel's.
            started = None
        return line, started

    def _stream_of(self, line: Line, started: _Started | None) -> str:
        """Return the caller whose splat the line belongs to: its own, or that of the processor that asked for it."""
        caller = line.caller
        if caller in self._growing or not self._growing:
            return caller
        host = self._guests.get(caller)
        if host in self._growing and started is None:
            return host or ""
        is_joining = started[0] is Opening.FOLLOW_UP if started else _ELSEWHERE.match(line.content)
        if not is_joining:
            return caller
        self._guests[caller] = max(self._growing, key=lambda name: self._growing[name].last)
        return self._guests[caller]

    def _continue(self, caller: str, growing: Growing, number: int, line: Line, started: _Started | None) -> bool:
        """Give a line to a splat that has begun, and return whether it was used."""
        if started and not growing.is_full:
            if growing.ignores(started[0], line.content):
                growing.last = number
                if not growing.go_on(number, line, is_counted=True):
                    self._finish(caller)
                return True
            if growing.goes_on_with(*started):
                growing.last = number
                self._accept(caller, growing, line, started)
                return True
        self._finish(caller)
        return False

    def _begin(self, caller: str, number: int, line: Line, started: _Started | None) -> None:
        """Begin a splat if the line starts one."""
        rule = self._rules.pop(caller, None)
        if rule and number - rule[0] > (_RULE_LINES if caller else 1):
            rule = None
        is_lost = number - self._dropped < REMAINS_LINES
        is_inner = started is not None and (
            started[0] is Opening.LOST or (started[0] is Opening.SLAB and line.content.endswith(_INNER_SLAB))
        )
        if started and (is_lost or not is_inner):
            growing = Growing(rule[0] if rule else number, number, lines=[rule[1]] if rule else [])
            self._grow(caller, growing)
            self._accept(caller, growing, line, started)
        elif RULE.match(line.content):
            if len(self._rules) >= CALLERS_LIMIT:
                self._rules.clear()
            self._rules[caller] = number, line
        elif is_lost and not line.foreign and is_remains(line.content):
            growing = Growing(number, number, opening=Opening.LOST)
            growing.take(line)
            self._grow(caller, growing)

    def _grow(self, caller: str, growing: Growing) -> None:
        if len(self._growing) >= CALLERS_LIMIT:
            self._finish(min(self._growing, key=lambda name: self._growing[name].last))
        self._growing[caller] = growing

    def _accept(self, caller: str, growing: Growing, line: Line, started: _Started) -> None:
        """Add a line that starts a splat or names the current one."""
        opening, kind = started
        growing.accept(opening, kind, line)
        self._is_panicked = self._is_panicked or kind is SplatKind.PANIC
        if kind in _ONE_LINE and opening is Opening.NAMED:
            self._finish(caller)

    def _end_silent(self, number: int) -> None:
        """End the splats of callers that have printed nothing for long."""
        for caller, growing in list(self._growing.items()):
            limit = SILENT_TAIL_LINES if growing.phase is Phase.TAIL else SILENT_LINES
            if number - growing.last > limit:
                self._finish(caller)

    def _finish(self, caller: str) -> None:
        """End a splat; lines that were held back are not part of it, but may have the rule of the next."""
        growing = self._growing.pop(caller)
        self._guests = {guest: host for guest, host in self._guests.items() if host != caller}
        if splat := growing.finished():
            self._done.append(splat)
        if growing.held and RULE.match(growing.held[-1][1].content):
            self._rules[caller] = growing.held[-1]


def _stamp_position(block: bytes) -> int:
    found = _STAMP_BYTES.search(block)
    return found.start() if found else len(block)


def scan(text: str) -> tuple[Splat, ...]:
    """Find all splats of a whole kernel log, in the order of their first lines."""
    log = KernelLog()
    found = itertools.chain(log.feed(text.encode(errors="replace")), log.close())
    return tuple(sorted(found, key=lambda splat: splat.line))
