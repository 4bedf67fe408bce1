# SPDX-License-Identifier: GPL-2.0-only
"""Show a series on several bases: a table of patch and base, what a backport needs, and a text with Tested-by. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.model.bases_record import BaseCell, BaseResult
from harness.model.series_record import PatchRecord, SeriesRecord, counted
from harness.report.lines import Line, Tone, fold_line
from harness.report.tables.series import result_of, title_of
from harness.report.text import bound_lines, columns, elide, elide_start, fold, one_line, plain_text

_TONES = {BaseCell.OK: Tone.GOOD, BaseCell.MERGED: Tone.GOOD, BaseCell.FINDINGS: Tone.WARNING}
_CELL = 10
_TITLE = 24
_EVIDENCE_LINES = 10
MAIL_WIDTH = 72


def bases_lines(results: Sequence[BaseResult], width: int) -> list[Line]:
    """Return the lines of a series on several bases.

    :param width: columns.
    """
    lines = [line for part in _chunks(results, width) for line in (*_table(part, width), Line(""))]
    return lines + [line for one in results for line in _about(one, width)]


def bases_text(results: Sequence[BaseResult], tester: str) -> str:
    """Return a text for a mail: what was tested, on which bases, and Tested-by lines for those that are good.

    :param tester: ``Name <address>``; empty for none.
    """
    records = [one.record for one in results if one.record is not None]
    lines = fold(f"{title_of(records[0])}, on {counted(len(results), 'base')}.", MAIL_WIDTH) if records else []
    lines += [
        "",
        *(line.text.rstrip() for part in _chunks(results, MAIL_WIDTH) for line in _table(part, MAIL_WIDTH)),
        "",
    ]
    for one in results:
        lines += fold(f"{_name(one)}: {_sentence(one)}.", MAIL_WIDTH)
        lines += (f"  {part}" for need in one.dependencies for part in fold(f"{need}", MAIL_WIDTH - 2))
    good = [one for one in results if one.is_good]
    if tester and good:
        lines += ["", f"Tested-by: {one_line(tester)} # {', '.join(_name(one) for one in good)}"]
    return "\n".join(lines) + "\n"


def _chunks(results: Sequence[BaseResult], width: int) -> Iterator[Sequence[BaseResult]]:
    """Yield as many bases as one table has room for."""
    room = max(1, (width - _TITLE - 4) // (_CELL + 1))
    for at in range(0, len(results), room):
        yield results[at : at + room]


def _table(results: Sequence[BaseResult], width: int) -> Iterator[Line]:
    room = max(_TITLE, width - (_CELL + 1) * len(results) - 1)
    names = "".join(f" {elide_start(_name(one), _CELL):<{_CELL}}" for one in results)
    yield Line(f"{'patch':<{room}}{names}".rstrip(), Tone.STRONG)
    for number, patch in enumerate(_patches(results), 1):
        cells = [_cell(one, number) for one in results]
        subject = elide(f"{number} {one_line(patch.subject)}", room - 1)
        text = f"{subject}{' ' * (room - columns(subject))}" + "".join(f" {cell:<{_CELL}}" for cell in cells)
        worst = next((cell for cell in cells if cell not in _TONES and cell is not BaseCell.UNKNOWN), None)
        yield Line(text.rstrip(), Tone.BAD if worst else Tone.PLAIN)


def _patches(results: Sequence[BaseResult]) -> Sequence[PatchRecord]:
    return next((one.record.posted for one in results if one.record is not None), ())


def _cell(result: BaseResult, number: int) -> BaseCell:
    record = result.record
    return (
        result.cell(record.patches[number]) if record is not None and number < len(record.patches) else BaseCell.UNKNOWN
    )


def _about(result: BaseResult, width: int) -> Iterator[Line]:
    """Yield what the table has no room for."""
    tone = Tone.GOOD if result.is_good else Tone.BAD
    yield from fold_line(Line(f"{_name(result)}: {_sentence(result)}", tone), width)
    record = result.record
    for patch in record.posted if record is not None else ():
        if patch.failed and patch.at_fault:
            yield from fold_line(Line(one_line(patch.what), Tone.BAD), width, indent=2)
            for text in bound_lines(plain_text(patch.evidence), _EVIDENCE_LINES).split("\n") if patch.evidence else ():
                yield from fold_line(Line(text, Tone.FAINT), width, indent=4)
        for effect in patch.unexpected:
            yield from fold_line(Line(f"patch {patch.number}: {one_line(effect.render())}", Tone.BAD), width, indent=2)
    for need in result.dependencies:
        yield from fold_line(Line(one_line(str(need)), Tone.WARNING), width, indent=2)


def _sentence(result: BaseResult) -> str:
    record = result.record
    if record is None:
        return one_line(result.problem)
    asked = max((patch.asked for patch in record.patches), default=0)
    merged = f"; {counted(len(result.merged), 'patch')} merged three-way" if result.merged else ""
    return f"{_built(record)}, {counted(asked, 'case')}; {result_of(record)}{merged}"


def _built(record: SeriesRecord) -> str:
    booted = sum(not patch.failed for patch in record.posted)
    return f"{booted} of {counted(len(record.posted), 'patch')} booted"


def _name(result: BaseResult) -> str:
    """Return the revision of a tree, or the base as typed."""
    return one_line(result.word.rpartition("@")[2] or result.word)
