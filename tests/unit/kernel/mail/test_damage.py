# SPDX-License-Identifier: GPL-2.0-only
"""What mail programs, servers and archives do to a patch on its way, undone."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.kernel.mail.charset import find_codec
from harness.kernel.mail.diff import diff_lines, read_changes, without_returns
from harness.kernel.mail.headers import NO_DATE, date, sender
from harness.kernel.mail.mailbox import read_mailbox
from tests.unit.kernel.mail.post import POSTMARK, chosen, diff, only, post, shown

GIT = b"From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n"
PLAIN = post("[PATCH] say five", "---\n" + diff("5", "five"))


def bare(mail: bytes) -> bytes:
    return mail.removeprefix(POSTMARK)


def crlf(text: bytes) -> bytes:
    return text.replace(b"\n", b"\r\n")


def body(mail: bytes) -> bytes:
    return mail.partition(b"\n\n")[2]


@pytest.mark.parametrize(
    "damaged",
    [
        PLAIN.partition(b"\n\n")[0] + b"\n\n" + crlf(body(PLAIN)),
        POSTMARK + crlf(bare(PLAIN)),
        crlf(PLAIN),
        POSTMARK + bare(PLAIN).partition(b"\n\n")[0] + b"\n\n" + crlf(crlf(body(PLAIN))),
        PLAIN.partition(b"\n\n")[0] + b"\n\n" + crlf(body(PLAIN)).replace(b"---\r\n", b"---\n", 1),
        b"\n" + PLAIN,
        b"\xef\xbb\xbf" + PLAIN,
        b"\xef\xbb\xbf \r\n\n" + PLAIN,
        b">" + PLAIN,
        POSTMARK + b">From x@y.example Mon Nov 16 09:59:00 2015\n" + bare(PLAIN),
        PLAIN.decode().encode("utf-16"),
        PLAIN.replace(b"text/plain", b"application/octet-stream"),
        PLAIN.replace(b"text/plain; charset=UTF-8", b"application/x-unknown"),
        PLAIN.replace(b"charset=UTF-8", b"charset=UTF-8; format=flowed")
        .replace(b"\n a\n", b"\n  a\n")
        .replace(b"\n c\n", b"\n  c\n"),
        PLAIN.replace(b"charset=UTF-8", b"charset=UTF-8; format=flowed; delsp=yes"),
        PLAIN.replace(b" b/kernel/fork.c\nindex", b" \nb/kernel/fork.c\nindex"),
        PLAIN.replace(b" b/kernel/fork.c\nindex", b"\n b/kernel/fork.c\nindex"),
    ],
)
def test_a_patch_is_read_as_it_was_made(damaged: bytes) -> None:
    """Its diff is the same, and its title."""
    mail = only(damaged)

    assert mail.subject.title == "say five"
    assert diff_lines(mail.text) == diff_lines(body(PLAIN))


def test_returns_of_a_file_stay() -> None:
    """The lines that git writes itself have none; where the mail has them too, one is taken off."""
    own = (diff("5", "five").replace(" a\n-5\n+five\n c\n", " a\r\n-5\r\n+five\r\n c\r\n")).encode()

    assert without_returns(own) == own
    assert without_returns(crlf(own)) == own
    assert without_returns(b"a\r\nb\r\n") == b"a\nb\n"
    assert without_returns(b"a\r\nb\n") == b"a\r\nb\n"


def test_a_copy_with_returns_is_a_copy() -> None:
    """The same mail from two lists."""
    assert shown(chosen([PLAIN, POSTMARK + crlf(bare(PLAIN))])) == ["[PATCH] say five"]


def test_joined_files_of_git_are_a_mailbox() -> None:
    """``cat 000*.patch``, with a signature, without one, and with mails of other programs behind."""
    mails = [GIT + bare(post(f"[PATCH {n}/3] a", name=f"m{n}")).rstrip(b"\n") + b"\n" for n in (1, 2)]
    last = post("[PATCH 3/3] a", name="m3")

    assert shown(chosen(b"".join([*mails, last]))) == [f"[PATCH {n}/3] a" for n in (1, 2, 3)]
    assert shown(chosen(bare(last) + b"".join(mails))) == [f"[PATCH {n}/3] a" for n in (1, 2, 3)]


def test_a_postmark_without_a_header_below_is_text() -> None:
    """A message speaks of a commit, or begins a line with the word."""
    text = f"{GIT.decode()}is where.\n\nFrom here on:\nFixes: a\n\n---\n{diff('5', 'five')}"

    assert len(read_mailbox(post("[PATCH] a", text))) == 1


def test_an_attached_mailbox_gives_each_patch() -> None:
    """What git-format-patch(1) --stdout wrote, as one file; a mail saved alone is not split at its lines."""
    made = b"".join(GIT + bare(post(f"[PATCH {n}/2] a{n}", name=f"m{n}")) for n in (1, 2))
    part = b'--X\nContent-Type: application/octet-stream; name="all.mbox"\n\n' + made + b"--X--\n"
    outer = b'Subject: patches\nFrom: J <j@h>\nContent-Type: multipart/mixed; boundary="X"\n\n'

    assert [mail.subject.title for mail in read_mailbox(outer + part)] == ["patches", "a1", "a2"]


def test_forwarded_mails_are_mails_of_their_own() -> None:
    """As attachments, or in a digest; also where one of them has attachments."""
    parts = b"".join(b"--X\nContent-Type: message/rfc822\n\n" + bare(post(f"[PATCH {n}/2] a{n}")) for n in (2, 1))
    outer = b'Subject: Fwd: two\nFrom: J <j@h>\nContent-Type: multipart/mixed; boundary="X"\n\n' + parts + b"--X--\n"

    assert shown(chosen(outer)) == ["[PATCH 1/2] a1", "[PATCH 2/2] a2"]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Ann at Acme <ann@host.example>", "Ann at Acme <ann@host.example>"),
        ("ann at host.example (Ann at Acme)", "Ann at Acme <ann@host.example>"),
        ("Ann at Acme <ann at host.example>", "Ann at Acme <ann@host.example>"),
        ("ann(a)host.example (Ann)", "Ann <ann@host.example>"),
        ("Other, Ann <ann@host.example>", "Other, Ann <ann@host.example>"),
        ('"Other, \\"Ann\\"" <ann@host.example>', 'Other, "Ann" <ann@host.example>'),
        ("=?UTF-8?Q?J=C3=B6rg=2C_=C3=9C?= <j@host>", "Jörg, Ü <j@host>"),
        ("Ann (Acme) Other <ann@host.example>", "Ann (Acme) Other <ann@host.example>"),
    ],
)
def test_an_author_is_as_the_header_says(header: str, expected: str) -> None:
    """An archive hides an address as "a at b"; a name may hold the word itself."""
    assert sender(header) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Mon, 16 Nov 2015 99999999999999:00",
        "Mon, 16 Nov 99999999999 10:00",
        "Mon, 16 Nov 2015 10:00:00 +99999999999",
    ],
)
def test_a_date_that_overflows_is_a_fixed_one(text: str) -> None:
    """Or a date without the zone that no clock has."""
    assert date(text) in (NO_DATE, "Mon, 16 Nov 2015 10:00:00 +0000")


@given(st.text(alphabet="Mon, 16Nov:0-9+Z()\u0660\0", max_size=60) | st.text(max_size=40))
def test_any_text_is_a_date(text: str) -> None:
    """Nothing in a header is an error."""
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", date(text))


@pytest.mark.parametrize(
    ("charset", "codec"),
    [
        ("ks_c_5601-1987", "cp949"),
        ("GB2312", "gb18030"),
        ("windows-874", "cp874"),
        ('"utf-8"', "utf-8"),
        ("x-mac-roman", "mac-roman"),
        ("koi8-u", "koi8-u"),
        ("tis-620", "tis-620"),
        ("rot13", ""),
        ("punycode", ""),
        ("base64", ""),
        ("unknown-8bit", ""),
        ("", ""),
        ("\0", ""),
    ],
)
def test_charsets_are_those_that_mails_name(charset: str, codec: str) -> None:
    """Every codec for texts is one, under the names that mail programs give it."""
    assert find_codec(charset).replace("_", "-") == codec


@pytest.mark.parametrize("encoding", [lambda text: text, base64.encodebytes])
def test_a_charset_is_recoded_and_the_bytes_of_the_diff_are_kept(encoding: Callable[[bytes], bytes]) -> None:
    """The tree tells later which of them it has; see test_encoding.py."""
    typed = "Content-Type: text/plain; charset=ks_c_5601-1987\n"
    coded = encoding is not bytes and encoding(b"a") != b"a"
    typed += "Content-Transfer-Encoding: base64\n" if coded else ""
    text = f"---\n{diff('5', '한국')}".encode("cp949")
    head = post("[PATCH] a", "", headers=typed).rstrip(b"\n") + b"\n\n"
    mail = only(head + encoding(text))

    assert "+한국".encode() in mail.text
    assert "+한국".encode("cp949") in mail.sent_diff


@pytest.mark.parametrize("tail", ["\t", ""])
def test_a_quoted_name_is_read(tail: str) -> None:
    """git puts a tab behind a name with a blank, quoted or not."""
    name = '"b/kernel/na me \\303\\274.c"'
    text = f'diff --git "a{name[2:]} {name}\nnew file mode 100644\n--- /dev/null\n+++ {name}{tail}\n@@ -0,0 +1 @@\n+a\n'

    assert read_changes(text.encode())[0].files == ("kernel/na me ü.c",)


@pytest.mark.parametrize("depth", [10, 3000])
def test_parts_within_parts_are_no_traceback(depth: int) -> None:
    """However deep: it is read, or holds no patch."""
    nest = "".join(f'Content-Type: multipart/mixed; boundary="B{at}"\n\n--B{at}\n' for at in range(depth))
    data = POSTMARK + f"From: A <a@h>\nSubject: [PATCH] a\n{nest}\n---\n{diff('5', 'five')}".encode()

    assert len(read_mailbox(data)) == 1


def test_a_charset_with_a_nul_byte_is_none() -> None:
    """The parser of Python raises for it."""
    assert only(PLAIN.replace(b"charset=UTF-8", b'charset="a\0b"').replace(b"five", b"f\xfc")).has_diff


def test_a_body_of_html_is_named() -> None:
    """The error says which part was not read."""
    mail = only(PLAIN.replace(b"text/plain", b"text/html"))

    assert (mail.has_diff, mail.unread) == (False, ("text/html",))
