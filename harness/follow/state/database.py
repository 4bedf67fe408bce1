# SPDX-License-Identifier: GPL-2.0-only
"""Open the database of a service: tables, transactions, errors. The wrapper of sqlite3 here.

The journal is SQLite's default and not WAL, as of the history. ``synchronous = EXTRA`` also writes the folder when a
transaction ends, so that what was committed survives the loss of power (sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.base.errors import UsageError
from harness.results.sqlite_errors import sqlite_errors

SCHEMA_VERSION = 1
WAIT_SECONDS = 30.0
DATABASE_NAME = "follow.db"
_REBUILD = "move it away; the next start reads the sources again, and results that were answered are answered again"

Value = str | int | float | bytes | None
Row = tuple[Value, ...]

_SCHEMA = """
CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE source (name TEXT PRIMARY KEY, cursor TEXT NOT NULL DEFAULT '', looked REAL NOT NULL DEFAULT 0,
    next REAL NOT NULL DEFAULT 0, faults INTEGER NOT NULL DEFAULT 0, problem TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
CREATE TABLE topic (id INTEGER PRIMARY KEY, sender TEXT NOT NULL, heard REAL NOT NULL, due REAL, note TEXT NOT NULL
    DEFAULT '');
CREATE INDEX topic_due ON topic (due) WHERE due IS NOT NULL;
CREATE INDEX topic_heard ON topic (heard);
CREATE TABLE link (sender TEXT NOT NULL, name TEXT NOT NULL, topic INTEGER NOT NULL, PRIMARY KEY (sender, name))
    WITHOUT ROWID;
CREATE INDEX link_topic ON link (topic);
CREATE TABLE mail (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, answers TEXT NOT NULL, topic INTEGER,
    source TEXT NOT NULL, arrived REAL NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, note TEXT NOT NULL
    DEFAULT '', raw BLOB);
CREATE INDEX mail_topic ON mail (topic) WHERE topic IS NOT NULL;
CREATE INDEX mail_kind ON mail (kind);
CREATE INDEX mail_arrived ON mail (arrived);
CREATE TABLE series (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, topic INTEGER NOT NULL, title TEXT NOT NULL,
    version TEXT NOT NULL, patches INTEGER NOT NULL, sender TEXT NOT NULL, message_id TEXT NOT NULL, content TEXT NOT
    NULL, files TEXT NOT NULL, recipients TEXT NOT NULL, mails TEXT NOT NULL, range TEXT NOT NULL DEFAULT '',
    rule TEXT NOT NULL, arrived REAL NOT NULL, state TEXT NOT NULL, base TEXT NOT NULL DEFAULT '', tries INTEGER NOT
    NULL DEFAULT 0, next REAL NOT NULL DEFAULT 0, began REAL NOT NULL DEFAULT 0, ended REAL NOT NULL DEFAULT 0, folder
    TEXT NOT NULL DEFAULT '', verdict TEXT NOT NULL DEFAULT '', note TEXT NOT NULL DEFAULT '', changed INTEGER NOT NULL
    DEFAULT 0);
CREATE INDEX series_state ON series (state, id);
CREATE INDEX series_topic ON series (topic);
CREATE INDEX series_sender ON series (sender, arrived);
CREATE INDEX series_content ON series (content);
CREATE INDEX series_changed ON series (changed);
CREATE INDEX series_ended ON series (ended);
CREATE TABLE answer (series INTEGER NOT NULL, verdict TEXT NOT NULL, kind TEXT NOT NULL, part INTEGER NOT NULL DEFAULT
    0, state TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0, next REAL NOT NULL DEFAULT 0, note TEXT NOT NULL DEFAULT
    '', PRIMARY KEY (series, verdict, kind, part)) WITHOUT ROWID;
CREATE INDEX answer_state ON answer (state, next);
CREATE TABLE trial (id INTEGER PRIMARY KEY, rule TEXT NOT NULL, base TEXT NOT NULL, union_id INTEGER NOT NULL, members
    TEXT NOT NULL, state TEXT NOT NULL, folder TEXT NOT NULL DEFAULT '', tries INTEGER NOT NULL DEFAULT 0, note TEXT
    NOT NULL DEFAULT '', UNIQUE (union_id, members));
CREATE TABLE base (rule TEXT PRIMARY KEY, word TEXT NOT NULL, pinned TEXT NOT NULL, since REAL NOT NULL) WITHOUT ROWID;
"""


class Database:
    """The open database.

    :param path: the file.
    :param connection: of :func:`open_database`.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    def rows(self, query: str, *values: Value) -> list[Row]:
        """Return the rows of a query."""
        with self._errors():
            return [tuple(row) for row in self._connection.execute(query, values)]

    def row(self, query: str, *values: Value) -> Row | None:
        """Return the first row of a query; None for none."""
        with self._errors():
            found = self._connection.execute(query, values).fetchone()
        return None if found is None else tuple(found)

    def number(self, query: str, *values: Value) -> int:
        """Return the number that a query counts."""
        found = self.row(query, *values)
        return int(found[0] or 0) if found else 0

    def change(self, statement: str, *values: Value) -> int:
        """Change rows within a transaction; return the id of an inserted row."""
        assert self._connection.in_transaction, "every change is part of a transaction"
        return self._connection.execute(statement, values).lastrowid or 0

    def changed(self, statement: str, *values: Value) -> int:
        """Change rows within a transaction; return their number."""
        assert self._connection.in_transaction, "every change is part of a transaction"
        return self._connection.execute(statement, values).rowcount

    def change_all(self, statement: str, values: Sequence[Sequence[Value]]) -> None:
        """Change rows once for each sequence of values, within a transaction."""
        assert self._connection.in_transaction, "every change is part of a transaction"
        self._connection.executemany(statement, values)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all changes of the block, or none of them.

        :raises HostError: the disk is full, or the file is damaged or locked.
        :raises UsageError: the file cannot be written.
        """
        with self._errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def fact(self, name: str) -> str:
        """Return a small fact; empty if there is none."""
        found = self.row("SELECT value FROM fact WHERE name = ?", name)
        return str(found[0]) if found else ""

    def set_fact(self, name: str, value: str) -> None:
        """Keep a small fact, within a transaction."""
        self.change("INSERT OR REPLACE INTO fact VALUES (?, ?)", name, value)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _errors(self) -> contextlib.AbstractContextManager[None]:
        return _sqlite_errors(self.path)


@contextlib.contextmanager
def open_database(path: Path) -> Iterator[Database]:
    """Open the file for the service, made if missing.

    :raises UsageError: it cannot be written, or a newer harness wrote it.
    :raises HostError: it is damaged or locked, or the disk is full.
    """
    with _sqlite_errors(path):
        connection = sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None)
    database = Database(path, connection)
    try:
        with _sqlite_errors(path):
            connection.execute("PRAGMA synchronous = EXTRA")
            _prepare(database, connection)
        yield database
    finally:
        connection.close()


@contextlib.contextmanager
def read_database(path: Path) -> Iterator[Database | None]:
    """Open the file for a report, without writing; None if there is no such file.

    :raises HostError: it is damaged or locked.
    """
    if not path.is_file():
        yield None
        return
    with _sqlite_errors(path):
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=WAIT_SECONDS)
    database = Database(path, connection)
    try:
        _check_version(path, database.number("PRAGMA user_version"))
        yield database
    finally:
        connection.close()


def _prepare(database: Database, connection: sqlite3.Connection) -> None:
    version = database.number("PRAGMA user_version")
    _check_version(database.path, version)
    if version == SCHEMA_VERSION:
        return
    with database.transaction():
        for statement in _SCHEMA.strip().rstrip(";").split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _sqlite_errors(path: Path) -> contextlib.AbstractContextManager[None]:
    return sqlite_errors(path, called="the state of a service", rebuild=_REBUILD, seconds=WAIT_SECONDS)


def _check_version(path: Path, version: int) -> None:
    if version > SCHEMA_VERSION:
        raise UsageError(
            f"{path} has format {version}, and this harness reads up to format {SCHEMA_VERSION}",
            remedy="use the harness that wrote it",
        )
