# SPDX-License-Identifier: GPL-2.0-only
"""Show a series as lines: a row for each patch with its changes below, and the result at the end. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness.model.series_record import (
    NOT_JUDGED,
    Effect,
    Expectedness,
    Level,
    PatchRecord,
    PatchState,
    SeriesRecord,
    StyleFinding,
    VariantResult,
    called,
    counted,
    failed_words,
)
from harness.report.lines import Line, Tone, fact_lines, fold_line
from harness.report.tables.checks import not_run_lines
from harness.report.text import bound_lines, columns, elide, fold, one_line, plain_text

STATE_WORDS = {PatchState.SUCCESS: "ok", PatchState.WARNING: "WARN", PatchState.FAIL: "FAIL", PatchState.UNKNOWN: "?"}
_TONES = {
    PatchState.SUCCESS: Tone.GOOD,
    PatchState.WARNING: Tone.WARNING,
    PatchState.FAIL: Tone.BAD,
    PatchState.UNKNOWN: Tone.WARNING,
}
_STANDING_TONES = {Expectedness.UNEXPECTED: Tone.BAD, Expectedness.INTENDED: Tone.GOOD, Expectedness.MENDED: Tone.GOOD}
_KERNELS = {"apply": "no apply", "configure": "no config", "build": "no build", "boot": "no boot"}
_HEAD = f"{'style':>6} {'warn':>4}  {'kernel':<10} {'cases':<11} "
_NUMBER_WIDTH = 7
_VARIANT_WIDTH, _VARIANT_NAME = 4, 8
"""The width of a variant's column: at least a result, at most this much of its name."""
_INDENT = 8
_EVIDENCE_LINES = 14
_LISTED = 8


def series_lines(record: SeriesRecord, width: int) -> list[Line]:
    """Return the lines of a series.

    :param width: columns.
    """
    blocks = (
        _about(record, width),
        [
            *_table_head(record, width),
            *(line for patch in record.patches for line in _patch_lines(record, patch, width)),
        ],
        list(_variant_lines(record, width)),
        conclusion_lines(record, width),
    )
    return [line for block in blocks if block for line in (*block, Line(""))][:-1]


def title_of(record: SeriesRecord) -> str:
    """Return title, version and number of patches in one line."""
    number = "" if record.posted_as == "v1" else f", {record.posted_as}"
    return f"{one_line(record.title)}{number}, {counted(len(record.posted), 'patch')}"


def result_of(record: SeriesRecord) -> str:
    """Return the result in one line."""
    unexpected = sum(len(patch.unexpected) for patch in record.posted)
    failed = [patch for patch in record.posted if patch.failed and patch.at_fault]
    unknown = sum(patch.state is PatchState.UNKNOWN for patch in record.posted)
    findings = sum(len(patch.findings) for patch in record.posted)
    intended = sum(one.standing is Expectedness.INTENDED for patch in record.posted for one in patch.effects)
    parts = ["interrupted before its end"] if record.is_interrupted else []
    parts += [f"{called(patch.number)} {failed_words(patch.failed)}" for patch in failed]
    parts += [f"{counted(unexpected, 'unexpected change')}"] if unexpected else []
    parts += [f"{counted(len(record.missing), 'declared change')} missing"] if record.missing else []
    parts += [f"{counted(unknown, 'patch')} not tested"] if unknown else []
    parts += [f"{counted(intended, 'intended change')}"] if intended else []
    if not parts:
        parts = ["nothing changed"]
    return "; ".join([*parts, *([counted(findings, "finding")] if findings else [])])


