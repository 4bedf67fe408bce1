# SPDX-License-Identifier: GPL-2.0-only
"""Look at the topics that have new mails, and queue the series that are whole."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from harness.base.store import digest_of
from harness.follow.assemble import FoundSeries, assemble, left_over
from harness.follow.intake import address_of
from harness.follow.queue import NewSeries, Queue
from harness.follow.state.rows import MailKind, SeriesState
from harness.follow.state.rules import SeriesFacts, find_rule
from harness.kernel.mail.diff import diff_lines, read_changes
from harness.kernel.mail.mailbox import Mail, read_mail

_TITLE_LENGTH = 200
_MOST_FILES = 2000
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class _Topic:
    """The mails of a topic.

    :param mails: the patches and cover letters, in the order of their arrival.
    :param names: the name of the raw mail that holds each, by Message-ID.
    """

    number: int
    sender: str
    heard: float
    mails: tuple[Mail, ...]
    names: Mapping[str, str]


def settle_topics(queue: Queue) -> int:
    """Look at topics that are due, some at once; return how many are left."""
    now, database = queue.clock(), queue.database
    due = database.rows("SELECT id FROM topic WHERE due <= ? ORDER BY due, id LIMIT ?", now, _AT_ONCE)
    for (number,) in due:
        _settle(queue, int(number or 0))
    return database.number("SELECT count(*) FROM topic WHERE due <= ?", now)


def read_raw_mails(queue: Queue, names: tuple[str, ...]) -> tuple[bytes, ...]:
    """Return the bytes of some mails, in the order of their arrival; a mail that is gone is left out."""
    marks = ",".join("?" * len(names))
    rows = queue.database.rows(f"SELECT raw FROM mail WHERE name IN ({marks}) ORDER BY id", *names)
    return tuple(zlib.decompress(row[0]) for row in rows if isinstance(row[0], bytes))


def _settle(queue: Queue, number: int) -> None:
    topic = _read(queue, number)
    found = assemble(topic.mails)
    now = queue.clock()
    ready_at = topic.heard + queue.config.limits.settle_seconds
    ready = [one for one in found if not one.is_composed or now >= ready_at]
    known = {row.key for row in queue.of_topic(number)}
    new = [_new(queue, topic, one) for one in ready if _key(one) not in known]
    current = {_key(one) for one in found}
    if len(ready) < len(found):
        # What a partial reroll replaces goes on until the reroll is known to be one.
        current |= known
    note = f"{len(rest)} patches of an incomplete series" if (rest := left_over(topic.mails, found)) else ""
    with queue.database.transaction():
        queue.database.change("UPDATE topic SET note = ? WHERE id = ? AND note <> ?", note, number, note)
    seen = set(topic.names.values())
    queue.settle_topic(number, new, current, seen, due=ready_at if len(ready) < len(found) else None)


def _read(queue: Queue, number: int) -> _Topic:
    database = queue.database
    sender, heard = database.row("SELECT sender, heard FROM topic WHERE id = ?", number) or ("", 0.0)
    query = "SELECT name, raw FROM mail WHERE topic = ? AND kind IN (?, ?) AND raw IS NOT NULL ORDER BY id DESC LIMIT ?"
    rows = database.rows(query, number, MailKind.PATCH, MailKind.COVER, queue.config.limits.topic_mails)
    mails: list[Mail] = []
    names: dict[str, str] = {}
    for name, raw in reversed(rows):
        if not isinstance(raw, bytes):
            continue
        for mail in read_mail(zlib.decompress(raw)):
            mails.append(mail)
            names.setdefault(mail.message_id, str(name))
    return _Topic(number, str(sender), float(heard or 0), tuple(mails), names)


def _key(found: FoundSeries) -> str:
    names = [mail.message_id for mail in found.posting.mails]
    return digest_of(*names, "" if all(names) else _content(found))


def _content(found: FoundSeries) -> str:
    return digest_of(*(b"\n".join(diff_lines(mail.text)) for mail in found.posting.mails))


def _new(queue: Queue, topic: _Topic, found: FoundSeries) -> NewSeries:
    """Return the row of a series, in the state that rules and limits give it."""
    posting, limits = found.posting, queue.config.limits
    first = posting.cover or posting.mails[0]
    told = [*([posting.cover] if posting.cover else []), *posting.mails]
    files = tuple(
        dict.fromkeys(file for mail in posting.mails for one in read_changes(mail.text) for file in one.files)
    )
    recipients = tuple(dict.fromkeys(one for mail in told for one in mail.recipients))
    lists = tuple(dict.fromkeys(mail.list_name for mail in told if mail.list_name))
    facts = SeriesFacts(files, (*lists, *recipients), topic.sender, tuple(mail.subject.render() for mail in told))
    rule, content = find_rule(queue.config.rules, facts), _content(found)
    state, note = SeriesState.WAITING, ""
    if len(posting.patches) > limits.patches:
        state, note = SeriesState.REFUSED, f"it has {len(posting.patches)} patches; the limit is {limits.patches}"
    elif rule is None:
        state, note = SeriesState.UNWANTED, "no rule matches"
    elif (same := queue.like(content)) is not None:
        state, note = SeriesState.RESENT, f"its patches are those of series {same.id}"
    elif queue.count_new(topic.sender) >= limits.sender_series:
        state, note = SeriesState.REFUSED, f"its sender posted {limits.sender_series} series in 24 hours"
    elif queue.count_waiting() >= limits.waiting:
        state, note = SeriesState.REFUSED, f"{limits.waiting} series wait"
    held = found.family if found.is_composed else tuple(told)
    return NewSeries(
        key=_key(found),
        topic=topic.number,
        title=first.subject.title[:_TITLE_LENGTH],
        version=f"v{posting.version}{posting.suffix}",
        patches=len(posting.patches),
        sender=address_of(first.sender),
        message_id=first.message_id,
        content=content,
        files=files[:_MOST_FILES],
        recipients=recipients,
        mails=tuple(dict.fromkeys(topic.names[mail.message_id] for mail in held)),
        state=state,
        rule=rule.name if rule else "",
        note=note,
    )
