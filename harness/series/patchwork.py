# SPDX-License-Identifier: GPL-2.0-only
"""Use Patchwork's REST API: find the patch of a mail, post checks, and list the series of a project.

Version 1.2 of the API: ``GET patches/?msgid=`` finds a patch, ``POST patches/ID/checks/`` adds a check. Checks cannot
be changed: the newest of a context and user counts, so a check that was sent twice, because the first answer was lost,
does no harm. ``GET series/?order=id`` lists series, each with the address of its mails as a mailbox.
"""

from __future__ import annotations

import http
import re
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from harness.base.deadline import Deadline
from harness.base.errors import UsageError
from harness.base.events import Report, ignore
from harness.base.json_records import read_facts
from harness.series.patchwork_server import Check, Server
from harness.series.web_client import ANSWER_SECONDS, Answer, Wait, WebClient, WebServer

PAGE = 30
"""The number of series in one answer."""

_VERSION = "1.2"
_PAGES = 10
_LIST_BYTES = 16 << 20
_NEXT = re.compile(r'<([^>]*)>;\s*rel="?next"?')
_MBOX = "application/mbox"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _FoundPatch:
    """A patch in an answer of the server; its other fields are ignored."""

    id: int


@dataclass(frozen=True, slots=True)
class _PostedCheck:
    """A check in an answer of the server; its other fields are ignored."""

    state: str
    context: str
    description: str | None = None


@dataclass(frozen=True, slots=True)
class PostedMail:
    """A patch or a cover letter in an answer of the server; its other fields are ignored."""

    id: int
    mbox: str


@dataclass(frozen=True, slots=True)
class PostedSeries:
    """A series in an answer of the server; its other fields are ignored.

    :param id: the server's number, which only grows.
    :param received_all: whether the server has all patches.
    :param patches: the patches that it has.
    :param cover_letter: the cover letter; None without one.
    """

    id: int
    received_all: bool
    patches: tuple[PostedMail, ...]
    cover_letter: PostedMail | None = None

    @property
    def mails(self) -> tuple[PostedMail, ...]:
        """Return the cover letter and the patches."""
        return (*((self.cover_letter,) if self.cover_letter else ()), *self.patches)


