# SPDX-License-Identifier: GPL-2.0-only
"""Mask parts of transcripts that differ from run to run whatever the kernel does: pids, times, addresses. Pure.

Two transcripts of one session are compared after :meth:`Noise.quieten`; reports show the original text. A number that
is a token of ``varies`` is already replaced by the example's (``harness/session/render.py``). The patterns here cover
the other texts: outputs that did not match, Python cases, reasons. A suite adds patterns of its own (``suite.toml``,
``[[noise]]``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

_CONTEXT = 3
_LEAST_DIGITS = 2
"""Fewest digits of a pid: a number of one digit may be an exit status or a limit, and no late process has it."""


@dataclass(frozen=True, slots=True)
class NoisePattern:
    """A pattern for a part of a line that differs from run to run.

    :param hint: literal text that a line must contain before the pattern is searched.
    :param pattern: a regular expression with one named group, which is left out of comparisons; the text around the
        group is compared.
    """

    hint: str
    pattern: str


# One search with all of them as alternatives takes five times as long.
_OF_EVERY_SUITE = tuple(
    NoisePattern(hint, pattern)
    for hint, pattern in (
        ("[", r"^\[(?P<stamp> *[0-9]+\.[0-9]{6}(?:\] ?\[ *[TC][0-9]+)?)\]"),  # printk's time stamp, and its caller
        ("[", r"^ *(?:\S+ )?\[[0-9]+\][+-]? +(?P<job>[0-9]+)$"),  # bash(1), job control: "[1] 412"
        ("0x", r"\b0x(?P<hexadecimal>[0-9a-f]{6,16})\b"),
        ("ffff", r"(?<![0-9a-zA-Z])(?P<address>ffff[0-9a-f]{12})(?![0-9a-zA-Z])"),  # of the kernel
        ("0000", r"(?<![0-9a-zA-Z])(?P<address>0000[0-9a-f]{12})(?![0-9a-zA-Z])"),  # of a process, or hashed by %p
        (":[4026", r"\b[a-z_]+:\[(?P<inode>4026[0-9]{6})\]"),  # namespaces(7): the link of /proc/PID/ns/X
        ("id", r"\b(?:pid|tid|ppid)(?:[=: ] ?| is )(?P<pid>[0-9]+)\b"),
        ("ID", r"\b[PT]ID(?:[=: ] ?| is )(?P<pid>[0-9]+)\b"),
        ("task", r"\btask(?:[=: ] ?| is )(?P<task>[0-9]+)\b"),
        ("/proc/", r"/proc/(?P<process>[0-9]{2,})\b"),
        (":", r"^ *(?P<mount>[0-9]+ [0-9]+ [0-9]+:[0-9]+)(?= /)"),  # proc(5), mountinfo: mount, parent, device
        ("m", r"\b(?P<minutes>[0-9]+m[0-9]+[.,][0-9]+s)\b"),  # bash's time
        (":", r"\b(?P<clock>[0-2][0-9]:[0-5][0-9]:[0-5][0-9](?:[.,][0-9]+)?)\b"),
        ("-", r"\b(?P<date>20[0-9]{2}-[01][0-9]-[0-3][0-9])\b"),
        (".", r"\b(?P<seconds>[0-9]+\.[0-9]+)(?= ?(?:s|ms|seconds)\b)"),
    )
)
_DIGIT = re.compile(r"[0-9]")
_NUMBER = re.compile(r"(?<![^\W_])[0-9]{2,}(?![^\W_])")
_JOB_PID = re.compile(r"\[[0-9]+\][+-]? +([0-9]{2,})$", re.MULTILINE)
_PRINTED_PID = re.compile(r"\$(?:[$!]|\{?(?:BASHPID|PPID)\b).*\n *([0-9]{2,})$", re.MULTILINE)
_VARIES = re.compile(r"^varies:(.*(?:\n[ \t]+.*)*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _OwnNoise:
    """Noise of one transcript: the pids that it shows, and the tokens of its header ``varies``."""

    pids: frozenset[str]
    shapes: re.Pattern[str] | None

    def mask(self, found: re.Match[str]) -> str:
        """Return a mark for a number that is a pid, and any other number unchanged."""
        return "<N>" if found[0] in self.pids else found[0]


def _own_noise(transcript: str) -> _OwnNoise:
    return _OwnNoise(frozenset(_pids(transcript)), _shapes(_tokens(transcript)))


class Noise:
    """The patterns that are left out of comparisons: those of every suite, and those of one suite.

    :param more: the patterns of the suite.
    """

    def __init__(self, more: tuple[NoisePattern, ...] = ()) -> None:
        self._searches = tuple((one.hint, re.compile(one.pattern)) for one in (*_OF_EVERY_SUITE, *more))
        self.line = lru_cache(maxsize=1 << 16)(self._line)
        """Return one line, such as a reason, with marks for the parts that differ from run to run."""

    def quieten(self, transcript: str) -> list[str]:
        """Replace the parts that differ from run to run by marks.

        :param transcript: a session file with the real output, or the log of a Python case.
        :return: the lines.
        """
        own = _own_noise(transcript)
        return [self._quieten(line, own) for line in transcript.split("\n")]

    def differ(self, before: str, after: str) -> bool:
        """Return whether two transcripts differ in more than noise."""
        if before == after:
            return False
        old, new = before.split("\n"), after.split("\n")
        if len(old) != len(new):
            return True
        pairs = [pair for pair in zip(old, new, strict=True) if pair[0] != pair[1]]
        own, its_own = _own_noise(before), _own_noise(after)
        return any(self._quieten(one, own) != self._quieten(other, its_own) for one, other in pairs)

    def diff(self, before: str, after: str, *, names: tuple[str, str]) -> str:
        """Return the difference of two transcripts as unified diff; "" when only noise differs.

        Lines that differ by noise alone count as equal. The diff shows the original lines; equal ones are those of
        ``after``.

        :param names: names of the two in the diff.
        """
        if not self.differ(before, after):
            return ""
        old, new = before.split("\n"), after.split("\n")
        matcher = SequenceMatcher(None, self.quieten(before), self.quieten(after), autojunk=False)
        lines = [f"--- {names[0]}", f"+++ {names[1]}"]
        for group in matcher.get_grouped_opcodes(_CONTEXT):
            first, last = group[0], group[-1]
            lines.append(f"@@ -{_extent(first[1], last[2])} +{_extent(first[3], last[4])} @@")
            for tag, old_from, old_to, new_from, new_to in group:
                if tag == "equal":
                    lines += [f" {line}" for line in new[new_from:new_to]]
                else:
                    lines += [f"-{line}" for line in old[old_from:old_to]]
                    lines += [f"+{line}" for line in new[new_from:new_to]]
        return "\n".join(lines) + "\n"

    def _quieten(self, line: str, own: _OwnNoise) -> str:
        text = self.line(line)
        if _DIGIT.search(text):
            if own.pids:
                text = _NUMBER.sub(own.mask, text)
            if own.shapes is not None:
                text = own.shapes.sub("<N>", text)
        return text

    def _line(self, text: str) -> str:
        if _DIGIT.search(text):
            for hint, search in self._searches:
                if hint in text:
                    text = search.sub(_masked, text)
        return text.rstrip()


@lru_cache(maxsize=16)
def noise_of(more: tuple[NoisePattern, ...]) -> Noise:
    """Return the noise with these patterns of a suite; the same object for the same patterns."""
    return Noise(more)


NOISE = Noise()
"""Noise of every suite."""


def _extent(start: int, stop: int) -> str:
    """Format a range of lines as in a unified diff: counted from 1, without the length if that is 1."""
    length = stop - start
    return str(start + 1) if length == 1 else f"{start + 1 if length else start},{length}"


def _masked(found: re.Match[str]) -> str:
    group = found.lastgroup or ""
    start, stop = found.span(group)
    return found.string[found.start() : start] + f"<{group}>" + found.string[stop : found.end()]


def _pids(transcript: str) -> Iterator[str]:
    """Yield the numbers that the transcript shows to be pids: in a job's notice, or as the output of ``echo $$``."""
    if "[" in transcript:
        yield from _JOB_PID.findall(transcript)
    if "$" in transcript:
        yield from _PRINTED_PID.findall(transcript)


def _tokens(transcript: str) -> tuple[str, ...]:
    """Return the tokens of the header ``varies``."""
    header, _, _ = transcript.partition("\n\n")
    found = _VARIES.search(header)
    return tuple(found[1].split()) if found else ()


@lru_cache(maxsize=256)
def _shapes(tokens: tuple[str, ...]) -> re.Pattern[str] | None:
    """Return a pattern for tokens: equal but for their numbers, which may be a digit longer or shorter."""
    shapes = [_shape(token) for token in tokens if not (token.isdigit() and len(token) < _LEAST_DIGITS)]
    return re.compile(r"(?<![^\W_])(?:" + "|".join(shapes) + r")(?![^\W_])") if shapes else None


def _shape(token: str) -> str:
    least = _LEAST_DIGITS if token.isdigit() else 1
    parts = re.split(r"([0-9]+)", token)
    return "".join(
        f"[0-9]{{{max(least, len(part) - 1)},{len(part) + 1}}}" if at % 2 else re.escape(part)
        for at, part in enumerate(parts)
    )
