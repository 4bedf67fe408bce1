# SPDX-License-Identifier: GPL-2.0-only
"""Mails out of a mailbox file, decoded: sender, subject and the text that may hold a patch. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from email.header import Header
from email.message import Message
from email.utils import formataddr

from harness.kernel.mail.charset import in_utf8
from harness.kernel.mail.diff import diff_lines, has_diff, raw_diff, unwrapped, with_diff, without_returns
from harness.kernel.mail.flowed import unflowed
from harness.kernel.mail.headers import (
    NO_DATE,
    NO_SENDER,
    answered,
    date,
    decode,
    header,
    message_id,
    raw_header,
    recipients,
    sender,
)
from harness.kernel.mail.mbox import is_mail, is_mailbox, split_mailbox, trim, without_postmark
from harness.kernel.mail.subject import Subject, parse_subject

_INNER = re.compile(rb"\A\s*(From|Date|Subject):[ \t]*([^\n]*(?:\n[ \t]+[^\n]+)*)\n", re.IGNORECASE)
_MOST_INNER = 16
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_PATCH_NAMES = (".patch", ".diff", ".txt", ".mbox", ".eml")
_HTML = "text/html"
_NESTED = ("message/rfc822", "message/global")


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail.

    :param message_id: without its angle brackets; empty when it has none.
    :param sender: of the ``From:`` header, ``Name <address>``.
    :param date: as ``Sat, 1 Jan 2000 00:00:00 +0000``.
    :param reply_to: the message that it answers, as ``message_id``.
    :param text: its text, decoded: UTF-8 where the mail names its charset, else the bytes as they were sent; lines end
        in LF.
    :param from_git: whether git-format-patch(1) wrote it, as its first line tells.
    :param sent_diff: the lines of its diff in the bytes that were sent, where recoding changed them: git recodes no
        diff, and a file of the tree may be in the charset of the mail.
    :param list_name: of the mailing list whose archive it is from; empty when the mail does not say.
    :param recipients: the addresses of its To and Cc headers, in lower case; empty when it has none.
    :param unread: the parts that were passed over and may hold a patch: ``text/html``.
    """

    message_id: str
    subject: Subject
    sender: str
    date: str
    reply_to: str
    text: bytes
    from_git: bool = False
    sent_diff: tuple[bytes, ...] = ()
    list_name: str = ""
    unread: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()

    @property
    def has_diff(self) -> bool:
        """Return whether the mail has a diff."""
        return has_diff(self.text)

    def resolve(self) -> Mail:
        """Replace the mail's headers with those on top of its text, as git-am(1) does.

        They are there when the sender is not the author. What git could not read is passed over, not an error.
        """
        mail = self
        for _ in range(_MOST_INNER):
            if not (found := _INNER.match(mail.text)):
                break
            value = " ".join(found.group(2).decode(errors="replace").split())
            mail = replace(mail, text=mail.text[found.end() :])
            match found.group(1).lower():
                case b"from" if (author := sender(value)) != NO_SENDER:
                    mail = replace(mail, sender=author)
                case b"date" if (written := date(value)) != NO_DATE:
                    mail = replace(mail, date=written)
                case b"subject" if title := parse_subject(decode(value)).title:
                    mail = replace(mail, subject=replace(mail.subject, title=title))
        return replace(mail, text=mail.text.lstrip(b"\n"))

    def render(self) -> bytes:
        """Return the mail as git-am(1) reads it, fully decoded."""
        return self._head() + b"\n\n" + self.text

    def render_as_sent(self) -> bytes:
        """Return the mail as git-am(1) reads it, its diff in the bytes that were sent; empty when they are equal."""
        text = with_diff(self.text, self.sent_diff) if self.sent_diff else b""
        return self._head() + b"\n\n" + text if text else b""

    def _head(self) -> bytes:
        head = [
            f"From: {_encoded(self.sender)}",
            f"Date: {self.date}",
            f"Subject: {Header(self.subject.render(), maxlinelen=900).encode()}",
            f"Message-ID: <{self.message_id}>",
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=UTF-8",
            "Content-Transfer-Encoding: 8bit",
        ]
        return "\n".join(head).encode(errors="surrogateescape")


def read_mailbox(data: bytes) -> tuple[Mail, ...]:
    """Read the mails of a mailbox or of a single mail, in order; attached patches become mails of their own."""
    return tuple(mail for raw in split_mailbox(trim(data)) for mail in read_mail(raw))


def read_mail(raw: bytes) -> tuple[Mail, ...]:
    """Read a mail, with or without a ``From `` line on top, and its attachments."""
    raw, is_from_git = without_postmark(trim(raw))
    return tuple(_mails_of(_parse(raw), is_from_git=is_from_git))


