# SPDX-License-Identifier: GPL-2.0-only
"""Sources other than a public-inbox of version 2: each gives every mail once, also after faults."""

from __future__ import annotations

import gzip
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harness.base.deadline import Deadline
from harness.base.errors import HostError, UsageError
from harness.follow.sources.maildir import Maildir
from harness.follow.sources.public_inbox import PublicInbox
from harness.follow.state.config import DAY
from harness.kernel.mail.mbox import join_mailbox
from tests.patchwork_server import FakePatchwork, Fault, serving
from tests.unit.follow.inboxes import START, GitInbox, Post, deliver, make_maildir, series
from tests.unit.follow.lab import CONFIG, Lab
from tests.user_git import user_git

INBOX = 'kind = "public-inbox"\npath = "inbox"\n'
MAILS = [one.render() for one in (*series("a", ["one", "two"], cover="topic"), *series("b", ["single"]))]


def lab_with(folder: Path, source: str) -> Lab:
    """Return a service with one source."""
    return Lab(folder, CONFIG.replace(INBOX, source))


def test_maildir_is_read_once_and_left_alone(tmp_path: Path) -> None:
    """Mails are judged once, also after a mail program moved them; no file of the Maildir changes."""
    maildir = make_maildir(tmp_path / "mail")
    deliver(maildir, MAILS)
    lab = lab_with(tmp_path, 'kind = "maildir"\npath = "mail"\n')
    lab.run()
    names = sorted(one.name for one in (maildir / "new").iterdir())
    for name in names[:2]:
        (maildir / "new" / name).rename(maildir / "cur" / f"{name}:2,S")
    deliver(maildir, [series("c", ["third"])[0].render()])
    lab.run()

    assert lab.series() == [f"{title} v1 answered success" for title in ("topic", "single", "third")]
    assert len(names) == 4


def test_maildir_cursor_has_the_names_of_one_time_only(tmp_path: Path) -> None:
    """The cursor does not grow with the Maildir: names older than the slack are not in it."""
    maildir = make_maildir(tmp_path / "mail")
    deliver(maildir, MAILS)
    for at, file in enumerate(sorted((maildir / "new").iterdir())):
        os.utime(file, (START + at * DAY, START + at * DAY))
    batches = list(Maildir(maildir, 1 << 20, 0.0).read(""))

    assert [len(one.mails) for one in batches] == [4]
    assert batches[0].cursor.count(".host") == 1
    assert list(Maildir(maildir, 1 << 20, 0.0).read(batches[0].cursor)) == []


def test_folder_that_is_no_maildir(tmp_path: Path) -> None:
    """The error names the folder."""
    with pytest.raises(UsageError, match="is not a Maildir"):
        list(Maildir(tmp_path, 1 << 20, 0.0).read(""))


def test_inbox_of_version_1(tmp_path: Path) -> None:
    """Each mail is a file of its own in one repository."""
    folder = tmp_path / "v1.git"
    folder.mkdir()
    env = GitInbox(tmp_path)._env
    user_git(folder, "init", "--quiet", "--bare", "--initial-branch=master", env=env)
    stream, parent = b"", b""
    for at, mail in enumerate(MAILS):
        who = b"Inbox <i@h> %d +0000" % (START + at)
        stream += b"commit refs/heads/master\nauthor %b\ncommitter %b\ndata 0\n%b" % (who, who, parent)
        stream += b"M 100644 inline %02x/%038x\ndata %d\n%b\n" % (at, at, len(mail), mail)
    user_git(folder, "fast-import", "--quiet", env=env, stdin=stream)
    source = PublicInbox(str(folder), tmp_path / "mirror", 1 << 20, 0.0, Deadline.after(60))
    batches = list(source.read(""))

    assert [mail for one in batches for mail in one.mails] == MAILS
    assert list(source.read(batches[-1].cursor)) == []


def test_inbox_that_is_none(tmp_path: Path) -> None:
    """The error shows how to clone one."""
    source = PublicInbox(str(tmp_path), tmp_path / "mirror", 1 << 20, 0.0, Deadline.after(60))
    with pytest.raises(UsageError, match="is not a public-inbox") as caught:
        list(source.read(""))

    assert "git clone --mirror" in caught.value.remedy