class Patchwork(WebClient):
    """A client of one server.

    :param server: the server; without a token it can only be read.
    :param deadline: the deadline of all requests.
    :param report: receives a note for each retry.
    :param wait: waits between retries; tests replace it.
    :param answer_seconds: the time limit of one answer.
    """

    def __init__(
        self,
        server: Server,
        *,
        deadline: Deadline,
        report: Report = ignore,
        wait: Wait | None = None,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        super().__init__(
            WebServer(server.url, "Patchwork", server.token),
            deadline=deadline,
            report=report,
            wait=wait,
            answer_seconds=answer_seconds,
        )
        self._project = server.project

    def find_patch(self, message_id: str) -> int:
        """Return the server's number of the patch of a mail.

        :param message_id: the Message-ID without angle brackets.
        :raises UsageError: the server has no such patch, or several.
        :raises HostError: the server does not answer.
        """
        query = {"msgid": message_id} | ({"project": self._project} if self._project else {})
        url = f"{self.url}/api/{_VERSION}/patches/?{urllib.parse.urlencode(query)}"
        found = [one.id for one in self._list(_FoundPatch, url, what=f"look up <{message_id}>")]
        if len(found) == 1:
            return found[0]
        where = self.url + (f", project {self._project}" if self._project else "")
        if not found:
            remedy = "check that the server follows the list and that the mail has arrived"
            raise UsageError(f"{where} has no patch <{message_id}>", remedy=remedy)
        raise UsageError(
            f"{where} has {len(found)} patches <{message_id}>",
            evidence=", ".join(map(str, found)),
            remedy="name one with --project",
        )

    def post(self, patch: int, check: Check) -> None:
        """Add a check to a patch.

        :param patch: the server's number of the patch.
        :param check: the check.
        :raises UsageError: the token has no permission, no such patch exists, or the server rejects a field.
        :raises HostError: the server does not answer as Patchwork does.
        """
        url = self._checks(patch)
        answer = self.request("POST", url, body=check.to_body(), what=f"post a check of patch {patch}")
        if answer.status != http.HTTPStatus.CREATED:
            raise self.unlike(url, f"it answered with {answer.status}, expected 201")

    def has_check(self, patch: int, check: Check) -> bool:
        """Return whether the newest check of this context is the given one.

        :param patch: the server's number of the patch.
        :param check: the check.
        :raises UsageError: no such patch exists.
        :raises HostError: the server does not answer as Patchwork does.
        """
        url = f"{self._checks(patch)}?{urllib.parse.urlencode({'context': check.context})}"
        found = self._list(_PostedCheck, url, what=f"read the checks of patch {patch}")
        same = [one for one in found if one.context == check.context]
        wanted = read_facts(_PostedCheck, check.to_body())
        return bool(same) and same[-1] == wanted

    def list_series(self, after: int) -> Iterator[tuple[PostedSeries, ...]]:
        """Yield the project's series with a higher number than a known one, oldest first, a page at a time.

        :param after: the number of the newest known series.
        :raises HostError: the server does not answer as Patchwork does.
        """
        query = {"project": self._project, "order": "-id", "per_page": str(PAGE)}
        url = f"{self.url}/api/{_VERSION}/series/?{urllib.parse.urlencode(query)}"
        pages: list[tuple[PostedSeries, ...]] = []
        while url and len(pages) < _PAGES:
            answer = self.request("GET", url, what="list series", most_bytes=_LIST_BYTES)
            page = self._read(PostedSeries, answer.body, url)
            pages.append(tuple(one for one in page if one.id > after))
            url = self._next(answer) if len(pages[-1]) == len(page) else ""
        for page in reversed(pages):
            yield tuple(sorted(page, key=lambda one: one.id))

    def find_series(self, number: int) -> PostedSeries:
        """Return a series as the server has it now.

        :param number: the server's number of the series.
        :raises UsageError: no such series exists.
        :raises HostError: the server does not answer as Patchwork does.
        """
        url = f"{self.url}/api/{_VERSION}/series/{number}/"
        answer = self.request("GET", url, what=f"read series {number}", most_bytes=_LIST_BYTES)
        return self._read(PostedSeries, b"[%b]" % answer.body, url)[0]

    def fetch_mail(self, mail: PostedMail, *, most_bytes: int) -> bytes:
        """Return a mail.

        :param mail: a patch or a cover letter.
        :param most_bytes: the bound of its size; it is cut there.
        :raises HostError: the server does not answer, or the mail is on another server.
        """
        if not self.owns(mail.mbox):
            raise self.unlike(mail.mbox, f"the mails are on another server than {self.url}")
        return self.request("GET", mail.mbox, what="fetch a mail", most_bytes=most_bytes, kind=_MBOX).body

    def _checks(self, patch: int) -> str:
        return f"{self.url}/api/{_VERSION}/patches/{patch}/checks/"

    def _list(self, kind: type[_T], url: str, *, what: str) -> list[_T]:
        """Read a list that may have several pages."""
        found: list[_T] = []
        for _ in range(_PAGES):
            answer = self.request("GET", url, what=what)
            found += self._read(kind, answer.body, url)
            url = self._next(answer)
            if not url:
                break
        return found

    def _next(self, answer: Answer) -> str:
        """Return the address of the next page, if it is on the same server."""
        found = _NEXT.search(answer.headers.get("Link", "") or "")
        return found[1] if found is not None and self.owns(found[1]) else ""

    def _read(self, kind: type[_T], body: bytes, url: str) -> tuple[_T, ...]:
        """Read a list of an answer.

        :raises HostError: the body is not such a list.
        """
        found = read_facts(tuple[kind, ...], body)  # type: ignore[valid-type]
        if found is None:
            begins = body[:80].decode(errors="replace")
            raise self.unlike(url, f"it begins: {begins!r}")
        return found