def _parse(raw: bytes) -> Message:
    """Parse a mail; the body of a plain one is set unparsed, because the parser reads it line by line."""
    end = _END_OF_HEAD.search(raw)
    if end is None:
        return message_from_bytes(raw)
    message = message_from_bytes(raw[: end.start()] + b"\n\n")
    if message.get_content_maintype() in ("multipart", "message") or message.get_payload(decode=True):
        try:
            return message_from_bytes(raw)
        except RecursionError:  # parts within parts, hundreds deep: no mail program made that
            del message["Content-Type"]
    message.set_payload(raw[end.end() :].decode("ascii", errors="surrogateescape"))
    return message


@dataclass(slots=True)
class _Parts:
    """The parts of a mail.

    :param texts: those that make its own text, each with the bytes that were sent.
    :param attached: patches that are mails of their own, as files.
    :param nested: mails forwarded as such.
    """

    texts: list[tuple[bytes, bytes]] = field(default_factory=list)
    attached: list[bytes] = field(default_factory=list)
    nested: list[Message] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def _mails_of(message: Message, *, is_from_git: bool = False) -> Iterator[Mail]:
    """Yield a mail, the patches attached to it as files, and the mails forwarded in it."""
    parts = _Parts()
    for part in _leaves(message, parts):
        _sort(part, parts)
    mail = _make_mail(message, parts, is_from_git=is_from_git)
    yield mail
    for number, text in enumerate(parts.attached, 1):
        yield from _attached(mail, number, text)
    for nested in parts.nested:
        yield from _mails_of(nested)


def _make_mail(message: Message, parts: _Parts, *, is_from_git: bool) -> Mail:
    text = b"".join(_ended(recoded) for recoded, _ in parts.texts)
    sent = b"".join(_ended(raw) for _, raw in parts.texts)
    is_recoded = sent != text and diff_lines(sent) != diff_lines(text)
    return Mail(
        message_id(header(message, "Message-ID")),
        parse_subject(header(message, "Subject")),
        sender(raw_header(message, "From")),
        date(header(message, "Date")),
        answered(message),
        text,
        is_from_git,
        raw_diff(sent) if is_recoded else (),
        _list_name(message),
        tuple(parts.unread),
        recipients(message),
    )


def _leaves(message: Message, parts: _Parts) -> Iterator[Message]:
    """Yield the parts that hold no other parts, in order; forwarded mails are collected separately."""
    payload = message.get_payload() if message.is_multipart() else None
    if not isinstance(payload, list):
        yield message
    elif message.get_content_type() in _NESTED:
        parts.nested += [part for part in payload if isinstance(part, Message)]
    else:
        for part in payload:
            if isinstance(part, Message):
                yield from _leaves(part, parts)


def _sort(part: Message, parts: _Parts) -> None:
    """Put a part where it belongs: text, attached patch, or passed over."""
    kind, name = part.get_content_type(), (part.get_filename() or "").lower()
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return
    if kind == _HTML:
        parts.unread.append(kind)
        return
    if not kind.startswith("text/") and not name.endswith(_PATCH_NAMES) and (b"\0" in payload or not has_diff(payload)):
        return
    plain = unwrapped(without_returns(payload))
    if str(part.get_param("format", "")).lower() == "flowed":
        plain = unflowed(plain, deletes_space=str(part.get_param("delsp", "")).lower() == "yes")
    if (parts.texts or name) and _is_mail_with_diff(plain):
        parts.attached.append(plain)
    else:
        parts.texts.append((in_utf8(plain, part.get_content_charset() or "utf-8"), plain))


def _is_mail_with_diff(text: bytes) -> bool:
    inner = trim(text)
    return (is_mailbox(inner) or is_mail(inner)) and has_diff(inner)


def _attached(mail: Mail, number: int, text: bytes) -> list[Mail]:
    """Read the patches of an attached file; they answer the mail that their own mail answers."""
    found = []
    for at, one in enumerate(read_mailbox(text)):
        own = one.message_id or f"{mail.message_id}#attachment-{number}{f'.{at}' if at else ''}"
        subject = replace(one.subject, is_reply=mail.subject.is_reply)
        found.append(replace(one, message_id=own, subject=subject, reply_to=mail.reply_to))
    return found


def _list_name(message: Message) -> str:
    """Return the list that a copy of a mail was sent through: ``linux-kernel.vger.kernel.org``."""
    for name in ("List-Id", "X-Mailing-List", "List-Post"):
        value = header(message, name)
        if value:
            found = re.search(r"<(?:mailto:)?([^<>]+)>", value)
            return (found.group(1) if found else value).replace("@", ".")
    return ""


def _ended(text: bytes) -> bytes:
    return text if text.endswith(b"\n") else text + b"\n"


def _encoded(address: str) -> str:
    """Encode an address for a header; a name with special or non-ASCII characters is quoted or encoded."""
    name, _, plain = address.rpartition(" <")
    return formataddr((name, plain.rstrip(">")))
