# SPDX-License-Identifier: GPL-2.0-only
"""Take mails in: each once, bounded, sorted into topics; a batch and the cursor of its source are one transaction.

A topic is what one sender posted in related threads: mails that answer each other, also through mails of others, that
have the same title, or the same ``change-id`` of b4. Only patches and cover letters are kept; of other mails the name
and what they answer.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.utils import parseaddr

from harness.base.store import digest_of
from harness.follow.state.config import Limits
from harness.follow.state.database import Database
from harness.follow.state.rows import MailKind
from harness.kernel.mail.mailbox import Mail, read_mail
from harness.kernel.mail.mbox import is_mail, trim, without_postmark

_MOST_ABOVE = 50
_NAME_LENGTH = 250
_SUBJECT_LENGTH = 300
_CHANGE = re.compile(rb"^change-id: ?([-\w.]{8,200})[ \t]*$", re.MULTILINE)
_PARSER_FAULTS = (ValueError, LookupError, TypeError, AttributeError, RecursionError, AssertionError)
"""Errors that Python's email package raises for headers that no mail program writes."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One mail, read.

    :param name: its Message-ID, or a digest when it has none.
    :param answers: the Message-ID that it answers.
    :param kind: its kind.
    :param sender: the address of its sender, in lower case.
    :param subject: its subject, as rendered.
    :param links: names of topics that it belongs to.
    :param raw: its bytes, for patches and cover letters.
    :param note: why it is broken or refused.
    """

    name: str
    answers: str
    kind: MailKind
    sender: str = ""
    subject: str = ""
    links: tuple[str, ...] = ()
    raw: bytes = b""
    note: str = ""


def read_arrival(raw: bytes, limits: Limits) -> Arrival:
    """Read a mail; never fails.

    :param raw: the bytes of the mail.
    :param limits: the bounds.
    """
    anonymous = f"sha256:{digest_of(raw)}"
    if len(raw) > limits.mail_bytes:
        return Arrival(anonymous, "", MailKind.REFUSED, note=f"it has more than {limits.mail_bytes} bytes")
    try:
        if not is_mail(without_postmark(trim(raw))[0]):
            return Arrival(anonymous, "", MailKind.BROKEN, note="it has no headers of a mail")
        mails = read_mail(raw)
    except _PARSER_FAULTS as error:
        return Arrival(anonymous, "", MailKind.BROKEN, note=f"it cannot be parsed: {type(error).__name__}")
    first = mails[0]
    name = first.message_id if 0 < len(first.message_id) <= _NAME_LENGTH else anonymous
    subject = first.subject.render()[:_SUBJECT_LENGTH]
    kind = _kind_of(mails)
    if kind is MailKind.OTHER:
        return Arrival(name, first.reply_to[:_NAME_LENGTH], kind, subject=subject)
    sender = address_of(first.sender)
    return Arrival(name, first.reply_to[:_NAME_LENGTH], kind, sender, subject, tuple(_links(mails, name)), raw)


def address_of(sender: str) -> str:
    """Return the address of ``Name <address>``, in lower case and bounded."""
    return (parseaddr(sender)[1] or sender).lower()[:_NAME_LENGTH]


def _kind_of(mails: tuple[Mail, ...]) -> MailKind:
    if any(not one.subject.is_reply and one.subject.number != 0 and one.has_diff for one in mails):
        return MailKind.PATCH
    first = mails[0].subject
    return MailKind.COVER if first.number == 0 and not first.is_reply else MailKind.OTHER


def _links(mails: tuple[Mail, ...], name: str) -> Iterator[str]:
    yield f"id:{name}"
    for mail in mails:
        if mail.subject.number in (None, 0, 1) and (title := " ".join(mail.subject.title.lower().split())):
            yield f"title:{title}"[:_NAME_LENGTH]
        if found := _CHANGE.search(mail.text):
            yield f"change:{found.group(1).decode(errors='replace')}"


def take_batch(database: Database, source: str, arrivals: Iterable[Arrival], cursor: str, *, now: float) -> int:
    """Keep the mails of a batch and the cursor after it, in one transaction; return the number of new mails.

    :param source: the name of the source.
    :param arrivals: the mails, in their order.
    :param cursor: where the next batch begins.
    :param now: seconds since the epoch.
    """
    new = 0
    with database.transaction():
        for arrival in arrivals:
            new += _take(database, source, arrival, now)
        database.change("INSERT OR IGNORE INTO source (name) VALUES (?)", source)
        database.change("UPDATE source SET cursor = ? WHERE name = ?", cursor, source)
    return new


def _take(database: Database, source: str, arrival: Arrival, now: float) -> bool:
    """Keep one mail; return False when it is known."""
    if database.row("SELECT 1 FROM mail WHERE name = ?", arrival.name):
        return False
    topic = _topic_of(database, arrival, now) if arrival.sender else None
    database.change(
        "INSERT INTO mail (name, answers, topic, source, arrived, kind, subject, note, raw) VALUES (?,?,?,?,?,?,?,?,?)",
        *(arrival.name, arrival.answers, topic, source, now, arrival.kind, arrival.subject, arrival.note),
        zlib.compress(arrival.raw, 6) if arrival.raw else None,
    )
    return True


def _topic_of(database: Database, arrival: Arrival, now: float) -> int:
    """Find or make the topic of a patch or cover letter, and join the topics that it connects."""
    links = dict.fromkeys([*arrival.links, *(f"id:{name}" for name in _above(database, arrival))])
    query = "SELECT topic FROM link WHERE sender = ? AND name = ?"
    rows = [database.row(query, arrival.sender, name) for name in links]
    topics = sorted({int(row[0] or 0) for row in rows if row})
    if topics:
        topic = topics[0]
        database.change("UPDATE topic SET heard = ?, due = ? WHERE id = ?", now, now, topic)
    else:
        topic = database.change("INSERT INTO topic (sender, heard, due) VALUES (?, ?, ?)", arrival.sender, now, now)
    for other in topics[1:]:
        for table in ("link", "mail", "series"):
            database.change(f"UPDATE {table} SET topic = ? WHERE topic = ?", topic, other)
        database.change("DELETE FROM topic WHERE id = ?", other)
    insert = "INSERT OR REPLACE INTO link (sender, name, topic) VALUES (?, ?, ?)"
    database.change_all(insert, [(arrival.sender, name, topic) for name in links])
    return topic


def _above(database: Database, arrival: Arrival) -> Iterator[str]:
    """Yield the names of the mails that a mail answers, the nearest first."""
    name = arrival.answers
    for _ in range(_MOST_ABOVE):
        if not name:
            return
        yield name
        row = database.row("SELECT answers FROM mail WHERE name = ?", name)
        name = str(row[0]) if row else ""
