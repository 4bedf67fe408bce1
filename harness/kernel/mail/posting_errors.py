"""The errors for a mailbox of which no posting can be taken: what is in it, and the argument that chooses. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from harness.base.errors import HarnessError, SeriesError, UsageError
from harness.kernel.mail.grouping import Posting
from harness.kernel.mail.mailbox import Mail
from harness.kernel.mail.thread import Thread
from harness.model.series_choice import SeriesChoice, SeriesVersion

_SHOWN_MAILS = 12


def hint_of_ids(thread: Thread) -> str:
    shown = thread.patches[0] if thread.patches else None
    return f"name a patch by its Message-ID: ?id={thread.name(shown)}" if shown else "save the thread with its patches"


def listed(thread: Thread) -> list[str]:
    return _bounded([f"?id={thread.name(mail)}  {mail.subject.render()}" for mail in thread.patches])


def no_version(wanted: SeriesVersion, versions: Sequence[SeriesVersion], *, name: str) -> UsageError:
    held = ", ".join(map(str, sorted(versions)))
    return UsageError(
        f"{name} holds no {wanted} of the series",
        evidence=f"it holds {held}",
        remedy=f"ask for ?v={versions[0].render()}" if versions else "leave ?v= away",
    )


def two_series(whole: Sequence[Posting], thread: Thread, *, name: str) -> UsageError:
    firsts = [(one, one.cover or one.mails[0]) for one in whole]
    return UsageError(
        f"{name} holds two series, both {whole[0].posted_as}"
        if len(whole) == 2
        else f"{name} holds {len(whole)} series, all {whole[0].posted_as}",
        evidence="\n".join(
            _bounded(
                [
                    f"{one.total} patches: {first.subject.render()}, ...  ?id={thread.name(first)}"
                    for one, first in firsts
                ]
            )
        ),
        remedy=f"name one by a mail of it: ?id={thread.name(firsts[-1][1])}",
    )


def different_patches(posting: Posting, thread: Thread, *, name: str) -> HarnessError:
    """The error for different patches of one number, or without a known order."""
    evidence = "\n".join(
        f"<{mail.message_id}>  {mail.subject.render()}, {mail.sender}, {mail.date}" for mail in posting.rivals
    )
    meant = f"name the one that is meant: ?id={thread.name(posting.rivals[-1])}"
    if posting.is_numbered:
        return SeriesError(f"{twice(posting)} in {name} twice, and the two differ", evidence=evidence, remedy=meant)
    return SeriesError(
        f"{name} holds {len(posting.rivals)} patches without numbers, and no order for them is known",
        evidence=evidence,
        remedy=f"{meant}; several in their order: ?id=FIRST&id=SECOND",
    )


def twice(posting: Posting) -> str:
    """``patch 2/3 of v1 is``, of a number that two different patches have."""
    numbers = dict.fromkeys(f"{mail.subject.number}/{posting.total}" for mail in posting.rivals)
    what, verb = ("patch", "is") if len(numbers) == 1 else ("patches", "are")
    return f"{what} {', '.join(numbers)} of {posting.posted_as} {verb}"


def missing(posting: Posting) -> str:
    """``patch 3/7 of v2 is not`` or ``patches 3/7, 4/7 of v2 are not``."""
    names = [f"{number}/{posting.total}" for number in posting.missing]
    what, verb = ("patch", "is") if len(names) == 1 else ("patches", "are")
    more = ", ..." if len(names) > _SHOWN_MAILS else ""
    return f"{what} {', '.join(names[:_SHOWN_MAILS])}{more} of {posting.posted_as} {verb} not"


def incomplete(posting: Posting, thread: Thread, *, name: str) -> HarnessError:
    there = [f"there is {mail.subject.render()}" for mail in posting.mails]
    empty = [
        f"<{mail.message_id}>  {mail.subject.render()} is there, but carries no diff{_unread(mail)}"
        for mail in thread.mails
        if mail.subject.number in posting.missing
        and (mail.subject.posted_as, mail.subject.total) == (posting.posted_as, posting.total)
        and not (mail.subject.is_reply or mail.has_diff)
    ]
    lists = list(dict.fromkeys(mail.list_name for mail in posting.mails))
    from_one = (
        f"the mails are from the list {lists[0]}, which" if len(lists) == 1 and lists[0] else "an archive of one list"
    )
    some = [] if empty else [f"{from_one} may have got only some of the patches"]
    ids = [mail.message_id for mail in ((posting.cover,) if posting.cover else ()) + posting.mails if mail.message_id]
    remedy = "save the whole thread again, or fetch the missing mail from the archive of all lists"
    return SeriesError(
        f"{missing(posting)} in {name}",
        evidence="\n".join([*empty, *_bounded(there), *some]),
        remedy=f"{remedy}: b4 mbox {ids[0]}" if ids else remedy,
    )


def _unread(mail: Mail) -> str:
    return f" (its part {', '.join(dict.fromkeys(mail.unread))} was not read)" if mail.unread else ""


def _bounded(lines: Sequence[str]) -> list[str]:
    return [
        *lines[:_SHOWN_MAILS],
        *([f"... and {len(lines) - _SHOWN_MAILS} more"] if len(lines) > _SHOWN_MAILS else []),
    ]


def no_patch(mails: Sequence[Mail], thread: Thread, choice: SeriesChoice, *, name: str) -> HarnessError:
    """The error for mails of which none is a patch, or none is one that was asked for."""
    if choice.under or choice.is_rfc:
        rest = Thread(mails)
        if rest.patches:
            what = f"touches a file under {choice.under}" if choice.under else "is marked RFC"
            return UsageError(
                f"no patch of {name} {what}",
                evidence="\n".join(listed(rest)),
                remedy=f"leave {'?path=' if choice.under else '?rfc'} away",
            )
    replies = [mail for mail in mails if mail.subject.is_reply]
    carrying = [mail for mail in replies if mail.has_diff]
    shown = [f"<{mail.message_id}>  {mail.subject.render()}{_unread(mail)}" for mail in (carrying or mails)]
    count = "a mail" if len(mails) == 1 else f"{len(mails)} mails"
    what = f"{name} holds only replies" if len(replies) == len(mails) else f"{name} holds {count} and no patch"
    if carrying:
        what += "; a diff in a reply is not taken for a patch"
        remedy = f"to take it all the same: ?id={thread.name(carrying[0])}"
    else:
        remedy = "save the thread from its first mail on, with the mails that carry the patches"
    return UsageError(what, evidence="\n".join(_bounded(shown)), remedy=remedy)
