# SPDX-License-Identifier: GPL-2.0-only
"""Read the mails of a public-inbox over HTTP: its Atom feed, and its search as a mailbox where the feed has a gap.

``URL/new.atom`` lists the newest mails, each with a link to its page; the page's ``raw`` is the mail. When the feed
does not reach back to the newest known mail, ``URL/?q=rt:...&x=m`` gives all since then as a compressed mailbox
(public-inbox, "help": ``rt:`` is the time of arrival).
"""

from __future__ import annotations

import gzip
import re
import urllib.parse
import xml.etree.ElementTree as ElementTree
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from harness.base.errors import HarnessError
from harness.base.json_records import dump_value, read_facts
from harness.follow.sources.batch import BATCH_MAILS, Batch
from harness.kernel.mail.mbox import split_mailbox, trim
from harness.series.web_client import WebClient

_ATOM = "{http://www.w3.org/2005/Atom}"
_FEED_BYTES = 8 << 20
_MAILBOX_BYTES = 256 << 20
_KNOWN = 500
_SLACK_SECONDS = 3600.0
_DOCTYPE = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry of the feed: the address of its page, and its time in seconds since the epoch."""

    link: str
    time: float


@dataclass(frozen=True, slots=True)
class _Cursor:
    """Where the next batch begins: the time of the newest mail, and the links of the newest mails."""

    time: float
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WebArchive:
    """A public-inbox over HTTP.

    :param client: the client, whose address is that of the inbox.
    :param mail_bytes: the bound of a mail; of a larger one, only one byte more is read.
    :param since: seconds since the epoch: older mails are left out at the first time.
    """

    client: WebClient
    mail_bytes: int
    since: float

    def read(self, cursor: str) -> Iterator[Batch]:
        """Yield the mails after a cursor: the time of the newest mail, and the links of the newest ones."""
        state = read_facts(_Cursor, cursor) or _Cursor(self.since)
        newest, known = state.time, state.links
        entries = self._feed()
        fresh = [one for one in entries if one.link not in known and (cursor or one.time >= self.since)]
        fresh.sort(key=lambda one: one.time)
        has_gap = bool(entries) and len(fresh) == len(entries)
        links = [*known, *(one.link for one in fresh)][-_KNOWN:]
        after = dump_value(_Cursor(max([newest, *(one.time for one in fresh)]), tuple(links)), indent=None)
        if has_gap:
            yield from self._search(newest, cursor, after)
            return
        for at in range(0, len(fresh), BATCH_MAILS):
            mails = tuple(self._fetch(one) for one in fresh[at : at + BATCH_MAILS])
            yield Batch(after if at + BATCH_MAILS >= len(fresh) else cursor, mails)

    def _feed(self) -> Sequence[_Entry]:
        url = f"{self.client.url}/new.atom"
        answer = self.client.request(
            "GET", url, what="read the feed", most_bytes=_FEED_BYTES, kind="application/atom+xml"
        )
        # A feed has no document type; entities would let a small one grow without bound.
        if _DOCTYPE.search(answer.body):
            raise self.client.unlike(url, "the feed has a document type")
        try:
            root = ElementTree.fromstring(answer.body)
        except ElementTree.ParseError as error:
            raise self.client.unlike(url, f"the feed is not XML: {error}") from None
        entries = []
        for entry in root.iter(f"{_ATOM}entry"):
            link, updated = entry.find(f"{_ATOM}link"), entry.findtext(f"{_ATOM}updated", "")
            address = link.get("href", "") if link is not None else ""
            if address.startswith(f"{self.client.url}/") and (time := _time_of(updated)) is not None:
                entries.append(_Entry(address, time))
        return entries

    def _fetch(self, entry: _Entry) -> bytes:
        url = f"{entry.link.rstrip('/')}/raw"
        return self.client.request(
            "GET", url, what="fetch a mail", most_bytes=self.mail_bytes + 1, kind="text/plain"
        ).body

    def _search(self, newest: float, cursor: str, after: str) -> Iterator[Batch]:
        """Yield all mails since some time before the newest known one; known ones are passed over later."""
        start = datetime.fromtimestamp(newest - _SLACK_SECONDS, UTC)
        query = urllib.parse.urlencode({"q": f"rt:{start:%Y%m%d%H%M%S}..", "x": "m"})
        url = f"{self.client.url}/?{query}"
        form = "application/x-www-form-urlencoded"
        answer = self.client.request(
            "POST", url, what="search for mails", body=b"", most_bytes=_MAILBOX_BYTES, kind=form
        )
        mails = [raw[: self.mail_bytes + 1] for raw in split_mailbox(trim(self._unpacked(answer.body, url)))]
        for at in range(0, len(mails), BATCH_MAILS):
            is_last = at + BATCH_MAILS >= len(mails)
            yield Batch(after if is_last else cursor, tuple(mails[at : at + BATCH_MAILS]), note=_gap_note(at, mails))
        if not mails:
            yield Batch(after)

    def _unpacked(self, body: bytes, url: str) -> bytes:
        """Return the content of a compressed mailbox, up to a bound.

        :raises HostError: it is not compressed.
        """
        try:
            reader = zlib.decompressobj(wbits=31)
            return reader.decompress(body, _MAILBOX_BYTES) if body else b""
        except (zlib.error, gzip.BadGzipFile) as error:
            raise self._bad(url, error) from None

    def _bad(self, url: str, error: Exception) -> HarnessError:
        return self.client.unlike(url, f"the mailbox is not compressed: {error}")


def _gap_note(at: int, mails: Sequence[bytes]) -> str:
    return f"the feed has a gap: {len(mails)} mails by search" if at == 0 else ""


def _time_of(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError):
        return None
