# SPDX-License-Identifier: GPL-2.0-only
"""Tests of ``harness b4-check``, typed and started by b4, in a tree where b4 prepares a series; no kernel is built."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.process import Completed, Surroundings, run
from harness.base.store import Store
from harness.cli import main
from harness.kernel.patches.b4 import find_b4
from harness.kernel.source.tree import source_tree
from harness.series.from_mail import recent_commits
from tests.program import PROGRAM, environment
from tests.unit.kernel.patches.test_checkpatch import SCRIPT
from tests.unit.kernel.user_tree import UserTree, kernel_tree

SOON = Deadline.after(3600)


@dataclass(frozen=True)
class Prepared:
    """A tree with a series of two patches that b4 tracks, and an environment of its own.

    :param mails: the patches, as git writes them.
    :param cover: a cover letter.
    """

    tree: UserTree
    env: Mapping[str, str]
    mails: tuple[bytes, bytes]
    cover: bytes

    def check(self, *arguments: str, stdin: bytes, **more: str) -> Result:
        """Run ``harness b4-check --quick`` on a mail in this process: b4 starts the program in tests of its own."""
        words = ["b4-check", "--quick", *arguments]
        with contextlib.chdir(self.tree.folder):
            return CliRunner().invoke(main, words, input=stdin, env={**self.env, **more}, prog_name="harness")

    def start(self, *arguments: str, stdin: bytes, cwd: Path, **more: str) -> Completed:
        """Start the program ``harness b4-check --quick`` on a mail."""
        command = [str(PROGRAM), "b4-check", "--quick", *arguments]
        within = Surroundings(cwd=cwd, env={**self.env, **more})
        return run(command, stdin=stdin, within=within, check=False, deadline=SOON)

    def find(self, *arguments: str, stdin: bytes, **more: str) -> dict[str, tuple[str, str]]:
        """Run the check on a mail; return status and summary by tool."""
        done = self.check(*arguments, stdin=stdin, **more)
        return {one["tool"]: (one["status"], one["summary"]) for one in json.loads(done.stdout)}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Prepare a tree once for all tests: each start of b4 takes half a second."""
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


def b4(env: Mapping[str, str], folder: Path, *arguments: str) -> str:
    """Run b4 offline; return its output."""
    done = run([str(find_b4()), "--offline-mode", *arguments], within=Surroundings(cwd=folder, env=env), deadline=SOON)
    return (done.stdout + done.stderr).decode()


def test_b4_prep_runs_the_check(prepared: Prepared) -> None:
    """``b4 prep --check`` starts the check for each patch and reads its lines: one patch has findings, one has none."""
    command = f"{PROGRAM} b4-check --quick --lines"
    prepared.tree.git("config", "b4.prep-perpatch-check-cmd", command)
    output = re.sub(r"\x1b\[\d*m", "", b4(prepared.env, prepared.tree.folder, "prep", "--check", "--no-cache"))

    assert "harness: ERROR: harness/checkpatch: kernel/cgroup.c:2: error: trailing whitespace" in output
    assert output.rstrip().endswith("Success: 1, Warning: 0, Error: 2")


def test_b4_review_reads_the_array(prepared: Prepared) -> None:
    """The functions of ``b4 review`` that run checks accept the output, for a patch and for the series."""
    code = (
        "import email, email.policy, json, sys\n"
        "from b4.review import checks\n"
        "message = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)\n"
        f"command = {str(PROGRAM)!r} + ' b4-check --quick'\n"
        "one = checks.run_perpatch_checks([('x@y', message)], [command], '.')\n"
        "all = checks.run_series_checks(('x@y', message), [command + ' --series'], '.')\n"
        "print(json.dumps([one['x@y'], all]))\n"
    )
    argv = [sys.executable, "-c", code]
    done = run(
        argv, stdin=prepared.mails[0], within=Surroundings(cwd=prepared.tree.folder, env=prepared.env), deadline=SOON
    )
    patch, series = json.loads(done.stdout)

    assert [(one["tool"], one["status"]) for one in patch] == [
        ("harness/kernel", "pass"),
        ("harness/checkpatch", "fail"),
    ]
    assert series[0]["summary"] == "2 patches applied; not built; checkpatch: 1 finding"


def test_thread_comes_from_the_option_or_from_b4(prepared: Prepared, tmp_path: Path) -> None:
    """A cover letter has no patch: --thread names the mailbox, or b4's tracking file names blob and base."""
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
    alone = prepared.find(stdin=prepared.cover)
    named = prepared.find("--thread", str(thread), "--base", f"{prepared.tree.folder}@base", stdin=prepared.cover)
    tracked = prepared.find(stdin=prepared.cover, B4_TRACKING_FILE=str(tracking))

    assert alone["harness"][0] == "warn"
    assert "cover letter" in alone["harness"][1]
    assert named == tracked == {"harness": ("warn", "2 patches applied; not built; checkpatch: 1 finding")}


def test_missing_earlier_patch_is_a_warning(prepared: Prepared) -> None:
    """The second of two patches without the first is a warning that names the missing option."""
    mail = prepared.mails[1].replace(b"+int two;", b"+int three;")
    found = prepared.find("--base", f"{prepared.tree.folder}@base", stdin=mail)

    assert found["harness/kernel"][0] == "warn"
    assert "--thread" in found["harness/kernel"][1]


@pytest.mark.parametrize("stdin", [b"", b"hello\n", b"\0\xff" * 100])
def test_input_without_a_mail_is_a_usage_error_in_json(prepared: Prepared, stdin: bytes) -> None:
    """b4 always gets JSON, and nothing on standard error, which it takes for the patch's fault."""
    done = prepared.check(stdin=stdin)

    assert done.exit_code == 4
    assert done.stderr == ""
    assert "standard input is not a mail" in json.loads(done.stdout)[0]["summary"]


def test_folder_without_a_tree_is_a_usage_error(prepared: Prepared, tmp_path: Path) -> None:
    """A start outside of a kernel tree is a usage error that says so."""
    done = prepared.start(stdin=prepared.mails[0], cwd=tmp_path)

    assert done.status == 4
    assert done.stderr == b""
    assert "not a kernel tree" in json.loads(done.stdout)[0]["summary"]


def test_check_does_not_change_the_tree(prepared: Prepared) -> None:
    """Branches, index and files are unchanged."""
    before = prepared.tree.git("status", "--porcelain"), prepared.tree.git("for-each-ref")
    prepared.find(stdin=prepared.mails[0])

    assert (prepared.tree.git("status", "--porcelain"), prepared.tree.git("for-each-ref")) == before


def test_the_first_commit_of_a_shallow_tree_is_not_read(prepared: Prepared, tmp_path: Path) -> None:
    """Its diff is the whole kernel; commits above it are read."""
    prepared.tree.git("clone", "--quiet", "--depth=2", f"file://{prepared.tree.folder}", str(tmp_path / "shallow"))
    source = source_tree(Context(Store(tmp_path / "store"), SOON), tmp_path / "shallow", revision="HEAD")
    diffs = recent_commits(source, deadline=SOON)

    assert diffs.count(b"\ndiff --git ") == 1
    assert b"+int two;" in diffs
    assert b"+int cgroup;" not in diffs
