# SPDX-License-Identifier: GPL-2.0-only
"""The headers of a mail, decoded: the sender, the date and the Message-ID as git takes them. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from email.errors import HeaderParseError, MessageError
from email.header import decode_header
from email.message import Message
from email.utils import format_datetime, getaddresses, mktime_tz, parsedate_tz

from harness.kernel.mail.charset import decoded

NO_DATE = "Sat, 01 Jan 2000 00:00:00 +0000"
"""The date of a patch that has none: fixed, so that it always gives the same commit."""
NO_SENDER = "Unknown <unknown@localhost>"

_ADDRESS = re.compile(r"[!-;=?-~]+@[!-;=?-~]+")
_IN_BRACKETS = re.compile(r"(.*?)<\s*([^<>]*?)\s*>")
_COMMENTED = re.compile(r"\s*(\S+(?:\s(?:at|\(at\)|\[at\])\s\S+)?)\s*\((.*)\)\s*", re.DOTALL)
# How archives hide an address: Mailman "a at b", Mailman 3 "a(a)b", others "a [at] b".
_HIDDEN = re.compile(r"\s*(?:\s(?:at|\(at\)|\[at\])\s|\(a\)|\(at\)|\[at\])\s*")
_YEARS = range(1990, 2090)
_MOST_ZONE = timedelta(hours=14)


def header(message: Message, name: str) -> str:
    """Return a header, decoded and unfolded; empty when it is missing."""
    return decode(raw_header(message, name))


def raw_header(message: Message, name: str) -> str:
    """Return a header undecoded; archives and b4 write bare UTF-8."""
    raw = next((str(value) for key, value in message.raw_items() if key.lower() == name.lower()), "")
    return raw.encode(errors="surrogateescape").decode(errors="replace")


def recipients(message: Message) -> tuple[str, ...]:
    """Return the addresses of the To and Cc headers, in lower case, each once."""
    values = [str(value) for key, value in message.raw_items() if key.lower() in ("to", "cc")]
    found = (address.strip().lower() for _, address in getaddresses(values))
    return tuple(dict.fromkeys(one for one in found if "@" in one))


def decode(value: str) -> str:
    """Decode the encoded words (RFC 2047) of a header's text; return one line."""
    try:
        parts: list[tuple[bytes | str, str | None]] = [*decode_header(value)] if "=?" in value else [(value, None)]
    except (HeaderParseError, MessageError, ValueError):
        parts = [(value, None)]
    words = (text if isinstance(text, str) else decoded(text, charset or "utf-8") for text, charset in parts)
    return "".join(letter for letter in " ".join("".join(words).split()) if letter.isprintable())


def sender(text: str) -> str:
    """Return a ``From:`` header as ``Name <address>``, which git accepts as an author.

    :param text: the header before it is decoded: an encoded name may hold a comma or a bracket.
    """
    name, address = _parts(" ".join(text.split()))
    if not _ADDRESS.fullmatch(address):
        return NO_SENDER
    plain = "".join(letter for letter in decode(name) if letter.isprintable() and letter not in "<>").strip()
    return f"{plain if any(map(str.isalnum, plain)) else address.partition('@')[0]} <{address}>"


def _parts(text: str) -> tuple[str, str]:
    """Split a header into name and address; an address that an archive obfuscated is restored."""
    if found := _IN_BRACKETS.search(text):
        name, address = _unquote(found[1]), found[2]
    elif found := _COMMENTED.fullmatch(text):
        name, address = _unquote(found[2]), found[1]
    else:
        name, address = "", text.strip()
    if "@" not in address and "." in address:
        address = _HIDDEN.sub("@", address, count=1)
    return name, address


def _unquote(name: str) -> str:
    name = name.strip()
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    return name


def date(text: str) -> str:
    """Return a ``Date:`` header in git's own form; a fixed date where git would use the current time."""
    try:
        parsed = parsedate_tz(text)
        moment = datetime.fromtimestamp(mktime_tz(parsed), UTC) if parsed else None
        shift = timedelta(seconds=parsed[9] or 0) if parsed else timedelta()
        zone = timezone(shift) if abs(shift) <= _MOST_ZONE else UTC
    except (ValueError, OverflowError, OSError, IndexError, TypeError):  # "99999999:00" overflows mktime(3)
        return NO_DATE
    if moment is None or moment.year not in _YEARS:
        return NO_DATE
    return format_datetime(moment.astimezone(zone))


def message_id(text: str) -> str:
    """Return the first Message-ID of a header, without its angle brackets."""
    found = re.search(r"<([^<>\s]+)>", text)
    return found.group(1) if found else text.strip().strip("<>").partition(" ")[0]


def answered(message: Message) -> str:
    """Return the Message-ID of the mail that a mail answers; empty for none."""
    if named := message_id(header(message, "In-Reply-To")):
        return named
    found = re.findall(r"<([^<>\s]+)>", header(message, "References"))
    return found[-1] if found else ""
