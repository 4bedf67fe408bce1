"""Mails out of a mailbox file, decoded: who sent what, with which subject, and the text that may hold a patch. Pure.

A mailbox is mails after one another, each behind a line ``From ...`` (mbox(5)); archives differ in how they quote such
lines within a mail (mboxo, mboxrd) and in what stands behind the word (Mailman: ``From user at host  Mon Nov 16 ...``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes
from email.errors import HeaderParseError, MessageError
from email.header import Header, decode_header
from email.message import Message
from email.utils import format_datetime, formataddr, mktime_tz, parseaddr, parsedate_tz
from itertools import pairwise

from harness.kernel.mail.diff import has_diff
from harness.kernel.mail.subject import Subject, parse_subject

NO_DATE = "Sat, 01 Jan 2000 00:00:00 +0000"
"""The date of a patch that has none: fixed, so that it always gives the same commit."""
NO_SENDER = "Unknown <unknown@localhost>"

_POSTMARK = re.compile(rb"From [^\n]*\d\d:\d\d[^\n]*\d{4}[^\n]*|From [0-9a-f]{40} [^\n]*|From \S+[^\n]*\r?")
_HEADER = re.compile(rb"[!-9;-~]+:[ \t\r\n]")
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
_GIT_POSTMARK = re.compile(rb"^From [0-9a-f]{40} Mon Sep 17 00:00:00 2001\r?$", re.MULTILINE)
_FROM_LINE = re.compile(rb"^From ", re.MULTILINE)
_ATTACHED_MAIL = re.compile(rb"\A(?:From [0-9a-f]{40} [^\n]*\n)?(?:[A-Za-z-]+: [^\n]*\n(?:[ \t][^\n]*\n)*)+\n")
_INNER = re.compile(rb"\A\s*(From|Date|Subject):[ \t]*([^\n]*(?:\n[ \t]+[^\n]+)*)\n", re.IGNORECASE)
_ADDRESS = re.compile(r"[!-;=?-~]+@[!-;=?-~]+")
# Not every codec that Python has is a charset: rot13 is none, and punycode takes for ever.
_CHARSET = re.compile(r"(?:utf|us-ascii|ascii|iso|latin|windows|cp\d|koi8|gb|big5|euc|shift)", re.IGNORECASE)
_YEARS = range(1990, 2090)
_PATCH_TYPES = ("text/", "application/octet-stream", "application/x-patch", "application/mbox")
_PATCH_NAMES = (".patch", ".diff", ".txt", ".mbox", ".eml")


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail.

    :param message_id: without its angle brackets; empty when it has none.
    :param sender: of the ``From:`` header, ``Name <address>``. :param date: as ``Sat, 1 Jan 2000 00:00:00 +0000``.
    :param reply_to: the message that it answers, as ``message_id``.
    :param text: its text, decoded: UTF-8 where that can be had, else the bytes as they were sent; lines end in LF.
    :param from_git: whether git-format-patch(1) wrote it, as its first line tells.
    """

    message_id: str
    subject: Subject
    sender: str
    date: str
    reply_to: str
    text: bytes
    from_git: bool = False

    @property
    def has_diff(self) -> bool:
        """Whether it carries a patch."""
        return has_diff(self.text)

    def resolve(self) -> Mail:
        """The mail with the headers on top of its text put in the place of its own, as git-am(1) takes them.

        They are there when somebody else sends the patch. What git could not read is passed over, not an error.
        """
        mail = self
        while found := _INNER.match(mail.text):
            value = " ".join(found.group(2).decode(errors="replace").split())
            mail = replace(mail, text=mail.text[found.end() :])
            match found.group(1).lower():
                case b"from" if (sender := _sender(value)) != NO_SENDER:
                    mail = replace(mail, sender=sender)
                case b"date" if (date := _date(value)) != NO_DATE:
                    mail = replace(mail, date=date)
                case b"subject" if title := parse_subject(_decoded(value)).title:
                    mail = replace(mail, subject=replace(mail.subject, title=title))
        return replace(mail, text=mail.text.lstrip(b"\n"))

    def render(self) -> bytes:
        """The mail as git-am(1) takes it, with nothing left to decode."""
        head = [
            f"From: {_encoded(self.sender)}",
            f"Date: {self.date}",
            f"Subject: {Header(self.subject.render(), maxlinelen=900).encode()}",
            f"Message-ID: <{self.message_id}>",
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=UTF-8",
            "Content-Transfer-Encoding: 8bit",
        ]
        return "\n".join(head).encode(errors="surrogateescape") + b"\n\n" + self.text


