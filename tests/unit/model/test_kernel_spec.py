# SPDX-License-Identifier: GPL-2.0-only
"""The KERNEL argument: parsing, rendering, names for folders."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.base.errors import UsageError
from harness.model.kernel_spec import KernelSpec, PatchesWord, PathReading, SpecKind, parse_patches, parse_spec

PACKAGES = st.from_regex(r"[a-z0-9][a-z0-9+.-]{1,30}", fullmatch=True)
VERSIONS = st.from_regex(r"[0-9][A-Za-z0-9.+:~-]{0,20}", fullmatch=True)
PATCHES = st.sampled_from(["", "x.mbox", "/tmp/a+b", "../v4/"])
SUITES = st.just("") | st.from_regex(r"[a-z][a-z0-9.-]{0,20}", fullmatch=True)
SPECS = st.one_of(
    st.just(KernelSpec(SpecKind.DEFAULT_PACKAGE)),
    st.just(KernelSpec(SpecKind.HOST)),
    st.builds(
        lambda name, version, suite: KernelSpec(SpecKind.PACKAGE, name, version=version, suite=suite),
        PACKAGES,
        st.one_of(st.just(""), VERSIONS),
        SUITES,
    ),
    st.builds(
        lambda name, patches, suite: KernelSpec(SpecKind.SOURCE_PACKAGE, name, patches=patches, suite=suite),
        st.from_regex(r"[0-9]+(\.[0-9]+){0,2}", fullmatch=True),
        PATCHES,
        SUITES,
    ),
    st.builds(
        lambda name, patches: KernelSpec(SpecKind.SERIES, name, patches=patches),
        st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,30}", fullmatch=True),
        PATCHES,
    ),
    st.builds(lambda tail: KernelSpec(SpecKind.PATH, "./" + tail), st.from_regex(r"[ -~]{1,80}", fullmatch=True)),
)


@given(SPECS)
def test_a_spec_survives_rendering_and_parsing(spec: KernelSpec) -> None:
    """Every value that a spec can hold is read back from the word that it renders to."""

    assert parse_spec(spec.render()) == spec


@given(st.text(max_size=40) | st.from_regex(r"(deb|deb-src|series):[ -~]{0,20}", fullmatch=True))
def test_any_word_is_read_or_refused(text: str) -> None:
    """Any word at all is either a usage error or a spec that renders to that very word."""
    seen = []
    with contextlib.suppress(UsageError):
        seen.append(parse_spec(text).render())

    assert seen in ([], [text])


@given(SPECS | st.text(min_size=1, max_size=200).map(lambda text: KernelSpec(SpecKind.PATH, text)))
def test_a_slug_is_a_plain_short_file_name(spec: KernelSpec) -> None:
    """A slug can be a part of a folder's name whatever the user typed."""

    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,47}", spec.slug)


@pytest.mark.parametrize(
    ("word", "spec", "slug"),
    [
        ("deb", KernelSpec(SpecKind.DEFAULT_PACKAGE), "deb"),
        (
            "deb:linux-image-6.12-cloud-amd64",
            KernelSpec(SpecKind.PACKAGE, "linux-image-6.12-cloud-amd64"),
            "linux-image-6.12-cloud-amd64",
        ),
        (
            "deb:linux-image-6.12.117+deb12-cloud-amd64=6.12.117-1~deb12u1",
            KernelSpec(SpecKind.PACKAGE, "linux-image-6.12.117+deb12-cloud-amd64", version="6.12.117-1~deb12u1"),
            "linux-image-6.12.117+deb12-cloud-amd64",
        ),
        ("deb-src:6.1", KernelSpec(SpecKind.SOURCE_PACKAGE, "6.1"), "deb-src-6.1"),
        ("deb-src:6.1+/a.mbox", KernelSpec(SpecKind.SOURCE_PACKAGE, "6.1", patches="/a.mbox"), "deb-src-6.1+a.mbox"),
        ("host", KernelSpec(SpecKind.HOST), "host"),
        ("deb:6.1", KernelSpec(SpecKind.PACKAGE, "6.1"), "deb-6.1"),
        ("deb:@sid", KernelSpec(SpecKind.PACKAGE, suite="sid"), "deb-sid"),
        (
            "deb:7.3@trixie-backports",
            KernelSpec(SpecKind.PACKAGE, "7.3", suite="trixie-backports"),
            "deb-7.3-trixie-backports",
        ),
        (
            "deb:linux-image-7.3-cloud-amd64=7.3~rc7-1~exp1@experimental",
            KernelSpec(SpecKind.PACKAGE, "linux-image-7.3-cloud-amd64", version="7.3~rc7-1~exp1", suite="experimental"),
            "linux-image-7.3-cloud-amd64-experimental",
        ),
        (
            "deb-src:7.3@experimental+/a@b.mbox",
            KernelSpec(SpecKind.SOURCE_PACKAGE, "7.3", patches="/a@b.mbox", suite="experimental"),
            "deb-src-7.3-experimental+a-b.mbox",
        ),
        ("series:cgroupns-v4", KernelSpec(SpecKind.SERIES, "cgroupns-v4"), "cgroupns-v4"),
        ("arch/x86/boot/bzImage", KernelSpec(SpecKind.PATH, "arch/x86/boot/bzImage"), "bzImage"),
        ("../linux@v6.1", KernelSpec(SpecKind.PATH, "../linux@v6.1"), "linux-v6.1"),
        ("a/.bzImage", KernelSpec(SpecKind.PATH, "a/.bzImage"), "bzImage"),
        ("+" * 9 + "x" * 99, KernelSpec(SpecKind.PATH, "+" * 9 + "x" * 99), "x" * 48),
        ("..", KernelSpec(SpecKind.PATH, ".."), "kernel"),
        ("/", KernelSpec(SpecKind.PATH, "/"), "kernel"),
    ],
)
def test_words_of_the_manual(word: str, spec: KernelSpec, slug: str) -> None:
    """Each kind of word is read as its kind, with its parts apart."""
    parsed = parse_spec(word)

    assert parsed == spec
    assert parsed.slug == slug


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("a\nb", "an unprintable character"),
        ("deb:", "not a valid package name"),
        ("deb:Linux_Image", "not a valid package name"),
        ("deb:-o", "not a valid package name"),
        ("deb:linux-image+./v4.mbox", "patches apply to a source"),
        ("deb:bash=", "not a valid package version"),
        ("deb:bash=-o", "not a valid package version"),
        ("debs:bash", "'debs:' is not a valid prefix"),
        ("deb:@", "not a valid suite"),
        ("deb:6.1@", "not a valid suite"),
        ("deb:6.1@-o", "not a valid suite"),
        ("deb:6.1@a/../b", "not a valid suite"),
        ("deb:6.1@sid [trusted=yes]", "not a valid suite"),
        ("deb-src:6.1@Sid+x.mbox", "not a valid suite"),
        ("deb-src:linux", "not a version"),
        ("deb-src:6.1+", "no mailbox"),
        ("series:", "name of a series"),
        ("series:../x", "name of a series"),
    ],
)
def test_bad_words_are_refused_with_the_grammar(word: str, says: str) -> None:
    """A bad word is a usage error that says what is wrong with it and shows every word there is."""
    with pytest.raises(UsageError, match=re.escape(says)) as caught:
        parse_spec(word)

    assert "series:NAME" in caught.value.evidence
    assert caught.value.remedy


