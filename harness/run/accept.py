# SPDX-License-Identifier: GPL-2.0-only
"""Accept the output of a run as the new expectation of a session file."""

from __future__ import annotations

import contextlib
from pathlib import Path

from harness.base.errors import UsageError
from harness.model.run_record import CaseRecord
from harness.model.verdict import Outcome
from harness.results.folder import LATEST_NAME, case_folder_name, load_run
from harness.run.case import ACTUAL_NAME, EXPECTED_NAME
from harness.session.doubtful import find_doubts
from harness.session.render import diff
from harness.session.transcript import Transcript, parse
from harness.suite.definition import Suite
from harness.suite.load import case_id, find_case, shared_suite

_SHOWN = 6
_WHOLE = {Outcome.MATCH, Outcome.MISMATCH}
"""Outcomes of cases whose transcript is that of a whole session on a sound kernel."""


def accept_case(case: str, suite: Suite, *, results: Path, is_named: bool = False) -> str:
    """Rewrite a session file with the output of the last run.

    :param case: path of the file, or its id as in reports.
    :param suite: the suite that the user named, or the default suite.
    :param results: the folder of the run folders.
    :param is_named: whether the user named the suite.
    :return: the text to show: the patch that was applied, or a sentence if nothing changed.
    :raises UsageError: there is no such case or run, the case did not reach its end, the file was changed since, or it
        cannot be written.
    :raises CaseError: the output cannot be written as a valid session file.
    """
    path = find_case(case, suite)
    suite = shared_suite([path], chosen=suite, is_named=is_named)
    if path.suffix != ".session":
        remedy = "edit the expectation in the code of a Python case"
        raise UsageError(f"{case} is not a session file", remedy=remedy)
    identity = case_id(path, suite)
    latest = results / LATEST_NAME
    again = f"run it: harness run --cases {case}"
    record = _find_record(latest, identity)
    if record is None:
        what = f"the last run in {results} did not run {identity}"
        raise UsageError(what, evidence=f"searched: {latest.resolve()}", remedy=again)
    _require_whole(record, identity, again)
    folder = latest / (record.folder or case_folder_name(identity))
    try:
        text, expected, before = (
            file.read_text(encoding="utf-8") for file in (folder / ACTUAL_NAME, folder / EXPECTED_NAME, path)
        )
    except OSError as error:
        what = f"the last run in {results} holds no transcript of {identity}"
        raise UsageError(what, evidence=str(error), remedy=again) from None
    if text == before:
        result = f"; its result is {record.outcome}: {record.reason}" if record.outcome is not Outcome.MATCH else ""
        return f"{identity} already expects the output of the last run; nothing to do{result}\n"
    if before != expected:
        remedy = f"{again}, then accept"
        raise UsageError(f"{identity} was changed since the last run", evidence=f"in {latest.resolve()}", remedy=remedy)
    _require_steady(
        parse(before, path=identity, preparations=suite.preparations),
        parse(text, path=identity, preparations=suite.preparations),
        again,
    )
    _replace(path, text)
    return diff(before, text, path=identity).rstrip("\n") + "\n"


def _find_record(latest: Path, identity: str) -> CaseRecord | None:
    """Find the record of a case in the last run; None if there is no run, or the run did not include the case."""
    if not latest.is_dir():
        return None
    return next((case for case in load_run(latest).cases if case.id == identity), None)


def _require_whole(record: CaseRecord, identity: str, again: str) -> None:
    if record.outcome not in _WHOLE:
        raise UsageError(
            f"the result of the last run of {identity} is {record.outcome}, which cannot be accepted",
            evidence=record.reason,
            remedy=f"fix that first, then {again}",
        )


def _require_steady(before: Transcript, after: Transcript, again: str) -> None:
    """Check that the next run would print the same.

    :raises UsageError: the output has process ids, or errors about those of another run; the hint proposes ``varies``.
    """
    doubts = find_doubts(before, after)
    if not doubts:
        return
    what = "errors about processes of another run" if doubts[0].is_error else "numbers that look like process ids"
    tokens = " ".join(dict.fromkeys([*before.varies, *(one.token for one in doubts)]))
    first = "" if all(one.is_in_file for one in doubts) else "write the line into the file, "
    raise UsageError(
        f"{before.path}: the output has {what}, which differ from run to run; nothing was changed",
        evidence="\n".join(f"line {one.line}: {one.text}" for one in doubts[:_SHOWN]),
        remedy=f"{first}set `varies: {tokens}` in the header, then {again}",
    )


def _replace(path: Path, text: str) -> None:
    """Write a case file atomically; its permissions and its kind of line ends are kept."""
    new = path.with_name(f".{path.name}.accepted")
    try:
        newline = "\r\n" if b"\r\n" in path.read_bytes() else "\n"
        new.write_text(text, encoding="utf-8", newline=newline)
        new.chmod(path.stat().st_mode)
        new.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            new.unlink()
        remedy = f"make the file and its folder writable: chmod u+w {path}; nothing was changed"
        raise UsageError(f"{path} cannot be written", evidence=str(error), remedy=remedy) from None
