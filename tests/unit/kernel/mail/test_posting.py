# SPDX-License-Identifier: GPL-2.0-only
"""Which mails of a thread are the series."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.base.errors import SeriesError, UsageError
from harness.kernel.mail.grouping import Posting
from harness.kernel.mail.mailbox import Mail
from harness.kernel.mail.posting import choose_posting
from harness.kernel.mail.subject import parse_subject
from harness.model.series_choice import SeriesChoice, SeriesVersion

DIFF = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+{}\n"


def mail(subject: str, *, text: str | None = None, sender: str = "J <j@h>", name: str = "", git: bool = False) -> Mail:
    """A mail; its diff differs with its subject unless ``text`` is given."""
    body = DIFF.format(subject) if text is None else text
    read = parse_subject(subject)
    return Mail(name or f"{subject}@host", read, sender, "Sat, 2 Jan 2016 10:00:00 +0000", "", body.encode(), git)


def thread(*subjects: str) -> list[Mail]:
    return [mail(subject, text="cover" if " 0/" in subject else None) for subject in subjects]


def chosen(mails: list[Mail], version: int | None = None) -> Posting:
    wanted = SeriesVersion(version) if version is not None else None
    return choose_posting(mails, choice=SeriesChoice(wanted), name="topic.mbox")


def titles(posting: Posting) -> list[str]:
    return [one.subject.title for one in posting.mails]


def test_patches_are_put_in_order() -> None:
    """The order of the numbers counts, not that of the mailbox; replies, even with a diff, are none."""
    posting = chosen(
        thread(
            "[PATCH 10/11] j",
            "Re: [PATCH 2/11] b",
            "[PATCH 0/11] c",
            *(f"[PATCH {n}/11] {n}" for n in (11, *range(1, 10))),
        )
    )

    assert titles(posting) == [*"123456789", "j", "11"]
    assert posting.cover is not None
    assert posting.notes == ()


@given(
    st.permutations(
        thread("[PATCH 1/2] a", "[PATCH 2/2] b", "[PATCH v2 0/2] c", "[PATCH v2 1/2] d", "[PATCH v2 2/2] e")
    )
)
def test_the_order_of_the_mailbox_counts_for_nothing(mails: list[Mail]) -> None:
    """Archives sort by date, by thread, or not at all."""
    assert titles(chosen(mails)) == ["d", "e"]
    assert chosen(mails).cover is not None


def test_the_newest_version_is_taken() -> None:
    """Of several in one thread; the one asked for goes before."""
    mails = thread(
        "[PATCH 1/2] a", "[PATCH v2 1/2] b", "[PATCH v3 2/2] f", "[PATCH v2 2/2] d", "[PATCH 2/2] c", "[PATCH v3 1/2] e"
    )

    assert titles(chosen(mails)) == ["e", "f"]
    assert titles(chosen(mails, 2)) == ["b", "d"]


def test_a_newer_version_that_is_incomplete_is_passed_over_and_said() -> None:
    """The newest complete one is taken; asked for, the incomplete one is an error."""
    mails = thread("[PATCH 1/2] a", "[PATCH 2/2] b", "[PATCH v2 1/2] c")

    assert chosen(mails).version == 1
    assert chosen(mails).notes == (
        "v2 was skipped: patch 2/2 of v2 is missing in topic.mbox",
        "left out: [PATCH v2 1/2] c <[PATCH v2 1/2] c@host>; ?id=[PATCH v2 1/2] c@host takes it",
    )
    with pytest.raises(SeriesError, match=r"patch 2/2 of v2 is missing in topic\.mbox"):
        chosen(mails, 2)


def test_a_missing_patch_is_named() -> None:
    """The error names it, and lists those that are there."""
    with pytest.raises(SeriesError) as raised:
        chosen(thread("[PATCH v2 1/4] a", "[PATCH v2 4/4] d"))

    assert raised.value.what == "patches 2/4, 3/4 of v2 are missing in topic.mbox"
    assert raised.value.evidence == (
        "found: [PATCH v2 1/4] a\nfound: [PATCH v2 4/4] d\nthe archive of one list may have only some of the patches"
    )


def test_a_patch_without_a_diff_is_named() -> None:
    """A mail of that number that carries no diff is shown as such."""
    with pytest.raises(SeriesError) as raised:
        chosen([mail("[PATCH 1/2] a"), mail("[PATCH 2/2] b", text="see attachment", name="b@h")])

    assert "<b@h>  [PATCH 2/2] b has no diff" in raised.value.evidence


def test_identical_copies_are_one() -> None:
    """A thread saved from two lists; a footer of one of them is no difference."""
    copy = mail("[list] [PATCH 1/1] a", text=DIFF.format("[PATCH 1/1] a") + "_____\nlist footer\n")

    assert titles(chosen([mail("[PATCH 1/1] a"), copy])) == ["a"]


def test_two_different_patches_of_a_number_are_an_error() -> None:
    """It names both, by their Message-IDs."""
    with pytest.raises(SeriesError) as raised:
        chosen([mail("[PATCH 1/1] a", name="a@h"), mail("[PATCH 1/1] b", name="b@h")])

    assert raised.value.what == "patch 1/1 of v1 is twice in topic.mbox, and the two differ"
    assert "<a@h>" in raised.value.evidence
    assert "<b@h>" in raised.value.evidence


def test_a_resend_takes_the_place_of_what_was_sent_first() -> None:
    """All of it; one that is not complete fills what is missing."""
    whole = thread("[PATCH 1/2] a", "[PATCH 2/2] b", "[PATCH RESEND 1/2] c", "[PATCH RESEND 2/2] d")
    gap = thread("[PATCH 1/2] a", "[PATCH RESEND 2/2] d")

    assert titles(chosen(whole)) == ["c", "d"]
    assert chosen(whole).notes == (
        "v1 was sent again as RESEND; the RESEND was taken",
        "left out: [PATCH 1/2] a <[PATCH 1/2] a@host>; ?id=[PATCH 1/2] a@host takes it",
        "left out: [PATCH 2/2] b <[PATCH 2/2] b@host>; ?id=[PATCH 2/2] b@host takes it",
    )
    assert titles(chosen(gap)) == ["a", "d"]


def test_an_afterthought_is_taken_and_said() -> None:
    """``[PATCH 3/2]`` follows a series of two."""
    posting = chosen(thread("[PATCH 1/2] a", "[PATCH 2/2] b", "[PATCH 3/2] c"))

    assert titles(posting) == ["a", "b", "c"]
    assert posting.notes == ("patches beyond the 2 of the series were taken too: 3/2",)


def test_a_single_patch_needs_no_number() -> None:
    """Nor the word PATCH: a mail with a diff that is no reply is one."""
    assert titles(chosen(thread("[PATCH v4] a", "Re: [PATCH v4] a"))) == ["a"]
    assert chosen(thread("[PATCH v4] a")).version == 4
    assert titles(chosen(thread("a"))) == ["a"]


def test_patches_without_numbers_are_taken_in_order_when_that_is_plain() -> None:
    """One sender's, or those that git wrote into one file; others have no known order."""
    ours = thread("[PATCH] b", "[PATCH] a")
    git = [mail("[PATCH] b", sender="B <b@h>", git=True), mail("[PATCH] a", git=True)]

    assert titles(chosen(ours)) == ["b", "a"]
    assert titles(chosen(git)) == ["b", "a"]
    with pytest.raises(SeriesError, match="2 patches without numbers"):
        chosen([mail("[PATCH] b", sender="B <b@h>"), mail("[PATCH] a")])


