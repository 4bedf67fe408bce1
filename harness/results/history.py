"""The history of a results folder: an SQLite database, filled from run records, that can be made again from them.

``history.sqlite`` stands in the results folder. Adding a run again replaces what was there, so it is the same however
often and by whomever it is done.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from harness.base.errors import HarnessError
from harness.model.run_record import UNKNOWN, RunRecord
from harness.results.find_run import is_without_kernel, run_folders
from harness.results.folder import CASES_NAME, RUN_NAME, load_run
from harness.results.history_db import begin, connect, prepare, told
from harness.results.kernel_line import kernel_line
from harness.results.timeline import Entry, RunSummary

HISTORY_NAME = "history.sqlite"
_ENTRY = """SELECT run.folder, run.started, run.line, run.release, run.image, run.question || ' ' || said.digest,
    said.said, said.asked, said.failed FROM said JOIN run ON run.id = said.run """

_COLUMNS = "folder, stamp, started, line, spec, release, image, question, complete, asked, failed"
"""Of a run, in the order in which :func:`_add` gives them."""

CASE = "case"
TRAIT = "trait"


class History:
    """An open history; live. See :func:`opened_history`."""

    def __init__(self, path: Path, database: sqlite3.Connection, *, say: Callable[[str], None]) -> None:
        self.path = path
        self._database = database
        self._say = say

    def add(self, folder: Path, run: RunRecord) -> None:
        """Add the run of a folder, or bring what is there of it up to date.

        :raises HostError: another process writes for longer than a minute.
        """
        stamp = stamp_of(folder)
        with self._writing():
            _add(self._database, folder.name, stamp, run)

    def bring_up_to_date(self, results: Path) -> tuple[str, ...]:
        """Add what the results folder holds and the history does not; a line for each run that cannot be read."""
        known = dict(self._rows("SELECT folder, stamp FROM run"))
        complaints = []
        missing = [one for one in reversed(run_folders(results)) if known.get(one.name) != stamp_of(one)]
        for at, folder in enumerate(missing, start=1):
            if at % 100 == 0:
                self._say(f"reading run {at} of {len(missing)}")
            try:
                run = load_run(folder)
            except HarnessError as error:
                complaints.append(error.what)
                continue
            if not is_without_kernel(run):
                self.add(folder, run)
        return tuple(complaints)

    def entries(self, kind: str, name: str) -> tuple[Entry, ...]:
        """All that is known of a case (:data:`CASE`) or trait (:data:`TRAIT`), the oldest first."""
        where = "JOIN name ON name.id = said.name WHERE name.kind = ? AND name.text = ? ORDER BY run.started"
        return tuple(Entry(*row) for row in self._rows(_ENTRY + where, kind, name))

    def newest(self, lines: Sequence[str], runs: int) -> dict[tuple[str, str], list[Entry]]:
        """What the newest runs of some kernel lines said of every case and trait, by kind and name.

        :param runs: how many runs of each line.
        """
        found: dict[tuple[str, str], list[Entry]] = {}
        for line in lines:
            query = f"""SELECT name.kind, name.text, {_ENTRY.removeprefix("SELECT ")}
                JOIN name ON name.id = said.name
                WHERE run.id IN (SELECT id FROM run WHERE line = ? ORDER BY started DESC LIMIT ?)
                ORDER BY run.started"""
            for kind, name, *row in self._rows(query, line, runs):
                found.setdefault((kind, name), []).append(Entry(*row))
        return found

    def names(self, kind: str) -> tuple[str, ...]:
        """All cases or traits."""
        return tuple(text for (text,) in self._rows("SELECT text FROM name WHERE kind = ? ORDER BY text", kind))

    def runs(self) -> tuple[RunSummary, ...]:
        """All runs, the oldest first."""
        columns = "folder, started, line, spec, release, image, complete, asked, failed"
        rows = self._rows(f"SELECT {columns} FROM run ORDER BY started, folder")
        return tuple(
            RunSummary(folder, started, line, spec, release, image, bool(complete), asked, failed)
            for folder, started, line, spec, release, image, complete, asked, failed in rows
        )

    def failing_in(self, folder: str) -> tuple[str, ...]:
        """The cases that failed in that run."""
        query = """SELECT name.text FROM said JOIN run ON run.id = said.run JOIN name ON name.id = said.name
            WHERE run.folder = ? AND said.failed > 0 AND name.kind = ? ORDER BY name.text"""
        return tuple(text for (text,) in self._rows(query, folder, CASE))

    def flakes(self) -> tuple[tuple[str, int, int], ...]:
        """The cases that sometimes failed on one image: id, how many times they failed, of how many, on such images."""
        query = """SELECT name.text, sum(failed), sum(asked) FROM (
                SELECT said.name AS case_, sum(said.failed) AS failed, sum(said.asked) AS asked
                FROM said JOIN run ON run.id = said.run
                WHERE run.image NOT IN ('', ?)
                    AND said.name IN (SELECT DISTINCT name FROM said WHERE failed > 0)
                GROUP BY said.name, run.image, run.question, said.digest
                HAVING sum(said.failed) > 0 AND sum(said.failed) < sum(said.asked)
            ) JOIN name ON name.id = case_ GROUP BY case_ ORDER BY name.text"""
        return tuple((text, failed, asked) for text, failed, asked in self._rows(query, UNKNOWN))

    def _rows(self, query: str, *values: object) -> list[tuple]:  # type: ignore[type-arg]  # as SQLite gives them
        with told(self.path):
            return self._database.execute(query, values).fetchall()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with told(self.path):
            begin(self._database, self.path, self._say)
            try:
                yield
                self._database.execute("COMMIT")
            finally:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")


@contextlib.contextmanager
def opened_history(results: Path, *, say: Callable[[str], None]) -> Iterator[History]:
    """The history of a results folder, made when there is none.

    :param say: told what is waited for.
    :raises UsageError: it cannot be written, or is of a newer harness.
    :raises HostError: it is damaged or locked.
    """
    path = results / HISTORY_NAME
    with told(path), contextlib.closing(connect(path)) as database:
        prepare(database, path, say)
        yield History(path, database, say=say)


def rebuild(results: Path, *, say: Callable[[str], None]) -> tuple[str, ...]:
    """Make the history again from the run folders; the old file is kept beside, as ``history.sqlite.old``.

    Runs whose folders are gone are taken over from the old one, where that can still be read.

    :return: what the user should know, one line each. :raises UsageError, HostError: as :func:`opened_history`.
    """
    path, old = results / HISTORY_NAME, results / f"{HISTORY_NAME}.old"
    new = results / f".{HISTORY_NAME}.new"
    notes: list[str] = []
    with told(path):
        new.unlink(missing_ok=True)
        with contextlib.closing(connect(new)) as database:
            prepare(database, new, say)
            notes += History(new, database, say=say).bring_up_to_date(results)
            if path.exists():
                notes += _take_over(database, path)
        if path.exists():
            path.replace(old)
            for ending in ("-journal", "-wal", "-shm"):
                Path(f"{path}{ending}").unlink(missing_ok=True)
            notes.append(f"the old history is kept as {old}")
        new.replace(path)
    return tuple(notes)


def flake_rates(results: Path) -> dict[str, str]:
    """How often each flaky case failed on the images on which it is flaky, in words, by case id.

    Nothing when the history cannot be read: it only adds to what is told.
    """
    try:
        with opened_history(results, say=lambda text: None) as history:
            history.bring_up_to_date(results)
            return {case: f"failed {failed} of {asked} times on one image" for case, failed, asked in history.flakes()}
    except HarnessError:
        return {}


def stamp_of(folder: Path) -> str:
    """What changes when a run folder's record does."""
    parts = []
    for name in (RUN_NAME, CASES_NAME):
        with contextlib.suppress(FileNotFoundError):
            status = (folder / name).stat()
            parts.append(f"{status.st_mtime_ns}:{status.st_size}")
    return " ".join(parts)


