# SPDX-License-Identifier: GPL-2.0-only
"""Give the answers that are due: files, drafts, checks of Patchwork, a command of the user.

Each answer is a row. Files and drafts have names that depend on series and verdict alone, so that doing them again
changes nothing. A check is looked up on the server before it is posted a second time. A command cannot be asked whether
it sent the mail before a kill: it is never started twice by itself, and the answer is reported as uncertain.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.base.atomic_write import write_whole
from harness.base.deadline import Deadline
from harness.base.errors import DiskFullError, HarnessError, HostError, UsageError
from harness.base.process import run
from harness.follow.job import ANSWERS_NAME
from harness.follow.queue import Queue
from harness.follow.reply import build_reply, reply_name
from harness.follow.state.config import Answers
from harness.follow.state.rows import AnswerState, SeriesRow, SeriesState
from harness.model.series_record import SERIES_NAME, SeriesRecord
from harness.report.text import one_line
from harness.results.records import load_series
from harness.series.patchwork import Patchwork
from harness.series.patchwork_checks import final_checks
from harness.series.patchwork_server import find_server

_LOG = logging.getLogger(__name__)
FILES, DRAFT, SEND, CHECK = "files", "draft", "send", "patchwork"
_AT_ONCE = 20
_SEND_SECONDS = 120.0
_SERVER_SECONDS = 60.0
_FIRST_WAIT, _LONGEST_WAIT = 60.0, 3600.0
_MOST_TRIES = 100
"""With the longest wait of an hour: a server may be down for days."""


def answers_for(record: SeriesRecord, answers: Answers) -> list[tuple[str, int]]:
    """Return kind and part of each answer to a verdict; the parts of checks are the numbers of the patches."""
    is_answered = record.state in answers.verdicts
    found = [(FILES, 0)] if answers.files else []
    found += [(DRAFT, 0)] if answers.drafts and is_answered else []
    found += [(SEND, 0)] if answers.send and is_answered else []
    with_mail = [one.number for one in record.posted if one.message_id]
    return found + [(CHECK, number) for number in with_mail if answers.patchwork]


@dataclass(slots=True)
class Answerer:
    """Gives answers.

    :param queue: the series.
    :param folder: the folder of the state.
    :param environment: the environment variables, with the token of Patchwork.
    :param wait: waits between retries of a request; tests replace it.
    """

    queue: Queue
    folder: Path
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    wait: Callable[[float], object] | None = None

    def recover(self) -> None:
        """Report the commands that ran when the service was killed as uncertain."""
        with self.queue.database.transaction():
            note = "the service was killed while the command ran; give it again with --answer-again"
            self.queue.database.change(
                "UPDATE answer SET state = ?, note = ? WHERE state = ?",
                AnswerState.UNCERTAIN,
                note,
                AnswerState.SENDING,
            )
            self._close_series()

    def give(self) -> int:
        """Give some answers that are due; return how many are still due now.

        :raises DiskFullError: no space is left.
        """
        database, now = self.queue.database, self.queue.clock()
        query = "SELECT series, verdict, kind, part, tries FROM answer WHERE state = ? AND next <= ? LIMIT ?"
        for number, verdict, kind, part, tries in database.rows(query, AnswerState.DUE, now, _AT_ONCE):
            row = self.queue.find(int(number or 0))
            key = (int(number or 0), str(verdict), str(kind), int(part or 0))
            if row is None:
                continue
            try:
                self._give(row, key)
            except DiskFullError:
                raise
            except (HarnessError, OSError) as error:
                what = error.what if isinstance(error, HarnessError) else str(error)
                _LOG.warning("series %d: %s: %s", row.id, kind, what)
                if self._postpone(key, int(tries or 0) + 1, what, is_final=isinstance(error, UsageError)):
                    break
        return database.number(
            "SELECT count(*) FROM answer WHERE state = ? AND next <= ?", AnswerState.DUE, self.queue.clock()
        )

    def again(self, number: int) -> int:
        """Make the failed and uncertain answers of a series due again; return their number."""
        database = self.queue.database
        with database.transaction():
            states = (AnswerState.FAILED, AnswerState.UNCERTAIN)
            changed = database.changed(
                "UPDATE answer SET state = ?, tries = 0, next = 0 WHERE series = ? AND state IN (?, ?)",
                *(AnswerState.DUE, number, *states),
            )
            if changed:
                database.change(
                    "UPDATE series SET state = ?, changed = (SELECT max(changed) + 1 FROM series) WHERE id = ?",
                    *(SeriesState.JUDGED, number),
                )
        return changed

    def _give(self, row: SeriesRow, key: tuple[int, str, str, int]) -> None:
        _, _, kind, part = key
        record = self._record(row)
        answers = self.queue.config.answers
        if kind == FILES:
            self._copy(row, Path(answers.files))
        elif kind == DRAFT:
            self._draft(row, record, Path(answers.drafts))
        elif kind == SEND:
            if not self._send(row, record, key, answers.send):
                return
        elif kind == CHECK:
            self._check(row, record, part)
        self._set(key, AnswerState.DONE)

    def _record(self, row: SeriesRow) -> SeriesRecord:
        """Read the record of a series.

        :raises UsageError: it is gone.
        """
        file = self.folder / row.folder / ANSWERS_NAME / SERIES_NAME
        try:
            return load_series(file.read_text(encoding="utf-8"), source=str(file))
        except FileNotFoundError:
            what = f"the results of series {row.id} were removed before it was answered"
            raise UsageError(what, remedy="keep results for longer: results_days in [keep]") from None

    def _copy(self, row: SeriesRow, target: Path) -> None:
        place = target / f"{row.id}-{row.version}"
        place.mkdir(parents=True, exist_ok=True)
        for file in sorted((self.folder / row.folder / ANSWERS_NAME).iterdir()):
            if file.is_file() and not file.is_symlink():
                write_whole(place / file.name, file.read_bytes(), mode=0o644)

    def _draft(self, row: SeriesRow, record: SeriesRecord, maildir: Path) -> None:
        for name in ("cur", "new", "tmp"):
            (maildir / name).mkdir(parents=True, exist_ok=True)
        name = reply_name(row, record.state)
        # A mail program may have moved it, marked it as seen, or replaced it by the mail that was sent.
        known = self.queue.database.fact(f"draft {name}")
        if not known:
            text = build_reply(row, record, sender=self.queue.config.answers.sender, now=self.queue.clock())
            write_whole(maildir / "tmp" / name, text, mode=0o600)
            (maildir / "tmp" / name).replace(maildir / "cur" / f"{name}:2,D")

    def _send(
        self, row: SeriesRow, record: SeriesRecord, key: tuple[int, str, str, int], command: Sequence[str]
    ) -> bool:
        """Start the user's command once; return whether it succeeded."""
        text = build_reply(row, record, sender=self.queue.config.answers.sender, now=self.queue.clock())
        self._set(key, AnswerState.SENDING)
        try:
            run(command, stdin=text, deadline=Deadline.after(_SEND_SECONDS))
        except HostError as error:
            _LOG.warning("series %d: the command failed: %s", row.id, error.what)
            self._set(key, AnswerState.FAILED, one_line(f"{error.what}; {error.evidence}", 300))
            return False
        return True

    def _check(self, row: SeriesRow, record: SeriesRecord, number: int) -> None:
        answers = self.queue.config.answers
        server = find_server(answers.patchwork, project=answers.project, environment=self.environment)
        client = Patchwork(server, deadline=Deadline.after(_SERVER_SECONDS), wait=self.wait)
        target = answers.target_url.replace("{id}", str(row.id))
        for patch, check in final_checks(record, context=answers.context, target_url=target):
            if patch.number == number:
                found = client.find_patch(patch.message_id)
                if not client.has_check(found, check):
                    client.post(found, check)

    def _postpone(self, key: tuple[int, str, str, int], tries: int, what: str, *, is_final: bool) -> bool:
        """Record that an answer failed; return whether the others of its kind wait as well."""
        database, now = self.queue.database, self.queue.clock()
        if is_final or tries >= _MOST_TRIES:
            self._set(key, AnswerState.FAILED, what)
            return False
        wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(tries, 10))
        where = "series = ? AND verdict = ? AND kind = ? AND part = ?"
        with database.transaction():
            database.change(f"UPDATE answer SET tries = ?, note = ? WHERE {where}", tries, one_line(what, 300), *key)
            # A server that is down is down for all.
            database.change(
                "UPDATE answer SET next = ? WHERE kind = ? AND state = ? AND next < ?",
                *(now + wait, key[2], AnswerState.DUE, now + wait),
            )
        return True

    def _set(self, key: tuple[int, str, str, int], state: AnswerState, note: str = "") -> None:
        database = self.queue.database
        with database.transaction():
            database.change(
                "UPDATE answer SET state = ?, note = ? WHERE series = ? AND verdict = ? AND kind = ? AND part = ?",
                *(state, one_line(note, 300), *key),
            )
            if key[2] == DRAFT and state is AnswerState.DONE and (row := self.queue.find(key[0])) is not None:
                database.set_fact(f"draft {reply_name(row, key[1])}", "1")
            self._close_series()

    def _close_series(self) -> None:
        """Mark the series whose answers were all given, or never will be, as answered; within a transaction."""
        open_states = (AnswerState.DUE, AnswerState.SENDING)
        self.queue.database.change(
            "UPDATE series SET state = ?, changed = (SELECT max(changed) + 1 FROM series) WHERE state = ? "
            "AND id NOT IN (SELECT series FROM answer WHERE state IN (?, ?))",
            *(SeriesState.ANSWERED, SeriesState.JUDGED, *open_states),
        )


def remove_folder(folder: Path) -> None:
    """Remove a folder and all in it, if it exists."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)
