# SPDX-License-Identifier: GPL-2.0-only
"""A version of which only some patches were sent again, composed with the one before it, as b4 does. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.kernel.mail.grouping import Posting
from harness.kernel.mail.mailbox import Mail
from harness.kernel.mail.thread import Thread, same


def compose(newer: Posting, older: Posting, thread: Thread) -> Posting | None:
    """Complete a partial reroll with the other patches of the version before; None if it is not a partial reroll.

    It is one when each patch answers the older patch of its number (b4, ``LoreMailbox.partial_reroll``), or when no
    patch answers another one of its own version and each has the title of the older one: mail programs lose the header.
    """
    if not older.is_whole or newer.rivals or newer.total != older.total or not newer.missing:
        return None
    if any(number > newer.total for number in newer.patches):
        return None
    is_answer = all(_answers(mail, older, thread) for mail in newer.mails)
    is_alike = newer.cover is None and all(
        number in older.patches and mail.subject.title == older.patches[number].subject.title
        for number, mail in newer.patches.items()
    )
    # A patch that answers another one of its version, or a mail that is not there, is of a whole that was lost in part.
    is_part = any(
        same(newer.mails, above) or (mail.reply_to and not above)
        for mail in newer.mails
        for above in [list(thread.above(mail))]
    )
    if not is_answer and (not is_alike or is_part):
        return None
    note = _note(newer, newer.patches, older)
    return replace(
        newer,
        patches={**older.patches, **newer.patches},
        cover=newer.cover or older.cover,
        notes=(*older.notes, *newer.notes, note),
    )


def replaced_by_plain(newer: Posting, older: Posting, thread: Thread) -> Posting | None:
    """Replace patches of a series with those sent again without numbers, in answer to them.

    None unless each has the title of the patch that it answers.
    """
    if not older.is_whole or newer.rivals:
        return None
    placed: dict[int, Mail] = {}
    for mail in newer.mails:
        above = next((one for one in thread.above(mail) if same(older.mails, [one])), None)
        if above is None or above.subject.title != mail.subject.title or above.subject.number is None:
            return None
        placed[above.subject.number] = mail
    note = _note(newer, placed, older)
    return replace(
        older,
        version=newer.version,
        suffix=newer.suffix,
        patches={**older.patches, **placed},
        notes=(*older.notes, note),
    )


def _answers(mail: Mail, older: Posting, thread: Thread) -> bool:
    patch = older.patches.get(mail.subject.number or 0)
    return patch is not None and same([patch], thread.above(mail))


def _note(newer: Posting, placed: dict[int, Mail], older: Posting) -> str:
    names = _names(sorted(placed), older.total)
    others = _names([number for number in range(1, older.total + 1) if number not in placed], older.total)
    version = newer.mails[0].subject.posted_as
    whole = older.mails[0].subject.posted_as
    kept = f"{others} {'is' if ',' not in others else 'are'} of {whole}" if others else f"none is of {whole}"
    return f"{version} has {names} only and was completed from {whole}: {kept}; ?v={whole.render()} takes {whole} alone"


def _names(numbers: Sequence[int], total: int) -> str:
    return ", ".join(f"{number}/{total}" for number in numbers)
