# SPDX-License-Identifier: GPL-2.0-only
"""Ask a web server again while its fault passes, within a deadline and a bound of bytes. The wrapper of requests.

A token is sent only to the named server, over TLS unless it is this host, and is never part of an error.
"""

from __future__ import annotations

import ssl
import threading
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import requests
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError, InvalidHeader, MaxRetryError
from urllib3.util.retry import Retry

from harness.base.deadline import Deadline
from harness.base.errors import HarnessError, HostError, UsageError
from harness.base.events import Note, Report, ignore
from harness.base.json_records import read_facts
from harness.series.patchwork_server import LOOPBACK, TOKEN_VARIABLE

ATTEMPTS = 5
ANSWER_SECONDS = 30.0
"""The time limit of one answer."""
LONGEST_WAIT_SECONDS = 120.0
ANSWER_BYTES = 1 << 20
"""The bound of an answer's body, unless a request names another one."""
JSON = "application/json"

_AGAIN = frozenset({429, 500, 502, 503, 504})
_HIDDEN = "(the token)"

Wait = Callable[[float], object]
"""Waits for a number of seconds."""


@dataclass(frozen=True, slots=True)
class WebServer:
    """A server.

    :param url: its address, without a slash at its end.
    :param kind: the program that runs there, for errors.
    :param token: the token of Patchwork; empty for none.
    """

    url: str
    kind: str
    token: str = field(default="", repr=False)


