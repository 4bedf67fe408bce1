"""The file of the history: an SQLite database with several writers, its tables, and what can be wrong with it.

Writers wait for each other (``BEGIN IMMEDIATE``, a busy time-out); the journal is SQLite's usual one and not WAL, which
needs memory shared between its users and so fails on network file systems (sqlite.org/wal.html, "Disadvantages").
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from harness.base.errors import HostError, UsageError
from harness.results.case_ids import current_case_id

SCHEMA_VERSION = 2
_WITHOUT_SUITES = 1
"""The version whose ids of cases do not name a suite."""
QUIET_SECONDS = 1.0
"""How long another writer is waited for without a word."""
WAIT_SECONDS = 60.0
"""How long it is waited for at most."""


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
    """Open the file, made when there is none; nothing is begun."""
    database = sqlite3.connect(path, timeout=QUIET_SECONDS, isolation_level=None)
    database.create_function("current_case_id", 1, current_case_id, deterministic=True)
    # What is lost with the host's power can be made again.
    database.execute("PRAGMA synchronous = NORMAL")
    return database


def prepare(database: sqlite3.Connection, path: Path, say: Callable[[str], None]) -> None:
    """Make the tables, unless they are there.

    :raises UsageError: they are of a newer harness.
    """
    if _version(database) == SCHEMA_VERSION:
        return
    begin(database, path, say)
    version = _version(database)
    if version == 0:
        if database.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
            raise _damaged(path, "it holds tables of something else")
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
            f"{path} is of history format {version}, and this harness reads up to format {SCHEMA_VERSION}",
            remedy="use the harness that wrote it, or make it again from the run folders: harness history --rebuild",
        )


def _version(database: sqlite3.Connection) -> int:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    return int(version)


def begin(database: sqlite3.Connection, path: Path, say: Callable[[str], None]) -> None:
    """Begin to write, when no other process does."""
    try:
        database.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        say(f"waiting for another process that writes {path}")
        database.execute(f"PRAGMA busy_timeout = {int(WAIT_SECONDS * 1000)}")
        database.execute("BEGIN IMMEDIATE")


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what SQLite complains of into errors that say who must act.

    :raises UsageError: the file cannot be written.
    :raises HostError: it is locked or damaged, or the disk is full.
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code
        said = str(error)
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            what = f"another process has written {path} for more than {WAIT_SECONDS:.0f} s"
            raise HostError(what, evidence=said, remedy="wait for it, or end it, and run: harness history") from None
        if code == sqlite3.SQLITE_FULL:
            raise HostError(f"no space left for {path}", evidence=said, remedy="free some space") from None
        if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
            raise UsageError(
                f"{path} cannot be written", evidence=said, remedy="make it and its folder writable"
            ) from None
        raise _damaged(path, said) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written", evidence=str(error), remedy="make its folder writable") from None


def _damaged(path: Path, evidence: str) -> HostError:
    remedy = "make it again from the run folders: harness history --rebuild"
    return HostError(f"{path} is damaged, or no history", evidence=evidence, remedy=remedy)
