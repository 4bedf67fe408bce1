# SPDX-License-Identifier: GPL-2.0-only
"""Answers: each once a series and verdict, to files, a Maildir, a command, a Patchwork server."""

from __future__ import annotations

import email
import email.policy
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.follow.state.rows import AnswerState
from harness.series.patchwork_server import TOKEN_VARIABLE
from tests.patchwork_server import TOKEN, FakePatchwork, Fault, serving
from tests.unit.follow.inboxes import Post, series
from tests.unit.follow.lab import CONFIG, Lab

ANSWERS = '[answers]\nfrom = "CI <ci@host.example>"\n'


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """Return a service with a series of two patches in its inbox."""
    made = Lab(tmp_path)
    made.inbox.add(one.render() for one in series("a", ["one", "two warns"], cover="topic", version=2))
    return made


def drafts(lab: Lab) -> list[Path]:
    """Return the drafts of the service."""
    return sorted((lab.folder / "drafts" / "cur").iterdir())


def test_files_have_all_formats(lab: Lab) -> None:
    """The folder of a series has the text, JUnit, the record and b4's format, by series and by patch."""
    lab.text = CONFIG + ANSWERS + 'files = "out"\n'
    lab.run()
    folder = lab.folder / "out" / "1-v2"

    assert {one.name for one in folder.iterdir()} == {"answer.txt", "series.json", "junit.xml", "b4.json"}
    found = json.loads((folder / "b4.json").read_text())
    assert [one["status"] for one in found["series"]] == ["warn"]
    assert found.keys() == {"series", "1", "2"}


def test_draft_is_in_the_thread(lab: Lab) -> None:
    """The draft answers the cover letter, to the sender and the recipients; it is marked as a draft."""
    lab.text = CONFIG + ANSWERS + 'drafts = "drafts"\n'
    lab.run()
    (draft,) = drafts(lab)
    mail = email.message_from_bytes(draft.read_bytes(), policy=email.policy.default)

    assert draft.name.endswith(":2,D")
    assert mail["To"] == "ann@host.example"
    assert mail["Cc"] == "cgroups@vger.kernel.org, bob@host.example"
    assert mail["Subject"] == "Re: [PATCH v2 0/2] topic"
    assert mail["In-Reply-To"] == "<a-v2-0@host>"
    assert mail["Auto-Submitted"] == "auto-replied"
    assert "checkpatch: 1 finding" in mail.get_content() or "too long" in mail.get_content()


def test_draft_is_written_once(lab: Lab) -> None:
    """A draft that the user sent or removed does not come again."""
    lab.text = CONFIG + ANSWERS + 'drafts = "drafts"\n'
    lab.run()
    drafts(lab)[0].unlink()
    lab.run()

    assert drafts(lab) == []


def test_verdicts_choose_what_is_answered_by_mail(lab: Lab) -> None:
    """Only failures are answered by mail; files come for all."""
    lab.text = CONFIG + ANSWERS + 'drafts = "drafts"\nfiles = "out"\nverdicts = ["fail"]\n'
    lab.inbox.add(one.render() for one in series("b", ["three breaks"]))
    lab.run()

    assert [one.read_bytes().count(b"three breaks") > 0 for one in drafts(lab)] == [True]
    assert len(list((lab.folder / "out").iterdir())) == 2


def sender(lab: Lab, status: int = 0) -> str:
    """Return the configuration of a command that keeps each mail in a file of its own."""
    script = lab.folder / "send.py"
    script.write_text(
        "import pathlib, sys, time\nfolder = pathlib.Path(sys.argv[1])\nfolder.mkdir(exist_ok=True)\n"
        "(folder / str(time.time_ns())).write_bytes(sys.stdin.buffer.read())\nsys.exit(int(sys.argv[2]))\n"
    )
    words = [sys.executable, str(script), str(lab.folder / "sent"), str(status)]
    return CONFIG + ANSWERS + f"send = {json.dumps(words)}\n"


def test_nothing_is_sent_by_default(lab: Lab) -> None:
    """Without a command there is no answer that sends."""
    lab.text = CONFIG + ANSWERS
    lab.run()

    assert lab.rows("SELECT kind FROM answer") == []


def test_command_sends_once_a_series_and_verdict(lab: Lab) -> None:
    """The command gets the mail on its standard input, once."""
    lab.text = sender(lab)
    lab.run()
    lab.run()
    (sent,) = (lab.folder / "sent").iterdir()

    assert b"In-Reply-To: <a-v2-0@host>" in sent.read_bytes()
    assert lab.rows("SELECT kind, state FROM answer") == [("send", "done")]


