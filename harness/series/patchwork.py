"""Patchwork's REST API: which patch a mail is, and checks on it. The wrapper of requests.

Version 1.2 of the API: ``GET patches/?msgid=`` finds a patch, ``POST patches/ID/checks/`` adds a check. Checks cannot
be changed: the newest of a context and user counts, so one that was sent twice, because the answer to the first was
lost, does no harm.

The token goes to the server that was named and to no other, over TLS but on this very host, and into no error.
"""

from __future__ import annotations

import http
import json
import re
import ssl
import threading
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import requests
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError, InvalidHeader, MaxRetryError
from urllib3.util.retry import Retry

from harness.base.deadline import Deadline
from harness.base.errors import HarnessError, HostError, UsageError
from harness.base.events import Note, Report, ignore

TOKEN_VARIABLE = "PATCHWORK_TOKEN"
"""The variable of the environment that holds the token."""
ATTEMPTS = 5
ANSWER_SECONDS = 30.0
"""How long one answer may take."""
WHOLE_SECONDS = 600.0
"""How long all that is asked of the server may take."""
LONGEST_WAIT_SECONDS = 120.0
DESCRIPTION_LENGTH = 300

_VERSION = "1.2"
_PAGES = 10
_ANSWER_BYTES = 1 << 20
_AGAIN = frozenset({429, 500, 502, 503, 504})
_CONTEXT = re.compile(r"[-a-zA-Z0-9_]{1,255}")
_TOKEN = re.compile(r"[!-~]{1,512}")
_NEXT = re.compile(r'<([^>]*)>;\s*rel="?next"?')
_LOOPBACK = re.compile(r"localhost|127(?:\.\d{1,3}){3}|::1")
_HIDDEN = "(the token)"

Wait = Callable[[float], object]
"""Waits so many seconds."""


class CheckState(StrEnum):
    """The states of a check, as the API calls them."""

    PENDING = "pending"
    SUCCESS = "success"
    WARNING = "warning"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """A check to be posted.

    :param context: what checks; letters, digits, ``-`` and ``_``.
    :param target_url: where more is told; may be empty.
    """

    state: CheckState
    context: str
    description: str
    target_url: str = ""

    def to_fact(self) -> dict[str, str]:
        """As the API takes it."""
        fact = {"state": self.state.value, "context": self.context, "description": _bounded(self.description)}
        return {**fact, "target_url": self.target_url} if self.target_url else fact


@dataclass(frozen=True, slots=True)
class Server:
    """A Patchwork server; see :func:`find_server`.

    :param url: without ``/api``.
    :param token: shown nowhere.
    :param project: its link name; empty for any.
    """

    url: str
    token: str = field(repr=False)
    project: str = ""


