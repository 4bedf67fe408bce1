# SPDX-License-Identifier: GPL-2.0-only
"""Open the database file of the history: connection, tables, locks and errors.

Several processes may write; they wait for each other (``BEGIN IMMEDIATE``, a busy time-out). The journal is SQLite's
default and not WAL: WAL needs shared memory, so it fails on network file systems (sqlite.org/wal.html,
"Disadvantages").
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

from harness.base.errors import UsageError
from harness.results.case_ids import current_case_id
from harness.results.sqlite_errors import damaged, sqlite_errors

SCHEMA_VERSION = 2
_WITHOUT_SUITES = 1
"""The schema version whose case ids do not name a suite."""
QUIET_SECONDS = 1.0
"""How long to wait for another writer before that is reported."""
_REBUILD = "rebuild it from the run folders: harness history --rebuild"
WAIT_SECONDS = 60.0
"""How long to wait for another writer at most."""


_SCHEMA = """
CREATE TABLE run (id INTEGER PRIMARY KEY, folder TEXT NOT NULL UNIQUE, stamp TEXT NOT NULL, started REAL NOT NULL,
    line TEXT NOT NULL, spec TEXT NOT NULL, release TEXT NOT NULL, image TEXT NOT NULL, question TEXT NOT NULL,
    complete INTEGER NOT NULL, asked INTEGER NOT NULL, failed INTEGER NOT NULL);
CREATE INDEX run_line ON run (line, started);
CREATE TABLE name (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, text TEXT NOT NULL, UNIQUE (kind, text));
CREATE TABLE said (name INTEGER NOT NULL, run INTEGER NOT NULL, digest TEXT NOT NULL, said TEXT NOT NULL,
    asked INTEGER NOT NULL, failed INTEGER NOT NULL, PRIMARY KEY (name, run)) WITHOUT ROWID;
CREATE INDEX said_run ON said (run);
CREATE INDEX said_failed ON said (name) WHERE failed > 0;
"""


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, made if missing; no transaction is begun."""
    database = sqlite3.connect(path, timeout=QUIET_SECONDS, isolation_level=None)
    database.create_function("current_case_id", 1, current_case_id, deterministic=True)
    # Data that is lost when the host loses power can be rebuilt.
    database.execute("PRAGMA synchronous = NORMAL")
    return database


def prepare(database: sqlite3.Connection, path: Path, say: Callable[[str], None]) -> None:
    """Create the tables, or upgrade those of an older version.

    :param say: receives a line when another process is waited for.
    :raises UsageError: the tables were written by a newer harness.
    """
    if _version(database) == SCHEMA_VERSION:
        return
    begin(database, path, say)
    version = _version(database)
    if version == 0:
        if database.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
            raise damaged(path, "it holds tables of another program", called="a history", rebuild=_REBUILD)
        for statement in _SCHEMA.strip().rstrip(";").split(";\n"):
            database.execute(statement)
    elif version == _WITHOUT_SUITES:
        rows = database.execute("SELECT id, text FROM name WHERE kind = 'case'").fetchall()
        renamed = [(new, number) for number, text in rows if (new := current_case_id(text)) != text]
        database.executemany("UPDATE name SET text = ? WHERE id = ?", renamed)
    if version < SCHEMA_VERSION:
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    database.execute("COMMIT")
    if version > SCHEMA_VERSION:
        raise UsageError(
            f"{path} has history format {version}, and this harness reads up to format {SCHEMA_VERSION}",
            remedy="use the harness that wrote it, or rebuild it from the run folders: harness history --rebuild",
        )


def _version(database: sqlite3.Connection) -> int:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    return int(version)


def begin(database: sqlite3.Connection, path: Path, say: Callable[[str], None]) -> None:
    """Begin a write transaction; wait for another process that writes."""
    try:
        database.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        say(f"waiting for another process to finish writing {path}")
        database.execute(f"PRAGMA busy_timeout = {int(WAIT_SECONDS * 1000)}")
        database.execute("BEGIN IMMEDIATE")


def history_errors(path: Path) -> contextlib.AbstractContextManager[None]:
    """Turn the errors of SQLite within a block into errors about a history."""
    return sqlite_errors(path, called="a history", rebuild=_REBUILD, seconds=WAIT_SECONDS)
