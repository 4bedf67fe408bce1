# SPDX-License-Identifier: GPL-2.0-only
"""Turn the errors of SQLite into errors of the harness."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from harness.base.errors import DiskFullError, HostError, UsageError


@contextlib.contextmanager
def sqlite_errors(path: Path, *, called: str, rebuild: str, seconds: float) -> Iterator[None]:
    """Turn the errors of SQLite into errors of the harness.

    :param called: the content of the file, for errors.
    :param rebuild: how to make it again, for errors.
    :param seconds: how long a lock is waited for.
    :raises UsageError: the file is not writable.
    :raises HostError: the file is locked or damaged, or the disk is full.
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code
        evidence = str(error)
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            what = f"{path} has been locked by another process for more than {seconds:.0f} s"
            remedy = "wait for that process or stop it, then retry"
            raise HostError(what, evidence=evidence, remedy=remedy) from None
        if code == sqlite3.SQLITE_FULL:
            raise DiskFullError(
                f"no space left for {path}", evidence=evidence, remedy="free some disk space and retry"
            ) from None
        if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
            raise UsageError(
                f"{path} cannot be written", evidence=evidence, remedy="make it and its folder writable"
            ) from None
        raise damaged(path, evidence, called=called, rebuild=rebuild) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written", evidence=str(error), remedy="make its folder writable") from None


def damaged(path: Path, evidence: str, *, called: str, rebuild: str) -> HostError:
    """Return the error for a file that SQLite cannot read, or that another program wrote."""
    return HostError(f"{path} is damaged, or not {called}", evidence=evidence, remedy=rebuild)