def is_mailbox(data: bytes) -> bool:
    """Whether data start as a mailbox does."""
    return _is_postmark(data, 0)


def is_mail(data: bytes) -> bool:
    """Whether data start with the headers of a single mail."""
    head = data.replace(b"\r\n", b"\n").partition(b"\n\n")[0] + b"\n"
    return bool(_HEADER.match(head)) and bool(re.search(rb"^(?:from|subject):", head, re.IGNORECASE | re.MULTILINE))


def read_mailbox(data: bytes) -> tuple[Mail, ...]:
    """The mails of a mailbox, in its order; patches attached to a mail as mails of their own, behind it."""
    return tuple(mail for raw in split_mailbox(data) for mail in read_mail(raw))


def split_mailbox(data: bytes) -> Iterator[bytes]:
    """Each mail from its ``From `` line on, with the quoting of such lines within it undone.

    git-format-patch(1) quotes nothing: in what it wrote, only lines like its own begin a mail.
    """
    begins = _GIT_POSTMARK if _GIT_POSTMARK.match(data) else _FROM_LINE
    starts = [found.start() for found in begins.finditer(data) if _is_postmark(data, found.start())]
    for start, end in pairwise([*starts, len(data)]):
        raw = data[start:end]
        yield raw if _GIT_POSTMARK.match(raw) else _QUOTED.sub(rb"\1", raw)


def read_mail(raw: bytes) -> tuple[Mail, ...]:
    """A mail, with or without a ``From `` line on top, and what is attached to it."""
    postmark = _GIT_POSTMARK.match(raw)
    if raw.startswith(b"From "):
        raw = raw.partition(b"\n")[2]
    message = message_from_bytes(_without_returns(raw))
    texts: list[bytes] = []
    attached: list[bytes] = []
    for text in _texts(message):
        (attached if _ATTACHED_MAIL.match(text) and texts and has_diff(text) else texts).append(text)
    mail = _make_mail(message, b"".join(text if text.endswith(b"\n") else text + b"\n" for text in texts), postmark)
    found = [mail]
    for number, text in enumerate(attached, 1):
        found += _attached(mail, number, text)
    return tuple(found)


def _make_mail(message: Message, text: bytes, postmark: object) -> Mail:
    return Mail(
        _message_id(_header(message, "Message-ID")),
        parse_subject(_header(message, "Subject")),
        _sender(_raw_header(message, "From")),
        _date(_header(message, "Date")),
        _message_id(_header(message, "In-Reply-To")),
        text,
        postmark is not None,
    )


def _sender(header: str) -> str:
    """A ``From:`` header as ``Name <address>`` that git takes for somebody."""
    # Taken apart before it is decoded: a name may hold a comma. Mailman hides addresses as "name at host".
    name, address = parseaddr(header.replace(" at ", "@"))
    if not _ADDRESS.fullmatch(address):
        return NO_SENDER
    decoded = "".join(letter for letter in _decoded(name) if letter.isprintable() and letter not in "<>")
    return f"{decoded if any(map(str.isalnum, decoded)) else address.partition('@')[0]} <{address}>"


def _date(header: str) -> str:
    """A ``Date:`` header in git's own form; of one that git would take for now, a fixed one."""
    parsed = parsedate_tz(header)
    try:
        moment = datetime.fromtimestamp(mktime_tz(parsed), UTC) if parsed else None
        zone = timezone(timedelta(seconds=parsed[9] or 0)) if parsed else UTC
    except (ValueError, OverflowError):
        return NO_DATE
    if moment is None or moment.year not in _YEARS:
        return NO_DATE
    return format_datetime(moment.astimezone(zone))


