# SPDX-License-Identifier: GPL-2.0-only
"""Subject lines of patch mails, as git writes them and as people type them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.kernel.mail.subject import Subject, parse_subject

WORDS = st.sampled_from(["RFC", "net-next", "drm/i915", "media", "6.1", "bpf"])
TITLES = st.sampled_from(["mm: do it", "fork: say fünf", "x86/build: [no] brackets in front", 'Revert "a: b"', "v2: c"])


@st.composite
def subjects(draw: st.DrawFn) -> Subject:
    total = draw(st.none() | st.integers(1, 120))
    number = None if total is None else draw(st.integers(0, total))
    version = draw(st.integers(1, 30))
    tags = tuple(draw(st.lists(WORDS, max_size=3)))
    is_reply, is_resend = draw(st.booleans()), draw(st.booleans())
    return Subject(draw(TITLES), number, total, version, tags, True, is_reply, is_resend)


@given(subjects())
def test_a_subject_that_was_rendered_reads_as_it_was(subject: Subject) -> None:
    """``parse_subject(subject.render()) == subject``."""
    assert parse_subject(subject.render()) == subject


@given(st.text(max_size=60))
def test_any_text_is_a_subject(text: str) -> None:
    """Whatever stands in a header, it is read, and reading it again gives no other numbers."""
    read = parse_subject(text)

    assert read.version >= 0
    assert (read.number is None) == (read.total is None)


@pytest.mark.parametrize(
    ("text", "number", "total", "version", "tags"),
    [
        ("[PATCH] a", None, None, 1, ()),
        ("[PATCH net-next v2 3/7] a", 3, 7, 2, ("net-next",)),
        ("[PATCHv3 03/10] a", 3, 10, 3, ()),
        ("[RFC PATCH 0/5] a", 0, 5, 1, ("RFC",)),
        ("[PATCH/RFC 1/2] a", 1, 2, 1, ("RFC",)),
        ("[RFC v2 PATCH 1/2] a", 1, 2, 2, ("RFC",)),
        ("[v2,3/7] a", 3, 7, 2, ()),
        ("[list-name] [PATCH 1/8] a", 1, 8, 1, ("list-name",)),
        ("[PATCH 1/8] [media] a", 1, 8, 1, ("media",)),
        ("[PATCH v2\n 1/8]\n a", 1, 8, 2, ()),
        ("[PATCHSET v4] a", None, None, 4, ()),
        ("[PATCH V5 2/2] a", 2, 2, 5, ()),
    ],
)
def test_what_people_type_is_understood(
    text: str, number: int | None, total: int | None, version: int, tags: tuple[str, ...]
) -> None:
    """Number, total, version and tags are found wherever they stand in the brackets."""
    read = parse_subject(text)

    assert (read.title, read.number, read.total, read.version, read.tags) == ("a", number, total, version, tags)
    assert not read.is_reply


@pytest.mark.parametrize(
    "text", ["Re: [PATCH] a", "RE: Re: [PATCH] a", "AW: [PATCH] a", "[list] Re: [PATCH 1/2] a", "Re[2]: a"]
)
def test_a_reply_is_told(text: str) -> None:
    """A reply is one in other languages too, and behind the list's name."""
    assert parse_subject(text).is_reply


def test_a_subsystem_is_no_reply() -> None:
    """``mm:`` looks like a mail program's word and is none."""
    assert not parse_subject("mm: do it").is_reply
    assert not parse_subject("[PATCH] re-do it").is_reply


def test_a_resend_is_told() -> None:
    """RESEND is a mark of its own, and no tag."""
    read = parse_subject("[PATCH RESEND v2 1/3] a")

    assert (read.is_resend, read.version, read.tags) == (True, 2, ())
