# SPDX-License-Identifier: GPL-2.0-only
"""Choose the posting of a series in a mailbox: the requested one, else the newest complete one. Pure.

Other mails of the mailbox do no harm; a note names each patch that is left out, with the argument that takes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.base.errors import UsageError
from harness.kernel.mail.grouping import Posting, group
from harness.kernel.mail.mailbox import Mail
from harness.kernel.mail.posting_errors import (
    different_patches,
    hint_of_ids,
    incomplete,
    listed,
    missing,
    no_patch,
    no_version,
    twice,
    two_series,
)
from harness.kernel.mail.reroll import compose, replaced_by_plain
from harness.kernel.mail.thread import Thread, same
from harness.model.series_choice import NEWEST, SeriesChoice, SeriesVersion

_SHOWN_NOTES = 50


def choose_posting(mails: Sequence[Mail], *, choice: SeriesChoice = NEWEST, name: str) -> Posting:
    """Choose the posting: the requested one, else the newest complete version.

    :param name: the mailbox as the user gave it, for errors.
    :raises UsageError: no mail, no patch, no such posting, or two series.
    :raises SeriesError: a patch is missing, or two different patches have one number.
    """
    if not mails:
        raise UsageError(f"{name} has no mail", remedy="save the thread as a mailbox: b4 mbox MESSAGE-ID")
    thread = Thread(mails, under=choice.under)
    named = [_find(thread, one, name=name) for one in choice.ids]
    if choice.is_rfc:
        thread.patches = [mail for mail in thread.patches if mail.subject.is_rfc]
    if not thread.patches and not named:
        raise no_patch(mails, thread, choice, name=name)
    chooser = _Chooser(thread, choice, named, group(thread, chosen=named), name)
    posting = chooser.choose()
    return replace(posting, notes=(*posting.notes, *chooser.left_out(posting)))


@dataclass(frozen=True, slots=True)
class _Chooser:
    """The choice among the postings of a mailbox.

    :param named: the mails of the requested Message-IDs.
    :param name: the mailbox as the user gave it.
    """

    thread: Thread
    choice: SeriesChoice
    named: Sequence[Mail]
    postings: Sequence[Posting]
    name: str

    def choose(self) -> Posting:
        """Choose a posting; its notes explain the choice."""
        if self.named:
            return self._of_named()
        wanted = self.choice.version
        versions = sorted({posting.posted_as for posting in self.postings}, reverse=True)
        if wanted is not None:
            if wanted not in versions:
                raise no_version(wanted, versions, name=self.name)
            return self._require(self._of_version(wanted), wanted)
        passed_over = [
            f"{cover.subject.posted_as} was skipped: only its cover letter is in {self.name}"
            for cover in self.thread.covers
            if cover.subject.posted_as > versions[0]
        ]
        found = None
        # Patches without numbers beside a series are answers to it, unless they are newer than each that there is.
        numbered = [one.posted_as for one in self.postings if one.is_numbered]
        for is_numbered in (True, False):
            for version in (
                versions if is_numbered else [one for one in versions if not numbered or one > max(numbered)]
            ):
                found = self._of_version(version, is_numbered=is_numbered)
                if found is not None and found.is_whole:
                    return replace(found, notes=(*passed_over, *found.notes))
                if found is not None and is_numbered:
                    passed_over.append(f"{version} was skipped: {self._why_not(found)}")
        last = max(numbered, default=versions[0])
        return self._require(self._of_version(last), last)

    def _of_version(self, version: SeriesVersion, *, is_numbered: bool | None = None) -> Posting | None:
        """Return the posting of a version, completed from an older one if it is a partial reroll; None without one.

        :param is_numbered: False for patches without numbers alone, True for a series alone; None for any.
        """
        held = [one for one in self.postings if one.posted_as == version]
        if is_numbered is False:
            return next((one for one in held if not one.is_numbered), None)
        plain = [one for one in held if not one.is_numbered]
        held = [one for one in held if one.is_numbered]
        whole = [one for one in held if one.is_whole]
        if len(whole) > 1 and len(final := [one for one in whole if not one.is_rfc]) == 1:
            whole = final
        if len(whole) > 1:
            raise two_series(whole, self.thread, name=self.name)
        if whole:
            return whole[0]
        below = [one.posted_as for one in self.postings if one.is_numbered and one.posted_as < version]
        older = self._of_version(max(below), is_numbered=True) if below else None
        for one in held:
            if older is not None and (made := compose(one, older, self.thread)):
                return made
        if plain and older is not None and (made := replaced_by_plain(plain[0], older, self.thread)):
            return made
        if held:
            return max(held, key=lambda one: len(one.patches))
        return plain[0] if plain and is_numbered is None else None

    def _require(self, posting: Posting | None, version: SeriesVersion) -> Posting:
        """Return the posting if it is complete.

        :raises SeriesError: it is not complete.
        """
        if posting is None:
            raise no_version(version, [], name=self.name)
        if posting.rivals:
            raise different_patches(posting, self.thread, name=self.name)
        if posting.missing:
            raise incomplete(posting, self.thread, name=self.name)
        return posting

    def _why_not(self, posting: Posting) -> str:
        if posting.missing:
            return f"{missing(posting)} in {self.name}"
        return f"{twice(posting)} twice in {self.name}"

    def _of_named(self) -> Posting:
        """Return the posting with the named mails in place; a patch outside of any complete series is taken alone."""
        first = self.named[0]
        holding = next((one for one in self.postings if one.cover is first or same(one.mails, self.named)), None)
        if holding is not None and holding.is_numbered and (holding.is_whole or holding.cover is first):
            held = (*holding.mails, holding.cover or first)
            if all(same(held, [mail]) for mail in self.named):
                return self._require(holding, holding.posted_as)
        around = [one for one in self.postings if one.is_numbered and one.is_whole]
        for one in around:
            if made := self._put_into(one):
                return made
        if without := [mail for mail in self.named if not mail.has_diff]:
            raise UsageError(
                f"{without[0].subject.render()} of {self.name} has no diff",
                evidence=f"<{without[0].message_id}>",
                remedy=hint_of_ids(self.thread),
            )
        titles = "; ".join(mail.subject.render() for mail in self.named)
        notes = [f"taken alone, as requested: {titles}"] if len(self.thread.patches) > 1 else []
        patches = dict(enumerate(self.named, 1))
        subject = first.subject
        return Posting(subject.version, len(patches), patches, None, tuple(notes), subject.suffix, is_numbered=False)

    def _put_into(self, posting: Posting) -> Posting | None:
        """Return a series with the named mails as its patches of their numbers; None when they do not belong to it."""
        held = dict(posting.patches)
        for mail in self.named:
            if mail is posting.cover or same(held.values(), [mail]):
                continue
            number = mail.subject.number
            above = next((one for one in self.thread.above(mail) if same(posting.mails, [one])), None)
            if not mail.has_diff or above is None or number not in (None, above.subject.number):
                return None
            if number is None and len(self.named) == 1:
                return None  # a patch without a number that is requested by its name is taken alone
            held[above.subject.number or 0] = mail
        if held == posting.patches:
            return None
        return replace(posting, patches=held)

    def left_out(self, posting: Posting) -> tuple[str, ...]:
        """Return a note for each other posting and patch, with the argument that takes it."""
        taken = posting.mails
        notes: list[str] = []
        for one in self.postings:
            left = [mail for mail in one.mails if not same(taken, [mail])]
            left += [mail for mail in one.rivals if not same((*taken, *left), [mail])]
            if not left:
                continue
            if len(left) == len(one.mails) > 1 and one.is_whole:
                count = f"{len(left)} patches"
                title = (one.cover or one.mails[0]).subject.render()
                what = f"{title} ({count})" if one.cover else f"{title}, ... ({count})"
                notes.append(f"left out: {what}; {self._argument(one)} takes them")
            else:
                notes += [f"left out: {self._shown(mail)}; ?id={self.thread.name(mail)} takes it" for mail in left]
        others = self._replaced(posting, notes)
        more = len(others) - _SHOWN_NOTES
        return (*others[:_SHOWN_NOTES], *([f"... and {more} more were left out"] if more > 0 else []))

    def _replaced(self, posting: Posting, notes: list[str]) -> list[str]:
        """Return the notes plus those for patches in no posting, which a RESEND or a rework replaced."""
        held = [mail for one in self.postings for mail in (*one.mails, *one.rivals)]
        ids = {id(mail) for mail in (*held, *posting.mails)}
        return notes + [
            f"left out: {self._shown(mail)}; ?id={self.thread.name(mail)} takes it"
            for mail in self.thread.patches
            if id(mail) not in ids
        ]

    def _shown(self, mail: Mail) -> str:
        return f"{mail.subject.render()} <{mail.message_id}>" if mail.message_id else mail.subject.render()

    def _argument(self, posting: Posting) -> str:
        """Return the argument that takes a posting: its version if that is unique, else one of its mails."""
        version = posting.posted_as
        same_version = [one for one in self.postings if one.posted_as == version and one.is_numbered and one.is_whole]
        final = [one for one in same_version if not one.is_rfc]
        if posting.is_numbered and (len(same_version) == 1 or final == [posting]):
            return f"?v={version.render()}"
        marked = [one for one in self.postings if one.is_numbered and one.is_rfc and one.is_whole]
        if marked == [posting]:
            return "?rfc"
        return f"?id={self.thread.name(posting.cover or posting.mails[0])}"


def _find(thread: Thread, wanted: str, *, name: str) -> Mail:
    found = thread.find(wanted)
    if found is None:
        raise UsageError(
            f"{name} has no mail <{wanted}>", evidence="\n".join(listed(thread)), remedy=hint_of_ids(thread)
        )
    return found
