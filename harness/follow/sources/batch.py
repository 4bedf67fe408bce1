# SPDX-License-Identifier: GPL-2.0-only
"""Define what a source gives: batches, each with the cursor after it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

BATCH_MAILS = 200
"""The mails of one batch, which is one transaction."""


@dataclass(frozen=True, slots=True)
class BranchTip:
    """A branch with commits of its own.

    :param branch: its name.
    :param start: the commit where it leaves the base.
    :param tip: its newest commit.
    :param subjects: of its commits, oldest first.
    :param files: the files that it changes.
    :param author: the address of the author of its newest commit.
    """

    branch: str
    start: str
    tip: str
    subjects: tuple[str, ...]
    files: tuple[str, ...]
    author: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Some mails of a source, in their order, or the tips of branches.

    :param cursor: where the next batch begins; kept with the mails in one transaction.
    :param mails: the bytes of each.
    :param tips: the branches.
    :param note: what the user should know, such as a rewritten history.
    """

    cursor: str
    mails: tuple[bytes, ...] = ()
    tips: tuple[BranchTip, ...] = ()
    note: str = ""


class Source(Protocol):
    """A source of mails or branches."""

    def read(self, cursor: str) -> Iterator[Batch]:
        """Yield what came after a cursor, oldest first.

        :param cursor: that of the last batch; empty at the first time.
        :raises HarnessError: the source cannot be read now.
        """
        ...
