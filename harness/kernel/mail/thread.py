# SPDX-License-Identifier: GPL-2.0-only
"""The mails of a mailbox with their relations: which patch answers which, and by what name a user takes one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from harness.kernel.mail.diff import diff_lines, read_changes
from harness.kernel.mail.mailbox import Mail


class Thread:
    """The mails of a mailbox.

    :param mails: in the order of the mailbox. Copies of a patch, as two lists deliver it, are one.
    :param under: patches count only that touch a file with this path prefix; empty for all.
    """

    def __init__(self, mails: Sequence[Mail], *, under: str = "") -> None:
        mails = _numbered_at_end(mails)
        self.mails = tuple(mails)
        self.patches: list[Mail] = []
        self._by_id: dict[str, Mail] = {}
        self._places = {id(mail): place for place, mail in enumerate(mails, 1)}
        kept: dict[tuple[object, ...], Mail] = {}
        for mail in mails:
            subject = mail.subject
            is_patch = not subject.is_reply and subject.number != 0 and mail.has_diff
            if is_patch and under and not _touches(mail, under):
                continue
            if is_patch:
                marks = (subject.posted_as, subject.number, subject.total, subject.is_resend, subject.is_rfc)
                first = kept.setdefault((*marks, diff_lines(mail.text)), mail)
                self._by_id.setdefault(mail.message_id, first)
                if first is mail:
                    self.patches.append(mail)
            else:
                self._by_id.setdefault(mail.message_id, mail)
        self.covers = [mail for mail in mails if mail.subject.number == 0 and not mail.subject.is_reply]

    def find(self, name: str) -> Mail | None:
        """Find a mail by its Message-ID, or by its position in the mailbox (``#3``)."""
        if name in self._by_id:
            return self._by_id[name]
        place = name.removeprefix("#")
        if name.startswith("#") and place.isdecimal() and 1 <= int(place) <= len(self.mails):
            return self.mails[int(place) - 1]
        return None

    def name(self, mail: Mail) -> str:
        """Return the name by which :func:`find` finds the mail: a unique Message-ID, else its position."""
        is_own = bool(mail.message_id) and self._by_id.get(mail.message_id) is mail
        return mail.message_id if is_own else f"#{self._places[id(mail)]}"

    def above(self, mail: Mail) -> Iterator[Mail]:
        """Yield the mails that a mail answers, the nearest first."""
        seen = {id(mail)}
        while (parent := self._by_id.get(mail.reply_to) if mail.reply_to else None) and id(parent) not in seen:
            seen.add(id(parent))
            yield parent
            mail = parent


def same(one: Iterable[Mail], other: Iterable[Mail]) -> bool:
    """Return whether two collections share a mail."""
    held = {id(mail) for mail in one}
    return any(id(mail) in held for mail in other)


def _numbered_at_end(mails: Sequence[Mail]) -> Sequence[Mail]:
    """Read the numbers at the end of titles (``title (1/3)``) where they make up a whole series."""
    read = {at: mail.subject.number_at_end() for at, mail in enumerate(mails) if not mail.subject.is_reply}
    found = {at: subject for at, subject in read.items() if subject is not mails[at].subject}
    held = {subject.number for subject in found.values()}
    totals = {subject.total for subject in found.values()}
    if len(totals) != 1 or (total := totals.pop()) is None or total < 2 or not held >= set(range(1, total + 1)):
        return mails
    return [replace(mail, subject=found.get(at, mail.subject)) for at, mail in enumerate(mails)]


def _touches(mail: Mail, under: str) -> bool:
    return any(file.startswith(under) for change in read_changes(mail.text) for file in change.files)