def _attached(mail: Mail, number: int, text: bytes) -> list[Mail]:
    """A patch that was attached as a file; it answers what its mail answers."""
    found = []
    for one in read_mail(text):
        own = one.message_id or f"{mail.message_id}#attachment-{number}"
        subject = replace(one.subject, is_reply=mail.subject.is_reply)
        found.append(replace(one, message_id=own, subject=subject, reply_to=mail.reply_to))
    return found


def _is_postmark(data: bytes, start: int) -> bool:
    """Whether a mail begins there: behind an empty line, with a header below it."""
    before = data[max(0, start - 4) : start].replace(b"\r\n", b"\n")
    if start and not before.endswith(b"\n\n"):
        return False
    found = _POSTMARK.match(data, start)
    if found is None:
        return False
    below = data[found.end() :].lstrip(b"\r")
    return below[:1] == b"\n" and _HEADER.match(below[1:200].lstrip(b">")) is not None


def _without_returns(raw: bytes) -> bytes:
    """Text whose every line ends in CRLF travelled so; where only some do, they are the patch's own."""
    lines = raw.count(b"\n")
    return raw.replace(b"\r\n", b"\n") if lines and raw.count(b"\r\n") == lines else raw


def _texts(message: Message) -> Iterator[bytes]:
    """The parts of a mail that people read or that are patches, decoded."""
    for part in message.walk():
        kind = part.get_content_type()
        name = (part.get_filename() or "").lower()
        if part.is_multipart() or kind == "text/html":
            continue
        if not kind.startswith(_PATCH_TYPES) and not name.endswith(_PATCH_NAMES):
            continue
        if kind == "application/octet-stream" and not name.endswith(_PATCH_NAMES):
            continue
        payload = part.get_payload(decode=True)
        if isinstance(payload, bytes):
            yield _in_utf8(_without_returns(payload), part.get_content_charset() or "utf-8")


def _in_utf8(text: bytes, charset: str) -> bytes:
    """Text in UTF-8; as it is when it is not in the charset that its mail names, as with a patch to a Latin-1 file."""
    try:
        return text.decode(charset).encode() if _CHARSET.match(charset) else text
    except (LookupError, ValueError):
        return text


def _header(message: Message, name: str) -> str:
    """A header, decoded and unfolded; empty when it is not there."""
    return _decoded(_raw_header(message, name))


def _raw_header(message: Message, name: str) -> str:
    """A header as it stands; bare UTF-8 is what archives and b4 write."""
    raw = next((str(value) for key, value in message.raw_items() if key.lower() == name.lower()), "")
    return raw.encode(errors="surrogateescape").decode(errors="replace")


def _decoded(value: str) -> str:
    try:
        parts: list[tuple[bytes | str, str | None]] = [*decode_header(value)] if "=?" in value else [(value, None)]
    except (HeaderParseError, MessageError, ValueError):
        parts = [(value, None)]
    joined = "".join(_word(text, charset or "utf-8") for text, charset in parts)
    return "".join(letter for letter in " ".join(joined.split()) if letter.isprintable())


def _word(text: bytes | str, charset: str) -> str:
    """A part of a header that :func:`email.header.decode_header` gave."""
    if isinstance(text, str):
        return text
    try:
        return text.decode(charset if _CHARSET.match(charset) else "utf-8")
    except (LookupError, ValueError):
        return text.decode(errors="replace")


def _message_id(header: str) -> str:
    found = re.search(r"<([^<>\s]+)>", header)
    return found.group(1) if found else header.strip().strip("<>").partition(" ")[0]


def _encoded(address: str) -> str:
    """An address for a header: a name that is not plain ASCII or holds special characters is encoded or quoted."""
    name, _, plain = address.rpartition(" <")
    return formataddr((name, plain.rstrip(">")))
