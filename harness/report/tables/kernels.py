"""Several kernels beside each other: what each came to, and one table of traits, kernels across and traits down.

Pure: run records and a width in, lines out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.model.run_record import RunRecord, TraitRecord, is_known
from harness.report.lines import Line, Tone
from harness.report.tables.summary import OUTCOME_WORDS, count_outcomes, is_clean
from harness.report.text import columns, elide, fold, one_line
from harness.results.kernel_line import kernel_letters

DIFFERS = "!"
"""Stands in front of a trait of which the kernels do not say the same, and of each value that is not the first's."""
DENIED = "*"
"""Stands behind a value that is not what the kernel's own profile says."""
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
    for letter, run in zip(kernel_letters(len(runs)), runs, strict=True):
        said = count_outcomes(run, OUTCOME_WORDS)
        release = f"  {one_line(run.kernel.release)}" if is_known(run.kernel.release) else ""
        text = f"  {letter:<2}  {one_line(run.kernel.spec)}{release}"
        lines += [Line(part) for part in fold(text, width)]
        tone = Tone.PLAIN if is_clean(run) else Tone.BAD
        reason = "" if run.traits or not run.cases else f": {one_line(run.cases[0].reason)}"
        lines += [Line(f"      {part}", tone) for part in fold((said or "none ran") + reason, max(20, width - 6))]
        if run.nearest:
            lines.append(Line(f"      {elide(f'nearest {one_line(run.nearest[0])}', max(20, width - 6))}"))
    return lines


def _table(runs: Sequence[RunRecord], width: int) -> list[Line]:
    """The traits of which there is something to say, a column a kernel; the others are counted."""
    letters = kernel_letters(len(runs))
    seen = [{trait.trait: trait for trait in run.traits if trait.seen} for run in runs]
    names = list(dict.fromkeys(trait.trait for run in runs for trait in run.traits))
    differing = {name for name in names if len({values[name].seen for values in seen if name in values}) > 1}
    denied = {name for name in names if any(_is_denied(values.get(name)) for values in seen)}
    number = len(differing)
    told = sum(any(name in values for values in seen) for name in names)
    lines = [Line(f"Traits: {number or 'none'} of {told} seen differ{'s' if number == 1 else ''}", Tone.STRONG)]
    shown = [name for name in names if name in differing | denied]
    if shown:
        lines += _columns(
            shown, differing, [[_cell(values, seen[0], name) for name in shown] for values in seen], width
        )
    if names:
        lines += [Line(""), *(Line(text, Tone.FAINT) for text in _said(names, shown, seen, letters[0], width))]
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


def _said(
    names: Sequence[str], shown: Sequence[str], seen: Sequence[Mapping[str, TraitRecord]], letter: str, width: int
) -> list[str]:
    """What the marks mean, and how many traits the table leaves out."""
    unseen = sum(not any(name in values for values in seen) for name in names)
    alike = len(names) - len(shown) - unseen
    said = (
        [f"{DIFFERS} not as {letter}   {DENIED} not as its profile says   {_NOT_SEEN} no case shows it"]
        if shown
        else []
    )
    if alike:
        them = "it" if alike == 1 else "them"
        said.append(f"{alike} more: the same on every kernel that shows {them}, and as the profiles say")
    if unseen:
        said.append(f"{unseen} that no case shows on any kernel")
    return [text for one in said for text in fold(one, width)]


def _is_denied(trait: TraitRecord | None) -> bool:
    return trait is not None and trait.expected not in ("", trait.seen)


def _cell(values: Mapping[str, TraitRecord], reference: Mapping[str, TraitRecord], name: str) -> str:
    """A value with its marks; one that was not seen differs from nothing."""
    trait, first = values.get(name), reference.get(name)
    if trait is None:
        return f" {_NOT_SEEN}"
    other = first is not None and trait.seen != first.seen
    return f"{DIFFERS if other else ' '}{one_line(trait.seen)}{DENIED if _is_denied(trait) else ''}"


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
