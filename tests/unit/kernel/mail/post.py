# SPDX-License-Identifier: GPL-2.0-only
"""Threads of small mails for tests: a patch each, as list archives keep them."""

from __future__ import annotations

from collections.abc import Sequence

from harness.kernel.mail.grouping import Posting
from harness.kernel.mail.mailbox import Mail, read_mailbox
from harness.kernel.mail.posting import choose_posting
from harness.model.kernel_spec import parse_patches

POSTMARK = b"From mboxrd@z Thu Jan  1 00:00:00 1970\n"


def diff(was: str, now: str, *, file: str = "kernel/fork.c", blobs: str = "1234567..89abcde") -> str:
    """A diff of one line."""
    head = f"diff --git a/{file} b/{file}\nindex {blobs} 100644\n--- a/{file}\n+++ b/{file}\n"
    return f"{head}@@ -1,3 +1,3 @@\n a\n-{was}\n+{now}\n c\n"


def post(
    subject: str,
    text: str | None = None,
    *,
    name: str = "",
    to: str = "",
    sender: str = "Ann Other <ann@host.example>",
    headers: str = "Content-Type: text/plain; charset=UTF-8\n",
) -> bytes:
    """A mail of a thread, with its postmark; its Message-ID is ``NAME@host``, by default of its subject.

    :param text: a patch of its own unless it is given.
    :param to: the name of the mail that it answers.
    """
    plain = name or "".join(letter if letter.isalnum() else "-" for letter in subject)
    body = f"Why.\n---\n{diff('b', subject)}-- \n2.40.0\n" if text is None else text
    answered = f"In-Reply-To: <{to}@host>\n" if to else ""
    date = "Mon, 16 Nov 2015 10:00:00 +0100"
    head = f"From: {sender}\nDate: {date}\nSubject: {subject}\nMessage-ID: <{plain}@host>\n{answered}{headers}"
    return POSTMARK + f"{head}\n{body}\n".encode()


def chosen(mails: Sequence[bytes] | bytes, query: str = "") -> Posting:
    """The posting that is taken out of a mailbox, as ``t.mbox?QUERY`` asks for it."""
    data = mails if isinstance(mails, bytes) else b"".join(mails)
    word = parse_patches(f"t.mbox?{query}" if query else "t.mbox")
    assert word.place == "t.mbox"
    return choose_posting(read_mailbox(data), choice=word.choice, name="t.mbox")


def shown(posting: Posting) -> list[str]:
    """The patches of a posting, by their subjects."""
    return [mail.subject.render() for mail in posting.mails]


def only(data: bytes) -> Mail:
    """The single mail of a mailbox."""
    (mail,) = read_mailbox(data)
    return mail
