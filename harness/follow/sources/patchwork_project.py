# SPDX-License-Identifier: GPL-2.0-only
"""Read the series of a Patchwork project."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.base.errors import UsageError
from harness.base.json_records import dump_value, read_facts
from harness.follow.sources.batch import Batch
from harness.series.patchwork import Patchwork, PostedSeries

_MOST_OPEN = 100


@dataclass(frozen=True, slots=True)
class _Cursor:
    """Where the next batch begins.

    :param last: the newest known number.
    :param open: the patches of each series that was incomplete, by its number.
    """

    last: int = 0
    open: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PatchworkProject:
    """A project of a Patchwork server.

    :param client: the client.
    :param mail_bytes: the bound of a mail; of a larger one, only one byte more is read.
    :param most_patches: of a series with more mails, only so many are fetched.
    """

    client: Patchwork
    mail_bytes: int
    most_patches: int

    def read(self, cursor: str) -> Iterator[Batch]:
        """Yield the mails of the series after a cursor: the newest known number, and series that were incomplete."""
        state = read_facts(_Cursor, cursor) or _Cursor()
        last, waiting = state.last, {int(number): held for number, held in state.open.items()}
        for number in sorted(waiting):
            try:
                found = self.client.find_series(number)
            except UsageError:  # the server's administrator removed it
                del waiting[number]
                continue
            if found.received_all:
                del waiting[number]
            elif len(found.patches) == waiting[number]:
                continue
            else:
                waiting[number] = len(found.patches)
            yield Batch(_cursor(last, waiting), self._mails(found))
        pages = list(self.client.list_series(last))
        # At the first time, the newest page alone is taken.
        for page in pages if cursor else pages[-1:]:
            for one in page:
                last = one.id
                if not one.received_all:
                    waiting[one.id] = len(one.patches)
                yield Batch(_cursor(last, waiting), self._mails(one))

    def _mails(self, series: PostedSeries) -> tuple[bytes, ...]:
        held = series.mails[: self.most_patches + 2]
        return tuple(self.client.fetch_mail(one, most_bytes=self.mail_bytes + 1) for one in held)


def _cursor(last: int, waiting: dict[int, int]) -> str:
    newest = sorted(waiting)[-_MOST_OPEN:]
    return dump_value(_Cursor(last, {str(number): waiting[number] for number in newest}), indent=None)
