# SPDX-License-Identifier: GPL-2.0-only
"""Post checks to a local server that answers as Patchwork's API does; its faults, and the token."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from harness.base.deadline import Deadline
from harness.base.errors import HarnessError, HostError, UsageError
from harness.base.events import Note, StageEvent, ignore
from harness.series.patchwork import Patchwork
from harness.series.patchwork_checks import Poster, abandoned_checks, final_checks, pending_checks
from harness.series.patchwork_server import TOKEN_VARIABLE, Check, CheckState, Server, check_words, find_server
from tests.patchwork_server import READER, TOKEN, FakePatchwork, Fault, serving
from tests.unit.series.sample import BREAKS, RECORD

CHECK = Check(CheckState.SUCCESS, "harness", "220 cases, as before", "https://ci.example.org/1")
PATCHES = {
    number: (f"{name}@example.org", "cgroups") for number, name in enumerate(("one", "two", "three", "four"), 11)
}


@pytest.fixture
def fake() -> Iterator[FakePatchwork]:
    """Run a server with the patches of the sample."""
    with serving(FakePatchwork(dict(PATCHES))) as state:
        yield state


class Asking:
    """A client whose waits take no time, with its notes and waits."""

    def __init__(self, fake: FakePatchwork, *, token: str = TOKEN, project: str = "", url: str = "") -> None:
        self.notes: list[str] = []
        self.waited: list[float] = []
        server = Server(url or fake.url, token, project)
        self.client = Patchwork(
            server, deadline=Deadline.after(600), report=self._take, wait=self.waited.append, answer_seconds=2.0
        )

    def _take(self, event: StageEvent) -> None:
        assert isinstance(event, Note)
        self.notes.append(event.text)

    def fails(self, kind: type[HarnessError]) -> HarnessError:
        """Return the error of posting a check; neither it nor the notes contain the token."""
        with pytest.raises(kind) as caught:
            self.client.post(11, CHECK)
        assert TOKEN not in f"{caught.value} {caught.value!r} {self.notes}"
        assert caught.value.remedy
        return caught.value


def test_check_is_posted(fake: FakePatchwork) -> None:
    """State, context, description and URL arrive as the API expects them."""
    client = Asking(fake).client
    client.post(client.find_patch("two@example.org"), CHECK)

    assert fake.checks == {
        12: [
            {
                "state": "success",
                "context": "harness",
                "description": "220 cases, as before",
                "target_url": "https://ci.example.org/1",
            }
        ]
    }


def test_patch_in_two_projects_needs_the_project(fake: FakePatchwork) -> None:
    """A mail to two lists is two patches, which may be on two pages."""
    fake.patches[99], fake.page = ("two@example.org", "containers"), 1
    with pytest.raises(UsageError, match="2 patches") as caught:
        Asking(fake).client.find_patch("two@example.org")

    assert caught.value.evidence == "12, 99"
    assert Asking(fake, project="containers").client.find_patch("two@example.org") == 99


def test_unknown_mail_is_a_usage_error(fake: FakePatchwork) -> None:
    """The server may not have received the mail."""
    with pytest.raises(UsageError, match=r"has no patch <nobody@example\.org>"):
        Asking(fake).client.find_patch("nobody@example.org")


def test_unknown_patch_is_not_retried(fake: FakePatchwork) -> None:
    """404 is an error at once."""
    fake.patches.clear()
    asking = Asking(fake)
    asking.fails(UsageError)

    assert len(fake.asked) == 1


@pytest.mark.parametrize("token", [READER, TOKEN[::-1]])
def test_rejected_token_is_not_retried(fake: FakePatchwork, token: str) -> None:
    """401 and 403 have a hint; a token in the server's answer is not shown."""
    asking = Asking(fake, token=token)
    error = asking.fails(UsageError)

    assert TOKEN_VARIABLE in error.remedy
    assert token not in str(error)
    assert len(fake.asked) == 1


def test_rejected_field_is_named(fake: FakePatchwork) -> None:
    """The error for 400 has the server's message for the field."""
    with pytest.raises(UsageError, match="refuses") as caught:
        Asking(fake).client.post(11, replace(CHECK, target_url="http://"))

    assert caught.value.evidence == "target_url: Enter a valid URL."


def test_temporary_fault_is_retried(fake: FakePatchwork) -> None:
    """500, a closed connection and 503 are retried after growing waits, each with a note."""
    fake.faults += [Fault(500), Fault(1), Fault(503)]
    asking = Asking(fake)
    asking.client.post(11, CHECK)

    assert asking.waited == [1.0, 2.0, 4.0]
    assert "answered with 500; retrying in 1 s (2 of 5)" in asking.notes[0]
    assert fake.checks[11]


def test_retry_after_is_obeyed(fake: FakePatchwork) -> None:
    """A minute is waited; an hour is too long, which is an error."""
    fake.faults += [Fault(429, {"Retry-After": "60"})]
    asking = Asking(fake)
    asking.client.post(11, CHECK)
    fake.faults += [Fault(503, {"Retry-After": "3600"})]
    error = asking.fails(HostError)

    assert asking.waited == [60.0]
    assert "in 3600 s" in error.what


def test_retry_after_may_be_a_date(fake: FakePatchwork) -> None:
    """A past date adds no wait."""
    fake.faults += [Fault(503, {"Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT"}), Fault(503, {"Retry-After": "soon"})]
    asking = Asking(fake)
    asking.client.post(11, CHECK)

    assert asking.waited == [1.0, 2.0]


def test_retries_end_with_an_error(fake: FakePatchwork) -> None:
    """The error shows the number of attempts."""
    fake.faults += [Fault(502, body=f"the token was {TOKEN}")] * 9
    asking = Asking(fake)
    error = asking.fails(HostError)

    assert "tried 5 times" in error.evidence
    assert len(fake.asked) == 5


