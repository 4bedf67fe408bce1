# SPDX-License-Identifier: GPL-2.0-only
"""``harness follow`` as a program: a mail of an inbox is built, booted, judged, and answered by a draft."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.base.deadline import Deadline
from harness.base.process import Completed, Surroundings, run
from harness.base.store import Store
from harness.pipeline import Prepared
from tests.program import environment, harness
from tests.system.bootable_tree import FLAGS, flags, make_bootable, write_cases
from tests.unit.follow.inboxes import GitInbox
from tests.unit.kernel.thread import with_headers
from tests.waiting import moments

pytestmark = [
    pytest.mark.guest,
    pytest.mark.build,
    pytest.mark.slow("harness/follow", "harness/commands/test/follow.py", "harness/series"),
]

NAME = "test-of-harness"
CONFIG = """
name = "{name}"
[[source]]
name = "list"
kind = "public-inbox"
path = "inbox"
since_days = 4000
[[rule]]
name = "flags"
base = "linux@main"
options = ["--cases", "{folder}/cases", "-n", "1", "--no-coverage"]
[keep]
free = "1G"
store = "1T"
[answers]
files = "out"
drafts = "drafts"
from = "CI <ci@host.example>"
"""
SECONDS = 1500.0


def mail_of(tree: Path, subject: str, value: str) -> bytes:
    """Return a patch that changes what the first case shows, as a mail of a list; the tree stays as it was."""

    def git(*words: str) -> bytes:
        user = ("-c", "user.name=Ann", "-c", "user.email=ann@host.example")
        return run(["git", "-C", tree, *user, *words], deadline=Deadline.after(60)).stdout

    git("checkout", "--quiet", "-B", "topic", "main")
    (tree / FLAGS).write_text(flags(value))
    git("commit", "--quiet", "--all", "--message", f"{subject}\n\nSigned-off-by: Ann <ann@host.example>")
    made = git("format-patch", "--stdout", "-1").partition(b"\n")[2]
    git("checkout", "--quiet", "main")
    return with_headers(made, message_id=f"<flags-{value}@host.example>", to="list@vger.kernel.org")


@pytest.fixture
def desk(prepared: Prepared, tmp_path: Path) -> Iterator[Path]:
    """Return a folder with a tree, an inbox with one patch, cases and a configuration."""
    tree = make_bootable(tmp_path / "linux", prepared.request.image)
    write_cases(tmp_path / "cases")
    GitInbox(tmp_path / "inbox").add([mail_of(tree.path, "flags: say 2", "2")])
    text = CONFIG.format(name=NAME, folder=tmp_path).replace('"linux@main"', f'"{tmp_path}/linux@main"')
    (tmp_path / "follow.toml").write_text(text)
    state = Store.default().folder / "follow" / NAME
    shutil.rmtree(state, ignore_errors=True)
    yield tmp_path
    shutil.rmtree(state, ignore_errors=True)


def start(desk: Path, *words: str | Path) -> Completed:
    """Run the harness in the folder."""
    within = Surroundings(env=environment(), cwd=desk)
    return run(harness(*words), deadline=Deadline.after(SECONDS), check=False, within=within)


def effects(record: dict[str, list[dict[str, list[dict[str, str]]]]]) -> list[list[tuple[str, str, str, str]]]:
    """Return case, values and standing of each effect, by patch; the id of a case depends on the current folder."""
    return [
        [(one["name"].rpartition("/")[2], one["before"], one["after"], one["standing"]) for one in patch["effects"]]
        for patch in record["patches"]
    ]


def test_a_mail_becomes_a_draft(desk: Path) -> None:
    """The verdict is that of harness series on the same mail; the service was killed once while it tested."""
    words = harness("follow", "--once", "follow.toml")
    with subprocess.Popen(words, cwd=desk, env=environment()) as child:
        for _ in moments(SECONDS):
            if b'"running": 1' in start(desk, "follow", "--status", "--json", "follow.toml").stdout:
                break
        child.send_signal(signal.SIGKILL)
    done = start(desk, "follow", "--once", "follow.toml")
    status = json.loads(start(desk, "follow", "--status", "--json", "follow.toml").stdout)

    assert done.status == 0, done.complaint
    assert status["series"] == {"answered": 1}
    assert status["verdicts"] == {"fail": 1}
    (draft,) = (desk / "drafts" / "cur").iterdir()
    assert "In-Reply-To: <flags-2@host.example>" in draft.read_text()
    assert "\n1 unexpected change" in draft.read_text()
    (mailbox,) = (Store.default().folder / "follow" / NAME).glob("series/1/*/series.mbox")
    options = ("--cases", "cases", "-n", "1", "--no-coverage", "--results", "results", "--answers", "alone")
    alone = start(desk, "series", mailbox, "--base", f"{desk}/linux@main", *options)
    ours, theirs = (json.loads((one / "series.json").read_text()) for one in (desk / "out" / "1-v1", desk / "alone"))
    assert alone.status == 1
    assert effects(ours) == effects(theirs) == [[], [("flags.session", "match", "mismatch", "unexpected")]]
