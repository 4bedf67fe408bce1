"""Hold patterns of lines against lines: do they fit, and if not, which belong together. Pure.

A pattern is a :class:`~harness.session.varying.LinePattern`, or None for any number of lines.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from harness.session.varying import Bindings, LinePattern

Patterns = Sequence[LinePattern | None]

WAYS_LIMIT = 64
"""Ways to bind tokens that are followed at one place of the patterns; of more, the earliest of the output are kept."""
ALIGNMENT_LIMIT = 4_000_000
"""Pairs of pattern and line beyond which lines that differ are not put side by side any more."""


def fit(patterns: Patterns, lines: Sequence[str], bindings: Bindings) -> Bindings | None:
    """Hold lines against patterns.

    All ways to divide the lines are followed at once, so that the time grows with the number of lines and not with that
    of the divisions. Where several fit, that counts in which each run of any lines ends earliest.

    :returns: the bindings with what the lines taught; None where they do not fit.
    """
    solid = [pattern for pattern in patterns if pattern]
    loose = _loose_places(patterns)
    places: dict[int, dict[Bindings, None]] = {0: {bindings: None}}
    for line in lines:
        reached: dict[int, dict[Bindings, None]] = {}
        for at in sorted(places, reverse=True):  # ways that have waited in a run of any lines for longer come first
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
    """The places of a list of patterns without its runs of any lines where there was such a run."""
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
    """Let ways that a line fits go on to the next place."""
    following = reached.setdefault(at + 1, {})
    for way in ways:
        if way is None or way in following or len(following) >= WAYS_LIMIT:
            continue
        following[way] = None
        if at + 1 in loose:
            # Who has come to a run of any lines can do all that one can who lags behind with the same bindings.
            for behind in [place for place in places if place <= at]:
                places[behind].pop(way, None)
    if not following:
        del reached[at + 1]


@dataclass(frozen=True, slots=True)
class AlignedBlock:
    """A piece of an alignment: patterns and lines without a partner, then a pattern that has one.

    :param patterns: the patterns without a partner.
    :param lines: the lines without a partner.
    :param partners: pattern and line that belong together; None at the end.
    """

    patterns: range
    lines: range
    partners: tuple[int, int] | None


def align(patterns: Patterns, lines: Sequence[str], bindings: Bindings) -> tuple[tuple[AlignedBlock, ...], Bindings]:
    """Put patterns and lines that do not fit as a whole side by side.

    :returns: the stretches from the first to the last line, and the bindings that the partners taught.
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
    """Pairs that may belong together, in order: the same start, the same end, and what difflib finds between."""
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
    """A key for each pattern and line, the same where they match; a run of any lines is like nothing else."""
    keys: list[Hashable] = [pattern.text if pattern else (at,) for at, pattern in enumerate(patterns)]
    shapes = {pattern.text: pattern for pattern in patterns if pattern and pattern.expression}
    plain = {pattern.text for pattern in patterns if pattern and not pattern.expression}
    line_keys: list[Hashable] = [
        line if line in plain else next((text for text, shape in shapes.items() if shape.match(line) is not None), line)
        for line in lines
    ]
    return keys, line_keys