def find_server(url: str, *, project: str, environment: Mapping[str, str]) -> Server:
    """The server of a URL, with the token of the environment.

    :raises UsageError: it is no URL, would be sent the token in the clear, or there is no token.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        is_near = bool(_LOOPBACK.fullmatch(parts.hostname or ""))
        has_port = parts.port is not None or parts.netloc != ""
    except ValueError as error:
        raise UsageError(
            f"{url} is no URL", evidence=str(error), remedy="write https://patchwork.example.org"
        ) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not has_port or parts.username is not None:
        raise UsageError(f"{url} is no URL of a Patchwork server", remedy="write https://patchwork.example.org")
    if parts.scheme == "http" and not is_near:
        remedy = f"write https://{parts.netloc}{parts.path}"
        raise UsageError(f"{url}: the token would go over the network for all to read", remedy=remedy)
    token = environment.get(TOKEN_VARIABLE, "").strip()
    if not token:
        remedy = f"make one on your profile page there, and put it into the environment as {TOKEN_VARIABLE}"
        raise UsageError("there is no token for Patchwork", remedy=remedy)
    if not _TOKEN.fullmatch(token):
        # Not shown: it may be a token with a slip in it.
        raise UsageError(f"{TOKEN_VARIABLE} holds no token: there is a character in it that none has", remedy="mend it")
    return Server(re.sub(r"/(?:api(?:/[\d.]*)?/?)?$", "", url), token, project)


def check_words(context: str, target_url: str) -> None:
    """Refuse what the server would refuse for each patch.

    :raises UsageError: see the text.
    """
    if not _CONTEXT.fullmatch(context):
        raise UsageError(f"--context {context}: it may hold letters, digits, - and _", remedy="write harness")
    if target_url and urllib.parse.urlsplit(target_url).scheme not in ("http", "https"):
        raise UsageError(f"--target-url {target_url} is no URL", remedy="write https://...")


class Patchwork:
    """What is asked of one server.

    :param deadline: of everything that is asked.
    :param report: receives what is waited for.
    :param wait: waits; for tests, which have no time.
    :param answer_seconds: how long one answer may take.
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
        self._server = server
        self._deadline = deadline
        self._report = report
        self._wait = wait or threading.Event().wait
        self._answer_seconds = answer_seconds
        host = urllib.parse.urlsplit(server.url).hostname or ""
        trusted = ssl.get_default_verify_paths()
        self._session = requests.Session()
        # The host's own certificates, as for every other program; requests would bring its own.
        self._session.verify = trusted.cafile or trusted.capath or True
        # What is on this host is not asked for through a proxy.
        self._session.trust_env = not _LOOPBACK.fullmatch(host)

    def find_patch(self, message_id: str) -> int:
        """The server's number of the patch of that mail.

        :raises UsageError: it has none, or several.
        :raises HostError: the server does not answer.
        """
        query = {"msgid": message_id} | ({"project": self._server.project} if self._server.project else {})
        url = f"{self._server.url}/api/{_VERSION}/patches/?{urllib.parse.urlencode(query)}"
        found: list[int] = []
        for _ in range(_PAGES):
            answer = self._ask("GET", url, what=f"look <{message_id}> up")
            found += [number for one in _list(answer.body, url) if isinstance(number := one.get("id"), int)]
            url = self._next(answer)
            if not url:
                break
        if len(found) == 1:
            return found[0]
        place = self._server.url + (f", project {self._server.project}" if self._server.project else "")
        if not found:
            remedy = "see whether the list is followed there, and the mail has arrived"
            raise UsageError(f"{place} has no patch <{message_id}>", remedy=remedy)
        raise UsageError(
            f"{place} has {len(found)} patches <{message_id}>",
            evidence=", ".join(map(str, found)),
            remedy="name one with --project",
        )

    def post(self, patch: int, check: Check) -> None:
        """Add a check to a patch.

        :raises UsageError: the token may not do that, there is no such patch, or the server refuses a field.
        :raises HostError: the server does not answer, or not as Patchwork does.
        """
        url = f"{self._server.url}/api/{_VERSION}/patches/{patch}/checks/"
        body = json.dumps(check.to_fact()).encode()
        answer = self._ask("POST", url, body=body, what=f"post a check of patch {patch}")
        if answer.status != http.HTTPStatus.CREATED:
            raise self._unlike(url, f"it answered with {answer.status} where 201 is meant")

    def _next(self, answer: _Answer) -> str:
        """The next page, if it is on the same server."""
        found = _NEXT.search(answer.headers.get("Link", "") or "")
        if found is None:
            return ""
        mine, theirs = (urllib.parse.urlsplit(url) for url in (self._server.url, found[1]))
        return found[1] if (mine.scheme, mine.netloc) == (theirs.scheme, theirs.netloc) else ""

    def _ask(self, method: str, url: str, *, what: str, body: bytes | None = None) -> _Answer:
        """One request, again when the fault may pass: the server's own, or the network's."""
        retries: Retry = _Patience(total=ATTEMPTS - 1, allowed_methods=None, status_forcelist=_AGAIN)
        while True:
            answer: _Answer | None = None
            error: HTTPError | None = None
            try:
                answer = self._once(method, url, body)
            except _PassingError as passing:
                error, fault = passing, str(passing)
            else:
                if not retries.is_retry(method, answer.status):
                    return self._checked(answer, url, what)
                fault = f"it answered with {answer.status}"
            response = answer.raw if answer is not None else None
            wanted = retries.get_retry_after(response) or 0.0 if response is not None else 0.0
            asked = len(retries.history) + 1
            try:
                retries = retries.increment(method, url, response=response, error=error)
                seconds = max(retries.get_backoff_time(), wanted)
                is_over = seconds > min(LONGEST_WAIT_SECONDS, self._deadline.seconds_left)
            except MaxRetryError:
                seconds, is_over = wanted, True
            if is_over:
                waits = f", and wants to be asked again in {seconds:.0f} s" if wanted else ""
                raise HostError(
                    f"{self._server.url} cannot {what}: {fault}{waits}",
                    evidence=f"{method} {url}, asked {f'{asked} times' if asked > 1 else 'once'}",
                    remedy="try it again later: nothing else is lost",
                )
            again = f"trying again in {seconds:.0f} s ({asked + 1} of {ATTEMPTS})"
            self._report(Note(f"{self._server.url}: {fault}; {again}"))
            self._wait(seconds)

    def _once(self, method: str, url: str, body: bytes | None) -> _Answer:
        """One request and its answer, also of an error.

        :raises _PassingError: there is no answer, or its body breaks off or does not come in time.
        """
        deadline = self._deadline.sooner(self._answer_seconds)
        headers = {"Accept": "application/json", "User-Agent": "kernel-patch-harness"}
        headers |= {"Content-Type": "application/json"} if body is not None else {}
        try:
            with self._session.request(
                method,
                url,
                data=body,
                headers=headers,
                auth=_TokenAuth(self._server.token),
                timeout=max(0.1, deadline.seconds_left),
                allow_redirects=False,  # the token would go along
                stream=True,
            ) as response:
                return _Answer(response.status_code, response.headers, _read(response, deadline), response.raw)
        except (requests.Timeout, TimeoutError):
            raise _PassingError("it did not answer in time") from None
        except (requests.RequestException, HTTPError) as error:
            raise _PassingError(self._plain(_root_of(error))) from None

    def _checked(self, answer: _Answer, url: str, what: str) -> _Answer:
        """The answer, if it is a good one."""
        evidence = self._plain(answer.body[:1000].decode(errors="replace"))
        match answer.status:
            case status if status < 300:
                return answer
            case 401 | 403:
                remedy = f"see whether {TOKEN_VARIABLE} is right, and its user may add checks to the project"
                raise UsageError(f"{self._server.url} does not let us {what}", evidence=evidence, remedy=remedy)
            case 404:
                remedy = "see whether the URL is that of a Patchwork server, without /project/..."
                raise UsageError(f"{self._server.url} cannot {what}: not found", evidence=url, remedy=remedy)
            case 400:
                said = _field_errors(answer.body) or evidence
                raise UsageError(f"{self._server.url} refuses to {what}", evidence=said, remedy="mend what it names")
            case status if 300 <= status < 400:
                where = self._plain(answer.headers.get("Location", "") or "nowhere")
                remedy = "name the server by the URL where it is: the token is not sent elsewhere"
                raise UsageError(f"{self._server.url} sends us to {where}", remedy=remedy)
            case status:
                raise self._unlike(url, f"it answered with {status}: {evidence[:200]}")

    def _unlike(self, url: str, evidence: str) -> HarnessError:
        return HostError(
            f"{self._server.url} does not answer as Patchwork does", evidence=f"{url}\n{evidence}", remedy="see the URL"
        )

    def _plain(self, text: str) -> str:
        """A text from elsewhere, without the token, should a server or a library repeat it."""
        return text.replace(self._server.token, _HIDDEN)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes
    raw: BaseHTTPResponse


