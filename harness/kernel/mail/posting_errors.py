# SPDX-License-Identifier: GPL-2.0-only
"""Build the errors for a mailbox without a usable posting, with its content and the argument that chooses. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from harness.base.errors import HarnessError, SeriesError, UsageError
from harness.kernel.mail.grouping import Posting
from harness.kernel.mail.mailbox import Mail
from harness.kernel.mail.thread import Thread
from harness.model.series_choice import SeriesChoice, SeriesVersion

_SHOWN_MAILS = 12


def hint_of_ids(thread: Thread) -> str:
    """Return the hint to choose a patch by its Message-ID."""
    shown = thread.patches[0] if thread.patches else None
    if shown:
        return f"choose a patch by its Message-ID: ?id={thread.name(shown)}"
    return "save the thread with its patches: b4 mbox MESSAGE-ID"


def listed(thread: Thread) -> list[str]:
    """Return a line for each patch of a mailbox, with the argument that takes it."""
    return _bounded([f"?id={thread.name(mail)}  {mail.subject.render()}" for mail in thread.patches])


def no_version(wanted: SeriesVersion, versions: Sequence[SeriesVersion], *, name: str) -> UsageError:
    """Return the error for a missing version."""
    found = ", ".join(map(str, sorted(versions)))
    return UsageError(
        f"{name} has no {wanted} of the series",
        evidence=f"it has {found}",
        remedy=f"use ?v={versions[0].render()}" if versions else "remove ?v=",
    )


def two_series(whole: Sequence[Posting], thread: Thread, *, name: str) -> UsageError:
    """Return the error for two or more complete series of one version."""
    firsts = [(one, one.cover or one.mails[0]) for one in whole]
    return UsageError(
        f"{name} has two series, both {whole[0].posted_as}"
        if len(whole) == 2
        else f"{name} has {len(whole)} series, all {whole[0].posted_as}",
        evidence="\n".join(
            _bounded(
                [
                    f"{one.total} patches: {first.subject.render()}, ...  ?id={thread.name(first)}"
                    for one, first in firsts
                ]
            )
        ),
        remedy=f"choose one by a mail of it: ?id={thread.name(firsts[-1][1])}",
    )


def different_patches(posting: Posting, thread: Thread, *, name: str) -> HarnessError:
    """Return the error for different patches with one number, or without a known order."""
    evidence = "\n".join(
        f"<{mail.message_id}>  {mail.subject.render()}, {mail.sender}, {mail.date}" for mail in posting.rivals
    )
    hint = f"choose one of them: ?id={thread.name(posting.rivals[-1])}"
    if posting.is_numbered:
        return SeriesError(f"{twice(posting)} twice in {name}, and the two differ", evidence=evidence, remedy=hint)
    return SeriesError(
        f"{name} has {len(posting.rivals)} patches without numbers and without a known order",
        evidence=evidence,
        remedy=f"{hint}; for several, in order: ?id=FIRST&id=SECOND",
    )


def twice(posting: Posting) -> str:
    """Return ``patch 2/3 of v1 is``, for a number that two different patches have."""
    numbers = dict.fromkeys(f"{mail.subject.number}/{posting.total}" for mail in posting.rivals)
    what, verb = ("patch", "is") if len(numbers) == 1 else ("patches", "are")
    return f"{what} {', '.join(numbers)} of {posting.posted_as} {verb}"


def missing(posting: Posting) -> str:
    """Return ``patch 3/7 of v2 is missing`` or ``patches 3/7, 4/7 of v2 are missing``."""
    names = [f"{number}/{posting.total}" for number in posting.missing]
    what, verb = ("patch", "is") if len(names) == 1 else ("patches", "are")
    more = ", ..." if len(names) > _SHOWN_MAILS else ""
    return f"{what} {', '.join(names[:_SHOWN_MAILS])}{more} of {posting.posted_as} {verb} missing"


def incomplete(posting: Posting, thread: Thread, *, name: str) -> HarnessError:
    """Return the error for a series without all of its patches."""
    there = [f"found: {mail.subject.render()}" for mail in posting.mails]
    empty = [
        f"<{mail.message_id}>  {mail.subject.render()} has no diff{_unread(mail)}"
        for mail in thread.mails
        if mail.subject.number in posting.missing
        and (mail.subject.posted_as, mail.subject.total) == (posting.posted_as, posting.total)
        and not (mail.subject.is_reply or mail.has_diff)
    ]
    lists = list(dict.fromkeys(mail.list_name for mail in posting.mails))
    from_one = (
        f"the mails are from the list {lists[0]}, which" if len(lists) == 1 and lists[0] else "the archive of one list"
    )
    some = [] if empty else [f"{from_one} may have only some of the patches"]
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
    """Return the error for mails without a patch, or without a requested one."""
    if choice.under or choice.is_rfc:
        rest = Thread(mails)
        if rest.patches:
            what = f"touches a file under {choice.under}" if choice.under else "is marked RFC"
            return UsageError(
                f"no patch of {name} {what}",
                evidence="\n".join(listed(rest)),
                remedy=f"remove {'?path=' if choice.under else '?rfc'}",
            )
    replies = [mail for mail in mails if mail.subject.is_reply]
    carrying = [mail for mail in replies if mail.has_diff]
    shown = [f"<{mail.message_id}>  {mail.subject.render()}{_unread(mail)}" for mail in (carrying or mails)]
    count = "a mail" if len(mails) == 1 else f"{len(mails)} mails"
    what = f"{name} has only replies" if len(replies) == len(mails) else f"{name} has {count} and no patch"
    if carrying:
        what += "; a diff in a reply does not count as a patch"
        remedy = f"to take it all the same: ?id={thread.name(carrying[0])}"
    else:
        remedy = "save the whole thread with the patches: b4 mbox MESSAGE-ID"
    return UsageError(what, evidence="\n".join(_bounded(shown)), remedy=remedy)
