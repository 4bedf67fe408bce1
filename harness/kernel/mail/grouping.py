# SPDX-License-Identifier: GPL-2.0-only
"""The patches of a mailbox sorted into postings: what was sent together, by version, total, thread and mark. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from harness.kernel.mail.diff import diff_lines
from harness.kernel.mail.mailbox import Mail
from harness.kernel.mail.rework import collide, stand_on_the_same
from harness.kernel.mail.thread import Thread
from harness.model.series_choice import SeriesVersion


@dataclass(frozen=True, slots=True)
class Posting:
    """One posted version of a series.

    :param total: how many patches it says it has.
    :param patches: those in the mailbox, by number; complete when these are 1 to ``total``.
    :param cover: the cover letter, or None.
    :param notes: what was decided while reading.
    :param suffix: what follows the number of its version: ``.1`` of v2.1.
    :param is_numbered: whether the subjects of its patches have numbers.
    :param rivals: pairs of different patches of one number, or patches without a known order: nothing decides.
    """

    version: int
    total: int
    patches: dict[int, Mail]
    cover: Mail | None = None
    notes: tuple[str, ...] = ()
    suffix: str = ""
    is_numbered: bool = True
    rivals: tuple[Mail, ...] = field(default=())

    @property
    def posted_as(self) -> SeriesVersion:
        """Return the version with its suffix, as a sort key."""
        return self.mails[0].subject.posted_as if self.patches else SeriesVersion(self.version)

    @property
    def missing(self) -> tuple[int, ...]:
        """Return the numbers of the missing patches."""
        return tuple(number for number in range(1, self.total + 1) if number not in self.patches)

    @property
    def mails(self) -> tuple[Mail, ...]:
        """Return the patches, in the order of their numbers."""
        return tuple(self.patches[number] for number in sorted(self.patches))

    @property
    def is_whole(self) -> bool:
        """Return whether each patch is there exactly once."""
        return not self.missing and not self.rivals

    @property
    def is_rfc(self) -> bool:
        """Return whether every patch is marked RFC."""
        return all(mail.subject.is_rfc for mail in self.mails)


def group(thread: Thread, *, chosen: Sequence[Mail]) -> list[Posting]:
    """Group a mailbox into postings, in the order of their first mails.

    :param chosen: mails that the user named: of several patches of a number, these are taken.
    """
    numbered: dict[tuple[SeriesVersion, int], list[Mail]] = {}
    plain: dict[SeriesVersion, list[Mail]] = {}
    for mail in thread.patches:
        if mail.subject.number is None or mail.subject.total is None:
            plain.setdefault(mail.subject.posted_as, []).append(mail)
        else:
            numbered.setdefault((mail.subject.posted_as, mail.subject.total), []).append(mail)
    postings = [
        _of_numbered(part, thread, chosen)
        for mails in numbered.values()
        for part in _split(mails, thread, chosen, (_by_mark, _by_thread))
    ]
    return postings + [_of_plain(mails, thread, chosen) for mails in plain.values()]


def _split(
    mails: list[Mail],
    thread: Thread,
    chosen: Sequence[Mail],
    ways: Sequence[Callable[[list[Mail], Thread], list[list[Mail]]]],
) -> list[list[Mail]]:
    """Split patches of one version and total into several postings where two share a number."""
    if not ways or not _of_numbered(mails, thread, chosen).rivals:
        return [mails]
    return [one for part in ways[0](mails, thread) for one in _split(part, thread, chosen, ways[1:])]


def _by_mark(mails: list[Mail], thread: Thread) -> list[list[Mail]]:
    """Split patches into those marked RFC and the others."""
    parts = [[mail for mail in mails if mail.subject.is_rfc is is_rfc] for is_rfc in (False, True)]
    return [part for part in parts if part]


def _by_thread(mails: list[Mail], thread: Thread) -> list[list[Mail]]:
    """Group patches by the cover letter or first patch that they answer; those that answer none by their sender."""
    tops = {id(mail) for mail in thread.covers} | {id(mail) for mail in mails if mail.subject.number == 1}
    parts: dict[object, list[Mail]] = {}
    loose: list[Mail] = []
    for mail in mails:
        top = next((one for one in (*thread.above(mail), mail) if id(one) in tops and _fits(one, mail)), None)
        if top is None:
            loose.append(mail)
        else:
            parts.setdefault(id(top), []).append(mail)
    for mail in loose:
        fitting = [part for part in parts.values() if part[0].sender == mail.sender]
        (fitting[0] if len(fitting) == 1 else parts.setdefault(mail.sender, [])).append(mail)
    is_told = mails[0].subject.total != 1 or len({mail.sender for mail in mails}) > 1
    return list(parts.values()) if is_told else [mails]


def _fits(top: Mail, mail: Mail) -> bool:
    return (top.subject.posted_as, top.subject.total) == (mail.subject.posted_as, mail.subject.total)


def _of_numbered(mails: Sequence[Mail], thread: Thread, chosen: Sequence[Mail]) -> Posting:
    """Make a posting of one version and total; of two mails with a number the user's choice wins, else a RESEND."""
    named = {id(mail) for mail in chosen}
    held: dict[int, Mail] = {}
    rivals: list[Mail] = []
    for mail in mails:
        number = mail.subject.number or 0
        other = held.setdefault(number, mail)
        if other is mail:
            continue
        ranks = [(id(one) in named, one.subject.is_resend) for one in (other, mail)]
        if ranks[1] > ranks[0]:
            held[number] = mail
        elif ranks[0] == ranks[1] and diff_lines(other.text) != diff_lines(mail.text):
            rivals += [one for one in (other, mail) if all(one is not rival for rival in rivals)]
    subject, notes = mails[0].subject, []
    total = subject.total or 0
    rivals = [one for one in rivals if id(held[one.subject.number or 0]) not in named]
    again = [mail for mail in held.values() if mail.subject.is_resend]
    if again and len(again) < len(mails):
        whole = "the RESEND was taken" if len(again) == len(held) else f"taken from it: {_numbers(again)}"
        notes.append(f"{subject.posted_as} was sent again as RESEND; {whole}")
    if beyond := [f"{number}/{total}" for number in sorted(held) if number > total]:
        notes.append(f"patches beyond the {total} of the series were taken too: {', '.join(beyond)}")
    cover = _cover(held, mails, thread)
    return Posting(subject.version, total, held, cover, tuple(notes), subject.suffix, rivals=tuple(rivals))


