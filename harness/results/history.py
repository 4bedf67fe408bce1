# SPDX-License-Identifier: GPL-2.0-only
"""Keep the history of a results folder: an SQLite database that is filled, and can be rebuilt, from run records.

The file is ``history.sqlite`` in the results folder. Adding a run replaces its older rows, so adding it repeatedly or
from several processes gives the same result.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from harness.base.errors import HarnessError
from harness.model.inventory import ABSENT
from harness.model.run_record import UNKNOWN, RunRecord
from harness.results.find_run import is_without_kernel, run_folders
from harness.results.folder import CASES_NAME, RUN_NAME, load_run
from harness.results.history_db import begin, connect, history_errors, prepare
from harness.results.kernel_line import kernel_line
from harness.results.timeline import Entry, RunSummary

HISTORY_NAME = "history.sqlite"
CASE = "case"
TRAIT = "trait"
INVENTORY = "inventory"
_ENTRY = """SELECT run.folder, run.started, run.line, run.release, run.image, run.question || ' ' || said.digest,
    said.said, said.asked, said.failed FROM said JOIN run ON run.id = said.run """

_INVENTORY_ENTRY = f"""SELECT run.folder, run.started, run.line, run.release, run.image, run.question,
    coalesce(said.said, '{ABSENT}'), 1, 0
    FROM run LEFT JOIN said ON said.run = run.id
        AND said.name = (SELECT id FROM name WHERE kind = '{INVENTORY}' AND text = ?)
    WHERE EXISTS (SELECT 1 FROM said AS one JOIN name ON name.id = one.name
        WHERE one.run = run.id AND name.kind = '{INVENTORY}')
    ORDER BY run.started"""
"""An entry of the inventory in all runs that have one."""

_COLUMNS = "folder, stamp, started, line, spec, release, image, question, complete, asked, failed"
"""The columns of a run, in the order in which :func:`_add` gives their values."""


class History:
    """An open history; see :func:`opened_history`."""

    def __init__(self, path: Path, database: sqlite3.Connection, *, say: Callable[[str], None]) -> None:
        self.path = path
        self._database = database
        self._say = say

    def add(self, folder: Path, run: RunRecord) -> None:
        """Add the run of a folder, or replace its older rows.

        :raises HostError: another process keeps the database locked for more than a minute.
        """
        stamp = stamp_of(folder)
        with self._writing():
            _add(self._database, folder.name, stamp, run)

    def bring_up_to_date(self, results: Path) -> tuple[str, ...]:
        """Add the runs of the results folder that are missing or changed; return a line for each unreadable run."""
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
        """Return all entries of a case, a trait or an entry of the inventory, oldest first.

        :param kind: :data:`CASE`, :data:`TRAIT` or :data:`INVENTORY`.
        :param name: the id of the case, the name of the trait or the key of the entry.
        """
        if kind == INVENTORY:
            return tuple(Entry(*row) for row in self._rows(_INVENTORY_ENTRY, name))
        where = "JOIN name ON name.id = said.name WHERE name.kind = ? AND name.text = ? ORDER BY run.started"
        return tuple(Entry(*row) for row in self._rows(_ENTRY + where, kind, name))

    def newest(self, lines: Sequence[str], runs: int) -> dict[tuple[str, str], list[Entry]]:
        """Return the entries of the newest runs of some kernel lines, by kind and name.

        :param lines: the kernel lines.
        :param runs: the number of runs of each line.
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
        """Return the ids of all cases or the names of all traits, sorted."""
        return tuple(text for (text,) in self._rows("SELECT text FROM name WHERE kind = ? ORDER BY text", kind))

    def runs(self) -> tuple[RunSummary, ...]:
        """Return all runs, oldest first."""
        columns = "folder, started, line, spec, release, image, complete, asked, failed"
        rows = self._rows(f"SELECT {columns} FROM run ORDER BY started, folder")
        return tuple(
            RunSummary(folder, started, line, spec, release, image, bool(complete), asked, failed)
            for folder, started, line, spec, release, image, complete, asked, failed in rows
        )

    def failing_in(self, folder: str) -> tuple[str, ...]:
        """Return the ids of the cases that failed in the run of a folder."""
        query = """SELECT name.text FROM said JOIN run ON run.id = said.run JOIN name ON name.id = said.name
            WHERE run.folder = ? AND said.failed > 0 AND name.kind = ? ORDER BY name.text"""
        return tuple(text for (text,) in self._rows(query, folder, CASE))

    def flakes(self) -> tuple[tuple[str, int, int], ...]:
        """Return the flaky cases: id, number of failures and number of runs on the images where it sometimes failed."""
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
        with history_errors(self.path):
            return self._database.execute(query, values).fetchall()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with history_errors(self.path):
            begin(self._database, self.path, self._say)
            try:
                yield
                self._database.execute("COMMIT")
            finally:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")


@contextlib.contextmanager
def opened_history(results: Path, *, say: Callable[[str], None]) -> Iterator[History]:
    """Open the history of a results folder; it is made if missing.

    :param say: receives a line when another process is waited for.
    :raises UsageError: the file is not writable, or was written by a newer harness.
    :raises HostError: the file is damaged or locked.
    """
    path = results / HISTORY_NAME
    with history_errors(path), contextlib.closing(connect(path)) as database:
        prepare(database, path, say)
        yield History(path, database, say=say)


def rebuild(results: Path, *, say: Callable[[str], None]) -> tuple[str, ...]:
    """Rebuild the history from the run folders; the old file is kept as ``history.sqlite.old``.

    Runs whose folders are gone are copied from the old file, if it can still be read.

    :param say: receives a line when another process is waited for.
    :return: notes for the user, one line each.
    :raises UsageError: the file is not writable, or was written by a newer harness.
    :raises HostError: the file is damaged or locked.
    """
    path, old = results / HISTORY_NAME, results / f"{HISTORY_NAME}.old"
    new = results / f".{HISTORY_NAME}.new"
    notes: list[str] = []
    with history_errors(path):
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
    """Return a sentence by case id: how often each flaky case failed on the images on which it is flaky.

    Empty if the history cannot be read: a report does without it.
    """
    try:
        with opened_history(results, say=lambda text: None) as history:
            history.bring_up_to_date(results)
            return {case: f"failed {failed} of {asked} times on one image" for case, failed, asked in history.flakes()}
    except HarnessError:
        return {}


def stamp_of(folder: Path) -> str:
    """Return a text that changes whenever the record of a run folder changes."""
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
    said += [(TRAIT, one.trait, "", one.shown, int(bool(one.shown)), 0) for one in run.traits]
    said += [(INVENTORY, one.key, "", one.facts, 1, 0) for one in run.inventory]
    # The default machine type adds no word: results from before others could be named stay comparable.
    machine = f" {run.machine_type} {run.command_line}" if "/" in run.machine_type else ""
    question = f"{run.guest_image_digest} {run.profile}{machine}"
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
    """Copy the runs whose folders are gone from an old history, if it can be read; return notes for the user."""
    try:
        database.execute("ATTACH ? AS old", (str(old),))
        (version,) = database.execute("PRAGMA old.user_version").fetchone()
        # Before version 2, ids of cases did not name the suite.
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
        return [f"the old history cannot be read ({error}); the new one has no runs whose folders are gone"]
    return [f"copied {taken} runs whose folders are gone"] if taken > 0 else []
