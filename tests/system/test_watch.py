# SPDX-License-Identifier: GPL-2.0-only
"""``harness watch`` with real guests: results after edits, keys at a terminal, and nothing left when it is killed."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from harness.pipeline import Prepared
from tests.system.bootable_tree import FLAGS, flags, make_bootable, write_cases
from tests.system.test_killed import have_ended
from tests.system.watched import held, watched
from tests.unit.kernel.fake_tree import FakeRepository

pytestmark = [pytest.mark.guest, pytest.mark.build]

IDLE = "waiting for a change"
PATHS = (
    *(
        "harness/watch",
        "harness/commands/test",
        "harness/report/display",
        "harness/run",
        "harness/kernel/git/snapshot.py",
    ),
    *("tests/system/bootable_tree.py", "tests/system/watched.py"),
)
"""What the slow tests depend on."""


@pytest.fixture
def tree(prepared: Prepared, tmp_path: Path) -> FakeRepository:
    """Return a tree that builds in a second and boots."""
    return make_bootable(tmp_path / "linux", prepared.request.image)


@pytest.fixture
def arguments(tree: FakeRepository, tmp_path: Path) -> list[str | Path]:
    """Return the arguments of ``harness watch`` for two cases, one of which the tree decides."""
    return [tree.path, "--cases", write_cases(tmp_path / "cases"), "--results", tmp_path / "results"]


@pytest.mark.slow(*PATHS)
def test_watch_shows_what_each_edit_changed(tree: FakeRepository, arguments: list[str | Path], tmp_path: Path) -> None:
    """A verdict that changes, a file that does not compile and then does, another branch, and the end of the tree."""
    tree.git("branch", "other")
    with watched(*arguments, cwd=tmp_path, term="dumb") as watch:
        first = watch.wait_for("watching /")
        (tree.path / FLAGS).write_text(flags("2"))
        changed = watch.wait_for("watching /")
        (tree.path / "kernel/fork.c").write_text("int fork_one(int of\n")
        broken = watch.wait_for("watching /")
        tree.git("checkout", "--quiet", "kernel/fork.c", FLAGS)
        fixed = watch.wait_for("watching /")
        tree.commit({FLAGS: flags("3")}, subject="another verdict")
        committed = watch.wait_for("watching /")
        tree.git("checkout", "--quiet", "other")
        switched = watch.wait_for("watching /")
        shutil.rmtree(tree.path)
        status = watch.end()

    assert "2 ok" in first
    assert "changed: kernel/flags.h" in changed
    assert "1 ok, 1 DIFF" in changed
    assert "since the result before:" in changed
    assert "regressed  case: cases/flags.session:" in changed
    assert "does not build: kernel/fork.c:" in broken
    assert "fixed      case: cases/flags.session" in fixed
    assert "regressed  case: cases/flags.session:" in committed
    assert "fixed      case: cases/flags.session" in switched
    assert "since the base" in switched
    assert "nothing changed" in switched
    assert status == 4
    assert "is gone" in watch.seen


@pytest.mark.slow(*PATHS)
def test_keys_at_a_terminal_of_80_columns(tree: FakeRepository, arguments: list[str | Path], tmp_path: Path) -> None:
    """Each key does what the last line says, and no line is wider than the terminal."""
    with watched(*arguments, cwd=tmp_path) as watch:
        first = watch.wait_for(IDLE)
        watch.child.send("d")
        watch.wait_for("no two results")
        (tree.path / FLAGS).write_text(flags("2"))
        watch.wait_for("1 ok, 1 DIFF")
        watch.wait_for(IDLE)
        watch.child.send("f")
        failed = watch.wait_for("1 DIFF of 2 cases")
        watch.wait_for(IDLE)
        watch.child.send("d")
        diff = watch.wait_for("cases compared")
        watch.child.send("a")
        watch.wait_for("1 ok, 1 DIFF")
        watch.wait_for(IDLE)
        watch.child.send("s")
        watch.wait_for("Ctrl-]")
        watch.child.sendcontrol("]")
        watch.wait_for(IDLE)
        watch.child.send("q")
        status = watch.end()

    assert "2 ok" in first
    assert "enter rerun  f failed only  a all  d diff  s shell  q quit" in first
    assert "other.session" not in failed
    assert "Cases\n  not run: 1\n  same: 1\n" in diff
    assert status == 0


@pytest.mark.parametrize("killer", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_of_a_watch_that_is_killed(
    killer: signal.Signals, tree: FakeRepository, arguments: list[str | Path], tmp_path: Path
) -> None:
    """Neither the machines of a running case nor the process of the next round."""
    (tmp_path / "cases/hangs.session").write_text("timeout: 300\n\n    # sleep 1000\n")
    with watched(*arguments, "-n", "1", "-k", "hangs", cwd=tmp_path, term="dumb") as watch:
        watch.wait_for("1 cases")
        pid = watch.pid
        while True:
            with held(pid) as below:
                if any("-incoming" in words for words in below.values()):
                    os.kill(pid, killer)
                    ended = have_ended(below)
                    break
        status = watch.end()

    assert ended
    assert status == (-signal.SIGKILL if killer is signal.SIGKILL else 130)
    assert not list((tmp_path / "results").glob("*/run.json")) or killer is signal.SIGKILL
