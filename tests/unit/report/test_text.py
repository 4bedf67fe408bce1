# SPDX-License-Identifier: GPL-2.0-only
"""Make guest text safe to show."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.text import bound, bound_lines, columns, elide, elide_start, encodable, fold, one_line, plain_text

ANY_TEXT = st.text(st.characters(exclude_categories=()))
HOSTILE = st.text(st.sampled_from("\x1b[]P0;m\x07\\\x9b\x9d\x9c\r\n\tab\u202e\ud800\ufffe\u2028"))


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;owned\x07title", "title"),
        ("\x1b]133;D;0\x1b\\# ", "# "),
        ("\x1b]0;never ended\nevidence", "0;never ended\nevidence"),
        ("\x1bP1$r\x1b\\dcs", "dcs"),
        ("\x9b2Jc1", "c1"),
        ("\x1b(Bcharset", "charset"),
        ("\x1b\x1b[0m[2Jrest", "<U+001B>[2Jrest"),
        ("end\x1b", "end<U+001B>"),
        ("a\x00b\x07", "a<U+0000>b<U+0007>"),
        ("dos\r\r\nunix\n", "dos\nunix\n"),
        ("50%\r100%", "50%<U+000D>100%"),
        ("abc\u202edcba", "abc<U+202E>dcba"),
        ("bytes \udcff\udc80 half \ud800", "bytes <0xFF><0x80> half <U+D800>"),
        ("\ufffe\uffff\U0001ffff", "<U+FFFE><U+FFFF><U+1FFFF>"),
        ("naïve – 漢字 \t kept", "naïve – 漢字 \t kept"),
    ],
)
def test_plain_text_removes_sequences_and_shows_invisible_characters(text: str, plain: str) -> None:
    """Escape sequences are removed, invisible characters are named, everything else stays."""
    assert plain_text(text) == plain


@given(ANY_TEXT | HOSTILE)
def test_plain_text_has_no_control_characters(text: str) -> None:
    """No input gives a control character except newline and tab, a surrogate or a bidirectional override."""
    plain = plain_text(text)

    assert {unicodedata.category(one) for one in plain} & {"Cc", "Cs"} <= {"Cc"}
    assert not {one for one in plain if unicodedata.category(one) == "Cc"} - {"\n", "\t"}
    assert not set(plain) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufffe\uffff")
    assert plain_text(plain) == plain


@pytest.mark.parametrize("piece", ["\x1b]0;", "\x1b[", "\x1b[0", "\x1bP", "\r", "\x9d0;", "\x1b ", "\x1b[ "])
def test_plain_text_takes_linear_time(piece: str) -> None:
    """200 000 characters of unterminated sequences are processed; quadratic time would not end."""
    cleaned = plain_text(piece * (200_000 // len(piece)))

    assert plain_text(cleaned) == cleaned


def test_bound_keeps_head_and_tail() -> None:
    """The cut is between lines, its size is shown with the path of the whole text, and nothing else is lost."""
    text = "".join(f"line {number}\n" for number in range(1000))
    cut = bound(text, 600, whole="cases/a/actual.session")
    head, notice, tail = cut.partition("[... ")

    assert text.startswith(head)
    assert head.endswith("\n")
    count, _, rest = tail.partition(" ")
    assert rest.startswith("characters cut here; see cases/a/actual.session ...]\nline ")
    assert text.endswith(rest.partition("\n")[2])
    assert len(head) + int(count) + len(rest.partition("\n")[2]) == len(text)
    assert notice
    assert bound(text, len(text)) == text


@given(st.text(st.sampled_from("ab\n")), st.integers(10, 50))
def test_bound_respects_the_limit(text: str, limit: int) -> None:
    """The result has at most the limit and one line about the cut, wherever the line ends are."""
    cut = bound(text, limit)

    assert len(cut) <= limit + len("\n[... 1234 characters cut here ...]\n")


def test_bound_lines_counts_the_cut_lines() -> None:
    """The first lines are kept, and the others are counted."""
    assert bound_lines("1\n2\n3\n4\n", 2, whole="x/diff") == "1\n2\n[... 2 lines cut here; see x/diff ...]"
    assert bound_lines("1\n2\n", 2) == "1\n2"


@given(ANY_TEXT, st.integers(5, 40))
def test_one_line_fits(text: str, width: int) -> None:
    """The result is one line within the width."""
    line = one_line(text, width)

    assert len(line.splitlines()) <= 1
    assert columns(line) <= width
    assert columns(elide_start(one_line(text), width)) <= width


@given(st.text(st.sampled_from("ab 漢é\u0301")), st.integers(2, 20))
def test_fold_loses_only_spaces(text: str, width: int) -> None:
    """Folded lines fit and have every character except the space at which a line was broken."""
    lines = fold(text, width)

    assert all(columns(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_elide_marks_the_cut() -> None:
    """An elided text ends, or starts, with three dots, and wide characters count twice."""
    assert elide("abcdefghij", 8) == "abcde..."
    assert elide_start("cases/views/a.session", 12) == "...a.session"
    assert columns("漢字") == 4
    assert elide("漢字漢字漢字", 8) == "漢字..."


def test_encodable_escapes_missing_characters() -> None:
    """Characters that the stream's encoding does not have become escapes."""
    assert encodable("naïve – 漢", "ascii") == "na\\xefve \\u2013 \\u6f22"
    assert encodable("naïve – 漢", "utf-8") == "naïve – 漢"
