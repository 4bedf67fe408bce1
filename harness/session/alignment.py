# SPDX-License-Identifier: GPL-2.0-only
"""Match lines with patterns, and align those that do not match as a whole. Pure.

A pattern is a :class:`~harness.session.varying.LinePattern`, or None for any number of lines.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from harness.session.varying import Bindings, LinePattern

Patterns = Sequence[LinePattern | None]

WAYS_LIMIT = 64
"""Largest number of token bindings that are followed at one position; beyond it, those that began first are kept."""
ALIGNMENT_LIMIT = 4_000_000
"""Largest number of pairs of pattern and line for which lines that differ are aligned."""


def fit(patterns: Patterns, lines: Sequence[str], bindings: Bindings) -> Bindings | None:
    """Match lines with patterns.

    All divisions of the lines are followed at once, so the time grows with the number of lines and not with the number
    of divisions. If several match, the one is used in which each run of any lines ends earliest.

    :return: the bindings with those that the lines add; None if the lines do not match.
    """
    solid = [pattern for pattern in patterns if pattern]
    loose = _loose_places(patterns)
    places: dict[int, dict[Bindings, None]] = {0: {bindings: None}}
    for line in lines:
        reached: dict[int, dict[Bindings, None]] = {}
        for at in sorted(places, reverse=True):  # bindings that began earlier in a run of any lines come first
            if at in loose and places[at]:
                reached[at] = places[at]
            seen = solid[at].match(line) if at < len(solid) else None
            if seen is not None:
                _advance(places, reached, at, [way.learn(seen) if seen else way for way in places[at]], loose)
        places = reached
        if not places:
            return None
    ended = places.get(len(solid))
    return next(iter(ended), None) if ended else None


def _loose_places(patterns: Patterns) -> frozenset[int]:
    """Return the positions of runs of any lines, in the list of patterns without them."""
    places: set[int] = set()
    solid = 0
    for pattern in patterns:
        if pattern is None:
            places.add(solid)
        else:
            solid += 1
    return frozenset(places)


def _advance(
    places: dict[int, dict[Bindings, None]],
    reached: dict[int, dict[Bindings, None]],
    at: int,
    ways: Sequence[Bindings | None],
    loose: frozenset[int],
) -> None:
    """Move the bindings under which a line matches to the next position."""
    following = reached.setdefault(at + 1, {})
    for way in ways:
        if way is None or way in following or len(following) >= WAYS_LIMIT:
            continue
        following[way] = None
        if at + 1 in loose:
            # At a run of any lines, the same bindings at an earlier position can reach nothing more.
            for behind in [place for place in places if place <= at]:
                places[behind].pop(way, None)
    if not following:
        del reached[at + 1]


@dataclass(frozen=True, slots=True)
class AlignedBlock:
    """A piece of an alignment: patterns and lines without a partner, then a pattern that has one.

    :param patterns: positions of the patterns without a partner.
    :param lines: positions of the lines without a partner.
    :param partners: positions of a pattern and the line that matches it; None at the end.
    """

    patterns: range
    lines: range
    partners: tuple[int, int] | None


def align(patterns: Patterns, lines: Sequence[str], bindings: Bindings) -> tuple[tuple[AlignedBlock, ...], Bindings]:
    """Align patterns and lines that do not match as a whole.

    :return: the blocks from the first to the last line, and the bindings with those that the partners add.
    """
    partners: list[tuple[int, int]] = []
    for at, line_at in _candidates(patterns, lines):
        pattern = patterns[at]
        seen = pattern.match(lines[line_at]) if pattern else None
        learned = bindings.learn(seen) if seen is not None else None
        if learned is not None:
            bindings = learned
            partners.append((at, line_at))
    return tuple(_stretches(partners, len(patterns), len(lines))), bindings


def _stretches(partners: Sequence[tuple[int, int]], patterns: int, lines: int) -> Iterator[AlignedBlock]:
    at = line_at = 0
    for next_at, next_line in partners:
        yield AlignedBlock(range(at, next_at), range(line_at, next_line), (next_at, next_line))
        at, line_at = next_at + 1, next_line + 1
    yield AlignedBlock(range(at, patterns), range(line_at, lines), None)


def _candidates(patterns: Patterns, lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield pairs that may match, in order: the common start, the pairs that difflib finds, and the common end."""
    shortest = min(len(patterns), len(lines))
    head = next((i for i in range(shortest) if not _matches(patterns[i], lines[i])), shortest)
    rest = shortest - head
    tail = next((i for i in range(rest) if not _matches(patterns[-1 - i], lines[-1 - i])), rest)
    yield from ((i, i) for i in range(head))
    middle, middle_lines = patterns[head : len(patterns) - tail], lines[head : len(lines) - tail]
    if len(middle) * len(middle_lines) <= ALIGNMENT_LIMIT:
        keys, line_keys = _keys(middle, middle_lines)
        for block in SequenceMatcher(None, keys, line_keys).get_matching_blocks():
            yield from ((head + block.a + i, head + block.b + i) for i in range(block.size))
    yield from ((len(patterns) - i, len(lines) - i) for i in range(tail, 0, -1))


def _matches(pattern: LinePattern | None, line: str) -> bool:
    return pattern is not None and pattern.match(line) is not None


def _keys(patterns: Patterns, lines: Sequence[str]) -> tuple[list[Hashable], list[Hashable]]:
    """Return a key for each pattern and line, equal where they match; the key of a run of any lines is unique."""
    keys: list[Hashable] = [pattern.text if pattern else (at,) for at, pattern in enumerate(patterns)]
    shapes = {pattern.text: pattern for pattern in patterns if pattern and pattern.expression}
    plain = {pattern.text for pattern in patterns if pattern and not pattern.expression}
    line_keys: list[Hashable] = [
        line if line in plain else next((text for text, shape in shapes.items() if shape.match(line) is not None), line)
        for line in lines
    ]
    return keys, line_keys
