# SPDX-License-Identifier: GPL-2.0-only
"""Show several kernels side by side: the result of each, and a table of traits with a column for each kernel.

Pure: run records and a width in, lines out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.model.run_record import RunRecord, TraitRecord, is_known
from harness.model.variant_splats import variant_splats
from harness.report.lines import Line, Tone
from harness.report.tables.summary import OUTCOME_WORDS, count_outcomes, is_clean
from harness.report.text import columns, elide, fold, one_line
from harness.results.kernel_line import kernel_letters

DIFFERS = "!"
"""The mark before a trait with different values, and before each value that differs from the first kernel's."""
DENIED = "*"
"""The mark after a value that differs from the kernel's own profile."""
_NOT_SEEN = "-"
_NAME_WIDTH = 32
_VALUE_WIDTH = 20
_LEAST_WIDTH = 6
_GAP = 2


def kernels_lines(runs: Sequence[RunRecord], width: int) -> list[Line]:
    """Return the lines that compare several runs; nothing for a single run.

    :param runs: the run records.
    :param width: columns; kernels that do not fit continue in another table below.
    """
    if len(runs) < 2:
        return []
    return [Line(""), *_legend(runs, width), *_splats(runs, width), Line(""), *_table(runs, width)]


def _splats(runs: Sequence[RunRecord], width: int) -> list[Line]:
    """Return the splats that only some variants of a kernel have."""
    found = variant_splats(runs)
    if not found:
        return []
    lines = [Line(""), Line("Splats of some variants only", Tone.STRONG), Line("")]
    for one in found:
        lines += [
            Line(f"  {part}", Tone.BAD) for part in fold(f"{one.where}: {one_line(one.title)}", max(20, width - 2))
        ]
        more = f" and {len(one.cases) - 1} more" if len(one.cases) > 1 else ""
        text = f"in {one_line(one.cases[0])}{more}; not with {' and '.join(one.others)}"
        lines += [Line(f"      {part}") for part in fold(text, max(20, width - 6))]
    return lines


def _legend(runs: Sequence[RunRecord], width: int) -> list[Line]:
    """Return a letter for each kernel and the result of its run."""
    lines = [Line("Kernels of this run", Tone.STRONG), Line("")]
    for letter, run in zip(kernel_letters(len(runs)), runs, strict=True):
        counts = count_outcomes(run, OUTCOME_WORDS)
        release = f"  {one_line(run.kernel.release)}" if is_known(run.kernel.release) else ""
        text = f"  {letter:<2}  {one_line(run.kernel.called)}{release}"
        lines += [Line(part) for part in fold(text, width)]
        tone = Tone.PLAIN if is_clean(run) else Tone.BAD
        reason = "" if run.traits or not run.cases else f": {one_line(run.cases[0].reason)}"
        lines += [Line(f"      {part}", tone) for part in fold((counts or "none ran") + reason, max(20, width - 6))]
        if run.nearest:
            lines += [Line(f"      {part}") for part in fold(f"nearest {one_line(run.nearest[0])}", max(20, width - 6))]
    return lines


def _table(runs: Sequence[RunRecord], width: int) -> list[Line]:
    """Return the traits that differ, with a column for each kernel; the others are only counted."""
    letters = kernel_letters(len(runs))
    seen = [{trait.trait: trait for trait in run.traits if trait.shown} for run in runs]
    names = list(dict.fromkeys(trait.trait for run in runs for trait in run.traits))
    differing = {name for name in names if len({values[name].shown for values in seen if name in values}) > 1}
    denied = {name for name in names if any(_is_denied(values.get(name)) for values in seen)}
    number = len(differing)
    total = sum(any(name in values for values in seen) for name in names)
    lines = [Line(f"Traits: {number or 'none'} of {total} seen differ{'s' if number == 1 else ''}", Tone.STRONG)]
    shown = [name for name in names if name in differing | denied]
    if shown:
        lines += _columns(
            shown, differing, [[_cell(values, seen[0], name) for name in shown] for values in seen], width
        )
    if names:
        lines += [Line(""), *(Line(text, Tone.FAINT) for text in _notes(names, shown, seen, letters[0], width))]
    return lines


def _columns(names: Sequence[str], differing: set[str], cells: Sequence[Sequence[str]], width: int) -> list[Line]:
    letters = kernel_letters(len(cells))
    first = max([_LEAST_WIDTH, *(min(_NAME_WIDTH, columns(name)) for name in names)])
    widths = [max(3, *(min(_VALUE_WIDTH + 2, columns(cell)) for cell in column)) for column in cells]
    lines: list[Line] = []
    for begin, end in _blocks(widths, width - 2 - first):
        shown = range(begin, end)
        used = [widths[at] for at in shown]
        lines += [Line(""), Line(_row("  ", "trait", [f" {letters[at]}" for at in shown], used, first))]
        rule = [" " + "-" * (width - 1) for width in used]
        lines.append(Line(_row("  ", "-" * first, rule, used, first), Tone.FAINT))
        for row, name in enumerate(names):
            mark = DIFFERS if name in differing else " "
            values = [cells[at][row] for at in shown]
            tone = Tone.WARNING if name in differing else Tone.PLAIN
            lines.append(Line(_row(f"{mark} ", name, values, used, first), tone))
    return lines


def _notes(
    names: Sequence[str], shown: Sequence[str], seen: Sequence[Mapping[str, TraitRecord]], letter: str, width: int
) -> list[str]:
    """Return the meaning of the marks, and the number of traits that the table leaves out."""
    unseen = sum(not any(name in values for values in seen) for name in names)
    alike = len(names) - len(shown) - unseen
    notes = (
        [f"{DIFFERS} differs from {letter}   {DENIED} differs from its profile   {_NOT_SEEN} no case shows it"]
        if shown
        else []
    )
    if alike:
        notes.append(f"{alike} more: same value wherever seen, as the profiles expect")
    if unseen:
        notes.append(f"{unseen} not shown by any case on any kernel")
    return [text for one in notes for text in fold(one, width)]


def _is_denied(trait: TraitRecord | None) -> bool:
    return trait is not None and trait.expected not in ("", trait.shown)


def _cell(values: Mapping[str, TraitRecord], reference: Mapping[str, TraitRecord], name: str) -> str:
    """Return a value with its marks; an unseen value has no mark."""
    trait, first = values.get(name), reference.get(name)
    if trait is None:
        return f" {_NOT_SEEN}"
    other = first is not None and trait.shown != first.shown
    return f"{DIFFERS if other else ' '}{one_line(trait.shown)}{DENIED if _is_denied(trait) else ''}"


def _row(mark: str, name: str, cells: Sequence[str], widths: Sequence[int], first: int) -> str:
    parts = [_fit(name, first), *(_fit(cell, width) for cell, width in zip(cells, widths, strict=True))]
    return (mark + (" " * (_GAP - 1)).join(parts)).rstrip()


def _fit(text: str, width: int) -> str:
    cut = elide(text, width)
    return cut + " " * (width - columns(cut))


def _blocks(widths: Sequence[int], room: int) -> list[tuple[int, int]]:
    """Return the ranges of columns that are side by side: as many as fit, at least one."""
    blocks, begin, used = [], 0, 0
    for at, width in enumerate(widths):
        needed = width + _GAP - 1
        if at > begin and used + needed > room:
            blocks.append((begin, at))
            begin, used = at, 0
        used += needed
    return [*blocks, (begin, len(widths))]
