"""Which mails of a mailbox are the series: grouped by version, checked for completeness, one version chosen. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.base.errors import HarnessError, SeriesError, UsageError
from harness.kernel.mail.diff import diff_lines
from harness.kernel.mail.mailbox import Mail

_SHOWN_MAILS = 12


@dataclass(frozen=True, slots=True)
class Posting:
    """One posted version of a series.

    :param total: how many patches it says it has.
    :param patches: those there are, by number; complete when these are 1 to ``total``.
    :param cover: the cover letter, or None. :param notes: what was decided on the way.
    """

    version: int
    total: int
    patches: dict[int, Mail]
    cover: Mail | None = None
    notes: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[int, ...]:
        """The numbers of the patches that are not there."""
        return tuple(number for number in range(1, self.total + 1) if number not in self.patches)

    @property
    def mails(self) -> tuple[Mail, ...]:
        """The patches, in the order of their numbers."""
        return tuple(self.patches[number] for number in sorted(self.patches))


def choose_posting(mails: Sequence[Mail], *, version: int | None, name: str) -> Posting:
    """The series of a mailbox: the newest complete version, or the one asked for.

    :param name: what the user called the mailbox, for errors.
    :raises UsageError: it holds no mail or no patch, or not the version asked for, or two series.
    :raises SeriesError: a patch is missing, or there are two different ones of a number.
    """
    if not mails:
        raise UsageError(f"{name} holds no mail", remedy="save the thread again, as a mailbox (mbox)")
    postings = _group(mails, name=name)
    if not postings:
        raise _no_patch(mails, name=name)
    versions = sorted(postings)
    if version is not None and version not in postings:
        held = ", ".join(f"v{one}" for one in versions)
        raise UsageError(
            f"{name} holds no v{version} of the series",
            evidence=f"it holds {held}",
            remedy=f"ask for ?v={versions[-1]}",
        )
    candidates = [version] if version is not None else versions[::-1]
    passed_over: list[str] = []
    for one in candidates:
        posting = _one_of(postings[one], name=name)
        if not posting.missing:
            return Posting(one, posting.total, posting.patches, posting.cover, (*passed_over, *posting.notes))
        passed_over.append(f"v{one} was passed over: {_missing(posting)} in {name}")
    raise _incomplete(_one_of(postings[candidates[0]], name=name), mails, name=name)


def _group(mails: Sequence[Mail], *, name: str) -> dict[int, list[Posting]]:
    """The postings of each version; two of one version differ in how many patches they say they have."""
    covers = {
        (m.subject.version, m.subject.total): m for m in mails if m.subject.number == 0 and not m.subject.is_reply
    }
    patches = [mail for mail in mails if not mail.subject.is_reply and mail.subject.number != 0 and mail.has_diff]
    numbered: dict[tuple[int, int], list[Mail]] = {}
    plain: dict[int, list[Mail]] = {}
    for mail in patches:
        if mail.subject.number is None or mail.subject.total is None:
            plain.setdefault(mail.subject.version, []).append(mail)
        else:
            numbered.setdefault((mail.subject.version, mail.subject.total), []).append(mail)
    postings: dict[int, list[Posting]] = {}
    for (version, total), group in numbered.items():
        posting = _of_numbered(group, version, total, covers.get((version, total)), name=name)
        postings.setdefault(version, []).append(posting)
    for version, group in plain.items():
        if version in postings:  # an afterthought in the same thread, or another's counter-proposal
            known = postings[version][0]
            note = f"not part of the series, as they have no number: {_titles(group)}"
            postings[version][0] = Posting(version, known.total, known.patches, known.cover, (*known.notes, note))
        else:
            postings[version] = [_of_plain(group, version, name=name)]
    return postings


def _of_numbered(group: Sequence[Mail], version: int, total: int, cover: Mail | None, *, name: str) -> Posting:
    """Patches of one version and total. A RESEND that is complete by itself goes before the first sending."""
    resent = _by_number([mail for mail in group if mail.subject.is_resend], version, total, name=name)
    notes = []
    if all(number in resent for number in range(1, total + 1)):
        held = resent
        if any(not mail.subject.is_resend for mail in group):
            notes.append(f"v{version} was sent again as RESEND; that sending was taken")
    else:
        held = _by_number(group, version, total, name=name)
    if beyond := [f"{number}/{total}" for number in sorted(held) if number > total]:
        notes.append(f"behind the {total} patches came {', '.join(beyond)}, taken too")
    return Posting(version, total, held, cover, tuple(notes))


def _by_number(mails: Iterable[Mail], version: int, total: int, *, name: str) -> dict[int, Mail]:
    """The patches by number; identical copies are one.

    :raises SeriesError: two that differ.
    """
    held: dict[int, Mail] = {}
    for mail in mails:
        number = mail.subject.number or 0
        other = held.setdefault(number, mail)
        if other is not mail and diff_lines(other.text) != diff_lines(mail.text):
            raise SeriesError(
                f"patch {number}/{total} of v{version} is in {name} twice, and the two differ",
                evidence="\n".join(f"<{one.message_id}>  {one.subject.render()}, {one.date}" for one in (other, mail)),
                remedy="remove the one that is not meant, or save the thread of one series only",
            )
    return held


def _of_plain(group: Sequence[Mail], version: int, *, name: str) -> Posting:
    """Patches without numbers: one, or several in the order of the mailbox if one person or git put them there."""
    kept: list[Mail] = []
    for mail in group:
        if all(diff_lines(mail.text) != diff_lines(other.text) for other in kept):
            kept.append(mail)
    titles = {mail.subject.title for mail in kept}
    if len(kept) > 1 and (len(titles) < len(kept) or not (_of_one_sender(kept) or all(m.from_git for m in kept))):
        raise SeriesError(
            f"{name} holds {len(kept)} patches without numbers, and no order for them is known",
            evidence="\n".join(f"<{mail.message_id}>  {mail.subject.render()}, {mail.sender}" for mail in kept),
            remedy="save those that are meant into a folder, named so that they sort",
        )
    notes = (f"{len(kept)} patches without numbers were taken in the order of {name}",) if len(kept) > 1 else ()
    return Posting(version, len(kept), dict(enumerate(kept, 1)), None, notes)


def _of_one_sender(mails: Sequence[Mail]) -> bool:
    return len({mail.sender for mail in mails}) == 1


def _one_of(postings: Sequence[Posting], *, name: str) -> Posting:
    """The posting of a version: the complete one; two complete ones are two series."""
    complete = [posting for posting in postings if not posting.missing]
    if len(complete) > 1:
        raise UsageError(
            f"{name} holds two series, both v{complete[0].version}",
            evidence="\n".join(f"{one.total} patches: {one.mails[0].subject.render()}, ..." for one in complete),
            remedy="save one thread only",
        )
    return complete[0] if complete else max(postings, key=lambda posting: len(posting.patches))


def _missing(posting: Posting) -> str:
    """``patch 3/7 of v2 is not`` or ``patches 3/7, 4/7 of v2 are not``."""
    names = [f"{number}/{posting.total}" for number in posting.missing]
    what, verb = ("patch", "is") if len(names) == 1 else ("patches", "are")
    more = ", ..." if len(names) > _SHOWN_MAILS else ""
    return f"{what} {', '.join(names[:_SHOWN_MAILS])}{more} of v{posting.version} {verb} not"


def _incomplete(posting: Posting, mails: Sequence[Mail], *, name: str) -> HarnessError:
    there = [f"there is {mail.subject.render()}" for mail in posting.mails]
    empty = [
        f"<{mail.message_id}>  {mail.subject.render()} is there, but carries no diff"
        for mail in mails
        if mail.subject.number in posting.missing
        and (mail.subject.version, mail.subject.total) == (posting.version, posting.total)
        and not (mail.subject.is_reply or mail.has_diff)
    ]
    return SeriesError(
        f"{_missing(posting)} in {name}",
        evidence="\n".join([*empty, *_bounded(there)]),
        remedy="save the whole thread again, or fetch the missing mail from the list's archive",
    )


def _bounded(lines: Sequence[str]) -> list[str]:
    return [
        *lines[:_SHOWN_MAILS],
        *([f"... and {len(lines) - _SHOWN_MAILS} more"] if len(lines) > _SHOWN_MAILS else []),
    ]


def _no_patch(mails: Sequence[Mail], *, name: str) -> HarnessError:
    """The error for mails of which none is a patch."""
    replies = [mail for mail in mails if mail.subject.is_reply]
    carrying = [mail for mail in replies if mail.has_diff]
    shown = [f"<{mail.message_id}>  {mail.subject.render()}" for mail in (carrying or mails)]
    count = "a mail" if len(mails) == 1 else f"{len(mails)} mails"
    what = f"{name} holds only replies" if len(replies) == len(mails) else f"{name} holds {count} and no patch"
    if carrying:
        what += "; a diff in a reply is not taken for a patch"
    return UsageError(
        what,
        evidence="\n".join(_bounded(shown)),
        remedy="save the thread from its first mail on; a diff in a reply can be given as a .diff file",
    )


def _titles(mails: Sequence[Mail]) -> str:
    return "; ".join(f"{mail.subject.title} <{mail.message_id}>" for mail in mails)
