# SPDX-License-Identifier: GPL-2.0-only
"""Which posting is taken where a mailbox holds several, and how a user takes another one."""

from __future__ import annotations

import re

import pytest

from harness.base.errors import SeriesError, UsageError
from tests.unit.kernel.mail.post import chosen, diff, post, shown

V1 = [post(f"[PATCH {n}/3] part {n}", name=f"v1-{n}", to="v1-1" if n > 1 else "") for n in (1, 2, 3)]
V2 = [post(f"[PATCH v2 {n}/3] part {n}", name=f"v2-{n}", to="v2-1" if n > 1 else "") for n in (1, 2, 3)]
FIX = post("[PATCH 2/3] part 2 (fix)", name="fix", to="v1-2")


@pytest.mark.parametrize("query", ["", "v=2", "id=v2-3@host"])
def test_a_mess_in_an_old_version_refuses_nothing(query: str) -> None:
    """Version 1 has patch 2 twice; version 2 is whole."""
    assert shown(chosen([*V1, FIX, *V2], query)) == [f"[PATCH v2 {n}/3] part {n}" for n in (1, 2, 3)]


def test_a_fix_is_taken_by_its_message_id() -> None:
    """Asked for, the mess is an error; its hint names the argument, and that takes the fix in its place."""
    with pytest.raises(SeriesError, match=r"patch 2/3 of v1 is twice in t\.mbox") as raised:
        chosen([*V1, FIX, *V2], "v=1")

    assert "?id=fix@host" in raised.value.remedy
    assert shown(chosen([*V1, FIX], "id=fix@host"))[1] == "[PATCH 2/3] part 2 (fix)"
    assert shown(chosen([*V1, FIX], "id=v1-2@host"))[1] == "[PATCH 2/3] part 2"


def test_all_that_is_left_out_is_named_with_an_argument_that_takes_it() -> None:
    """Whatever a note names, its argument takes."""
    mails = [
        *V1,
        *V2,
        post("[PATCH] instead", name="instead", sender="B <b@host>", to="v2-2"),
        post("[PATCH v3 2/9] lost", name="lost"),
        post("[PATCH RFC 1/1] rfc", name="rfc"),
        post("Re: [PATCH v2 2/3] part 2", name="reply", to="v2-2"),
    ]
    notes = "\n".join(chosen(mails).notes)

    for name, titles in [("part 1", 3), ("instead", 1), ("lost", 1), ("rfc", 1)]:
        (argument,) = {found[1] for found in re.finditer(rf"left out: .*{name}.*; \?(\S+) takes", notes)}
        taken = shown(chosen(mails, argument))
        assert len(taken) == titles
        assert taken[0].endswith(name)
    assert "reply" not in notes


def test_a_patch_without_message_id_has_a_name() -> None:
    """Its place in the mailbox."""
    bare = post("[PATCH] bare").replace(b"Message-ID", b"X-Was")

    assert "left out: [PATCH] bare; ?id=#4 takes it" in chosen([*V1, bare]).notes
    assert shown(chosen([*V1, bare], "id=#4")) == ["[PATCH] bare"]


def test_an_unnumbered_patch_replaces_no_series_in_silence() -> None:
    """In answer to a patch of its title it takes that one's place, with a note; else it is left out and named."""
    answer = post("[PATCH v2] part 2", name="again", to="v1-2")
    other = post("[PATCH v2] all in one", name="one", to="v1-2")
    composed = chosen([*V1, answer])

    assert shown(composed) == ["[PATCH 1/3] part 1", "[PATCH v2] part 2", "[PATCH 3/3] part 3"]
    assert composed.notes[0].startswith("v2 has 2/3 only and was completed from v1: 1/3, 3/3 are of v1")
    assert shown(chosen([*V1, other])) == [f"[PATCH {n}/3] part {n}" for n in (1, 2, 3)]
    assert "?id=one@host takes it" in chosen([*V1, other]).notes[0]
    assert shown(chosen([*V1, other], "v=2")) == ["[PATCH v2] all in one"]
    assert shown(chosen([*V1, answer], "id=again@host")) == ["[PATCH v2] part 2"]


@pytest.mark.parametrize(
    ("older", "newer"),
    [("v2", "v2.1"), ("v6", "v6.1"), ("v5", "v5b"), ("v2.9", "v2.10"), ("v2.1", "v3"), ("v5a", "v5b")],
)
def test_versions_are_ordered(older: str, newer: str) -> None:
    """With a number or a letter behind the version; each is taken by its name."""
    mails = [post(f"[PATCH {version} {n}/2] a") for version in (newer, older) for n in (2, 1)]

    assert shown(chosen(mails)) == [f"[PATCH {newer} {n}/2] a" for n in (1, 2)]
    assert shown(chosen(mails, f"v={older[1:]}")) == [f"[PATCH {older} {n}/2] a" for n in (1, 2)]
    assert f"?v={older[1:]} takes them" in chosen(mails).notes[0]