class _PassingError(HTTPError):
    """There was no answer; the next time there may be one."""


class _Patience(Retry):
    """urllib3's count of attempts; waits one second after the first fault, and twice as long after each further one."""

    def get_backoff_time(self) -> float:
        """Return how long to wait after the last fault, in seconds."""
        return 2.0 ** (len(self.history) - 1)

    def parse_retry_after(self, retry_after: str) -> float:
        """Return how long the server wants us to wait, in seconds; 0.0 when the header cannot be read.

        :param retry_after: a number of seconds or a date, RFC 9110, section 10.2.3.
        """
        try:
            return super().parse_retry_after(retry_after)
        except InvalidHeader:
            return 0.0


class _TokenAuth(requests.auth.AuthBase):
    """Patchwork's token; set in this way, no entry of ~/.netrc takes its place."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the token into a request."""
        request.headers["Authorization"] = f"Token {self._token}"
        return request


def _read(response: requests.Response, deadline: Deadline) -> bytes:
    """The body. A server that sends a byte now and then is not waited for beyond the deadline.

    Of an error what breaks off in the body changes nothing of its status.

    :raises TimeoutError: the deadline came.
    :raises HTTPError: the answer broke off.
    """
    body = b""
    try:
        while len(body) < _ANSWER_BYTES and (part := response.raw.read1(1 << 16, decode_content=True)):
            body += part
            if deadline.is_past:
                raise TimeoutError
    except (HTTPError, TimeoutError):
        if response.ok:
            raise
        return b""
    return body


def _root_of(error: BaseException) -> str:
    """What lies below an error of requests, in the words of the system or of http.client."""
    while (below := error.__cause__ or error.__context__) is not None:
        error = below
    return str(error) or repr(error)


def _list(body: bytes, url: str) -> list[dict[str, object]]:
    """A list of objects.

    :raises HostError: it is none.
    """
    try:
        value = json.loads(body)
    except ValueError:
        value = None
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        begins = body[:80].decode(errors="replace")
        raise HostError(
            f"{url} does not answer as Patchwork does", evidence=f"it begins: {begins!r}", remedy="see the URL"
        )
    return value


def _field_errors(body: bytes) -> str:
    """What is wrong with which field, a line each."""
    try:
        value = json.loads(body)
    except ValueError:
        return ""
    if not isinstance(value, dict):
        return ""
    return "\n".join(
        f"{name}: {' '.join(map(str, said)) if isinstance(said, list) else said}" for name, said in value.items()
    )


def _bounded(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= DESCRIPTION_LENGTH else f"{line[: DESCRIPTION_LENGTH - 3]}..."