def conclusion_lines(record: SeriesRecord, width: int) -> list[Line]:
    """Return the conclusion: changes that were undone, missing changes, changes of the whole series, the result."""
    texts = [f"BROKEN IN BETWEEN: {one.render()}" for one in record.broken]
    texts += [f"MISSING: {one.text}" for one in record.missing]
    lines = [part for text in texts for part in fold_line(Line(one_line(text), Tone.BAD), width)]
    net = [one for one in record.net if one.standing is not Expectedness.ALLOWED]
    if net and len(record.posted) > 1:
        lines += [Line("From the base to the last patch", Tone.STRONG)]
        lines += [line for one in net[:_LISTED] for line in _effect_lines(one, width, indent=2)]
        lines += [Line(f"  and {len(net) - _LISTED} more")] if len(net) > _LISTED else []
    lines += not_run_lines([(one.number, check) for one in record.posted for check in one.checks], width)
    state = record.state
    result = f"{STATE_WORDS[state]}: {result_of(record)}"
    return [*lines, *(Line(part, _TONES[state]) for part in fold(result, width))]


def _about(record: SeriesRecord, width: int) -> list[Line]:
    declared = ", ".join(
        (f"{one.name} = {one.value}" if one.value else one.name) + (f" by patch {one.patch}" if one.patch else "")
        for one in record.declared
    )
    ends = [patch.asked for patch in record.patches if patch.same_as < 0 and not patch.failed]
    cases = f"{max(ends, default=0)} at the ends" if ends else "none"
    between = [patch.asked for patch in record.patches[1:-1] if patch.same_as < 0 and not patch.failed]
    if between and not record.is_full:
        least, most = min(between), max(between)
        cases += f", {most} between" if least == most else f", {least} to {most} between"
    facts = (
        ("series", title_of(record)),
        ("base", f"{one_line(record.base)}, commit {record.base_commit[:12]}"),
        ("declared", f"{declared} ({one_line(record.declared[0].source)})" if record.declared else ""),
        ("cases", cases),
        ("lines", one_line(str(record.lines)) if record.lines else ""),
    )
    lines = [line for name, fact in facts for line in fact_lines(name, fact, width)]
    return lines + [line for note in record.notes for line in fact_lines("note", one_line(note), width)]


def _table_head(record: SeriesRecord, width: int) -> list[Line]:
    name = f"{'patch':<{_NUMBER_WIDTH + _room(record, width)}}"
    return [Line(f"{name}{_HEAD}{_variant_cells(record, None)}state", Tone.STRONG)]


def _room(record: SeriesRecord, width: int) -> int:
    """Return the number of columns for a patch's title."""
    return max(8, width - _NUMBER_WIDTH - len(_HEAD) - len(_variant_cells(record, None)) - 5)


def _variant_cells(record: SeriesRecord, patch: PatchRecord | None) -> str:
    """Return a cell for each variant: its name, or its result on a patch."""
    names = [one.variant for one in record.patches[0].variants]
    widths = [max(_VARIANT_WIDTH, min(columns(name), _VARIANT_NAME)) for name in names]
    words = names if patch is None else [_variant_word(one) for one in patch.variants]
    return "".join(f"{elide(one_line(word), width):<{width}} " for word, width in zip(words, widths, strict=False))


def _variant_word(one: VariantResult) -> str:
    """Return the result of a variant in at most four letters; ``-`` for one that did not run."""
    if one.is_between or one.failed == NOT_JUDGED:
        return "-"
    return "same" if one.same_as >= 0 and not one.effects else STATE_WORDS[one.state]


def _variant_lines(record: SeriesRecord, width: int) -> Iterator[Line]:
    """Yield for each variant how it ran on the base, or why it did not."""
    for one in record.patches[0].variants:
        if one.failed:
            text = f"not run: {one_line(one.what)}"
        else:
            tested = sum(not patch.failed and not patch.is_between for patch in _of_variant(record, one.variant))
            text = (
                f"{counted(one.asked, 'case')}, {counted(tested, 'kernel')}; boots {one.slowness:.1f} times as slowly"
            )
        yield from fact_lines(one.variant, text, width, tone=Tone.WARNING if one.failed else Tone.PLAIN)


def _of_variant(record: SeriesRecord, name: str) -> Iterator[VariantResult]:
    return (one for patch in record.patches for one in patch.variants if one.variant == name)