def test_first_look_leaves_out_old_mails(tmp_path: Path) -> None:
    """A new service does not test the archive of ten years."""
    inbox = GitInbox(tmp_path / "inbox")
    inbox.add(MAILS)
    source = PublicInbox(str(tmp_path / "inbox"), tmp_path / "mirror", 1 << 20, START + 200.0, Deadline.after(60))
    mails = [mail for one in source.read("") for mail in one.mails]

    assert mails == MAILS[3:]


def test_branches_are_series(tmp_path: Path) -> None:
    """A branch of a tree is judged from where it leaves the base; when it moves, its newest commits are."""
    lab = lab_with(tmp_path, f'kind = "branches"\npath = "{tmp_path}/tree"\nbranches = ["topic/*"]\nonto = "main"\n')
    lab.text = lab.text.replace('lists = ["cgroups@vger.kernel.org"]\n', "")
    env = GitInbox(tmp_path)._env

    def commit(branch: str, title: str) -> None:
        user_git(tmp_path / "tree", "checkout", "--quiet", "-B", branch, env=env)
        (tmp_path / "tree/kernel/cgroup").mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree/kernel/cgroup/cgroup.c").write_text(title)
        user_git(tmp_path / "tree", "add", "--all", env=env)
        user_git(tmp_path / "tree", "commit", "--quiet", "-m", title, env=env)

    commit("topic/a", "one")
    commit("other", "not followed")
    lab.text = lab.text.replace('free = "1"', 'free = "900T"')
    lab.run()
    user_git(tmp_path / "tree", "checkout", "--quiet", "topic/a", env=env)
    commit("topic/a", "two")
    lab.run()

    assert lab.series() == ["topic/a v1 superseded", "topic/a v2 waiting"]
    assert lab.rows("SELECT patches, rule FROM series WHERE id = 2") == [(2, "cgroup")]
    ((between,),) = lab.rows("SELECT range FROM series WHERE id = 2")
    assert str(between).startswith(f"{tmp_path}/tree:{lab.tree}..")


@pytest.fixture
def patchwork() -> Iterator[FakePatchwork]:
    """Run a server with a series of two patches and one of one patch."""
    with serving(FakePatchwork({})) as state:
        state.mails = dict(enumerate(MAILS))
        add_series(state, 7, [1, 2], cover=0)
        add_series(state, 9, [3])
        yield state


def add_series(
    state: FakePatchwork, number: int, patches: list[int], *, cover: int = -1, is_whole: bool = True
) -> None:
    """Add a series to a server."""
    mail = [{"id": one, "mbox": f"{state.url}/mail/{one}", "msgid": "<x>", "name": "x"} for one in patches]
    letter = {"id": cover, "mbox": f"{state.url}/mail/{cover}"} if cover >= 0 else None
    state.series[number] = {
        "id": number,
        "received_all": is_whole,
        "patches": mail,
        "cover_letter": letter,
        "name": "x",
        "version": 1,
    }


def test_patchwork_project(tmp_path: Path, patchwork: FakePatchwork) -> None:
    """Series are judged once; one that is incomplete is asked for again until it is whole."""
    lab = lab_with(tmp_path, f'kind = "patchwork"\nurl = "{patchwork.url}"\nproject = "cgroups"\n')
    lab.run()
    assert lab.series() == ["topic v1 answered success", "single v1 answered success"]
    patchwork.mails |= {10 + at: one.render() for at, one in enumerate(series("c", ["x", "y"], cover="late"))}
    add_series(patchwork, 12, [11], cover=10, is_whole=False)
    lab.run()
    assert len(lab.series()) == 2
    add_series(patchwork, 12, [11, 12], cover=10)
    lab.run()

    assert lab.series()[2:] == ["late v1 answered success"]
    asked = len(patchwork.asked)
    lab.run()
    assert [one for one in patchwork.asked[asked:] if "/mail/" in one] == []


def test_patchwork_that_is_down_for_an_hour(tmp_path: Path, patchwork: FakePatchwork) -> None:
    """Nothing is lost: the source is looked at again, and has all series."""
    lab = lab_with(tmp_path, f'kind = "patchwork"\nurl = "{patchwork.url}"\nproject = "cgroups"\n')
    patchwork.faults = [Fault(503)] * 12
    for _ in range(4):
        lab.run()
        lab.now += 1200

    assert lab.series() == ["topic v1 answered success", "single v1 answered success"]


