# SPDX-License-Identifier: GPL-2.0-only
"""Prepare the test of a series as a command, and read its result.

The command is ``harness series``, so a verdict of the service is that of a user. Its arguments are numbers, hashes and
paths of the service, and what the configuration says: no word of a mail is among them. The token of Patchwork is not in
its environment, because it builds untrusted code.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.base.atomic_write import write_whole
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus, HarnessError, SeriesError, UsageError
from harness.base.process import Surroundings, python
from harness.base.store import digest_of
from harness.follow.state.config import Rule
from harness.follow.state.rows import SeriesRow
from harness.kernel.git.user_repository import find_user_repository, resolve
from harness.kernel.mail.mailbox import read_mailbox
from harness.kernel.mail.mbox import join_mailbox
from harness.kernel.mail.posting import choose_posting
from harness.kernel.source.locate import find_named
from harness.model.kernel_spec import PathReading, SpecKind, parse_spec
from harness.model.series_record import SERIES_NAME, PatchState, SeriesRecord
from harness.report.formats.b4 import patch_findings, render_json, series_findings
from harness.report.text import plain_text
from harness.results.folder import JUNIT_NAME
from harness.results.records import load_series
from harness.series.patchwork_server import TOKEN_VARIABLE

ANSWERS_NAME = "answers"
RESULTS_NAME = "results"
LOG_NAME = "log.txt"
MAILBOX_NAME = "series.mbox"
B4_NAME = "b4.json"
_LOG_BYTES = 4000
_TOLD = "harness: "

Command = Callable[[Sequence[str]], Sequence[str]]
"""Returns the whole command for the arguments of ``harness``; tests replace it."""


def harness_command(arguments: Sequence[str]) -> Sequence[str]:
    """Return the command that runs the harness with this Python."""
    return python("harness", *arguments)


@dataclass(frozen=True, slots=True)
class Job:
    """A test to start.

    :param arguments: of ``harness``.
    :param folder: the folder of its files, in which it is started.
    """

    arguments: tuple[str, ...]
    folder: Path

    @property
    def surroundings(self) -> Surroundings:
        """Return the surroundings of the command."""
        return Surroundings(cwd=self.folder, env={k: v for k, v in os.environ.items() if k != TOKEN_VARIABLE})


def series_job(row: SeriesRow, rule: Rule, mails: Sequence[bytes], folder: Path, *, base: str) -> Job:
    """Write the mailbox of a series and return the command that tests it.

    :param mails: the raw mails.
    :param folder: an existing folder.
    :param base: the base, pinned to a commit.
    :raises SeriesError: the mails do not give the series that was queued.
    """
    series = row.range.rpartition(":")[2] if row.range else write_mailbox(row, mails, folder)
    outputs = ("--answers", str(folder / ANSWERS_NAME), "--results", str(folder / RESULTS_NAME))
    return Job(("series", series, "--base", base, *outputs, *rule.options), folder)


def write_mailbox(row: SeriesRow, mails: Sequence[bytes], folder: Path) -> str:
    """Write the mailbox of a series and return its path.

    :raises SeriesError: the mails do not give the series that was queued.
    """
    data = join_mailbox(mails)
    posting = choose_posting(read_mailbox(data), name=f"series {row.id}")
    names = [mail.message_id for mail in posting.mails]
    if all(names) and digest_of(*names, "") != row.key:
        raise SeriesError(f"the mails of series {row.id} give other patches than those that were queued")
    path = folder / MAILBOX_NAME
    write_whole(path, data, mode=0o644)
    return str(path)


def pin_base(word: str, *, deadline: Deadline) -> str:
    """Return an argument of ``--base`` with the revision of a tree replaced by its commit.

    :raises UsageError: no such tree or revision.
    :raises HostError: git failed.
    """
    spec = parse_spec(word)
    named = find_named(spec) if spec.kind is SpecKind.PATH else None
    if not isinstance(named, PathReading) or not named.revision:
        return word
    theirs = find_user_repository(Path(named.path), deadline=deadline)
    commit = resolve(theirs, named.revision, deadline=deadline) if theirs else ""
    if not commit:
        raise UsageError(f"{word} is not a commit", remedy=f"check it: git -C {named.path} rev-parse {named.revision}")
    return f"{named.path}@{commit}"


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a test.

    :param record: the record of the series; None without a verdict.
    :param is_interrupted: whether the test was ended from outside.
    :param problem: why there is no verdict.
    """

    record: SeriesRecord | None
    is_interrupted: bool = False
    problem: str = ""


def read_result(folder: Path, status: int | None) -> Result:
    """Read the result of a test.

    :param folder: of the test.
    :param status: its exit status; None when it is not known, because the service was killed.
    """
    answers = folder / ANSWERS_NAME
    record: SeriesRecord | None = None
    # It is written last: without it, the test was killed while it wrote.
    if (answers / JUNIT_NAME).is_file():
        file = answers / SERIES_NAME
        try:
            record = load_series(file.read_text(encoding="utf-8"), source=str(file))
        except (OSError, UnicodeDecodeError, HarnessError) as error:
            return Result(None, problem=str(error))
    if status == ExitStatus.INTERRUPTED or (record is not None and record.is_interrupted):
        return Result(None, is_interrupted=True)
    if status is None:
        is_certain = record is not None and record.state is not PatchState.UNKNOWN
        return Result(record if is_certain else None, is_interrupted=not is_certain)
    if status in (ExitStatus.AS_EXPECTED, ExitStatus.DIFFERS) and record is not None:
        return Result(record)
    return Result(None, problem=_last_words(folder / LOG_NAME) or f"the test ended with status {status}")


def write_b4(record: SeriesRecord, folder: Path) -> None:
    """Write the findings in the format of b4's checks beside the other outputs: of the series, and of each patch."""
    answers = folder / ANSWERS_NAME
    parts = {"series": json.loads(render_json(list(series_findings(record))))}
    parts |= {str(one.number): json.loads(render_json(list(patch_findings(one)))) for one in record.posted}
    write_whole(answers / B4_NAME, (json.dumps(parts, indent=1) + "\n").encode(), mode=0o644)


def _last_words(path: Path) -> str:
    """Return the error at the end of a log."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _LOG_BYTES))
            text = plain_text(file.read().decode(errors="replace"))
    except OSError:
        return ""
    at = text.rfind(f"\n{_TOLD}")
    return (text[at + 1 :] if at >= 0 else text).strip().removeprefix(_TOLD)