def test_readings_of_a_path_start_with_the_plain_file() -> None:
    """A ``+`` or ``@`` in a file name is tried as such first; a revision that holds a ``+`` comes last."""
    readings = list(parse_spec("src/linux@v6.1+deb12+v4.mbox").readings())

    assert readings == [
        PathReading("src/linux@v6.1+deb12+v4.mbox"),
        PathReading("src/linux@v6.1+deb12", patches="v4.mbox"),
        PathReading("src/linux", revision="v6.1+deb12", patches="v4.mbox"),
        PathReading("src/linux@v6.1", patches="deb12+v4.mbox"),
        PathReading("src/linux", revision="v6.1", patches="deb12+v4.mbox"),
        PathReading("src/linux", revision="v6.1+deb12+v4.mbox"),
    ]


@given(st.from_regex(r"[a@+/]{1,12}", fullmatch=True))
def test_each_reading_is_the_whole_word(word: str) -> None:
    """No reading drops or invents a letter, and none has an empty path."""
    assume(word != "deb")
    for reading in parse_spec(word).readings():
        revision = f"@{reading.revision}" if reading.revision else ""
        patches = f"+{reading.patches}" if reading.patches else ""

        assert reading.path
        assert reading.path + revision + patches == word


@pytest.mark.parametrize(
    ("word", "read", "is_range"),
    [
        ("topic.mbox", PatchesWord("topic.mbox"), False),
        ("topic.mbox?v=2", PatchesWord("topic.mbox", 2), False),
        ("topic.mbox?v=2.1", PatchesWord("topic.mbox", 2, suffix=".1"), False),
        ("topic.mbox?V=5b&upto=3", PatchesWord("topic.mbox", 5, 3, "b"), False),
        ("topic.mbox?upto=3&v=2", PatchesWord("topic.mbox", 2, 3), False),
        ("topic.mbox?id=<a+b@h>&id=c/d@h", PatchesWord("topic.mbox", ids=("a+b@h", "c/d@h")), False),
        ("topic.mbox?id=a%26b%3F%40h", PatchesWord("topic.mbox", ids=("a&b?@h",)), False),
        ("topic.mbox?rfc&path=kernel/", PatchesWord("topic.mbox", is_rfc=True, under="kernel/"), False),
        ("topic.mbox?v=2&v=3", PatchesWord("topic.mbox?v=2&v=3"), False),
        ("topic.mbox?v=.1", PatchesWord("topic.mbox?v=.1"), False),
        ("what?/topic.mbox?v=2", PatchesWord("what?/topic.mbox", 2), False),
        ("a?v=2/topic.mbox", PatchesWord("a?v=2/topic.mbox"), False),
        ("../patches", PatchesWord("../patches"), False),
        ("/srv/../patches/", PatchesWord("/srv/../patches/"), False),
        ("v6.1..topic/cgroup", PatchesWord("v6.1..topic/cgroup"), True),
        ("v6.1...topic", PatchesWord("v6.1...topic"), False),
    ],
)
def test_the_patches_of_a_source(word: str, read: PatchesWord, is_range: bool) -> None:
    """A version is asked for at the end; two dots between two names are a range, in a path they are a folder."""

    assert parse_patches(word) == read
    assert parse_patches(read.render()) == read
    assert parse_patches(word).is_range is is_range