def test_command_that_fails_is_not_repeated(lab: Lab) -> None:
    """Whether it sent the mail is not known: the user decides."""
    lab.text = sender(lab, status=1)
    lab.run()
    lab.run()

    assert len(list((lab.folder / "sent").iterdir())) == 1
    assert lab.rows("SELECT state FROM answer") == [("failed",)]
    assert lab.series() == ["topic v2 answered warning"]
    assert "1 answers are failed" in lab.status().problems
    with lab.service() as service:
        assert service.answerer.again(1) == 1
    lab.run()
    assert len(list((lab.folder / "sent").iterdir())) == 2


def test_kill_while_the_command_runs_is_uncertain(lab: Lab) -> None:
    """After a kill between start and end of the command, it is not started again by itself."""
    lab.text = sender(lab)
    lab.run()
    with lab.service() as service, service.queue.database.transaction():
        service.queue.database.change("UPDATE answer SET state = ?", AnswerState.SENDING)
        service.queue.database.change("UPDATE series SET state = 'judged'")
    lab.run()

    assert len(list((lab.folder / "sent").iterdir())) == 1
    assert lab.rows("SELECT state FROM answer") == [("uncertain",)]
    assert lab.series() == ["topic v2 answered warning"]


@pytest.fixture
def server() -> Iterator[FakePatchwork]:
    """Run a server with the patches of the series."""
    with serving(FakePatchwork({21: ("a-v2-1@host", "cgroups"), 22: ("a-v2-2@host", "cgroups")})) as state:
        yield state


def checked(lab: Lab, server: FakePatchwork) -> None:
    """Let the service post checks to a server."""
    lab.text = CONFIG + ANSWERS + f'patchwork = "{server.url}"\ntarget_url = "https://ci.host.example/{{id}}.html"\n'
    lab.environment = {TOKEN_VARIABLE: TOKEN}


def test_each_patch_has_its_check(lab: Lab, server: FakePatchwork) -> None:
    """A check a patch, with the address of the page of the series."""
    checked(lab, server)
    lab.run()

    assert {number: [one["state"] for one in found] for number, found in server.checks.items()} == {
        21: ["success"],
        22: ["warning"],
    }
    assert server.checks[21][0]["target_url"] == "https://ci.host.example/1.html"


def test_check_that_is_there_is_not_posted_again(lab: Lab, server: FakePatchwork) -> None:
    """After a kill between the answer of the server and the database, the server is asked first."""
    checked(lab, server)
    lab.run()
    with lab.service() as service, service.queue.database.transaction():
        service.queue.database.change("UPDATE answer SET state = ?", AnswerState.DUE)
        service.queue.database.change("UPDATE series SET state = 'judged'")
    lab.run()

    assert [len(found) for found in server.checks.values()] == [1, 1]
    assert lab.series() == ["topic v2 answered warning"]


def test_server_that_is_down_for_an_hour(lab: Lab, server: FakePatchwork) -> None:
    """The series waits for its checks and nothing else does; later each patch has one."""
    checked(lab, server)
    lab.text += 'files = "out"\n'
    server.faults = [Fault(503)] * 60
    lab.run()
    assert server.checks == {}
    assert lab.series() == ["topic v2 judged warning"]
    assert (lab.folder / "out" / "1-v2").is_dir()
    assert lab.rows("SELECT state FROM answer WHERE kind = 'patchwork'") == [("due",), ("due",)]
    while server.faults:
        lab.now += 600
        lab.run()
    lab.now += 3600
    lab.run()

    assert lab.series() == ["topic v2 answered warning"]
    assert [len(found) for found in server.checks.values()] == [1, 1]


def test_strange_addresses_are_left_out(tmp_path: Path) -> None:
    """What is no plain address is no recipient, and no header of its own."""
    lab = Lab(tmp_path, CONFIG + ANSWERS + 'drafts = "drafts"\n')
    headers = 'X-A: b\nCc: "a,b" <c@d>, evil@x\n Bcc: victim@host.example, -oQ/tmp@host.example\n'
    lab.inbox.add([Post("[PATCH] one", "a@host", headers=headers).render()])
    lab.run()
    mail = email.message_from_bytes(drafts(lab)[0].read_bytes(), policy=email.policy.default)

    assert mail["Bcc"] is None
    assert all(" " not in one.addr_spec for one in mail["Cc"].addresses)
