# SPDX-License-Identifier: GPL-2.0-only
"""Define the rows of the database as values, and the states of a series. Pure.

The states, and what leads from one to the next::

    waiting --> running --> judged --> answered
       |           |  \\--> waiting   the host failed, or the service ended
       |           |  \\--> failed    the host failed too often
       |           \\-----> ending --> ended      a newer version came while it ran
       \\--> superseded                           a newer version came while it waited
    unwanted, refused, resent                     never tested; the note says why
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

Row: TypeAlias = tuple[str | int | float | bytes | None, ...]


class SeriesState(StrEnum):
    """The state of a series."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDING = "ending"
    JUDGED = "judged"
    ANSWERED = "answered"
    SUPERSEDED = "superseded"
    ENDED = "ended"
    FAILED = "failed"
    UNWANTED = "unwanted"
    REFUSED = "refused"
    RESENT = "resent"


IN_QUEUE = (SeriesState.WAITING, SeriesState.RUNNING, SeriesState.ENDING)
"""The states of a series that is to be tested."""


class AnswerState(StrEnum):
    """The state of an answer."""

    DUE = "due"
    SENDING = "sending"
    """The user's command was started; after a kill nobody knows whether it sent the mail."""
    DONE = "done"
    UNCERTAIN = "uncertain"
    """The service was killed while the command ran; it is not started again by itself."""
    FAILED = "failed"


class MailKind(StrEnum):
    """The kind of a mail."""

    PATCH = "patch"
    COVER = "cover"
    OTHER = "other"
    BROKEN = "broken"
    """It cannot be read as a mail."""
    REFUSED = "refused"
    """It is too large, or another one has its Message-ID."""


SERIES_COLUMNS = (
    "id, key, topic, title, version, patches, sender, message_id, content, files, recipients, mails, range, rule, "
    "arrived, state, base, tries, next, began, ended, folder, verdict, note, changed"
)


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """A series in the database.

    :param id: its number here.
    :param key: digest of the Message-IDs of its patches.
    :param topic: the topic of its mails.
    :param title: of the cover letter, else of the first patch.
    :param version: as posted: ``v2``, ``v2.1``.
    :param patches: the number of patches.
    :param sender: the address of its sender.
    :param message_id: of the cover letter, else of the first patch; empty for a branch.
    :param content: digest of the diffs.
    :param files: the files that it touches.
    :param recipients: the addresses that it was sent to.
    :param mails: the names of its mails.
    :param range: ``TREE:FIRST..LAST`` for a branch; empty for mails.
    :param rule: the name of the rule; empty when none matches.
    :param arrived: when it was whole here, in seconds since the epoch.
    :param state: its state.
    :param base: the base that it is tested on, pinned to a commit; empty before it began.
    :param tries: how often it was begun on a host that failed.
    :param next: not before this time.
    :param began: when the test began.
    :param ended: when the test ended.
    :param folder: the folder of the test, below that of the state.
    :param verdict: the state of the series record.
    :param note: why it is in its state.
    :param changed: grows with each change.
    """

    id: int
    key: str
    topic: int
    title: str
    version: str
    patches: int
    sender: str
    message_id: str
    content: str
    files: tuple[str, ...]
    recipients: tuple[str, ...]
    mails: tuple[str, ...]
    range: str
    rule: str
    arrived: float
    state: SeriesState
    base: str
    tries: int
    next: float
    began: float
    ended: float
    folder: str
    verdict: str
    note: str
    changed: int


def read_series_row(row: Row) -> SeriesRow:
    """Return the value of a row with :data:`SERIES_COLUMNS`."""
    text = [one if isinstance(one, str) else "" for one in row]
    number = [one if isinstance(one, int | float) else 0 for one in row]
    files, recipients, mails = (tuple(map(str, json.loads(text[at]))) for at in (9, 10, 11))
    return SeriesRow(
        *(int(number[0]), text[1], int(number[2]), text[3], text[4], int(number[5]), text[6], text[7], text[8]),
        *(files, recipients, mails, text[12], text[13], number[14], SeriesState(text[15]), text[16]),
        *(int(number[17]), number[18], number[19], number[20], text[21], text[22], text[23], int(number[24])),
    )
