# SPDX-License-Identifier: GPL-2.0-only
"""Show the table of traits: the behavior of a kernel next to its profile.

Pure: a run record and a width in, lines out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import NamedTuple

from harness.model.run_record import RunRecord, TraitRecord
from harness.report.lines import Line, Tone
from harness.report.text import columns, fold, one_line

UNCONFIRMED = "(?)"

_MEANING_WIDTH = 60  # a narrower column of meanings would make three lines of each row
_NAME_WIDTH = 32
_VALUE_WIDTH = 20
_LEAST_WIDTH = 6


class TraitMark(Enum):
    """The mark before the row of a trait: how it compares with the profile."""

    AS_EXPECTED = " "
    DIFFERS = "!"
    DOUBTFUL = "?"
    UNSEEN = "-"
    DESCRIBED = "."
    KNOWN = "k"
    MIXED = "~"


_LEGEND = {
    TraitMark.DIFFERS: "differs",
    TraitMark.DOUBTFUL: "differs, unconfirmed",
    TraitMark.UNSEEN: "no case shows it",
    TraitMark.DESCRIBED: "not in the profile",
    TraitMark.KNOWN: "known to differ",
    TraitMark.MIXED: "cases saw different values",
}
_TONES = {
    TraitMark.DIFFERS: Tone.BAD,
    TraitMark.DOUBTFUL: Tone.WARNING,
    TraitMark.UNSEEN: Tone.FAINT,
    TraitMark.MIXED: Tone.WARNING,
}


class TraitRow(NamedTuple):
    """The row of one trait; all texts are plain lines.

    :param mark: how it compares with the profile.
    :param trait: its name.
    :param seen: the value that was seen, or ``-``.
    :param expected: the value that the profile expects, or ``-``.
    :param meaning: its meaning.
    :param where: where the value was seen: the first step and the number of others; for a mixed trait each value so.
    :param is_doubtful: whether no primary source confirms the expected value.
    """

    mark: TraitMark
    trait: str
    seen: str
    expected: str
    meaning: str
    where: tuple[str, ...]
    is_doubtful: bool = False

    @property
    def cells(self) -> tuple[str, str, str]:
        """Return the columns that are always shown."""
        return self.trait, self.seen, self.expected


def trait_row(trait: TraitRecord) -> TraitRow:
    """Return the row of one trait."""
    if trait.mixed:
        mark = TraitMark.MIXED
    elif not trait.seen:
        mark = TraitMark.UNSEEN
    elif not trait.expected:
        mark = TraitMark.DESCRIBED
    elif trait.seen == trait.expected:
        mark = TraitMark.AS_EXPECTED
    else:
        mark = TraitMark.DIFFERS if trait.confirmed else TraitMark.DOUBTFUL
        mark = TraitMark.KNOWN if trait.known else mark
    expected = one_line(trait.expected) or "-"
    is_doubtful = bool(trait.expected) and not trait.confirmed
    where = tuple(map(str, trait.mixed))
    if trait.where and not where:
        more = f" and {len(trait.where) - 1} more" if len(trait.where) > 1 else ""
        where = (f"seen at {trait.where[0]}{more}",)
    return TraitRow(
        mark=mark,
        trait=one_line(trait.trait),
        seen="mixed" if trait.mixed else one_line(trait.seen) or "-",
        expected=f"{expected} {UNCONFIRMED}" if is_doubtful else expected,
        meaning=one_line(trait.meaning),
        where=tuple(map(one_line, where)),
        is_doubtful=is_doubtful,
    )


def trait_lines(run: RunRecord, width: int) -> list[Line]:
    """Return the table of traits, folded to ``width`` columns; nothing if the run has no traits.

    Traits that were neither seen nor expected are only counted. Unseen traits are only counted as well if most traits
    are unseen: a few cases ran, and rows for all other traits would hide theirs. If the cases show no trait, only the
    counts are left.

    The meaning is a column if there is room (from about 100 columns on), else a line below the traits that differ. A
    name or value that is too long for its column continues in the next line.
    """
    present = [trait for trait in run.traits if trait.shown or trait.expected]
    if not present:
        return []
    seen = [trait for trait in present if trait.shown]
    is_narrow = len(seen) < len(present) / 2
    rows = [trait_row(trait) for trait in (seen if is_narrow else present)]
    lines = [Line(text, Tone.STRONG) for text in fold(_headline(run, rows), width)]
    if rows:
        lines += _table(rows, width)
    counts = {
        "expected but not shown by these cases": len(present) - len(rows),
        "neither seen nor expected": len(run.traits) - len(present),
    }
    notes = [f"  {number}{' more' if rows else ''}: {words}" for words, number in counts.items() if number]
    lines += [Line(text, Tone.FAINT) for one in notes for text in fold(one, width)]
    return lines + _legend(rows, width)


def _table(rows: Sequence[TraitRow], width: int) -> list[Line]:
    titles = ("trait", "seen", "expected")
    widths = _widths([titles, *(row.cells for row in rows)], width)
    left = width - 4 - sum(widths) - 2 * (len(widths) - 1)
    beside = left >= _MEANING_WIDTH and any(row.meaning for row in rows)
    if beside:
        widths = [*widths, left]
    lines = [Line(""), *(Line(text) for text in _row(" ", [*titles, "meaning"], widths))]
    lines.append(Line("  " + "  ".join("-" * one for one in widths), Tone.FAINT))
    for row in rows:
        tone = _TONES.get(row.mark, Tone.WARNING if row.is_doubtful else Tone.PLAIN)
        lines += [Line(text, tone) for text in _row(row.mark.value, [*row.cells, row.meaning], widths)]
        if row.mark in (TraitMark.DIFFERS, TraitMark.DOUBTFUL, TraitMark.MIXED):
            below = ("" if beside else row.meaning, *row.where)
            lines += [Line(f"    {text}") for part in below if part for text in fold(part, max(8, width - 4))]
    return lines


def _headline(run: RunRecord, rows: Sequence[TraitRow]) -> str:
    kernel = f"Traits of {one_line(run.kernel.release)}"
    if not any(trait.expected for trait in run.traits):
        return kernel
    differ = sum(row.mark is TraitMark.DIFFERS for row in rows)
    doubtful = sum(row.mark is TraitMark.DOUBTFUL for row in rows)
    if not rows:
        return f"{kernel}, compared with profile {one_line(run.profile)}: these cases show none"
    counted = f"{differ or 'none'} differ{'s' if differ == 1 else ''}"
    mixed = sum(row.mark is TraitMark.MIXED for row in rows)
    text = f"{kernel}, compared with profile {one_line(run.profile)}: {counted}"
    text += f", {doubtful} unconfirmed" if doubtful else ""
    return f"{text}, {mixed} mixed" if mixed else text


def _legend(rows: Iterable[TraitRow], width: int) -> list[Line]:
    """Return the meaning of the marks in use, on one line or two."""
    rows = list(rows)
    used = {row.mark for row in rows}
    texts = [f"{mark.value} {meaning}" for mark, meaning in _LEGEND.items() if mark in used]
    if any(row.is_doubtful for row in rows):
        texts.append(f"{UNCONFIRMED} no primary source")
    if not texts:
        return []
    together = "   ".join(texts)
    half = len(texts) // 2
    halves = ["   ".join(texts[:half]), "   ".join(texts[half:])]
    shown = [together] if columns(together) <= width else [text for one in halves if one for text in fold(one, width)]
    return [Line(""), *(Line(text, Tone.FAINT) for text in shown)]


def _widths(cells: Sequence[Sequence[str]], width: int) -> list[int]:
    """Return the widths of the columns trait, seen and expected: as needed, less if the table would not fit."""
    limits = (_NAME_WIDTH, _VALUE_WIDTH, _VALUE_WIDTH + len(UNCONFIRMED) + 1)
    needs = [max(map(columns, column)) for column in zip(*cells, strict=True)]
    widths = [min(limit, need) for limit, need in zip(limits, needs, strict=True)]
    while 2 + sum(widths) + 2 * (len(widths) - 1) > width and max(widths) > _LEAST_WIDTH:
        widths[widths.index(max(widths))] -= 1
    return widths


def _row(mark: str, cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Return the lines of one row; cells without a width are left out."""
    folded = [fold(cell, width) for cell, width in zip(cells, widths, strict=False)]
    lines = []
    for at in range(max(map(len, folded))):
        texts = [column[at] if at < len(column) else "" for column in folded]
        padded = [text + " " * (width - columns(text)) for text, width in zip(texts, widths, strict=True)]
        lines.append(f"{mark if at == 0 else ' '} {'  '.join(padded)}".rstrip())
    return lines
