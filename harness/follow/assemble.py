# SPDX-License-Identifier: GPL-2.0-only
"""Find the series in the mails of one sender that belong together: the newest whole version of each. Pure.

Which version is newest, and what completes a partial reroll, is decided as for a mailbox on the command line
(``harness/kernel/mail/posting.py``). What is added here: unrelated series in one thread are kept apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.base.errors import HarnessError
from harness.kernel.mail.grouping import Posting, group
from harness.kernel.mail.mailbox import Mail
from harness.kernel.mail.posting import choose_posting
from harness.kernel.mail.thread import Thread

_NAME = "the thread"


@dataclass(frozen=True, slots=True)
class FoundSeries:
    """A whole series.

    :param posting: its patches and cover letter.
    :param family: the mails of all its versions.
    :param is_composed: whether patches of an older version complete it.
    """

    posting: Posting
    family: tuple[Mail, ...]
    is_composed: bool


@dataclass(frozen=True, slots=True)
class _Unit:
    """What was sent together: one version of a series, or one patch without a number."""

    posting: Posting
    mails: tuple[Mail, ...]
    titles: frozenset[str]
    cover_title: str

    @property
    def is_numbered(self) -> bool:
        return self.posting.is_numbered


def assemble(mails: Sequence[Mail]) -> tuple[FoundSeries, ...]:
    """Return the series to test among the mails of one sender, in the order of their first mails.

    :param mails: patches and cover letters, in the order of their arrival.
    """
    thread = Thread(mails)
    units = [unit for posting in group(thread, chosen=()) for unit in _units(posting)]
    found = [one for family in _families(units, thread) for one in _newest(family, thread)]
    places = {mail.message_id: place for place, mail in reversed(list(enumerate(thread.mails)))}
    return tuple(sorted(found, key=lambda one: min(places[mail.message_id] for mail in one.posting.mails)))


def left_over(mails: Sequence[Mail], found: Iterable[FoundSeries]) -> tuple[Mail, ...]:
    """Return the patches that belong to no family of a whole series: those of a series that is incomplete."""
    held = {mail.message_id for one in found for mail in one.family}
    return tuple(mail for mail in Thread(mails).patches if mail.message_id not in held)


def _units(posting: Posting) -> list[_Unit]:
    mails = tuple({id(mail): mail for mail in (*posting.mails, *posting.rivals)}.values())
    if posting.is_numbered:
        held = (*((posting.cover,) if posting.cover else ()), *mails)
        title = posting.cover.subject.title.lower() if posting.cover else ""
        return [_Unit(posting, held, frozenset(mail.subject.title.lower() for mail in mails), title)]
    return [
        _Unit(
            Posting(mail.subject.version, 1, {1: mail}, suffix=mail.subject.suffix, is_numbered=False),
            (mail,),
            frozenset([mail.subject.title.lower()]),
            "",
        )
        for mail in mails
    ]


def _families(units: Sequence[_Unit], thread: Thread) -> list[list[_Unit]]:
    """Group units into versions of one series."""
    families: list[list[_Unit]] = []
    for unit in units:
        near = [family for family in families if any(_are_related(unit, other, thread) for other in family)]
        families = [family for family in families if family not in near]
        families.append([*(other for family in near for other in family), unit])
    return families


def _are_related(one: _Unit, other: _Unit, thread: Thread) -> bool:
    if one.cover_title and one.cover_title == other.cover_title:
        return True
    if len(one.titles & other.titles) * 2 >= min(len(one.titles), len(other.titles)):
        return True
    if one.posting.posted_as == other.posting.posted_as and not (one.is_numbered or other.is_numbered):
        return False  # two patches of one thread, not two versions
    return _answers(one, other, thread) or _answers(other, one, thread)


def _answers(newer: _Unit, older: _Unit, thread: Thread) -> bool:
    """Return whether the first mail of a unit answers a mail of another one."""
    held = {mail.message_id for mail in older.mails}
    return any(parent.message_id in held for parent in thread.above(newer.mails[0]))


def _newest(family: Sequence[_Unit], thread: Thread) -> list[FoundSeries]:
    """Return the newest whole version; several when nothing decides between them, none when none is whole."""
    held = {mail.message_id for unit in family for mail in unit.mails}
    mails = tuple(mail for mail in thread.mails if mail.message_id in held)
    if any(unit.is_numbered for unit in family):
        try:
            posting = choose_posting(mails, name=_NAME)
        except HarnessError:
            whole = [unit.posting for unit in family if unit.is_numbered and unit.posting.is_whole]
            newest = max((one.posted_as for one in whole), default=None)
            return [FoundSeries(one, mails, is_composed=False) for one in whole if one.posted_as == newest]
        versions = {mail.subject.posted_as for mail in posting.mails}
        return [FoundSeries(posting, mails, is_composed=len(versions) > 1)]
    newest = max(unit.posting.posted_as for unit in family)
    by_title = {unit.titles: unit for unit in family if unit.posting.posted_as == newest}
    return [FoundSeries(unit.posting, mails, is_composed=False) for unit in by_title.values()]
