# SPDX-License-Identifier: GPL-2.0-only
"""Mails out of mailboxes of every sort, decoded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.kernel.mail.headers import NO_DATE, NO_SENDER
from harness.kernel.mail.mailbox import Mail, read_mail, read_mailbox
from harness.kernel.mail.mbox import is_mail, is_mailbox, split_mailbox
from tests.unit.kernel.thread import Tree, mailbox, make_tree, numbered, recoded, reply, with_headers


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return make_tree(tmp_path_factory.mktemp("mailbox") / "tree")


@pytest.fixture(scope="module")
def mails(tree: Tree) -> list[bytes]:
    return numbered(tree.mails("base..main"))


def texts(found: tuple[Mail, ...]) -> list[bytes]:
    return [mail.text.rstrip(b"\n") for mail in found]


def plain(mails: list[bytes]) -> list[bytes]:
    return [mail.partition(b"\n\n")[2].rstrip(b"\n") for mail in mails]


def test_a_mailbox_gives_its_mails_as_they_were(mails: list[bytes]) -> None:
    """Headers are decoded, texts whole, and a quoted ``From `` line in a message is as it was written."""
    found = read_mailbox(mailbox(mails))

    assert texts(found) == plain(mails)
    assert b"\nFrom 1 to 20." in b"\n" + found[0].text
    assert [mail.subject.title for mail in found] == ["fork: say fünf", "cgroup: say ten", "fork: say fifteen"]
    assert found[0].sender == "Jörg Ünal <joerg@host.example>"
    assert found[0].message_id == "v1-1@host"
    assert all(mail.has_diff for mail in found)


def test_the_output_of_format_patch_is_a_mailbox(tree: Tree) -> None:
    """git does not quote ``From `` lines; nothing is taken off there, and no such line begins a mail."""
    tree.git("checkout", "--quiet", "-B", "odd", "base")
    tree.commit("odd", {"odd": b"1\n"}, ">From here.\n\nFrom there\n\nFrom: me")
    made = tree.git("format-patch", "--stdout", "base..odd")
    tree.git("checkout", "--quiet", "main")

    found = read_mailbox(made)

    assert len(found) == 1
    assert found[0].from_git
    assert found[0].text.startswith(b">From here.\n\nFrom there\n\nFrom: me\n---\n")


@pytest.mark.parametrize(
    "postmark",
    [
        "mboxrd@z Thu Jan  1 00:00:00 1970",
        "j at host.example  Mon Nov 16 19:51:37 2015",
        "j@host Mon Nov 16 19:51 2015",
    ],
)
def test_lines_between_mails_are_known(mails: list[bytes], postmark: str) -> None:
    """public-inbox, Mailman and others each write the line in their own way."""
    assert len(list(split_mailbox(mailbox(mails, postmark)))) == 3


def test_an_obscured_address_is_one_again(mails: list[bytes]) -> None:
    """Mailman's archives write ``serge at host.example (Serge)``."""
    (found,) = read_mail(with_headers(mails[0], **{"from": "serge at host.example (Serge)"}))

    assert found.sender == "Serge <serge@host.example>"


@pytest.mark.parametrize("encoding", ["quoted-printable", "base64"])
def test_a_transfer_encoding_is_undone(mails: list[bytes], encoding: str) -> None:
    """The text is the same, whatever it travelled in."""
    assert texts(read_mailbox(mailbox([recoded(mail, encoding) for mail in mails]))) == plain(mails)


def test_lines_that_end_in_crlf_travelled_so(mails: list[bytes]) -> None:
    """A mailbox with CRLF throughout is the same mailbox."""
    data = mailbox(mails).replace(b"\n", b"\r\n")

    assert is_mailbox(data)
    assert texts(read_mailbox(data)) == plain(mails)


def test_a_patch_keeps_its_own_carriage_returns(mails: list[bytes]) -> None:
    """Where only some lines end in CRLF, they are of the file that is changed; so in base64 within a CRLF mailbox."""
    crlf = mails[0].replace(b"\n-5\n", b"\n-5\r\n")
    sent = mailbox([recoded(crlf, "base64")]).replace(b"\n", b"\r\n")

    assert b"\n-5\r\n" in read_mailbox(mailbox([crlf]))[0].text
    assert b"\n-5\r\n" in read_mailbox(sent)[0].text


@pytest.mark.parametrize("option", ["--attach", "--inline"])
def test_a_patch_that_git_attached_is_whole(tree: Tree, option: str) -> None:
    """Message and diff are two parts of the mail, and one text."""
    found = read_mailbox(mailbox(numbered(tree.mails("base..main", option))))

    assert len(found) == 3
    assert all(mail.has_diff for mail in found)
    assert b"Signed-off-by: J" in found[0].text


def test_attached_patches_are_mails_of_their_own(mails: list[bytes]) -> None:
    """Two files attached to one mail are two patches behind it."""
    part = b'--X\nContent-Type: text/x-patch; name="%d.patch"\nContent-Disposition: attachment\n\n%b\n'
    body = b"--X\nContent-Type: text/plain\n\nHere they are.\n" + b"".join(
        part % pair for pair in enumerate((with_headers(mail, message_id="") for mail in mails[:2]), 1)
    )
    head = with_headers(b"\n\n", **{"from": "J <j@h>", "message_id": "<all@host>"}).strip(b"\n")
    outer = head + b'\nSubject: patches\nContent-Type: multipart/mixed; boundary="X"\n\n' + body + b"--X--\n"

    found = read_mail(outer)

    assert [mail.subject.title for mail in found] == ["patches", "fork: say fünf", "cgroup: say ten"]
    assert [mail.has_diff for mail in found] == [False, True, True]
    assert found[1].message_id == "all@host#attachment-1"


