"""Several kernels beside each other: what each came to, and one table of traits, kernels across and traits down.

Pure: run records and a width in, lines out.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Sequence

from harness.report.lines import Line, Tone
from harness.report.record import RunRecord
from harness.report.summary import OUTCOME_WORDS
from harness.report.text import columns, elide, fold, one_line
from harness.verdict import Outcome

DIFFERS = "!"
"""Stands in front of a trait of which the kernels do not say the same, and of each value that is not the first's."""
_NOT_SEEN = "-"
_NAME_WIDTH = 32
_VALUE_WIDTH = 20
_LEAST_WIDTH = 6
_GAP = 2


def kernels_lines(runs: Sequence[RunRecord], width: int) -> list[Line]:
    """What is to be said of several runs together; nothing of a single one.

    :param width: columns. When not all kernels fit beside each other, the table goes on below.
    """
    if len(runs) < 2:
        return []
    return [Line(""), *_legend(runs, width), Line(""), *_table(runs, width)]


def _legend(runs: Sequence[RunRecord], width: int) -> list[Line]:
    """A letter for each kernel, and what its run came to."""
    lines = [Line("Kernels of this run", Tone.STRONG), Line("")]
    for letter, run in zip(_letters(len(runs)), runs, strict=True):
        counts = Counter(case.outcome for case in run.cases)
        said = ", ".join(f"{counts[outcome]} {OUTCOME_WORDS[outcome]}" for outcome in Outcome if counts[outcome])
        good = run.complete and not run.problems and set(counts) <= {Outcome.MATCH, Outcome.SKIPPED}
        release = "" if run.kernel.release == "unknown" else f"  {one_line(run.kernel.release)}"
        text = f"  {letter:<2}  {one_line(run.kernel.spec)}{release}"
        lines += [Line(part) for part in fold(text, width)]
        tone = Tone.PLAIN if good else Tone.BAD
        reason = "" if run.traits or not run.cases else f": {one_line(run.cases[0].reason)}"
        lines += [Line(f"      {part}", tone) for part in fold((said or "none ran") + reason, max(20, width - 6))]
    return lines


def _table(runs: Sequence[RunRecord], width: int) -> list[Line]:
    letters = _letters(len(runs))
    seen = [{trait.trait: trait.seen for trait in run.traits} for run in runs]
    names = list(dict.fromkeys(trait.trait for run in runs for trait in run.traits))
    differing = {name for name in names if len({values[name] for values in seen if values.get(name)}) > 1}
    marked = [(DIFFERS if name in differing else " ", name) for name in names]
    first = max([_LEAST_WIDTH, *(min(_NAME_WIDTH, columns(name)) for name in names)])
    number = len(differing)
    lines = [Line(f"Traits: {number or 'none'} of {len(names)} differ{'s' if number == 1 else ''}", Tone.STRONG)]
    cells = [[_cell(values, seen[0], name) for name in names] for values in seen]
    widths = [max(3, *(min(_VALUE_WIDTH + 1, columns(cell)) for cell in column)) if names else 3 for column in cells]
    for begin, end in _blocks(widths, width - 2 - first):
        shown = range(begin, end)
        titles = [f" {letters[at]}" for at in shown]
        lines += [Line(""), Line(_row("  ", "trait", titles, [widths[at] for at in shown], first))]
        rule = [" " + "-" * (widths[at] - 1) for at in shown]
        lines.append(Line(_row("  ", "-" * first, rule, [widths[at] for at in shown], first), Tone.FAINT))
        for row, (mark, name) in enumerate(marked):
            values = [cells[at][row] for at in shown]
            tone = Tone.WARNING if mark == DIFFERS else Tone.PLAIN
            lines.append(Line(_row(f"{mark} ", name, values, [widths[at] for at in shown], first), tone))
    legend = f"{DIFFERS} not as {letters[0]}   {_NOT_SEEN} no case shows it"
    return [*lines, Line(""), Line(legend, Tone.FAINT)]


def _cell(values: dict[str, str], reference: dict[str, str], name: str) -> str:
    """A value with its mark in front; one that was not seen differs from nothing."""
    value = one_line(values.get(name, ""))
    if not value:
        return f" {_NOT_SEEN}"
    return f"{DIFFERS if reference.get(name) and value != one_line(reference[name]) else ' '}{value}"


def _row(mark: str, name: str, cells: Sequence[str], widths: Sequence[int], first: int) -> str:
    parts = [_fit(name, first), *(_fit(cell, width) for cell, width in zip(cells, widths, strict=True))]
    return (mark + (" " * (_GAP - 1)).join(parts)).rstrip()


def _fit(text: str, width: int) -> str:
    cut = elide(text, width)
    return cut + " " * (width - columns(cut))


def _blocks(widths: Sequence[int], room: int) -> list[tuple[int, int]]:
    """Which columns stand beside each other: as many as fit, at least one."""
    blocks, begin, used = [], 0, 0
    for at, width in enumerate(widths):
        needed = width + _GAP - 1
        if at > begin and used + needed > room:
            blocks.append((begin, at))
            begin, used = at, 0
        used += needed
    return [*blocks, (begin, len(widths))]


def _letters(number: int) -> list[str]:
    """A, B, ... Z, AA, AB, ...: short names, as a KERNEL word can be long."""
    single = string.ascii_uppercase
    return [single[at] if at < len(single) else single[at // 26 - 1] + single[at % 26] for at in range(number)]