def _numbers(mails: Sequence[Mail]) -> str:
    return ", ".join(sorted(f"{mail.subject.number}/{mail.subject.total}" for mail in mails))


def _cover(held: dict[int, Mail], mails: Sequence[Mail], thread: Thread) -> Mail | None:
    """Find a posting's cover letter: the one that its patches answer, else one of the same version and total."""
    fitting = [one for one in thread.covers if _fits(one, mails[0])]
    answered = [one for mail in held.values() for one in thread.above(mail)]
    return next((one for one in fitting if any(one is other for other in answered)), next(iter(fitting), None))


def _of_plain(mails: Sequence[Mail], thread: Thread, chosen: Sequence[Mail]) -> Posting:
    """Group patches without numbers: each alone, or in mailbox order if one person or git put them there."""
    subject, notes = mails[0].subject, []
    later = _later_forms(mails, thread, {id(mail) for mail in chosen})
    kept: list[Mail] = []
    taken: set[int] = set()
    for first in mails:
        mail, seen = first, {id(first)}
        while (newer := later.get(id(mail))) is not None and id(newer) not in seen:
            mail = newer
            seen.add(id(mail))
        if id(mail) not in taken:
            kept.append(mail)
            taken.add(id(mail))
        if mail is not first:
            what = "was sent again as RESEND" if mail.subject.is_resend else "was reworked in an answer to it"
            notes.append(f"{first.subject.render()} {what}; the later one was taken")
    titles = {mail.subject.title for mail in kept}
    is_of_git = all(mail.from_git for mail in kept)
    is_ordered = len({mail.sender for mail in kept}) == 1 or is_of_git
    has_rivals = len(kept) > 1 and (
        len(titles) < len(kept) or not is_ordered or (not is_of_git and collide([mail.text for mail in kept]))
    )
    if len(kept) > 1 and not has_rivals:
        notes.append(f"{len(kept)} patches without numbers were taken in the order of the mailbox")
    patches = dict(enumerate(kept, 1))
    rivals = tuple(kept) if has_rivals else ()
    return Posting(
        subject.version, len(kept), patches, None, tuple(notes), subject.suffix, is_numbered=False, rivals=rivals
    )


def _later_forms(mails: Sequence[Mail], thread: Thread, named: set[int]) -> dict[int, Mail]:
    """Map the identity of each patch without a number to the patch that replaced it."""
    held = {id(mail) for mail in mails}
    by_title: dict[str, list[Mail]] = {}
    for mail in mails:
        by_title.setdefault(mail.subject.title, []).append(mail)
    later: dict[int, Mail] = {}
    for mail in mails:
        earlier: list[Mail] = []
        answered = next((one for one in thread.above(mail) if id(one) in held), None)
        if answered is not None and (
            answered.subject.title == mail.subject.title or stand_on_the_same(mail.text, answered.text)
        ):
            earlier.append(answered)
        if mail.subject.is_resend:
            earlier += [one for one in by_title[mail.subject.title] if not one.subject.is_resend]
        for one in earlier:
            if id(one) not in named:
                later.setdefault(id(one), mail)
    return later
