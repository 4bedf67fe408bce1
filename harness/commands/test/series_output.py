# SPDX-License-Identifier: GPL-2.0-only
"""Write the outputs of a series: the files of its folder, a mail, checks, GitHub."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import click

from harness.base.atomic_write import write_whole
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus, HarnessError, HostError, UsageError
from harness.base.events import Note, Report, StageEvent
from harness.commands.exit_status import tell
from harness.model.run_record import RunRecord
from harness.model.series_record import SERIES_NAME, SeriesRecord, dump_series
from harness.report.display.plain import RunDisplay, choose_display
from harness.results.folder import JUNIT_NAME, RunFolder
from harness.series.patchwork_checks import Poster, abandoned_checks, final_checks, pending_checks
from harness.series.patchwork_server import WHOLE_SECONDS, check_words, find_server

ANSWER_NAME = "answer.txt"
SUMMARY_NAME = "summary.md"
QUALITY_NAME = "code-quality.json"
STDOUT = "-"


@dataclass(frozen=True, slots=True)
class SeriesOutputs:
    """The outputs of a series besides the files of its folder.

    :param mail: a file for the mail, or ``-``; empty for none.
    :param server: a Patchwork server; empty for none.
    :param project: see ``harness patchwork``.
    :param context: see ``harness patchwork``.
    :param target_url: see ``harness patchwork``.
    """

    mail: str
    server: str
    project: str
    context: str
    target_url: str

    @property
    def takes_stdout(self) -> bool:
        """Return whether the mail goes to standard output, so that nothing else may."""
        return self.mail == STDOUT

    def display(self) -> RunDisplay:
        """Return the display; if the mail goes to standard output, everything else goes to standard error."""
        stream = sys.stderr if self.takes_stdout else sys.stdout
        return choose_display(stream, os.environ, is_for_several=True)

    def poster(self) -> Poster | None:
        """Return the poster of checks; None without a server.

        :raises UsageError: an argument is not valid, or there is no token.
        """
        if not self.server:
            return None

        check_words(self.context, self.target_url)
        return make_poster(self.server, project=self.project)

    def post_pending(self, record: SeriesRecord, poster: Poster, report: Report) -> None:
        """Post pending checks; a server that does not answer now may answer at the end.

        :raises UsageError: the server rejects the checks, so it would at the end, too.
        """

        try:
            poster.post(pending_checks(record, context=self.context, target_url=self.target_url), report=report)
        except HostError as error:
            report(Note(f"pending checks were not posted: {error.what}"))

    def abandon(self, record: SeriesRecord, poster: Poster, what: str, report: Report) -> None:
        """Replace pending checks after an error; a failure to do so is only a note."""

        try:
            poster.post(abandoned_checks(record, what, context=self.context, target_url=self.target_url), report=report)
        except HarnessError as error:
            report(Note(error.what))

    def post(self, record: SeriesRecord, poster: Poster, folder: Path) -> ExitStatus:
        """Post the results and return the exit status; an error has a hint how to post again."""

        try:
            poster.post(final_checks(record, context=self.context, target_url=self.target_url), report=report_waiting)
        except HarnessError as error:
            retry = f"post the checks again: harness patchwork {folder} --server {self.server}"
            error.remedy = f"{error.remedy}; then {retry}"
            return tell(error)
        return ExitStatus.AS_EXPECTED


@contextlib.contextmanager
def commands_stopped(*, err: bool, environment: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Keep GitHub from obeying printed lines within the block: output of a guest or a title may be a command.

    GitHub's documentation of workflow commands, "Stopping and starting workflow commands".

    :param err: whether to print to standard error.
    :param environment: the environment variables.
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
    variant_runs: Mapping[tuple[int, str], RunRecord] = MappingProxyType({}),
    mail: str,
    copies: Path | None = None,
) -> Path:
    """Write all outputs of a series.

    :param record: the record of the series.
    :param runs: the run of each booted kernel, by patch.
    :param folder: the folder of the series.
    :param variant_runs: the run of each booted variant, by patch and name.
    :param mail: another file for the mail, or ``-``; empty for none.
    :param copies: another folder for all outputs, with a name that a CI knows; None for none.
    :return: the JUnit file.
    :raises UsageError: a file cannot be written.
    :raises HostError: the disk is full.
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
        JUNIT_NAME: render_series_junit(record, runs, variant_runs),
    }
    junit = [folder.write_file(name, content) for name, content in files.items()][-1]
    if copies is not None:
        try:
            copies.mkdir(parents=True, exist_ok=True)
            for name, content in files.items():
                write_whole(copies / name, content.encode(errors="backslashreplace"), mode=0o644)
        except OSError as error:
            remedy = f"name a writable folder; all outputs are in {folder.path}"
            raise UsageError(f"--answers {copies} cannot be written", evidence=str(error), remedy=remedy) from None
    if mail == STDOUT:
        click.echo(text, nl=False)
    elif mail:
        _append(Path(mail), text, what=f"--mail {mail}", mode="w")
    return junit


def tell_github(record: SeriesRecord, *, err: bool, environment: Mapping[str, str] = os.environ) -> None:
    """Annotate lines of the tree and add to the summary of the step, if GitHub runs this.

    :param record: the record of the series.
    :param err: whether to print to standard error.
    :param environment: the environment variables.
    :raises UsageError: the summary cannot be written.
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
        remedy = f"name a writable file; the text is in {ANSWER_NAME} and {SUMMARY_NAME} of the results"
        raise UsageError(f"{what} cannot be written", evidence=str(error), remedy=remedy) from None


def make_poster(server: str, *, project: str, numbers: tuple[int, ...] = ()) -> Poster:
    """Return a poster of checks to a server, with the token of the environment.

    :raises UsageError: the URL is not valid, or there is no token.
    """
    # Imported here: it brings an HTTP client, and most series are posted nowhere.
    from harness.series.patchwork import Patchwork

    found = find_server(server, project=project, environment=os.environ)
    return Poster(Patchwork(found, deadline=Deadline.after(WHOLE_SECONDS), report=report_waiting), numbers=numbers)


def report_waiting(event: StageEvent) -> None:
    """Print a note about waiting or a failure.

    :param event: the note.
    """
    if isinstance(event, Note):
        click.echo(f"harness: {event.text}", err=True)