def _add(database: sqlite3.Connection, folder: str, stamp: str, run: RunRecord) -> None:
    kernel = run.kernel
    for (old,) in database.execute("SELECT id FROM run WHERE folder = ?", (folder,)).fetchall():
        database.execute("DELETE FROM said WHERE run = ?", (old,))
        database.execute("DELETE FROM run WHERE id = ?", (old,))
    said = [(CASE, case.id, case.digest, str(case.outcome), case.times_asked, case.times_failed) for case in run.cases]
    asked, failed = sum(row[4] > 0 for row in said), sum(row[5] > 0 for row in said)
    said += [(TRAIT, one.trait, "", one.seen, int(bool(one.seen)), 0) for one in run.traits]
    question = f"{run.guest_image_digest} {run.profile}"
    values = (
        folder,
        stamp,
        run.started,
        kernel_line(kernel),
        kernel.spec,
        kernel.release,
        kernel.image_digest,
        question,
    )
    row = (*values, run.complete, asked, failed)
    marks = ", ".join("?" * len(row))
    number = database.execute(f"INSERT INTO run ({_COLUMNS}) VALUES ({marks})", row).lastrowid
    database.executemany("INSERT OR IGNORE INTO name (kind, text) VALUES (?, ?)", [row[:2] for row in said])
    database.executemany(
        f"""INSERT OR REPLACE INTO said (name, run, digest, said, asked, failed)
            VALUES ((SELECT id FROM name WHERE kind = ? AND text = ?), {number}, ?, ?, ?, ?)""",
        said,
    )


def _take_over(database: sqlite3.Connection, old: Path) -> Sequence[str]:
    """Copy the runs whose folders are gone from an old history, if that can be read."""
    try:
        database.execute("ATTACH ? AS old", (str(old),))
        (version,) = database.execute("PRAGMA old.user_version").fetchone()
        # Before version 2 no id of a case named its suite.
        case = "CASE old.name.kind WHEN 'case' THEN current_case_id(old.name.text) ELSE old.name.text END"
        text = case if version < 2 else "old.name.text"
        database.execute("BEGIN IMMEDIATE")
        before = database.total_changes
        database.execute(
            "CREATE TEMP TABLE gone AS SELECT folder FROM old.run WHERE folder NOT IN (SELECT folder FROM main.run)"
        )
        database.execute(
            f"INSERT INTO main.run ({_COLUMNS}) SELECT {_COLUMNS} FROM old.run "
            "WHERE folder IN (SELECT folder FROM gone)"
        )
        taken = database.total_changes - before
        database.execute(f"INSERT OR IGNORE INTO main.name (kind, text) SELECT kind, {text} FROM old.name")
        database.execute(
            f"""INSERT INTO main.said SELECT there.id, here.id, was.digest, was.said, was.asked, was.failed
                FROM old.said AS was JOIN old.run ON old.run.id = was.run JOIN old.name ON old.name.id = was.name
                JOIN main.run AS here ON here.folder = old.run.folder
                JOIN main.name AS there ON there.kind = old.name.kind AND there.text = {text}
                WHERE old.run.folder IN (SELECT folder FROM gone)"""
        )
        database.execute("COMMIT")
    except sqlite3.DatabaseError as error:
        if database.in_transaction:
            database.execute("ROLLBACK")
        return [f"the old history cannot be read ({error}); runs whose folders are gone are lost from the new one"]
    return [f"{taken} runs whose folders are gone were taken over"] if taken > 0 else []
