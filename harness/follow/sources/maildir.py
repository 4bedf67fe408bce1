# SPDX-License-Identifier: GPL-2.0-only
"""Read the mails of a Maildir; files are never moved or marked, other programs may do so meanwhile."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.base.errors import UsageError
from harness.base.json_records import dump_value, read_facts
from harness.follow.sources.batch import BATCH_MAILS, Batch

_SLACK_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class _Cursor:
    """Where the next batch begins: the time of the newest file, and the names of the files of about that time."""

    time: float
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Maildir:
    """A Maildir.

    :param folder: the folder with ``new`` and ``cur``.
    :param mail_bytes: the bound of a mail; of a larger one, only one byte more is read.
    :param since: seconds since the epoch: older files are left out at the first time.
    """

    folder: Path
    mail_bytes: int
    since: float

    def read(self, cursor: str) -> Iterator[Batch]:
        """Yield the mails after a cursor: the time of the newest file, and the names of those of about that time.

        :raises UsageError: the folder is not a Maildir.
        """
        state = read_facts(_Cursor, cursor) or _Cursor(self.since)
        newest, known = state.time, set(state.names)
        files = sorted(one for one in self._files() if one[0] >= newest - _SLACK_SECONDS)
        recent = {name: time for time, name, _ in files if name in known}
        fresh = [one for one in files if one[1] not in known and (cursor or one[0] >= self.since)]
        for at in range(0, len(fresh), BATCH_MAILS):
            part = fresh[at : at + BATCH_MAILS]
            newest = max(newest, part[-1][0])
            recent |= {name: time for time, name, _ in part}
            recent = {name: time for name, time in recent.items() if time >= newest - _SLACK_SECONDS}
            mails = tuple(mail for _, _, path in part if (mail := self._content(path)) is not None)
            yield Batch(dump_value(_Cursor(newest, tuple(sorted(recent))), indent=None), mails)

    def _files(self) -> Iterator[tuple[float, str, Path]]:
        """Yield time, name without flags, and path of each file."""
        for part in ("new", "cur"):
            try:
                entries = list(os.scandir(self.folder / part))
            except OSError as error:
                raise UsageError(
                    f"{self.folder} is not a Maildir", evidence=str(error), remedy="name a folder with new, cur and tmp"
                ) from None
            for entry in entries:
                try:
                    if entry.is_file() and not entry.name.startswith("."):
                        yield entry.stat().st_mtime, entry.name.partition(":")[0], Path(entry.path)
                except FileNotFoundError:  # a mail program moved it
                    continue

    def _content(self, path: Path) -> bytes | None:
        """Read a file, also after a mail program moved it from ``new`` to ``cur``; None when it is gone."""
        name = path.name.partition(":")[0]
        for one in (path, *(self.folder / "cur").glob(f"{glob.escape(name)}:2,*"), self.folder / "cur" / name):
            try:
                with one.open("rb") as file:
                    return file.read(self.mail_bytes + 1)
            except OSError:
                continue
        return None
