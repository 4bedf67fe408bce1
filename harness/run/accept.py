"""Taking what a run saw as the expectation of a session file."""

from __future__ import annotations

import contextlib
from pathlib import Path

from harness.base.errors import UsageError
from harness.model.run_record import CaseRecord
from harness.model.verdict import Outcome
from harness.results.folder import LATEST_NAME, case_folder_name, load_run
from harness.run.case import ACTUAL_NAME, EXPECTED_NAME
from harness.session.render import diff
from harness.session.transcript import parse
from harness.suite.definition import Suite
from harness.suite.load import case_id, find_case, shared_suite

_WHOLE = {Outcome.MATCH, Outcome.MISMATCH}
"""What a case came to when its transcript is that of a whole session on a sound kernel."""


def accept_case(case: str, suite: Suite, *, results: Path, is_named: bool = False) -> str:
    """Rewrite a session file from what the last run saw; the text to show, which is the patch that was applied.

    :param case: the file, or its id as reports print it.
    :param suite: the suite that is named, or the default one.
    :param is_named: whether the user named it.
    :param results: the folder of the run folders.
    :raises UsageError: there is no such case or run, its case did not come to its end, the file was changed since, or
        it cannot be written.
    :raises CaseError: what was seen cannot be written as a session file.
    """
    path = find_case(case, suite)
    suite = shared_suite([path], chosen=suite, is_named=is_named)
    if path.suffix != ".session":
        remedy = "a Python case says what it expects in its own code: edit it"
        raise UsageError(f"{case} is no session file", remedy=remedy)
    identity = case_id(path, suite)
    latest = results / LATEST_NAME
    again = f"run it: harness run --cases {case}"
    record = _find_record(latest, identity)
    if record is None:
        what = f"the last run in {results} did not ask {identity}"
        raise UsageError(what, evidence=f"looked in {latest.resolve()}", remedy=again)
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
        said = f"; it came to: {record.outcome}, {record.reason}" if record.outcome is not Outcome.MATCH else ""
        return f"{identity} says already what the last run saw, nothing to do{said}\n"
    if before != expected:
        remedy = f"{again}, then accept"
        raise UsageError(f"{identity} was changed since the last run", evidence=f"in {latest.resolve()}", remedy=remedy)
    parse(text, path=identity, preparations=suite.preparations)
    _replace(path, text)
    return diff(before, text, path=identity).rstrip("\n") + "\n"


def _find_record(latest: Path, identity: str) -> CaseRecord | None:
    """What the last run recorded of a case; None when there is no run, or it did not ask that."""
    if not latest.is_dir():
        return None
    return next((case for case in load_run(latest).cases if case.id == identity), None)


def _require_whole(record: CaseRecord, identity: str, again: str) -> None:
    if record.outcome not in _WHOLE:
        raise UsageError(
            f"the last run of {identity} came to: {record.outcome}; that is no expectation",
            evidence=record.reason,
            remedy=f"see to that first, then {again}",
        )


def _replace(path: Path, text: str) -> None:
    """Write a case file, whole or not at all; its permissions and its kind of line ends stay."""
    new = path.with_name(f".{path.name}.accepted")
    try:
        newline = "\r\n" if b"\r\n" in path.read_bytes() else "\n"
        new.write_text(text, encoding="utf-8", newline=newline)
        new.chmod(path.stat().st_mode)
        new.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            new.unlink()
        remedy = "make the file and its folder writable, and see that there is room; nothing was changed"
        raise UsageError(f"{path} cannot be written", evidence=str(error), remedy=remedy) from None
