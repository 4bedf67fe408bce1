# SPDX-License-Identifier: GPL-2.0-only
"""Write the reply to a series as plain text for its mailing list: 72 columns, results first. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePath

from harness.model.command_option import CommandOption, option_words
from harness.model.series_record import (
    Effect,
    Expectedness,
    PatchRecord,
    PatchState,
    SeriesRecord,
    called,
    counted,
    failed_words,
)
from harness.report.tables.series import result_of, title_of
from harness.report.text import bound_lines, elide, fold, one_line, plain_text

WIDTH = 72
_OWN_OPTIONS = frozenset(
    {
        *(
            "--base",
            "--each-tag",
            "--newest",
            "--tested-by",
            "--expect",
        ),  # from the record, which also has what harness.toml declared
        *("--answers", "--mail", "--results"),  # output
        *("--patchwork", "--project", "--context", "--target-url"),
        "-n",  # the speed of this host
    }
)
"""Options that the command to reproduce a result does not repeat as they were typed."""
_LISTED = 6
_EVIDENCE_LINES = 8
_ADDRESS = re.compile(r"[!-;=?-~]+@[!-;=?-~]+")
_WORDS = {
    PatchState.SUCCESS: "ok",
    PatchState.WARNING: "warnings",
    PatchState.FAIL: "FAILS",
    PatchState.UNKNOWN: "not tested",
}


def render_mail(record: SeriesRecord) -> str:
    """Return the body of a mail; only commands may exceed :data:`WIDTH`, so that they can be copied."""
    blocks = [
        [*fold(_sentence(result_of(record)), WIDTH), "", *_about(record)],
        list(_table(record)),
        *(list(_patch_block(record, patch)) for patch in record.posted),
        list(_whole(record)),
        list(_reproduction(record)),
    ]
    return "\n".join("\n".join(block) + "\n" for block in blocks if block)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _about(record: SeriesRecord) -> list[str]:
    ends = max((patch.asked for patch in record.patches), default=0)
    built = sum(not patch.failed and patch.same_as < 0 for patch in record.patches)
    # The path of a tree on this host is private.
    origin = replace(record.base_origin, path=PurePath(record.base_origin.path).name)
    base = one_line(str(origin)) + (f" + {one_line(record.base_series)}" if record.base_series else "")
    text = f"{title_of(record)}, on {base}: {counted(built, 'kernel')} booted, {counted(ends, 'case')}"
    lines = fold(_sentence(one_line(str(record.lines))), WIDTH) if record.lines is not None else []
    return [*fold(f"{text} at the ends.", WIDTH), *lines]


def _table(record: SeriesRecord) -> Iterator[str]:
    yield f"{'patch':<7} {'style':>5} {'warnings':>8} {'cases':>6} {'changes':>8}  result"
    for patch in record.posted:
        style = "-" if patch.style_note else str(len(patch.style))
        tested = not patch.failed
        cases = ("same" if patch.same_as >= 0 else str(patch.asked)) if tested else "-"
        warnings, changes = (str(len(patch.warnings)), str(_changes(patch))) if tested else ("-", "-")
        result = failed_words(patch.failed) if patch.failed and patch.at_fault else _WORDS[patch.state]
        number = f"{patch.number}/{len(record.posted)}"
        yield f"{number:<7} {style:>5} {warnings:>8} {cases:>6} {changes:>8}  {result}"
    if any(patch.same_as >= 0 for patch in record.posted):
        yield "(same: the image equals that of another patch)"


def _changes(patch: PatchRecord) -> int:
    return sum(one.standing is not Expectedness.ALLOWED for one in patch.effects)


def _patch_block(record: SeriesRecord, patch: PatchRecord) -> Iterator[str]:
    """Yield the lines of one patch; none if it has no findings."""
    effects = [one for one in patch.effects if one.standing is not Expectedness.ALLOWED]
    if not (effects or patch.findings or (patch.failed and patch.at_fault)):
        return
    yield elide(f"{patch.number}/{len(record.posted)} {one_line(patch.subject)}", WIDTH)
    if patch.failed:
        yield from _folded(one_line(patch.what))
        if patch.evidence.strip():
            shown = bound_lines(plain_text(patch.evidence), _EVIDENCE_LINES).split("\n")
            yield from (elide(f"    {line.expandtabs(4)}", WIDTH) for line in shown)
    for one in effects[:_LISTED]:
        yield from _folded(_effect(one))
        if one.standing is Expectedness.UNEXPECTED and one.cases and one.of != "case":
            more = f" and {len(one.cases) - 1} more" if len(one.cases) > 1 else ""
            yield f"    in {one_line(one.cases[0])}{more}"
    yield from _more(len(effects))
    for name, findings in patch.tools:
        for finding in findings[:_LISTED]:
            yield from _folded(f"{name}: {one_line(finding.render())}")
        yield from _more(len(findings))


def _effect(one: Effect) -> str:
    since = f" (since {called(one.since)})" if one.since >= 0 else ""
    reason = (
        f": {one_line(one.text)}" if one.of == "case" and one.text and one.standing is Expectedness.UNEXPECTED else ""
    )
    return f"{one.standing}: {one_line(one.render())}{since}{reason}"


def _more(number: int) -> Iterator[str]:
    if number > _LISTED:
        yield f"  and {number - _LISTED} more"


def _public(option: CommandOption) -> CommandOption:
    """Return an option without the folders of this host: the path of a file is private, and useless elsewhere."""
    return replace(option, value=PurePath(option.value).name) if option.value.startswith("/") else option


def _folded(text: str) -> Iterator[str]:
    first, *rest = fold(text, WIDTH - 4)
    yield f"  {first}"
    yield from (f"    {line}" for line in rest)


def _whole(record: SeriesRecord) -> Iterator[str]:
    for broken in record.broken:
        yield from fold(f"Not bisectable: {broken.render()}.", WIDTH)
    for missing in record.missing:
        yield from fold(f"Declared but missing: {missing.text}.", WIDTH)


def _reproduction(record: SeriesRecord) -> Iterator[str]:
    """Yield the commands that reproduce the result; not folded, so that they can be copied."""
    yield "Reproduce:"
    series = record.origin
    if record.message_id and _ADDRESS.fullmatch(record.message_id):
        yield f"  b4 mbox -n series.mbx {shlex.quote(record.message_id)}"
        series = "series.mbx"
    else:
        yield f"  # {title_of(record)}"
    declared = [
        "--expect " + shlex.quote(f"{one.patch}:{one.name}={one.value}" if one.patch else f"{one.name}={one.value}")
        for one in record.declared
        if one.value
    ]
    # The path of the tree on this host is private, and useless elsewhere.
    base = record.base_word.rpartition("/")[2] if "@" in record.base_word else record.base_word
    if set(base.partition("@")[0]) == {"."}:
        base = PurePath(record.base_origin.path).name + base.lstrip(".")
    words = ["harness", "series", shlex.quote(series), "--base", shlex.quote(base), *declared]
    words += map(shlex.quote, option_words(map(_public, record.options), without=_OWN_OPTIONS))
    yield f"  {' '.join(words)}"