def test_a_patch_without_a_number_beside_a_series_is_left_out_and_said() -> None:
    """Somebody's counter-proposal in the thread."""
    posting = chosen([mail("[PATCH 1/1] a"), mail("[PATCH] instead", name="i@h")])

    assert titles(posting) == ["a"]
    assert posting.notes == ("left out: [PATCH] instead <i@h>; ?id=i@h takes it",)


def test_two_series_are_an_error() -> None:
    """Neither is the one that is meant."""
    with pytest.raises(UsageError, match="has two series, both v1"):
        chosen(thread("[PATCH 1/1] a", "[PATCH 1/2] b", "[PATCH 2/2] c"))


def test_a_version_that_is_not_there_is_an_error() -> None:
    """It lists those that are."""
    with pytest.raises(UsageError) as raised:
        chosen(thread("[PATCH 1/1] a", "[PATCH v3 1/1] b"), 2)

    assert raised.value.what == "topic.mbox has no v2 of the series"
    assert raised.value.evidence == "it has v1, v3"


def test_a_mailbox_without_a_patch_is_an_error() -> None:
    """Empty, nothing but replies, or talk: each is said."""
    with pytest.raises(UsageError, match="has no mail"):
        chosen([])
    with pytest.raises(UsageError, match="has only replies; a diff in a reply does not count as a patch"):
        chosen(thread("Re: [PATCH] a", "Re: [PATCH] b"))
    with pytest.raises(UsageError, match="has 2 mails and no patch"):
        chosen([mail("[PATCH 0/2] a", text="cover"), mail("Re: [PATCH 0/2] a", text="no")])