@pytest.mark.parametrize("to", ["v1-2", "", "reply"])
def test_a_partial_reroll_is_composed(to: str) -> None:
    """Each patch answers the older one, at once or by way of a reply, or has its title."""
    reply = post("Re: [PATCH 2/3] part 2", "no\n", name="reply", to="v1-2")
    posting = chosen([*V1, reply, post("[PATCH v2 2/3] part 2", name="again", to=to)])

    assert shown(posting) == ["[PATCH 1/3] part 1", "[PATCH v2 2/3] part 2", "[PATCH 3/3] part 3"]
    assert (posting.version, posting.notes[0].partition(":")[0]) == (2, "v2 has 2/3 only and was completed from v1")


def test_rerolls_are_composed_one_on_another() -> None:
    """Version 3 of one patch, on version 2 of another one."""
    mails = [*V1, post("[PATCH v2 2/3] b", name="b", to="v1-2"), post("[PATCH v3 3/3] c", name="c", to="v1-3")]

    assert shown(chosen(mails)) == ["[PATCH 1/3] part 1", "[PATCH v2 2/3] b", "[PATCH v3 3/3] c"]


def test_an_incomplete_version_is_no_partial_reroll() -> None:
    """Its patches answer each other, so some of it was lost."""
    for mails, missing in [
        ([V2[1], V2[2], post("[PATCH v2 0/3] cover", "cover\n", name="v2-0")], "1/3"),
        ([V2[1], V2[2]], "1/3"),
        ([V2[0], V2[1]], "3/3"),
    ]:
        posting = chosen([*V1, *mails])
        assert posting.version == 1
        assert f"v2 was skipped: patch {missing} of v2 is missing in t.mbox" in posting.notes


def test_a_version_of_which_only_the_cover_is_there_is_named() -> None:
    """Its patches were lost; the older one is taken, with a note."""
    posting = chosen([*V1, post("[PATCH v2 0/3] cover", "cover\n")])

    assert posting.version == 1
    assert posting.notes == ("v2 was skipped: only its cover letter is in t.mbox",)


def test_an_orphan_is_not_the_series_of_an_incomplete_one() -> None:
    """Of the same version; a newer one is."""
    with pytest.raises(SeriesError, match=r"patch 3/3 of v1 is missing"):
        chosen([*V1[:2], post("[PATCH] orphan")])

    assert shown(chosen([*V1[:2], post("[PATCH v2] one")])) == ["[PATCH v2] one"]


def test_rfc_gives_way_and_can_be_asked_for() -> None:
    """Two series of one version in a thread."""
    mails = [*(post(f"[PATCH RFC {n}/2] r{n}") for n in (1, 2)), *V1]

    assert shown(chosen(mails)) == [f"[PATCH {n}/3] part {n}" for n in (1, 2, 3)]
    assert chosen(mails).notes == ("left out: [PATCH RFC 1/2] r1, ... (2 patches); ?rfc takes them",)
    assert shown(chosen(mails, "rfc")) == ["[PATCH RFC 1/2] r1", "[PATCH RFC 2/2] r2"]


def test_a_mark_on_some_patches_splits_no_series() -> None:
    """Only the last one asks for comments."""
    assert len(shown(chosen([post("[PATCH 1/2] a"), post("[RFC PATCH 2/2] b")]))) == 2


def test_an_unnumbered_resend_is_taken() -> None:
    """As for a series; the first sending is named, and taken when asked for."""
    mails = [post("[PATCH v3] a", name="first"), post("[PATCH RESEND v3] a", name="again")]

    assert shown(chosen(mails)) == ["[PATCH RESEND v3] a"]
    assert "?id=first@host takes it" in chosen(mails).notes[-1]
    assert shown(chosen(mails, "id=first@host")) == ["[PATCH v3] a"]