def test_html_is_no_patch(mails: list[bytes]) -> None:
    """What only a browser reads is passed over."""
    (found,) = read_mail(with_headers(mails[0], content_type="text/html; charset=UTF-8"))

    assert not found.has_diff


def test_latin_1_becomes_utf_8_when_the_mail_says_so(mails: list[bytes]) -> None:
    """A declared charset is undone; bytes that are not in the declared one stay."""
    body = mails[0].decode().encode("latin-1")
    (declared,) = read_mail(with_headers(body, content_type="text/plain; charset=ISO-8859-1"))
    (wrong,) = read_mail(with_headers(body, content_type="text/plain; charset=UTF-8"))

    assert "+fünf".encode() in declared.text
    assert "+fünf".encode("latin-1") in wrong.text


def test_a_mail_that_was_rendered_reads_as_it_was(mails: list[bytes]) -> None:
    """What git-am(1) is given says the same as what was sent."""
    (mail,) = read_mail(mails[0])

    assert read_mail(mail.render()) == (mail,)
    assert read_mail(replace(mail, sender="Ünal, J. <j@h>").render())[0].sender == "Ünal, J. <j@h>"


def test_headers_on_top_of_the_text_go_before(mails: list[bytes]) -> None:
    """Somebody else sent the patch; what git could not read is passed over."""
    head, _, body = mails[0].partition(b"\n\n")
    inner = "From: =?utf-8?q?B=C3=A9?= <b@host>\nDate: Mon, 4 Jan 2016 10:00:00 +0100\nSubject: [x] b\n"
    (good,), (bad,) = (
        read_mail(head + b"\n\n" + one + b"\n" + body) for one in (inner.encode(), b"From: B\nDate: never\n")
    )
    resolved = good.resolve()

    assert (resolved.sender, resolved.date) == ("Bé <b@host>", "Mon, 04 Jan 2016 10:00:00 +0100")
    assert resolved.subject == replace(good.subject, title="b")
    assert resolved.text == bad.resolve().text == body
    assert bad.resolve().sender == "Jörg Ünal <joerg@host.example>"
    assert resolved.resolve() == resolved


@pytest.mark.parametrize(
    "date", ["never", "", "Mon, 99 Foo 2016 10:00", "Thu, 1 Jan 1900 00:00:00 +0000", "Thu, 1 Jan 2999 0:0"]
)
def test_a_date_that_git_would_take_for_now_is_a_fixed_one(mails: list[bytes], date: str) -> None:
    """Or the same patch would be another commit every second."""
    assert read_mail(with_headers(mails[0], date=date))[0].date == NO_DATE


@pytest.mark.parametrize("sender", ["...", "... <>", "J", "<>", "@", "", ",;:", "J <j\xfc@host>", "\0 <a b>"])
def test_a_sender_that_git_would_refuse_is_unknown(mails: list[bytes], sender: str) -> None:
    """git-commit-tree(1) takes no empty name and no empty address."""
    assert read_mail(with_headers(mails[0], **{"from": sender}))[0].sender == NO_SENDER


ODD = (
    *(
        b"\0",
        b"\xff\xfe",
        b"\r\n",
        b"\n\n",
        b"From ",
        b"@@ -1 +1 @@\n",
        b"=?utf-8?q?=",
        b"=?x?b?@@?=",
        b"begin 644 x\n",
    ),
    *(
        b"Content-Type: multipart/mixed; boundary=\n",
        b"charset=utf-16",
        b"charset=rot13",
        b"charset=\0",
        b"From: ((,;<@>\n",
    ),
    *(
        b"Content-Type: message/rfc822\n\n",
        b"Content-Transfer-Encoding: x-uuencode\n",
        b"filename*=utf-8''%00",
        b"name*1=b",
    ),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 40), st.sampled_from(ODD)), min_size=1, max_size=8))
def test_no_mailbox_is_too_broken_to_read(mails: list[bytes], changes: list[tuple[int, int, bytes]]) -> None:
    """Whatever is cut out or put in: it is read somehow, and what was read can be rendered."""
    data = bytearray(mailbox([recoded(mails[0], "base64"), recoded(mails[1], "quoted-printable"), mails[2]]))
    for at, length, odd in changes:
        data[at : at + length] = odd

    assert all(mail.resolve().render().endswith(mail.resolve().text) for mail in read_mailbox(bytes(data)))


def test_a_file_without_a_mail_is_an_empty_mailbox() -> None:
    """No line of it begins a mail."""
    assert read_mailbox(b"\0From a@b\nSubject: [PATCH] a\n") == read_mailbox(b"") == ()


def test_what_is_missing_has_a_fixed_stand_in() -> None:
    """A mail without headers worth the name is read, too."""
    (mail,) = read_mail(b"Subject: a\n\ntext\n")

    assert (mail.sender, mail.message_id, mail.date) == (NO_SENDER, "", NO_DATE)


def test_a_quoted_diff_is_no_diff() -> None:
    """A reply quotes the patch; that is no patch."""
    (mail,) = read_mail(reply("a@b", "Re: [PATCH] a", "> diff --git a/x b/x\n> --- a/x\n> +++ b/x\n> @@ -1 +1 @@\n"))

    assert not mail.has_diff


def test_data_are_told_apart(mails: list[bytes], tmp_path: Path) -> None:
    """A mailbox, a mail and a bare diff."""
    diff = b"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n"

    assert (is_mailbox(mailbox(mails)), is_mail(mails[0])) == (True, True)
    assert (is_mailbox(mails[0]), is_mailbox(diff), is_mail(diff), is_mail(b"\n" + diff)) == (
        False,
        False,
        False,
        False,
    )
    assert (is_mailbox(b""), is_mail(b"")) == (False, False)
