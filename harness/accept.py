"""Taking what a run saw as the expectation of a session file."""

from __future__ import annotations

from pathlib import Path

from harness import places
from harness.case import ACTUAL_NAME, EXPECTED_NAME
from harness.errors import UsageError
from harness.report.folder import LATEST_NAME, case_folder_name
from harness.session.render import diff
from harness.session.transcript import parse


def accept_case(case: str, *, results: Path) -> str:
    """Rewrite a session file from what the last run saw; the text to show, which is the patch that was applied.

    :param case: the file, or its id as reports print it.
    :raises UsageError: there is no such case or run, or the file was changed since.
    :raises CaseError: what was seen cannot be written as a session file.
    """
    path = places.find_case(case)
    if path.suffix != ".session":
        remedy = "a Python case says what it expects in its own code: edit it"
        raise UsageError(f"{case} is no session file", remedy=remedy)
    identity = places.case_id(path)
    folder = results / LATEST_NAME / case_folder_name(identity)
    actual, expected = folder / ACTUAL_NAME, folder / EXPECTED_NAME
    if not (actual.is_file() and expected.is_file()):
        raise UsageError(
            f"the last run in {results} holds no transcript of {identity}",
            evidence=f"looked for {actual}",
            remedy=f"run it first: harness run --cases {case}",
        )
    text, before = actual.read_text(), path.read_text()
    if before != expected.read_text():
        raise UsageError(
            f"{identity} was changed since the last run",
            remedy=f"run it again, then accept: harness run --cases {case}",
        )
    if text == before:
        return f"{identity}: as expected already, nothing to take over\n"
    parse(text, path=identity)
    path.write_text(text)
    return diff(before, text, path=identity).rstrip("\n") + "\n"