@pytest.mark.parametrize("status", [0, 2])
def test_hanging_server_times_out(fake: FakePatchwork, status: int) -> None:
    """A server that sends nothing, or a byte at a time, is retried after the time limit."""
    fake.faults += [Fault(status)]
    server = Server(fake.url, TOKEN)
    waited: list[float] = []
    client = Patchwork(server, deadline=Deadline.after(60), wait=waited.append, answer_seconds=0.2)
    client.post(11, CHECK)

    assert waited == [1.0]
    assert fake.checks[11]


def test_refused_connection_is_a_host_error() -> None:
    """The error has the URL."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        error = Asking(FakePatchwork({}), url=url).fails(HostError)

    assert url in error.what
    assert "refused" in error.what


def test_token_is_not_sent_to_another_server(fake: FakePatchwork) -> None:
    """A redirection is an error, and the other server receives nothing."""
    with serving(FakePatchwork(dict(PATCHES))) as other:
        fake.faults += [Fault(302, {"Location": f"{other.url}/api/1.2/patches/11/checks/"})]
        error = Asking(fake).fails(UsageError)

        assert other.url in error.what
        assert not other.asked


@pytest.mark.parametrize("body", ["<html>It works!</html>", '{"detail": 1}', '["x"]', ""])
def test_other_server_is_an_error(fake: FakePatchwork, body: str) -> None:
    """Another page is not a list of patches."""
    fake.faults += [Fault(200, body=body)]
    with pytest.raises(HostError, match="does not answer as Patchwork does"):
        Asking(fake).client.find_patch("two@example.org")


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("https://patchwork.example.org", "https://patchwork.example.org"),
        ("https://patchwork.example.org/", "https://patchwork.example.org"),
        ("https://example.org/pw/api/1.2/", "https://example.org/pw"),
        ("http://127.0.0.1:80", "http://127.0.0.1:80"),
    ],
)
def test_url_of_a_server(url: str, read: str) -> None:
    """The URL may be copied from a page or from settings."""
    assert find_server(url, project="", environment={TOKEN_VARIABLE: f" {TOKEN}\n"}) == Server(read, TOKEN)


@pytest.mark.parametrize(
    ("url", "token"),
    [
        ("patchwork.example.org", TOKEN),
        ("http://patchwork.example.org", TOKEN),
        ("https://me:secret@example.org", TOKEN),
        ("https://[example.org", TOKEN),
        ("https://example.org:port", TOKEN),
        ("ftp://example.org", TOKEN),
        ("https://example.org", ""),
        ("https://example.org", f"{TOKEN[:20]}\n{TOKEN[20:]}"),
        ("https://example.org", f"{TOKEN}é"),
    ],
)
def test_unusable_server_is_an_error(url: str, token: str) -> None:
    """An invalid or unencrypted URL and a missing token are reported before a build; the token is not shown."""
    with pytest.raises(UsageError) as caught:
        find_server(url, project="", environment={TOKEN_VARIABLE: token})

    assert caught.value.remedy
    assert TOKEN[:20] not in str(caught.value)


def test_token_is_not_in_the_repr() -> None:
    """A printed server does not show its token."""
    assert TOKEN not in repr(Server("https://example.org", TOKEN))


@pytest.mark.parametrize(
    ("context", "target"), [("two words", ""), ("", ""), ("x" * 256, ""), ("ok", "ci.example.org")]
)
def test_invalid_fields_are_errors_at_once(context: str, target: str) -> None:
    """The error comes once and before a build, not for each patch after an hour."""
    with pytest.raises(UsageError):
        check_words(context, target)


def test_series_posts_its_result(fake: FakePatchwork) -> None:
    """Each patch, found by its mail, gets a pending check and then its result with breakage in between."""
    poster = Poster(Asking(fake).client)
    poster.post(pending_checks(RECORD, context="harness", target_url=""), report=ignore)
    poster.post(final_checks(RECORD, context="harness", target_url=""), report=ignore)
    last = {number: checks[-1] for number, checks in fake.checks.items()}

    assert {checks[0]["state"] for checks in fake.checks.values()} == {"pending"}
    assert {number: check["state"] for number, check in last.items()} == {
        11: "success",
        12: "fail",
        13: "fail",
        14: "fail",
    }
    assert "outside_view: relative -> absolute" in last[12]["description"]
    assert "patch 3 breaks the build, patch 4 fixes it" in last[13]["description"]
    assert "declared but missing" in last[14]["description"]
    assert all(len(check["description"]) <= 300 for check in last.values())
    assert sum(one.startswith("GET") for one in fake.asked) == 4


def test_missing_mail_does_not_stop_the_others(fake: FakePatchwork) -> None:
    """Three of four patches get their check, and the error names the fourth."""
    del fake.patches[12]
    events: list[StageEvent] = []
    with pytest.raises(UsageError, match=r"two@example\.org"):
        Poster(Asking(fake).client).post(final_checks(RECORD, context="harness", target_url=""), report=events.append)

    assert sorted(fake.checks) == [11, 13, 14]
    assert len(events) == 1


def test_patches_without_mails_need_numbers(fake: FakePatchwork) -> None:
    """The numbers of patches in a folder are given; without them the error has a hint."""
    record = replace(RECORD, patches=(RECORD.patches[0], replace(BREAKS, number=1, message_id="")))
    checks = list(abandoned_checks(record, "the base does not build", context="harness", target_url=""))
    Poster(Asking(fake).client, numbers=[14]).post(iter(checks), report=ignore)

    assert fake.checks[14][0]["description"] == "not tested: the base does not build"
    with pytest.raises(UsageError, match="no Message-ID"):
        Poster(Asking(fake).client).post(iter(checks), report=ignore)