@dataclass
class FakeArchive:
    """A public-inbox over HTTP.

    :param mails: its mails, oldest first; the feed has the newest three.
    :param asked: method and path of each request.
    """

    mails: list[Post]
    asked: list[str] = field(default_factory=list)
    url: str = ""
    feed: str = ""

    def render(self) -> str:
        """Return the Atom feed."""
        if self.feed:
            return self.feed
        entries = "".join(
            f'<entry><title>x</title><link href="{self.url}/{self.mails[at].name}/"/>'
            f"<updated>{datetime.fromtimestamp(START + at * 60, UTC):%Y-%m-%dT%H:%M:%SZ}</updated></entry>"
            for at in reversed(range(max(0, len(self.mails) - 3), len(self.mails)))
        )
        return f'<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>x</title>{entries}</feed>'


@contextmanager
def archive(mails: list[Post]) -> Iterator[FakeArchive]:
    """Run an archive during a block."""
    state = FakeArchive(mails)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *words: object) -> None:
            """Print nothing."""

        def do_GET(self) -> None:
            """Respond with the feed or a mail."""
            state.asked.append(f"GET {self.path}")
            name = self.path.strip("/").removesuffix("/raw")
            found = [one.render() for one in state.mails if one.name == name]
            body = state.render().encode() if self.path.endswith("new.atom") else found[0]
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            """Respond with all mails."""
            state.asked.append(f"POST {self.path}")
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(gzip.compress(join_mailbox(one.render() for one in state.mails)))

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_archive_over_http(tmp_path: Path) -> None:
    """New mails come by the feed; where the feed has a gap, by the search; each series once."""
    with archive(series("a", ["one"])) as state:
        lab = lab_with(
            tmp_path, f'kind = "http"\nurl = "{state.url}"\nsince_days = 4000\n'.replace("since_days = 4000\n", "")
        )
        lab.run()
        assert state.asked[-1].startswith("POST /?q=rt%3A")
        state.mails += series("b", ["two"])
        lab.run()
        assert state.asked[-1] == "GET /b-v1-1@host/raw"
        state.mails += [one for name in "cdefgh" for one in series(name, [f"patch {name}"])]
        lab.run()

    assert lab.series() == [
        f"{title} v1 answered success" for title in ("one", "two", *(f"patch {n}" for n in "cdefgh"))
    ]


@pytest.mark.parametrize(
    "feed",
    ["", "<feed>", '<!DOCTYPE x [<!ENTITY a "aaaa">]><feed xmlns="http://www.w3.org/2005/Atom">&a;</feed>', "\0" * 99],
)
def test_feed_that_is_none(tmp_path: Path, feed: str) -> None:
    """What is no feed, or has entities that may grow, is a fault of the source."""
    with archive([]) as state:
        state.feed = feed or " "
        lab = lab_with(tmp_path, f'kind = "http"\nurl = "{state.url}"\n')
        lab.run()

    assert "does not answer as a public-inbox does" in lab.status().sources[0].problem


def test_mails_of_ten_thousand_days_off(tmp_path: Path) -> None:
    """After a holiday, 10,000 mails are taken in, batch by batch; series of all of them are queued."""
    lab = Lab(tmp_path, CONFIG.replace('free = "1"', 'free = "900T"') + "[limits]\nsender_series = 100000\n")
    replies = (Post(f"Re: talk {at}", f"re-{at}@host", f"re-{at - 1}@host", file="") for at in range(9_900))
    mails = [one.render() for one in replies]
    for at in range(100):
        (mail,) = series(f"s{at}", [f"patch number {at}"])
        mails.insert(at * 99, mail.render())
    lab.inbox.add(mails)
    lab.run()

    assert sum(lab.status().mails.values()) == 10_000
    assert lab.status().series == {"waiting": 100}


def test_unreachable_address(tmp_path: Path) -> None:
    """An address without an inbox is a fault of the host, with a command to check it."""
    source = PublicInbox(f"file://{tmp_path}/none", tmp_path / "mirror", 1 << 20, 0.0, Deadline.after(60))
    with pytest.raises(HostError, match="cannot be read") as caught:
        list(source.read(""))

    assert "git ls-remote" in caught.value.remedy