def test_a_rework_in_an_answer_is_not_stacked() -> None:
    """Both were made on the same content, by the same sender; a second patch on the first one is a series."""
    first = post("[PATCH] say five", f"---\n{diff('5', 'five')}", name="a")
    rework = post("[PATCH] say FIVE", f"---\n{diff('5', 'FIVE', blobs='1234567..aaaaaaa')}", name="b", to="a")
    stacked = post("[PATCH] say more", f"---\n{diff('five', 'more', blobs='89abcde..aaaaaaa')}", name="b", to="a")

    elsewhere = post("[PATCH] say SIX", f"---\n{diff('6', 'SIX', blobs='1234567..bbbbbbb')}", name="b", to="a")

    assert shown(chosen([first, rework])) == ["[PATCH] say FIVE"]
    assert shown(chosen([first, elsewhere])) == ["[PATCH] say SIX"]
    assert "left out: [PATCH] say five <a@host>; ?id=a@host takes it" in chosen([first, rework]).notes
    assert shown(chosen([first, stacked])) == ["[PATCH] say five", "[PATCH] say more"]


def test_rivals_without_numbers_are_an_error_that_can_be_followed() -> None:
    """Made on the same content and no answer to each other: nothing says which one is meant."""
    mails = [post(f"[PATCH] {n}", f"---\n{diff('5', n)}", name=n) for n in "ab"]
    with pytest.raises(SeriesError, match="without a known order") as raised:
        chosen(mails)

    assert "?id=b@host" in raised.value.remedy
    assert shown(chosen(mails, "id=b@host")) == ["[PATCH] b"]
    assert shown(chosen(mails, "id=b@host&id=a@host")) == ["[PATCH] b", "[PATCH] a"]


def test_a_tree_is_chosen_by_the_paths_of_its_files() -> None:
    """Patches for another project in the same thread, of the same version."""
    tools = [
        post(f"[PATCH iproute2 {n}/2] ip", f"---\n{diff('b', 'x', file='ip/ip.c')}", name=f"ip-{n}") for n in (1, 2)
    ]
    mails = [*V1, *tools]
    with pytest.raises(UsageError, match="has two series, both v1") as raised:
        chosen(mails)

    assert "?id=" in raised.value.remedy
    assert shown(chosen(mails, "path=kernel/")) == [f"[PATCH {n}/3] part {n}" for n in (1, 2, 3)]
    assert len(shown(chosen(mails, "path=ip/"))) == 2
    assert len(shown(chosen(mails, "id=ip-1@host"))) == 2
    with pytest.raises(UsageError, match=r"no patch of t\.mbox touches a file under mm/"):
        chosen(mails, "path=mm/")


def test_a_reply_with_a_diff_can_be_asked_for() -> None:
    """The error says how."""
    mails = [post("Re: [PATCH] a", name="reply")]
    with pytest.raises(UsageError, match="has only replies") as raised:
        chosen(mails)

    assert "?id=reply@host" in raised.value.remedy
    assert shown(chosen(mails, "id=reply@host")) == ["Re: [PATCH] a"]


def test_a_message_id_that_is_not_there_lists_those_that_are() -> None:
    """A slip in a long name."""
    with pytest.raises(UsageError, match="has no mail <v9@host>") as raised:
        chosen(V1, "id=v9@host")

    assert "?id=v1-2@host  [PATCH 2/3] part 2" in raised.value.evidence


def test_an_incomplete_thread_says_that_a_list_may_have_got_only_some() -> None:
    """Maintainers get the patches of their own files."""
    headers = "List-Id: <cgroups.vger.kernel.org>\n"
    with pytest.raises(SeriesError) as raised:
        chosen([post("[PATCH 2/3] b", headers=headers, name="b")])

    assert "cgroups.vger.kernel.org, which may have only some of the patches" in raised.value.evidence
    assert raised.value.remedy.endswith("b4 mbox b@host")


@pytest.mark.parametrize(
    "form",
    [
        "[PATCH {} of 3] a{}",
        "[PATCH] ({}/3) a{}",
        "[PATCH{}/3] a{}",
        "[PATCH v1 ({} of 3)] a{}",
        "[PATCH] a{1} ({0}/3)",
    ],
)
def test_other_ways_to_number_give_the_order(form: str) -> None:
    """As patchbomb writes them and as people do."""
    posting = chosen([post(form.format(n, n), name=f"m{n}") for n in (3, 1, 2)])

    assert [mail.subject.title for mail in posting.mails] == ["a1", "a2", "a3"]
    assert posting.notes == ()


def test_numbers_at_the_end_of_one_title_are_of_the_title() -> None:
    """No series of one patch of two."""
    assert shown(chosen([post("[PATCH] halve it (1/2)")])) == ["[PATCH] halve it (1/2)"]


@pytest.mark.parametrize("title", ["fw: say five", "re: say five", "Fwd: x", "vs: x"])
def test_a_title_that_looks_like_a_reply_is_a_title(title: str) -> None:
    """A mail program writes its word before the brackets."""
    assert [mail.subject.title for mail in chosen([post(f"[PATCH] {title}")]).mails] == [title]
