"""Where the answer to a series goes: the files of its folder, a mail, GitHub."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from harness.base.atomic_write import write_whole
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus, HarnessError, HostError, UsageError
from harness.base.events import Note, Report, StageEvent
from harness.commands.exit_status import tell
from harness.model.run_record import RunRecord
from harness.model.series_record import SERIES_NAME, SeriesRecord, dump_series
from harness.results.folder import JUNIT_NAME, RunFolder
from harness.series.patchwork import WHOLE_SECONDS, Patchwork, check_words, find_server
from harness.series.patchwork_checks import Poster, abandoned_checks, final_checks, pending_checks

ANSWER_NAME = "answer.txt"
SUMMARY_NAME = "summary.md"
QUALITY_NAME = "code-quality.json"
STDOUT = "-"


@dataclass(frozen=True, slots=True)
class SeriesOutputs:
    """Where the answer is to go besides the folder of the series.

    :param mail: a file for the text of the mail, or ``-``; empty for none.
    :param server: a Patchwork server; empty for none. The rest is for it; see ``harness patchwork``.
    """

    mail: str
    server: str
    project: str
    context: str
    target_url: str

    @property
    def takes_stdout(self) -> bool:
        """Whether the mail goes to standard output, and all else must not."""
        return self.mail == STDOUT

    def poster(self) -> Poster | None:
        """What posts the checks; None when none are wanted.

        :raises UsageError: a word is wrong, or there is no token.
        """
        if not self.server:
            return None

        check_words(self.context, self.target_url)
        return make_poster(self.server, project=self.project)

    def post_pending(self, record: SeriesRecord, poster: Poster, report: Report) -> None:
        """Say on the server that the patches are being judged.

        A server that does not answer now may do so at the end. :raises UsageError: it will not let us then, either.
        """

        try:
            poster.post(pending_checks(record, context=self.context, target_url=self.target_url), report=report)
        except HostError as error:
            report(Note(f"no check says that the patches are being judged: {error.what}"))

    def abandon(self, record: SeriesRecord, poster: Poster, what: str, report: Report) -> None:
        """Take ``pending`` back; that this fails is told, and the reason for it is the error to end with."""

        try:
            poster.post(abandoned_checks(record, what, context=self.context, target_url=self.target_url), report=report)
        except HarnessError as error:
            report(Note(error.what))

    def post(self, record: SeriesRecord, poster: Poster, folder: Path) -> ExitStatus:
        """Post what the series came to; the exit status of that. What went wrong is told, with how to do it again."""

        try:
            poster.post(final_checks(record, context=self.context, target_url=self.target_url), report=report_waiting)
        except HarnessError as error:
            again = f"post the checks again: harness patchwork {folder} --server {self.server}"
            error.remedy = f"{error.remedy}; then {again}"
            return tell(error)
        return ExitStatus.AS_EXPECTED


@contextlib.contextmanager
def commands_stopped(*, err: bool, environment: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Within the block no line that is printed is a command to GitHub: a guest, or a title, may print one.

    GitHub's documentation of workflow commands, "Stopping and starting workflow commands".

    :param err: whether to tell it on standard error, where the other stream is for something else.
    """
    if not _is_github(environment):
        yield
        return
    token = secrets.token_hex(16)
    click.echo(f"::stop-commands::{token}", err=err)
    try:
        yield
    finally:
        click.echo(f"::{token}::", err=err)


def write_answers(
    record: SeriesRecord,
    runs: Mapping[int, RunRecord],
    folder: RunFolder,
    *,
    mail: str,
    copies: Path | None = None,
) -> Path:
    """Write every form of the answer.

    :param mail: a file for the text of the mail, or ``-``; empty for none beside that of the folder.
    :param copies: one more folder for all of them, whose name a CI can know before; None for none.
    :return: the JUnit file. :raises UsageError: a file cannot be written. :raises HostError: the disk is full.
    """
    from harness.report.formats.forge import render_code_quality, render_summary
    from harness.report.formats.series_junit import render_series_junit
    from harness.report.formats.series_mail import render_mail

    text = render_mail(record)
    files = {
        ANSWER_NAME: text,
        SUMMARY_NAME: render_summary(record),
        QUALITY_NAME: render_code_quality(record),
        SERIES_NAME: dump_series(record),
        JUNIT_NAME: render_series_junit(record, runs),
    }
    junit = [folder.write_file(name, content) for name, content in files.items()][-1]
    if copies is not None:
        try:
            copies.mkdir(parents=True, exist_ok=True)
            for name, content in files.items():
                write_whole(copies / name, content.encode(errors="backslashreplace"), mode=0o644)
        except OSError as error:
            remedy = f"name a folder that can be written; all is in {folder.path}"
            raise UsageError(f"--answers {copies} cannot be written", evidence=str(error), remedy=remedy) from None
    if mail == STDOUT:
        click.echo(text, nl=False)
    elif mail:
        _append(Path(mail), text, what=f"--mail {mail}", mode="w")
    return junit


def tell_github(record: SeriesRecord, *, err: bool, environment: Mapping[str, str] = os.environ) -> None:
    """Where GitHub runs this: mark lines of the tree with what is wrong, and add to the summary of the step.

    :param err: as for :func:`commands_stopped`. :raises UsageError: the summary cannot be written.
    """
    from harness.report.formats.forge import annotate, render_summary

    if _is_github(environment):
        for line in annotate(record):
            click.echo(line, err=err)
    if step := environment.get("GITHUB_STEP_SUMMARY", ""):
        _append(Path(step), render_summary(record), what="the file that GITHUB_STEP_SUMMARY names", mode="a")


def _is_github(environment: Mapping[str, str]) -> bool:
    return environment.get("GITHUB_ACTIONS", "") == "true"


def _append(path: Path, text: str, *, what: str, mode: str) -> None:
    try:
        with path.open(mode, encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        remedy = f"name a file that can be written; the text is in {ANSWER_NAME} and {SUMMARY_NAME} of the results"
        raise UsageError(f"{what} cannot be written", evidence=str(error), remedy=remedy) from None


def make_poster(server: str, *, project: str, numbers: tuple[int, ...] = ()) -> Poster:
    """What posts checks to that server, with the token of the environment.

    :raises UsageError: the URL is none, or there is no token.
    """

    found = find_server(server, project=project, environment=os.environ)
    return Poster(Patchwork(found, deadline=Deadline.after(WHOLE_SECONDS), report=report_waiting), numbers=numbers)


def report_waiting(event: StageEvent) -> None:
    """Print what is waited for, or what did not work.

    :param event: of the Patchwork server.
    """
    click.echo(f"harness: {event.text}", err=True)
