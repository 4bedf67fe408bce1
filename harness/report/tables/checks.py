# SPDX-License-Identifier: GPL-2.0-only
"""Show the checks of a series as lines: a row for each patch with its findings, then what was not run. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from harness.model.checks_record import ChecksRecord, PatchChecks
from harness.model.finding import CheckResult, Level
from harness.model.series_record import called, counted
from harness.report.lines import Line, Tone, fact_lines, fold_line
from harness.report.text import columns, elide, fold, one_line

_LISTED = 8
_INDENT = 8
_NUMBER_WIDTH = 7
_CELLS = f"{'checks':>7} {'found':>6}"


def checks_lines(record: ChecksRecord, width: int) -> list[Line]:
    """Return the lines of the checks of a series.

    :param record: the checks.
    :param width: columns.
    """
    version = "" if record.posted_as == "v1" else f", {record.posted_as}"
    title = f"{one_line(record.title)}{version}, {counted(len(record.patches), 'patch')}"
    facts = (("series", title), ("base", f"{one_line(record.base)}, commit {record.base_commit[:12]}"))
    lines = [line for name, fact in facts for line in fact_lines(name, fact, width)]
    lines += [line for note in record.notes for line in fact_lines("note", one_line(note), width)]
    room = max(8, width - _NUMBER_WIDTH - len(_CELLS) - 1)
    lines += [Line(""), Line(f"{'patch':<{_NUMBER_WIDTH + room}}{_CELLS}", Tone.STRONG)]
    for patch in record.patches:
        lines += _patch_lines(record, patch, room, width)
    lines.append(Line(""))
    lines += not_run_lines([(patch.number, one) for patch in record.patches for one in patch.results], width)
    return [
        *lines,
        *(Line(part, Tone.GOOD if record.is_clean else Tone.WARNING) for part in fold(_result(record), width)),
    ]


def finding_lines(results: tuple[CheckResult, ...], width: int, *, indent: int = _INDENT) -> Iterator[Line]:
    """Yield the findings of one patch.

    :param results: the result of each check.
    :param width: columns.
    :param indent: columns before each line.
    """
    for result in results:
        for one in result.findings[:_LISTED]:
            tone = Tone.FAINT if one.level is Level.CHECK else Tone.WARNING
            yield from fold_line(Line(f"{result.check}: {one_line(one.render())}", tone), width, indent=indent)
        if (more := len(result.findings) - _LISTED) > 0:
            yield Line(f"{'':{indent}}and {more} more of {result.check}")


def not_run_lines(results: list[tuple[int, CheckResult]], width: int) -> list[Line]:
    """Return a line for each check that was not run, with the reason and the patches.

    :param results: each result with the number of its patch.
    :param width: columns.
    """
    reasons: dict[tuple[str, str], list[int]] = {}
    for number, one in results:
        if one.not_run:
            reasons.setdefault((one.check, one.reason), []).append(number)
    every = len({number for number, _ in results})
    lines = []
    for (check, reason), numbers in reasons.items():
        where = "" if len(numbers) == every else f" ({', '.join(map(called, numbers))})"
        lines += fold_line(Line(f"not run: {check}{where}: {one_line(reason)}", Tone.WARNING), width)
    return lines


def _patch_lines(record: ChecksRecord, patch: PatchChecks, room: int, width: int) -> Iterator[Line]:
    number = f"{patch.number}/{len(record.patches)}"
    subject = elide(one_line(patch.subject), room - 1)
    run = sum(not one.not_run for one in patch.results)
    found = sum(1 for _ in patch.found)
    is_bad = bool(found or patch.does_not_apply)
    cells = f"{run:>7} {found or 'ok':>6}" if not patch.does_not_apply else f"{'-':>7} {'-':>6}"
    text = f"{number:<{_NUMBER_WIDTH}}{subject}{' ' * max(1, room - columns(subject))}{cells}"
    yield Line(text, Tone.WARNING if is_bad else Tone.PLAIN)
    if patch.does_not_apply:
        yield from fold_line(Line(one_line(patch.does_not_apply), Tone.BAD), width, indent=_INDENT)
    yield from finding_lines(patch.results, width)


def _result(record: ChecksRecord) -> str:
    found = sum(1 for patch in record.patches for _ in patch.found)
    refused = sum(bool(patch.does_not_apply) for patch in record.patches)
    missing = len({one.check for patch in record.patches for one in patch.results if one.not_run})
    parts = [counted(found, "finding") if found else "no findings"]
    parts += [f"{counted(refused, 'patch')} not checked"] if refused else []
    parts += [f"{counted(missing, 'check')} not run"] if missing else []
    return "; ".join(parts)
