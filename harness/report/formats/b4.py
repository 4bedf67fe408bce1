# SPDX-License-Identifier: GPL-2.0-only
"""Write the result of a series in the formats of b4's checks. Pure.

``b4 review`` starts a check for each patch and one for the series, with the mail on standard input, and reads a JSON
array of objects: ``tool``, ``status`` (``pass``, ``warn`` or ``fail``), ``summary``, ``url``, ``details``. ``b4 prep
--check`` and ``b4 am --check`` read lines: a line with ``ERROR:`` fails, any other line warns, no line passes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from harness.model.series_record import (
    NOT_JUDGED,
    Level,
    PatchRecord,
    PatchState,
    SeriesRecord,
    StyleFinding,
    counted,
    failed_words,
)
from harness.report.formats.series_mail import render_mail
from harness.report.tables.series import result_of
from harness.report.text import bound, one_line, plain_text

TOOL = "harness"
_DETAILS = 20_000


class Status(StrEnum):
    """The status of a check, as b4 names it."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class B4Finding:
    """One check of one patch or of the series.

    :param tool: the name of its column; each patch has it once.
    :param status: the status.
    :param summary: one line.
    :param details: more lines.
    :param url: a page with the results.
    """

    tool: str
    status: Status
    summary: str
    details: str = ""
    url: str = ""


_STATUSES = {
    PatchState.SUCCESS: Status.PASS,
    PatchState.WARNING: Status.WARN,
    PatchState.FAIL: Status.FAIL,
    PatchState.UNKNOWN: Status.WARN,
}


def patch_findings(patch: PatchRecord, *, is_alone: bool = False, is_quick: bool = False) -> Iterator[B4Finding]:
    """Yield the findings for one patch.

    :param patch: the record of the patch.
    :param is_alone: whether patches before it may be missing.
    :param is_quick: whether no kernel was to be built.
    """
    if patch.failed == "apply" and is_alone:
        what = "does not apply alone; the patches before it were not found (name a mailbox: --thread FILE)"
        yield B4Finding(f"{TOOL}/kernel", Status.WARN, what, _plain(patch.what, patch.full_evidence))
    elif is_quick and patch.failed == NOT_JUDGED and patch.applies:
        yield B4Finding(f"{TOOL}/kernel", Status.PASS, "applies; not built")
    elif patch.failed:
        status = Status.FAIL if patch.at_fault else Status.WARN
        text = failed_words(patch.failed) if patch.at_fault else f"not tested: {one_line(patch.what)}"
        yield B4Finding(f"{TOOL}/kernel", status, text, _plain(patch.what, patch.full_evidence))
    else:
        yield _findings("kernel", patch.warnings, "builds and boots")
    if patch.style_note:
        yield B4Finding(f"{TOOL}/checkpatch", Status.PASS, f"not run: {patch.style_note}")
    else:
        yield _findings("checkpatch", patch.style, "no findings")
    for one in patch.checks:
        if one.not_run:
            yield B4Finding(f"{TOOL}/{one.check}", Status.PASS, f"not run: {one.reason}")
        else:
            yield _findings(one.check, one.findings, "no findings")
    if not patch.failed:
        status = Status.FAIL if patch.unexpected else Status.PASS
        text = counted(len(patch.unexpected), "unexpected change") if patch.unexpected else str(_cases(patch))
        lines = [f"{one.standing}: {one.render()}" for one in patch.effects]
        yield B4Finding(f"{TOOL}/cases", status, text, _plain("", "\n".join(lines)))


def series_findings(record: SeriesRecord, *, is_quick: bool = False) -> Iterator[B4Finding]:
    """Yield the findings for the series as a whole.

    :param record: the record of the series.
    :param is_quick: whether no kernel was to be built.
    """
    if is_quick:
        conflict = next((one for one in record.posted if one.failed == "apply"), None)
        findings = [line for one in record.posted for line in one.style]
        status = Status.FAIL if conflict else Status.WARN if findings else Status.PASS
        text = one_line(conflict.what) if conflict else f"{counted(len(record.posted), 'patch')} applied; not built"
        text += f"; checkpatch: {counted(len(findings), 'finding')}" if findings else ""
        details = "\n".join(one_line(one.render()) for one in findings)
        yield B4Finding(TOOL, status, text, bound(details, _DETAILS))
        return
    yield B4Finding(TOOL, _STATUSES[record.state], one_line(result_of(record)), bound(render_mail(record), _DETAILS))


def error_finding(what: str, details: str) -> B4Finding:
    """Return the finding for a check without a result, which is a warning: the patch is not at fault."""
    return B4Finding(TOOL, Status.WARN, f"not tested: {one_line(what)}", bound(plain_text(details), _DETAILS))


def render_json(findings: Sequence[B4Finding]) -> str:
    """Return the JSON array that ``b4 review`` reads."""
    return json.dumps([asdict(one) for one in findings], indent=1) + "\n"


def render_lines(findings: Sequence[B4Finding]) -> str:
    """Return the lines that ``b4 prep --check`` and ``b4 am --check`` read; nothing if all findings pass."""
    words = {Status.WARN: "WARNING", Status.FAIL: "ERROR"}
    lines = []
    for one in findings:
        if one.status is not Status.PASS:
            lines.append(f"{words[one.status]}: {one.tool}: {one.summary}")
            # b4 counts each line as a finding.
            lines += [
                f"{words[one.status]}: {one.tool}: {text}" for text in one.details.split("\n")[:8] if text.strip()
            ]
    return "".join(f"{line}\n" for line in lines)


def _cases(patch: PatchRecord) -> str:
    return str(patch) if not patch.findings else f"{counted(patch.asked, 'case')}, as before"


def _findings(name: str, findings: Sequence[StyleFinding], well: str) -> B4Finding:
    levels = {one.level for one in findings}
    # The same levels that b4 gives to messages of checkpatch.pl.
    status = Status.FAIL if Level.ERROR in levels else Status.WARN if Level.WARNING in levels else Status.PASS
    text = counted(len(findings), "finding") if findings else well
    return B4Finding(f"{TOOL}/{name}", status, text, "\n".join(one_line(one.render()) for one in findings))


def _plain(what: str, text: str) -> str:
    return bound(plain_text("\n".join(filter(None, (what, text)))), _DETAILS)
