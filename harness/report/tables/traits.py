"""The table of traits: what this kernel does, beside what its profile says.

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

_MEANING_WIDTH = 60  # a narrower column of meanings makes three lines of each row; `traits.json` has them all
_NAME_WIDTH = 32
_VALUE_WIDTH = 20
_LEAST_WIDTH = 6


class TraitMark(Enum):
    """How a trait stands to the profile, as the mark in front of its row."""

    AS_EXPECTED = " "
    DIFFERS = "!"
    DOUBTFUL = "?"
    UNSEEN = "-"
    DESCRIBED = "."
    KNOWN = "k"


_LEGEND = {
    TraitMark.DIFFERS: "differs",
    TraitMark.DOUBTFUL: "differs, unconfirmed",
    TraitMark.UNSEEN: "no case shows it",
    TraitMark.DESCRIBED: "not in the profile",
    TraitMark.KNOWN: "known to differ",
}
_TONES = {TraitMark.DIFFERS: Tone.BAD, TraitMark.DOUBTFUL: Tone.WARNING, TraitMark.UNSEEN: Tone.FAINT}


class TraitRow(NamedTuple):
    """One trait as it is shown; all texts are plain lines.

    :param where: the first place that showed the value, and how many more there are.
    :param is_doubtful: whether the profile expects a value that no primary source confirms.
    """

    mark: TraitMark
    trait: str
    seen: str
    expected: str
    meaning: str
    where: str
    is_doubtful: bool = False

    @property
    def cells(self) -> tuple[str, str, str]:
        """The columns that are always there."""
        return self.trait, self.seen, self.expected


def trait_row(trait: TraitRecord) -> TraitRow:
    """The row of one trait."""
    if not trait.seen:
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
    more = f" and {len(trait.where) - 1} more" if len(trait.where) > 1 else ""
    return TraitRow(
        mark=mark,
        trait=one_line(trait.trait),
        seen=one_line(trait.seen) or "-",
        expected=f"{expected} {UNCONFIRMED}" if is_doubtful else expected,
        meaning=one_line(trait.meaning),
        where=one_line(trait.where[0]) + more if trait.where else "",
        is_doubtful=is_doubtful,
    )


def trait_lines(run: RunRecord, width: int) -> list[Line]:
    """The table of traits, no line wider than ``width`` columns; nothing when the run has no traits.

    Those that were neither seen nor expected are only counted, as are those that were not seen when they are the most:
    then a few cases were asked, and a table of all that they do not speak of would hide what they say. Cases that show
    none leave the counts alone.

    The meaning has a column of its own where there is room (from about 100 columns on). Where there is none, it stands
    below the traits that differ, and is left out for the others. A name or value too long for its column goes on in the
    next line.
    """
    spoken_of = [trait for trait in run.traits if trait.seen or trait.expected]
    if not spoken_of:
        return []
    seen = [trait for trait in spoken_of if trait.seen]
    is_narrow = len(seen) < len(spoken_of) / 2
    rows = [trait_row(trait) for trait in (seen if is_narrow else spoken_of)]
    lines = [Line(text, Tone.STRONG) for text in fold(_headline(run, rows), width)]
    if rows:
        lines += _table(rows, width)
    counts = {
        "expected, and these cases show nothing of it": len(spoken_of) - len(rows),
        "not seen, and nothing is expected": len(run.traits) - len(spoken_of),
    }
    said = [f"  {number}{' more' if rows else ''}: {words}" for words, number in counts.items() if number]
    lines += [Line(text, Tone.FAINT) for one in said for text in fold(one, width)]
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
        if row.mark in (TraitMark.DIFFERS, TraitMark.DOUBTFUL):
            below = ("" if beside else row.meaning, f"seen at {row.where}" if row.where else "")
            lines += [Line(f"    {text}") for part in below if part for text in fold(part, max(8, width - 4))]
    return lines


def _headline(run: RunRecord, rows: Sequence[TraitRow]) -> str:
    kernel = f"Traits of {one_line(run.kernel.release)}"
    if not any(trait.expected for trait in run.traits):
        return kernel
    differ = sum(row.mark is TraitMark.DIFFERS for row in rows)
    doubtful = sum(row.mark is TraitMark.DOUBTFUL for row in rows)
    if not rows:
        return f"{kernel}, against profile {one_line(run.profile)}: these cases show none"
    text = f"{kernel}, against profile {one_line(run.profile)}: {differ or 'none'} differ{'s' if differ == 1 else ''}"
    return f"{text}, {doubtful} unconfirmed" if doubtful else text


def _legend(rows: Iterable[TraitRow], width: int) -> list[Line]:
    """What the marks that were used mean, on one line or on one each."""
    rows = list(rows)
    used = {row.mark for row in rows}
    said = [f"{mark.value} {meaning}" for mark, meaning in _LEGEND.items() if mark in used]
    if any(row.is_doubtful for row in rows):
        said.append(f"{UNCONFIRMED} no primary source")
    if not said:
        return []
    together = "   ".join(said)
    half = len(said) // 2
    halves = ["   ".join(said[:half]), "   ".join(said[half:])]
    texts = [together] if columns(together) <= width else [text for one in halves if one for text in fold(one, width)]
    return [Line(""), *(Line(text, Tone.FAINT) for text in texts)]


def _widths(cells: Sequence[Sequence[str]], width: int) -> list[int]:
    """Widths of the columns trait, seen, expected: what they need, less when the table would not fit ``width``."""
    limits = (_NAME_WIDTH, _VALUE_WIDTH, _VALUE_WIDTH + len(UNCONFIRMED) + 1)
    needs = [max(map(columns, column)) for column in zip(*cells, strict=True)]
    widths = [min(limit, need) for limit, need in zip(limits, needs, strict=True)]
    while 2 + sum(widths) + 2 * (len(widths) - 1) > width and max(widths) > _LEAST_WIDTH:
        widths[widths.index(max(widths))] -= 1
    return widths


def _row(mark: str, cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    """One row of the table, as many lines as its longest cell needs; cells without a width are left out."""
    folded = [fold(cell, width) for cell, width in zip(cells, widths, strict=False)]
    lines = []
    for at in range(max(map(len, folded))):
        texts = [column[at] if at < len(column) else "" for column in folded]
        padded = [text + " " * (width - columns(text)) for text, width in zip(texts, widths, strict=True)]
        lines.append(f"{mark if at == 0 else ' '} {'  '.join(padded)}".rstrip())
    return lines
