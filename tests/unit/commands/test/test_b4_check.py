# SPDX-License-Identifier: GPL-2.0-only
"""``harness b4-check``, by hand and by b4 itself, in a tree that b4 prepares a series in. No kernel is built."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.base.deadline import Deadline
from harness.base.process import Completed, Surroundings, run
from harness.kernel.patches.b4 import find_b4
from tests.program import PROGRAM, environment
from tests.unit.kernel.patches.test_checkpatch import SCRIPT
from tests.unit.kernel.user_tree import UserTree, kernel_tree

SOON = Deadline.after(3600)


@dataclass(frozen=True)
class Prepared:
    """A tree with a series of two patches that b4 tracks, and an environment that is nobody's.

    :param mails: the patches, as git writes them.
    :param cover: a cover letter.
    """

    tree: UserTree
    env: Mapping[str, str]
    mails: tuple[bytes, bytes]
    cover: bytes

    def check(self, *words: str, stdin: bytes, cwd: Path | None = None, **more: str) -> Completed:
        """What ``harness b4-check --quick`` says of a mail."""
        command = [str(PROGRAM), "b4-check", "--quick", *words]
        env = {**self.env, **more}
        return run(
            command, stdin=stdin, within=Surroundings(cwd=cwd or self.tree.folder, env=env), check=False, deadline=SOON
        )

    def found(self, *words: str, stdin: bytes, **more: str) -> dict[str, tuple[str, str]]:
        """The same as JSON: status and summary by tool."""
        said = self.check(*words, stdin=stdin, cwd=None, **more)
        return {one["tool"]: (one["status"], one["summary"]) for one in json.loads(said.stdout)}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Made once: b4 starts in half a second each time."""
    folder = tmp_path_factory.mktemp("b4")
    tree = kernel_tree(folder / "linux")
    tree.commit(
        {"scripts/checkpatch.pl": SCRIPT.replace('BAD_SIGN_OFF: no sign-off\\n" if', 'X: y\\n" if 0 &&')}, tag="base"
    )
    home = {name: str(folder) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")}
    (folder / ".gitconfig").write_text("[user]\n\tname = User\n\temail = user@host\n")
    env = environment(**home, HARNESS_STORE=str(folder / "store"), GIT_CONFIG_NOSYSTEM="1")
    b4(env, tree.folder, "prep", "-n", "topic", "-f", "base")
    tree.commit({"kernel/cgroup.c": "int cgroup;\nint namespace; \n"})
    tree.commit({"kernel/cgroup.c": "int cgroup;\nint namespace;\nint two;\n"})
    tree.git("format-patch", "--quiet", "--cover-letter", "-o", str(folder / "mails"), "HEAD~2")
    cover, *mails = (file.read_bytes() for file in sorted((folder / "mails").iterdir()))
    return Prepared(tree, env, (mails[0], mails[1]), cover)


def b4(env: Mapping[str, str], folder: Path, *words: str) -> str:
    """What b4 says, offline."""
    done = run([str(find_b4()), "--offline-mode", *words], within=Surroundings(cwd=folder, env=env), deadline=SOON)
    return (done.stdout + done.stderr).decode()


def test_b4_prep_runs_the_check(prepared: Prepared) -> None:
    """b4 itself starts it for each patch of the branch and reads its lines: one patch complains, one is well."""
    command = f"{PROGRAM} b4-check --quick --lines"
    prepared.tree.git("config", "b4.prep-perpatch-check-cmd", command)
    said = re.sub(r"\x1b\[\d*m", "", b4(prepared.env, prepared.tree.folder, "prep", "--check", "--no-cache"))

    assert "harness: ERROR: harness/checkpatch: kernel/cgroup.c:2: error: trailing whitespace" in said
    assert said.rstrip().endswith("Success: 1, Warning: 0, Error: 2")


def test_b4_review_reads_the_array(prepared: Prepared) -> None:
    """The functions by which ``b4 review`` runs checks take what is printed, for a patch and for the series."""
    code = (
        "import email, email.policy, json, sys\n"
        "from b4.review import checks\n"
        "message = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)\n"
        f"command = {str(PROGRAM)!r} + ' b4-check --quick'\n"
        "one = checks.run_perpatch_checks([('x@y', message)], [command], '.')\n"
        "all = checks.run_series_checks(('x@y', message), [command + ' --series'], '.')\n"
        "print(json.dumps([one['x@y'], all]))\n"
    )
    words = [sys.executable, "-c", code]
    said = run(
        words, stdin=prepared.mails[0], within=Surroundings(cwd=prepared.tree.folder, env=prepared.env), deadline=SOON
    )
    patch, series = json.loads(said.stdout)

    assert [(one["tool"], one["status"]) for one in patch] == [
        ("harness/kernel", "pass"),
        ("harness/checkpatch", "fail"),
    ]
    assert series[0]["summary"] == "2 patches applied; not built; checkpatch: 1 finding"


def test_a_thread_is_named_or_told_by_b4(prepared: Prepared, tmp_path: Path) -> None:
    """A cover letter alone holds no patch: the mailbox is named, or b4's tracking file names blob and base."""
    thread = tmp_path / "thread.mbox"
    stamped = (
        b"From git@z Thu Jan  1 00:00:00 1970\n" + mail.partition(b"\n")[2]
        for mail in (prepared.cover, *prepared.mails)
    )
    thread.write_bytes(b"\n".join(stamped))
    blob = prepared.tree.git("hash-object", "-w", thread)
    base = prepared.tree.git("rev-parse", "base")
    tracking = tmp_path / "tracking.json"
    tracking.write_text(json.dumps({"series": {"thread-blob": blob, "base-commit": base}}))
    alone = prepared.found(stdin=prepared.cover)
    named = prepared.found("--thread", str(thread), "--base", f"{prepared.tree.folder}@base", stdin=prepared.cover)
    told = prepared.found(stdin=prepared.cover, B4_TRACKING_FILE=str(tracking))

    assert alone["harness"][0] == "warn"
    assert "cover letter" in alone["harness"][1]
    assert named == told == {"harness": ("warn", "2 patches applied; not built; checkpatch: 1 finding")}


def test_a_patch_alone_that_needs_another_is_not_blamed(prepared: Prepared) -> None:
    """The second of two, where the first is not to be found: a warning that says what is missing."""
    mail = prepared.mails[1].replace(b"+int two;", b"+int three;")
    found = prepared.found("--base", f"{prepared.tree.folder}@base", stdin=mail)

    assert found["harness/kernel"][0] == "warn"
    assert "--thread" in found["harness/kernel"][1]


@pytest.mark.parametrize("stdin", [b"", b"hello\n", b"\0\xff" * 100])
def test_what_is_no_mail_is_an_answer_too(prepared: Prepared, stdin: bytes) -> None:
    """b4 gets JSON whatever happens, and nothing on standard error, which it takes for the patch's fault."""
    said = prepared.check(stdin=stdin)

    assert said.status == 4
    assert said.stderr == b""
    assert "standard input is not a mail" in json.loads(said.stdout)[0]["summary"]


def test_where_there_is_no_tree(prepared: Prepared, tmp_path: Path) -> None:
    """Started in the wrong folder, it says so."""
    said = prepared.check(stdin=prepared.mails[0], cwd=tmp_path)

    assert said.status == 4
    assert "not a kernel tree" in json.loads(said.stdout)[0]["summary"]


def test_the_tree_stays_as_it_was(prepared: Prepared) -> None:
    """Neither branch, index nor files are touched."""
    before = prepared.tree.git("status", "--porcelain"), prepared.tree.git("for-each-ref")
    prepared.found(stdin=prepared.mails[0])

    assert (prepared.tree.git("status", "--porcelain"), prepared.tree.git("for-each-ref")) == before
