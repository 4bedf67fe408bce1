# SPDX-License-Identifier: GPL-2.0-only
"""A mailbox file taken apart into its mails, in one pass. Pure.

A mailbox is mails after one another, each behind a line ``From ...`` (mbox(5)); archives differ in how they quote such
lines within a mail (mboxo, mboxrd) and in what stands behind the word (Mailman: ``From user at host  Mon Nov 16 ...``).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

_FROM_LINE = re.compile(rb"^From [^\n]*", re.MULTILINE)
_GIT = re.compile(rb"From [0-9a-f]{40,64} Mon Sep 17 00:00:00 2001\r?")
# asctime(3), as mbox(5) asks for: nothing else looks so, with a header below it.
_DATED = re.compile(rb"From .*\d\d:\d\d.* \d{4}\b.*|From [0-9a-f]{40,64} .*")
_HEADER = re.compile(rb"[!-9;-~]+:(?:[ \t\r\n]|\Z)")
_TELLING = re.compile(rb"(?:from|subject|date|message-id|received|return-path|to|delivered-to):", re.IGNORECASE)
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
_STRAY = re.compile(rb"(?:>+From [^\n]*\n)+(?=[!-9;-~]+:)")
_ON_TOP = re.compile(rb"(?:\xef\xbb\xbf|[ \t]*\r?\n)+")
_MULTIPART = re.compile(rb"^content-type:\s*multipart/", re.IGNORECASE | re.MULTILINE)
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_POSTMARK = b"From mboxrd@z Thu Jan  1 00:00:00 1970\n"
_FROM = re.compile(rb"^(>*From )", re.MULTILINE)
_BOUND = 1 << 16
_WHOLE = frozenset({b"from", b"subject", b"date"})


def trim(data: bytes) -> bytes:
    """Remove what editors and mail programs put on top: a byte order mark, empty lines, ``>From`` lines.

    A file in UTF-16, as PowerShell writes what is redirected, is recoded to UTF-8.
    """
    if data.startswith(_UTF_16):
        try:
            data = data.decode("utf-16").encode()
        except UnicodeDecodeError:
            return data
    if found := _ON_TOP.match(data):
        data = data[found.end() :]
    if found := _STRAY.match(data):
        data = data[found.end() :]
    return data


def is_mailbox(data: bytes) -> bool:
    """Return whether data starts as a mailbox does; see :func:`trim`."""
    found = _FROM_LINE.match(data)
    return found is not None and _has_head(data, found.end() + 1)


def is_mail(data: bytes) -> bool:
    """Return whether data starts with the headers of a single mail; see :func:`trim`."""
    head = data[:_BOUND].replace(b"\r\n", b"\n").partition(b"\n\n")[0] + b"\n"
    return bool(_HEADER.match(head)) and bool(re.search(rb"^(?:from|subject):", head, re.IGNORECASE | re.MULTILINE))


def split_mailbox(data: bytes) -> Iterator[bytes]:
    """Yield each mail of a mailbox, with the quoting of ``From `` lines in the mail undone.

    A line with a date begins a mail wherever a header follows, as git-mailsplit(1) has it, for files that were joined
    by cat(1) have no empty line in between; any other ``From `` line needs an empty line above it, and in what
    git-format-patch(1) wrote, which quotes nothing, it is text. A file that begins with a mail of several parts is one
    mail: the lines in it are of a patch that is attached.
    """
    starts = [0] if is_mail(data) else []
    if starts and _MULTIPART.search(data[:_BOUND].replace(b"\r\n", b"\n").partition(b"\n\n")[0]):
        yield data
        return
    is_git = _GIT.match(data) is not None
    for found in _FROM_LINE.finditer(data):
        line, start = found.group(), found.start()
        is_sure = _DATED.fullmatch(line) is not None
        if not is_sure and (is_git or not _is_after_empty_line(data, start)):
            continue
        # A message that git-format-patch(1) wrote may show a mail; what was joined to it has all headers.
        wanted = _WHOLE if is_git and not _GIT.fullmatch(line) else frozenset[bytes]()
        if _has_head(data, found.end() + 1, wanted):
            starts.append(start)
    for start, end in pairwise([*starts, len(data)]):
        raw = data[start:end]
        yield raw if _GIT.match(raw) or not raw.startswith(b"From ") else _QUOTED.sub(rb"\1", raw)


def join_mailbox(mails: Iterable[bytes]) -> bytes:
    """Return a mailbox (mboxrd) of mails, with or without a ``From `` line on top of each."""
    plain = (without_postmark(trim(mail))[0].rstrip(b"\r\n") for mail in mails)
    return b"".join(b"%b%b\n\n" % (_POSTMARK, _FROM.sub(rb">\1", mail)) for mail in plain)


def without_postmark(raw: bytes) -> tuple[bytes, bool]:
    """Remove the ``From `` lines of a mail, quoted ones too; return also whether git-format-patch(1) wrote the mail."""
    is_git = _GIT.match(raw) is not None
    while raw.startswith((b"From ", b">From ", b">>From ")):
        raw = raw.partition(b"\n")[2]
    return raw, is_git


def _is_after_empty_line(data: bytes, start: int) -> bool:
    return start == 0 or data[max(0, start - 4) : start].replace(b"\r\n", b"\n").endswith(b"\n\n")


def _has_head(data: bytes, start: int, wanted: frozenset[bytes] = frozenset()) -> bool:
    """Return whether a block of mail headers starts there, with all that are wanted."""
    wanted_left, is_telling, is_first = set(wanted), False, True
    end = min(len(data), start + _BOUND)
    while start < end:
        behind = data.find(b"\n", start, end)
        line = data[start : behind if behind >= 0 else end]
        if is_first and line.startswith(b">From "):  # the postmark of an earlier hop
            start += len(line) + 1
            continue
        if not _HEADER.match(line + b"\n"):
            break
        is_first = False
        is_telling = is_telling or _TELLING.match(line) is not None
        wanted_left.discard(line.partition(b":")[0].lower())
        if is_telling and not wanted_left:
            return True
        start += len(line) + 1
        while data[start : start + 1] in (b" ", b"\t") and start < end:  # a folded header
            behind = data.find(b"\n", start, end)
            start = behind + 1 if behind >= 0 else end
    return False
