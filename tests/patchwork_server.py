# SPDX-License-Identifier: GPL-2.0-only
"""A Patchwork server for checks on this host; responses and errors are those of API 1.2."""

from __future__ import annotations

import json
import threading
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "0123456789abcdef0123456789abcdef01234567"
READER = "fedcba9876543210fedcba9876543210fedcba98"
"""The token of a user who may add no checks."""
STATES = ("pending", "success", "warning", "fail")


@dataclass(frozen=True)
class Fault:
    """A response that replaces the regular one.

    :param status: the HTTP status; 0 hangs until the test is over, 1 closes the connection, 2 sends single bytes.
    :param headers: headers of the response.
    :param body: text of the response.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


@dataclass
class FakePatchwork:
    """The server's state.

    :param patches: Message-ID and project of each patch, by its number.
    :param faults: responses to the next requests.
    :param asked: method and path of each request.
    :param checks: posted checks, by the number of the patch.
    :param page: number of patches on a page.
    :param series: the series in the form of the API, by number; mails are at ``/mail/NUMBER``.
    :param mails: the mails of patches and cover letters, by number.
    :param url: URL of the server.
    :param over: set at the end of the test.
    """

    patches: dict[int, tuple[str, str]]
    faults: list[Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    checks: dict[int, list[dict[str, str]]] = field(default_factory=dict)
    page: int = 30
    series: dict[int, dict[str, object]] = field(default_factory=dict)
    mails: dict[int, bytes] = field(default_factory=dict)
    url: str = ""
    over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serving(state: FakePatchwork) -> Iterator[FakePatchwork]:
    """Run the server during the block and set the URL of its state."""

    class Handler(_Handler):
        fake = state

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    # The server looks this often whether it shall end; by default twice a second, which each test would wait for.
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    fake: FakePatchwork

    def log_message(self, *words: object) -> None:
        """Print nothing on standard error."""

    def do_GET(self) -> None:
        """Respond with a list of patches."""
        self._answer(self._find)

    def do_POST(self) -> None:
        """Add a check."""
        self._answer(self._add)

    def _answer(self, answer: object) -> None:
        self.fake.asked.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.fake.faults:
            self._fail(self.fake.faults.pop(0))
            return
        authorization = self.headers.get("Authorization", "")
        if self.command == "GET" and not authorization:  # what anybody may read
            self._read()
        elif authorization not in (f"Token {TOKEN}", f"Token {READER}"):
            self._send(401, {"detail": f"Invalid token. {authorization}"})
        elif not self.path.startswith("/api/1.2/"):
            self._send(404, {"detail": "Not found."})
        else:
            assert callable(answer)
            answer(body)

    def _fail(self, fault: Fault) -> None:
        if fault.status == 0:
            self.fake.over.wait()
        elif fault.status == 2:
            self.send_response(200)
            self.end_headers()
            while not self.fake.over.wait(0.01):
                try:
                    self.wfile.write(b" ")
                except OSError:
                    return
        elif fault.status > 2:
            self.send_response(fault.status)
            for name, value in fault.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(fault.body.encode())
        self.close_connection = True

    def _read(self) -> None:
        """Respond with a series, with the newest ones, or with a mail."""
        parts = urllib.parse.urlsplit(self.path)
        names = parts.path.strip("/").split("/")
        if names[0] == "mail":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.fake.mails[int(names[1])])
        elif names[-1].isdigit() and int(names[-1]) in self.fake.series:
            self._send(200, self.fake.series[int(names[-1])])
        elif names[-1] == "series":
            size, page = int(dict(urllib.parse.parse_qsl(parts.query))["per_page"]), self._page(parts.query)
            newest = sorted(self.fake.series, reverse=True)
            more = page * size < len(newest)
            link = f'<{self.fake.url}{parts.path}?{parts.query}&page={page + 1}>; rel="next"' if more else ""
            self._send(200, [self.fake.series[one] for one in newest[(page - 1) * size : page * size]], link=link)
        else:
            self._send(404, {"detail": "Not found."})

    @staticmethod
    def _page(query: str) -> int:
        return int(dict(urllib.parse.parse_qsl(query)).get("page", "1"))

    def _find(self, _: bytes) -> None:
        parts = urllib.parse.urlsplit(self.path)
        if parts.path.endswith("/checks/"):
            checks = self.fake.checks.get(int(parts.path.split("/")[4]), [])
            self._send(200, [{"id": at, **check} for at, check in enumerate(checks)])
            return
        query = dict(urllib.parse.parse_qsl(parts.query))
        found = [
            number
            for number, (message_id, project) in self.fake.patches.items()
            if message_id == query.get("msgid") and query.get("project", project) == project
        ]
        start = (int(query.get("page", "1")) - 1) * self.fake.page
        more = start + self.fake.page < len(found)
        query["page"] = str(int(query.get("page", "1")) + 1)
        link = f'<{self.fake.url}{parts.path}?{urllib.parse.urlencode(query)}>; rel="next"' if more else ""
        self._send(200, [{"id": one} for one in found[start : start + self.fake.page]], link=link)

    def _add(self, body: bytes) -> None:
        number = int(self.path.split("/")[4])
        if number not in self.fake.patches:
            self._send(404, {"detail": "Not found."})
        elif self.headers["Authorization"] == f"Token {READER}":
            self._send(403, {"detail": "You do not have permission to perform this action."})
        else:
            check = json.loads(body)
            wrong = {}
            if check.get("state") not in STATES:
                wrong["state"] = [f'"{check.get("state")}" is not a valid choice.']
            if check.get("target_url") == "http://":
                wrong["target_url"] = ["Enter a valid URL."]
            if wrong:
                self._send(400, wrong)
                return
            self.fake.checks.setdefault(number, []).append(check)
            self._send(201, {"id": 1, **check})

    def _send(self, status: int, value: object, *, link: str = "") -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if link:
            self.send_header("Link", link)
        self.end_headers()
        self.wfile.write(body)
