# SPDX-License-Identifier: GPL-2.0-only
"""``harness watch`` while it builds: edits that come faster than a build, files that are no edits, a killed build.

The trees are made up and do not boot: a round ends with an error about the image, which is as good as a result here.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.watch.watch import CANCELED_IN_A_ROW
from tests.system.test_killed import have_ended
from tests.system.watched import Watched, held, watched
from tests.unit.kernel.fake_tree import MAKEFILE, FakeRepository, make_repository

pytestmark = pytest.mark.build

IDLE = "watching /"
_STEP = '\t@echo "  LD      vmlinux"\n'


@pytest.fixture
def tree(tmp_path: Path) -> FakeRepository:
    """Return the fake tree in a git repository."""
    return make_repository(tmp_path / "linux")


@contextmanager
def started(tree: FakeRepository) -> Iterator[Watched]:
    """Watch the tree with plain lines, with an empty store."""
    folder = tree.path.parent
    with watched(tree.path, "--results", folder / "results", cwd=folder, term="dumb", store=folder / "store") as watch:
        yield watch


@contextmanager
def hanging_build(watch: Watched) -> Iterator[dict[int, str]]:
    """Wait until the build of :func:`slow_makefile` hangs; hold the processes below the watch during the block."""
    watch.wait_for("building from")
    while True:
        with held(watch.pid) as below:
            if any(words == "sleep 1000" for words in below.values()):
                yield below
                return


def slow_makefile(seconds: int) -> str:
    """Return the Makefile with a step that takes some time."""
    assert _STEP in MAKEFILE
    return MAKEFILE.replace(_STEP, f"{_STEP}\t@sleep {seconds}\n")


def test_a_tree_that_is_saved_faster_than_it_builds_has_a_result(tree: FakeRepository) -> None:
    """Each edit cancels the build, but after a few in a row one runs to its end, and the newest edit follows."""
    tree.commit({"Makefile": slow_makefile(8)}, subject="slow")
    with started(tree) as watch:
        for number in range(CANCELED_IN_A_ROW):
            watch.wait_for("building from")
            (tree.path / "kernel/fork.c").write_text(f"int fork_one(int of)\n{{\n\treturn {number};\n}}\n")
            watch.wait_for("the round was canceled")
        watch.wait_for("building from")
        (tree.path / "kernel/fork.c").write_text("int fork_one(int of)\n{\n\treturn 99;\n}\n")
        watch.wait_for("this round runs to its end")
        ended = watch.wait_for("hint: ")
        again = watch.wait_for(IDLE)

    assert "is not a kernel image" in ended
    assert "building from" in again


def test_files_that_are_no_edits_start_no_round(tree: FakeRepository) -> None:
    """An editor's backup, a build output, an ignored file and git's own files; then a Kconfig file, which is one."""
    tree.commit({".gitignore": "*.log\n"}, subject="ignored")
    with started(tree) as watch:
        watch.wait_for(IDLE)
        for name in ("kernel/fork.c~", "kernel/.fork.c.swp", "kernel/fork.o", "make.log"):
            (tree.path / name).write_text("x")
        tree.git("update-ref", "refs/heads/topic", "HEAD")
        (tree.path / "Kconfig").write_text('mainmenu "another"\n')
        after = watch.wait_for(IDLE)

    assert "changed: Kconfig\n" in after
    assert "configuring" in after
    assert "fork" not in after.partition("building")[0]


def test_a_watch_that_is_killed_leaves_no_build(tree: FakeRepository) -> None:
    """Neither make nor the sandbox, whichever process is killed first."""
    tree.commit({"Makefile": slow_makefile(1000)}, subject="hangs")
    with started(tree) as watch:
        with hanging_build(watch) as below:
            os.kill(watch.pid, signal.SIGKILL)
            ended = have_ended(below)
        status = watch.end()

    assert any("bwrap" in words for words in below.values())
    assert ended
    assert status == -signal.SIGKILL


def test_a_canceled_round_leaves_no_process_and_no_run_folder(tree: FakeRepository) -> None:
    """What the canceled round started has ended before the next one begins."""
    tree.commit({"Makefile": slow_makefile(1000)}, subject="hangs")
    with started(tree) as watch:
        with hanging_build(watch) as below:
            tree.commit({"Makefile": MAKEFILE}, subject="no longer")
            ended = have_ended({one: words for one, words in below.items() if "--watched" not in words})
        watch.wait_for("the round was canceled")
        watch.wait_for("hint: ")
        watch.wait_for(IDLE)
        processes = list_below(watch.pid)
    folders = [one for one in (tree.path.parent / "results").iterdir() if one.is_dir() and not one.is_symlink()]

    assert ended
    assert len([words for words in processes if "--watched" in words]) == len(processes) == 1
    assert not folders  # an image that is no kernel is a usage error, which is not a run


def list_below(pid: int) -> list[str]:
    """List the processes below a process."""
    with held(pid) as below:
        return list(below.values())