def _patch_lines(record: SeriesRecord, patch: PatchRecord, width: int) -> Iterator[Line]:
    number = f"{patch.number}/{len(record.posted)}" if patch.number else "base"
    room = _room(record, width)
    subject = elide(one_line(patch.subject), room - 1)
    style = "-" if patch.style_note or not patch.number else str(len(patch.style) or "ok")
    warned = "-" if patch.failed or not patch.number else str(len(patch.warnings) or "ok")
    cells = f"{style:>6} {warned:>4}  {_kernel(patch):<10} {_cases(patch):<11} "
    state = patch.state if patch.number else PatchState.SUCCESS
    word = STATE_WORDS[state] if patch.number else ""
    cells += _variant_cells(record, patch)
    text = f"{number:<{_NUMBER_WIDTH}}{subject}{' ' * max(1, room - columns(subject))}{cells}{word}"
    yield Line(text.rstrip(), _TONES[state] if state is not PatchState.SUCCESS else Tone.PLAIN)
    if patch.failed:
        yield from _failure_lines(patch, width)
    if patch.lines is not None and patch.lines.changed:
        tone = Tone.WARNING if patch.lines.not_run else Tone.FAINT
        yield from fold_line(Line(one_line(str(patch.lines)), tone), width, indent=_INDENT)
    for one in patch.effects[:_LISTED]:
        yield from _effect_lines(one, width, indent=_INDENT)
    if (more := len(patch.effects) - _LISTED) > 0:
        yield Line(f"{'':{_INDENT}}and {more} more changes; series.json has all")
    for name, findings in patch.tools:
        yield from _finding_lines(name, findings, width)


def _kernel(patch: PatchRecord) -> str:
    if patch.failed:
        return _KERNELS.get(patch.failed, "-") if patch.at_fault else "-"
    return "boots" if patch.same_as < 0 else "as base" if patch.same_as == 0 else f"as {patch.same_as}"


def _cases(patch: PatchRecord) -> str:
    if patch.failed or patch.same_as >= 0:
        return "-"
    return f"{patch.asked}, {patch.failing} fail" if patch.failing else str(patch.asked)


def _failure_lines(patch: PatchRecord, width: int) -> Iterator[Line]:
    yield from fold_line(Line(one_line(patch.what), Tone.BAD), width, indent=_INDENT)
    if patch.evidence.strip():
        for text in bound_lines(plain_text(patch.evidence), _EVIDENCE_LINES).split("\n"):
            yield from fold_line(Line(text, Tone.FAINT), width, indent=_INDENT + 2)
    if patch.log:
        # Not folded, so that the path can be copied.
        yield from fold_line(Line(f"log: {one_line(patch.log)}", Tone.FAINT), 0, indent=_INDENT + 2)


def _effect_lines(one: Effect, width: int, *, indent: int) -> Iterator[Line]:
    word = one.standing.upper() if one.standing is Expectedness.UNEXPECTED else str(one.standing)
    since = f" (since {called(one.since)}, where it was last run)" if one.since >= 0 else ""
    text = f"{word} {one_line(one.render())}{since}"
    yield from fold_line(Line(text, _STANDING_TONES.get(one.standing, Tone.FAINT)), width, indent=indent)
    if one.standing is Expectedness.UNEXPECTED:
        detail = one_line(one.text) if one.of != "splat" else ""
        shown = f"in {one_line(one.cases[0])}" if one.cases and one.of != "case" else ""
        more = f" and {len(one.cases) - 1} more" if shown and len(one.cases) > 1 else ""
        for line in filter(None, (detail, shown + more)):
            yield from fold_line(Line(line, Tone.FAINT), width, indent=indent + 2)


def _finding_lines(name: str, findings: Iterable[StyleFinding], width: int) -> Iterator[Line]:
    found = tuple(findings)
    for one in found[:_LISTED]:
        tone = Tone.FAINT if one.level is Level.CHECK else Tone.WARNING
        yield from fold_line(Line(f"{name}: {one_line(one.render())}", tone), width, indent=_INDENT)
    if len(found) > _LISTED:
        yield Line(f"{'':{_INDENT}}and {len(found) - _LISTED} more of {name}")