class WebClient:
    """A client of one server.

    :param server: the server.
    :param deadline: the deadline of all requests.
    :param report: receives a note for each retry.
    :param wait: waits between retries; tests replace it.
    :param answer_seconds: the time limit of one answer.
    """

    def __init__(
        self,
        server: WebServer,
        *,
        deadline: Deadline,
        report: Report = ignore,
        wait: Wait | None = None,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self.url = server.url
        self._kind = server.kind
        self._token = server.token
        self._deadline = deadline
        self._report = report
        self._wait = wait or threading.Event().wait
        self._answer_seconds = answer_seconds
        host = urllib.parse.urlsplit(server.url).hostname or ""
        trusted = ssl.get_default_verify_paths()
        self._session = requests.Session()
        # The certificates of the host, as other programs use; requests has its own by default.
        self._session.verify = trusted.cafile or trusted.capath or True
        # Requests to this host do not use a proxy.
        self._session.trust_env = not LOOPBACK.fullmatch(host)

    def owns(self, url: str) -> bool:
        """Return whether an address is on this server."""
        mine, theirs = (urllib.parse.urlsplit(one) for one in (self.url, url))
        return (mine.scheme, mine.netloc) == (theirs.scheme, theirs.netloc)

    def request(
        self,
        method: str,
        url: str,
        *,
        what: str,
        body: bytes | None = None,
        most_bytes: int = ANSWER_BYTES,
        kind: str = JSON,
    ) -> Answer:
        """Send one request; retry after temporary faults of the server or the network.

        :param what: the purpose, as an infinitive, for errors.
        :param most_bytes: the bound of the answer's body, which is cut there.
        :param kind: the content type of body and answer.
        :raises UsageError: the server rejects the request.
        :raises HostError: the server does not answer, or not as expected.
        """
        retries: Retry = _Patience(total=ATTEMPTS - 1, allowed_methods=None, status_forcelist=_AGAIN)
        while True:
            answer: Answer | None = None
            error: HTTPError | None = None
            try:
                answer = self._once(method, url, body, most_bytes, kind)
            except _PassingError as passing:
                error, fault = passing, str(passing)
            else:
                if not retries.is_retry(method, answer.status):
                    return self._checked(answer, url, what)
                fault = f"it answered with {answer.status}"
            response = answer.raw if answer is not None else None
            wanted = retries.get_retry_after(response) or 0.0 if response is not None else 0.0
            attempts = len(retries.history) + 1
            try:
                retries = retries.increment(method, url, response=response, error=error)
                seconds = max(retries.get_backoff_time(), wanted)
                is_over = seconds > min(LONGEST_WAIT_SECONDS, self._deadline.seconds_left)
            except MaxRetryError:
                seconds, is_over = wanted, True
            if is_over:
                waits = f", and requests a retry in {seconds:.0f} s" if wanted else ""
                raise HostError(
                    f"{self.url} cannot {what}: {fault}{waits}",
                    evidence=f"{method} {url}, tried {f'{attempts} times' if attempts > 1 else 'once'}",
                    remedy="run the command again later",
                )
            retry = f"retrying in {seconds:.0f} s ({attempts + 1} of {ATTEMPTS})"
            self._report(Note(f"{self.url}: {fault}; {retry}"))
            self._wait(seconds)

    def _once(self, method: str, url: str, body: bytes | None, most_bytes: int, kind: str) -> Answer:
        """Send one request and return the answer, whatever its status.

        :raises _PassingError: there is no answer, or its body is cut or late.
        """
        deadline = self._deadline.sooner(self._answer_seconds)
        headers = {"Accept": kind, "User-Agent": "kernel-patch-harness"}
        headers |= {"Content-Type": kind} if body is not None else {}
        try:
            with self._session.request(
                method,
                url,
                data=body,
                headers=headers,
                auth=_TokenAuth(self._token),
                timeout=max(0.1, deadline.seconds_left),
                allow_redirects=False,  # the token would be sent along
                stream=True,
            ) as response:
                return Answer(
                    response.status_code, response.headers, _read(response, deadline, most_bytes), response.raw
                )
        except (requests.Timeout, TimeoutError):
            raise _PassingError("it did not answer in time") from None
        except (requests.RequestException, HTTPError) as error:
            raise _PassingError(self._plain(_root_of(error))) from None

    def _checked(self, answer: Answer, url: str, what: str) -> Answer:
        """Return the answer if its status is a success.

        :raises UsageError: the server rejects the request.
        :raises HostError: the server does not answer as expected.
        """
        evidence = self._plain(answer.body[:1000].decode(errors="replace"))
        match answer.status:
            case status if status < 300:
                return answer
            case 401 | 403:
                remedy = f"check {TOKEN_VARIABLE}, and that its user may add checks to the project"
                raise UsageError(f"{self.url} denies permission to {what}", evidence=evidence, remedy=remedy)
            case 404:
                remedy = f"check the URL: {self._kind} has this page below the address of its start page"
                raise UsageError(f"{self.url} cannot {what}: not found", evidence=url, remedy=remedy)
            case 400:
                errors = _field_errors(answer.body) or evidence
                raise UsageError(f"{self.url} refuses to {what}", evidence=errors, remedy="fix the fields it names")
            case status if 300 <= status < 400:
                where = self._plain(answer.headers.get("Location", "") or "nowhere")
                remedy = "give the final URL of the server: the token is not sent to another one"
                raise UsageError(f"{self.url} redirects to {where}", remedy=remedy)
            case status:
                raise self.unlike(url, f"it answered with {status}: {evidence[:200]}")

    def unlike(self, url: str, evidence: str) -> HarnessError:
        """Return the error of an answer that this kind of server would not give."""
        return HostError(
            f"{self.url} does not answer as {self._kind} does",
            evidence=f"{url}\n{evidence}",
            remedy="check the URL",
        )

    def _plain(self, text: str) -> str:
        """Return a text of a server or a library with the token removed."""
        return text.replace(self._token, _HIDDEN) if self._token else text


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the server: its status, headers and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    raw: BaseHTTPResponse


class _PassingError(HTTPError):
    """There was no answer; a retry may succeed."""


class _Patience(Retry):
    """Retries of urllib3 that wait one second after the first fault, and twice as long after each further one."""

    def get_backoff_time(self) -> float:
        """Return the time to wait after the last fault, in seconds."""
        return 2.0 ** (len(self.history) - 1)

    def parse_retry_after(self, retry_after: str) -> float:
        """Return the time to wait that the server requests, in seconds; 0.0 if the header cannot be read.

        :param retry_after: a number of seconds or a date, RFC 9110, section 10.2.3.
        """
        try:
            return super().parse_retry_after(retry_after)
        except InvalidHeader:
            return 0.0


class _TokenAuth(requests.auth.AuthBase):
    """Patchwork's token as authentication of requests, so that ~/.netrc does not replace it."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the token to a request, if there is one; an empty one keeps requests from reading ~/.netrc."""
        if self._token:
            request.headers["Authorization"] = f"Token {self._token}"
        return request


def _read(response: requests.Response, deadline: Deadline, most_bytes: int) -> bytes:
    """Read the body of an answer; a slow server does not delay it beyond the deadline.

    A cut body of an error is read as empty, as its status is known.

    :raises TimeoutError: the deadline came.
    :raises HTTPError: the answer was cut.
    """
    body = b""
    try:
        while len(body) < most_bytes and (part := response.raw.read1(1 << 16, decode_content=True)):
            body += part
            if deadline.is_past:
                raise TimeoutError
    except (HTTPError, TimeoutError):
        if response.ok:
            raise
        return b""
    return body


def _root_of(error: BaseException) -> str:
    """Return the message of the error of the system or http.client that caused an error of requests."""
    while (below := error.__cause__ or error.__context__) is not None:
        error = below
    return str(error) or repr(error)


def _field_errors(body: bytes) -> str:
    """Return the errors of the fields, a line for each; empty for a body of another form."""
    fields = read_facts(dict[str, list[str] | str], body) or {}
    return "\n".join(
        f"{name}: {errors if isinstance(errors, str) else ' '.join(errors)}" for name, errors in fields.items()
    )
