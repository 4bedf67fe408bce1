# SPDX-License-Identifier: GPL-2.0-only
"""Why a patch does not apply: the hunk, what it expects, and what the tree has in that place. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from harness.kernel.mail.diff import Hunk, read_changes

# What 'git apply --check' says of a hunk that it finds no place for, and of a file that is not there.
_FAILED = re.compile(r"^error: patch failed: (.*):(\d+)$", re.MULTILINE)
_ABSENT = re.compile(r"^error: (.*): (?:does not exist in index|No such file or directory)$", re.MULTILINE)
_PRESENT = re.compile(r"^error: (.*): already exists in (?:index|working directory)$", re.MULTILINE)
_FREQUENT = 50
_SHOWN_HUNKS = 3
_SHOWN_LINES = 24


@dataclass(frozen=True, slots=True)
class ApplyError:
    """One thing that git-apply(1) complains of.

    :param file: by its path in the tree.
    :param line: where its hunk expects to begin, from 1; 0 for none.
    :param what: ``absent``, ``present`` or ``differs``, as :func:`render` words it.
    """

    file: str
    line: int = 0
    what: str = ""


def parse_complaints(said: str) -> tuple[ApplyError, ...]:
    """Read what ``git apply --check`` wrote to standard error."""
    found = [ApplyError(file, int(line)) for file, line in _FAILED.findall(said)]
    found += [ApplyError(file, what="the tree has no such file") for file in _ABSENT.findall(said)]
    found += [ApplyError(file, what="the tree has that file already") for file in _PRESENT.findall(said)]
    return tuple(found)


def explain(mail: bytes, complaints: Sequence[ApplyError], files: Mapping[str, bytes]) -> str:
    """Explain why a patch does not apply: each complaint, with the hunk's text and the tree's.

    :param mail: the patch.
    :param files: what the tree has, by path.
    """
    paragraphs = []
    for complaint in complaints[:_SHOWN_HUNKS]:
        place = _find_hunk(mail, complaint)
        if complaint.what or place is None:
            paragraphs.append(
                f"{complaint.file}: {complaint.what or f'the hunk at line {complaint.line} does not match'}"
            )
            continue
        number, count, hunk = place
        head = f"{complaint.file}, hunk {number} of {count} ({hunk.heading}):"
        has = files.get(complaint.file, b"").decode(errors="replace").removesuffix("\n").split("\n")
        paragraphs.append("\n".join([head, *compare(hunk.expected, has, at=hunk.start)]))
    if len(complaints) > _SHOWN_HUNKS:
        paragraphs.append(f"... and {len(complaints) - _SHOWN_HUNKS} more")
    return "\n".join(paragraphs)


def compare(expected: Sequence[str], has: Sequence[str], *, at: int) -> list[str]:
    """Compare a hunk's expected lines with the best matching lines of the tree, numbered as in the tree.

    A line of both is shown bare, one that only the patch expects with ``-``, one that only the tree has with ``+``.

    :param at: where the hunk says that it begins, from 1.
    """
    start = _likeliest(expected, has, at=at)
    window = has[start : start + len(expected)]
    shown = [f"- is what the patch expects, + what the tree has from line {start + 1} on:"]
    for tag, *ends in SequenceMatcher(None, expected, window, autojunk=False).get_opcodes():
        first, behind, low, high = ends
        sign = " "
        if tag != "equal":
            sign = "+"
            shown += [f"{'':6} - {line}" for line in expected[first:behind]]
        shown += [f"{start + at + 1:6} {sign} {window[at]}" for at in range(low, high)]
    more = len(shown) - _SHOWN_LINES
    bounded = [*shown[:_SHOWN_LINES], *([f"... and {more} lines more"] if more > 0 else [])]
    return [line.replace("\r", "^M") for line in (*bounded, *_hint(expected, window))]


def _hint(expected: Sequence[str], has: Sequence[str]) -> list[str]:
    """Explain a difference that the eye does not see."""
    if list(expected) == list(has):
        return ["(all lines match: git applies a hunk without trailing context only at the end of a file)"]
    if [line.split() for line in expected] == [line.split() for line in has]:
        return ["(they differ in whitespace only: a mail program may have changed tabs or line ends)"]
    return []


def _likeliest(expected: Sequence[str], has: Sequence[str], *, at: int) -> int:
    """Return the line, from 0, where most of the expected lines match; of equal matches the nearest to ``at``."""
    places: dict[str, list[int]] = {}
    for place, line in enumerate(has):
        places.setdefault(line, []).append(place)
    votes: Counter[int] = Counter()
    for offset, line in enumerate(expected):
        found = places.get(line, [])
        if line.strip() and len(found) <= _FREQUENT:
            votes.update(place - offset for place in found)
    best = max(votes, key=lambda start: (votes[start], -abs(start + 1 - at)), default=at - 1)
    return max(0, min(best, len(has) - 1))


def _find_hunk(mail: bytes, complaint: ApplyError) -> tuple[int, int, Hunk] | None:
    """Find the hunk whose first line git names: its number, the number of hunks of the file, and the hunk."""
    for change in read_changes(mail):
        # Of a file that a patch names twice, git-apply(1) tells the line of the later one.
        if complaint.file in change.files:
            for number, hunk in enumerate(change.hunks, 1):
                if hunk.start == complaint.line:
                    return number, len(change.hunks), hunk
    return None
