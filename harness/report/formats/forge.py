# SPDX-License-Identifier: GPL-2.0-only
"""Write a series for GitHub and GitLab: a summary in Markdown, annotations, a code quality report. Pure.

Titles of patches and output of guests are untrusted: in Markdown every special character is written as an entity, and
an annotation is one line in which GitHub's own special characters are escaped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

from harness.model.series_record import (
    Expectedness,
    Level,
    PatchRecord,
    SeriesRecord,
    StyleFinding,
    called,
    failed_words,
)
from harness.report.tables.series import STATE_WORDS, result_of, title_of
from harness.report.text import bound, one_line, plain_text

ANNOTATIONS = 10
"""The number of errors and of warnings that GitHub shows for a step; the summary has all."""
_SUMMARY_LIMIT = 900_000  # GitHub takes a summary of 1 MiB a step
_EVIDENCE = 4000
_MARKS = "&<>\"'`|*_[]()#@\\~!:"
_ENTITIES = str.maketrans({mark: f"&#{ord(mark)};" for mark in _MARKS})
_SEVERITY = {Level.ERROR: "major", Level.WARNING: "minor", Level.CHECK: "info"}


def render_summary(record: SeriesRecord) -> str:
    """Return the summary of a step in Markdown: result, table of patches, details of patches with findings."""
    lines = [
        f"### {_plain(STATE_WORDS[record.state])}: {_plain(result_of(record))}",
        "",
        f"{_plain(title_of(record))}, on {_plain(record.base)}, commit {_plain(record.base_commit[:12])}",
        "",
        "| patch | title | checkpatch | warnings | kernel | cases | result |",
        "|---|---|---|---|---|---|---|",
        *(_row(record, patch) for patch in record.patches),
        "",
    ]
    lines += [f"- **broken in between**: {_plain(one.render())}" for one in record.broken]
    lines += [f"- **missing**: {_plain(one.text)}" for one in record.missing]
    for patch in record.posted:
        lines += _details(record, patch)
    return bound("\n".join(lines) + "\n", _SUMMARY_LIMIT)


def _row(record: SeriesRecord, patch: PatchRecord) -> str:
    number = f"{patch.number}/{len(record.posted)}" if patch.number else "base"
    if patch.failed:
        kernel = failed_words(patch.failed) if patch.at_fault else "not tested"
    else:
        kernel = "boots" if patch.same_as < 0 else f"image of {called(patch.same_as)}"
    cases = "" if patch.failed or patch.same_as >= 0 else str(patch.asked)
    style = str(len(patch.style)) if patch.number and not patch.style_note else ""
    warned = str(len(patch.warnings)) if patch.number and not patch.failed else ""
    state = STATE_WORDS[patch.state] if patch.number else ""
    cells = (number, one_line(patch.subject), style, warned, kernel, cases, state)
    return f"| {' | '.join(_plain(cell) for cell in cells)} |"


def _details(record: SeriesRecord, patch: PatchRecord) -> Iterator[str]:
    items = [patch.what] if patch.failed and patch.at_fault else []
    items += [f"{one.standing}: {one.render()}" for one in patch.effects if one.standing is not Expectedness.ALLOWED]
    items += [f"{tool}: {one.render()}" for tool, findings in patch.tools for one in findings]
    items += [f"lines: {patch.lines}"] if patch.lines and patch.lines.not_run else []
    if items:
        yield f"#### {patch.number}/{len(record.posted)} {_plain(patch.subject)}"
        yield ""
        yield from (f"- {_plain(one)}" for one in items)
        if patch.failed and patch.evidence:
            yield f"\n<pre>{_lines(bound(plain_text(patch.evidence), _EVIDENCE))}</pre>"
        yield ""


def _plain(text: str) -> str:
    """Return one line that Markdown shows literally."""
    return one_line(text).translate(_ENTITIES)


def _lines(text: str) -> str:
    """Return lines for ``<pre>``; an empty line would end the block."""
    return text.translate(_ENTITIES).replace("\n\n", "\n&nbsp;\n")


def annotate(record: SeriesRecord) -> tuple[str, ...]:
    """Return GitHub workflow commands that annotate lines of the tree, or the run; errors first, notices last."""
    errors: list[str] = []
    warnings: list[str] = []
    notices: list[str] = []
    for patch in record.posted:
        name = f"patch {patch.number}: {one_line(patch.subject, 80)}"
        if patch.failed and patch.at_fault:
            errors.append(_command("error", name, f"{failed_words(patch.failed)}: {patch.what}"))
        errors += [_command("error", name, one.render()) for one in patch.unexpected]
        for tool, findings in patch.tools:
            for one in findings:
                word = "error" if record.is_strict else "warning"
                found = errors if record.is_strict else warnings
                found.append(_command(word, f"{tool}, patch {patch.number}", one.text, one))
        for span in patch.lines.not_run if patch.lines else ():
            text = f"no case runs {span}"
            notices.append(_command("notice", name, text, StyleFinding(Level.CHECK, span.file, span.first, text)))
    errors += [_command("error", "declared change is missing", one.text) for one in record.missing]
    errors += [_command("error", "not bisectable", one.render()) for one in record.broken]
    return (*_first(errors, "error"), *_first(warnings, "warning"), *_first(notices, "notice"))


def _first(commands: list[str], level: str) -> list[str]:
    if len(commands) <= ANNOTATIONS:
        return commands
    more = f"{len(commands) - ANNOTATIONS + 1} more, see the summary of this step"
    return [*commands[: ANNOTATIONS - 1], _command(level, "more", more)]


def _command(level: str, title: str, text: str, finding: StyleFinding | None = None) -> str:
    """Return ``::error file=...,line=...,title=...::text``, escaped so that the text cannot be a command."""
    facts = {"file": finding.file, "line": str(finding.line or "")} if finding else {}
    facts["title"] = title
    properties = ",".join(
        f"{name}={_escaped(value).replace(':', '%3A').replace(',', '%2C')}" for name, value in facts.items() if value
    )
    return f"::{level} {properties}::{_escaped(text)}"


def _escaped(text: str) -> str:
    return one_line(text, 1000).replace("%", "%25")


def render_code_quality(record: SeriesRecord) -> str:
    """Return the findings of checkpatch.pl and the compiler, and lines that no case runs, as GitLab's code quality."""
    found = []
    for patch in record.posted:
        unrun = patch.lines.not_run if patch.lines else ()
        not_run = [StyleFinding(Level.CHECK, one.file, one.first, f"no case runs {one}") for one in unrun]
        for tool, findings in (*patch.tools, ("coverage", tuple(not_run))):
            for one in findings:
                if not one.file:
                    continue
                text = one_line(one.text, 500)
                mark = hashlib.sha256(f"{tool}\0{one.file}\0{one.line}\0{text}".encode(errors="replace")).hexdigest()
                found.append(
                    {
                        "description": f"patch {patch.number}: {text}",
                        "check_name": f"{tool} {one.kind}".strip(),
                        "fingerprint": mark,
                        "severity": _SEVERITY[one.level],
                        "location": {"path": one.file, "lines": {"begin": max(1, one.line)}},
                    }
                )
    return json.dumps(list({one["fingerprint"]: one for one in found}.values()), indent=1) + "\n"
