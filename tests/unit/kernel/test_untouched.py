# SPDX-License-Identifier: GPL-2.0-only
"""A user's repository and files are never written: not a byte, not a time, also when a run is killed in the midst."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import pytest

from harness.base import paths
from harness.base.context import Context
from harness.base.process import PIPE, Surroundings, python, start
from harness.base.store import Store
from harness.kernel.git.worktree import checked_out
from harness.kernel.source.tree import source_tree
from tests.unit.kernel.user_tree import UserTree, photograph, seconds

USE_IT = """
import os, sys
from pathlib import Path
from harness.base.deadline import Deadline
from harness.kernel.git import command as git
from harness.kernel.source.tree import source_tree
from harness.kernel.git.worktree import checked_out
from harness.base.context import Context
from harness.base.store import Store

def count(run, left=[int(sys.argv[4])]):
    # One more program of git has been started: the time to die comes when the last one that was granted has begun.
    def counted(argv, **words):
        left[0] -= 1
        if left[0] < 0:
            print("about to die", flush=True)
            sys.stdin.read()
        return run(argv, **words)
    return counted

git.run = count(git.run)
context = Context(Store(Path(sys.argv[1])), Deadline.after(60))
source = source_tree(context, Path(sys.argv[2]))
with checked_out(context, source.repository, source.commit) as worktree:
    worktree.git("am", "--3way", stdin=Path(sys.argv[3]).read_bytes(), deadline=context.deadline)
print("done", flush=True)
sys.stdin.read()
"""


def make_dirty(tree: UserTree) -> Path:
    """Uncommitted changes of all kinds, an index that is behind; returns a mail that makes what is there already."""
    mail = tree.folder.parent / "mail"
    mail.write_text(tree.git("format-patch", "--stdout", "v9.0..v9.1") + "\n")
    tree.git("reset", "--quiet", "--hard", "v9.0")
    tree.write("init/main.c", "changed")
    # The same content as in a commit that the repository has: git would set the time of that object.
    tree.write("new.c", "int cgroup;\nint namespace;\n")
    tree.write("staged.c", "staged")
    tree.git("add", "staged.c")
    tree.git("stash", "push", "--quiet", "staged.c")
    (tree.folder / "Kconfig").touch()
    # Older than now, so that a time that is set shows.
    for place in (tree.folder / ".git").rglob("*"):
        os.utime(place, (1_500_000_000, 1_500_000_000))
    return mail


def use(store: Store, folder: Path, *, revision: str, mail: bytes) -> None:
    """All that a run does with a tree: find the commit, check it out, apply a series."""
    source = source_tree(Context(store, seconds(60)), folder, revision=revision)
    with checked_out(Context(store, seconds(60)), source.repository, source.commit) as worktree:
        worktree.git("am", "--quiet", "--3way", stdin=mail, deadline=seconds(60))
        worktree.refresh(source.commit, deadline=seconds(60))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("revision", ["", "v9.0", "HEAD"])
def test_a_tree_in_git_is_not_written(tree: UserTree, tmp_path: Path, revision: str, *, packed: bool) -> None:
    """Index, HEAD, branches, stash, objects, files: all as they were, to the nanosecond; loose objects and packed."""
    mail = make_dirty(tree)
    if packed:
        tree.git("repack", "-adq")
        (pack,) = (tree.folder / ".git/objects/pack").glob("*.pack")
        os.utime(pack, (1_500_000_000, 1_500_000_000))
    before = photograph(tree.folder)
    for _ in range(2):
        use(Store(tmp_path / "store"), tree.folder, revision=revision, mail=mail.read_bytes())

    assert photograph(tree.folder) == before


def test_other_kinds_of_trees_are_not_written(tree: UserTree, tmp_path: Path) -> None:
    """A linked work tree, a bare repository, a shallow clone, a tree without git."""
    mail = make_dirty(tree)
    linked, bare, shallow, plain = (tmp_path / "user" / name for name in ("linked", "bare.git", "shallow", "plain"))
    tree.git("worktree", "add", "--quiet", linked, "v9.0")
    tree.git("clone", "--quiet", "--bare", tree.folder, bare)
    tree.git("clone", "--quiet", "--depth=1", f"file://{tree.folder}", shallow)
    tree.git("clone", "--quiet", tree.folder, plain)
    tree.git("gc", "--quiet", at=plain)
    (plain / ".git").rename(tmp_path / "away")
    before = photograph(tmp_path / "user") | photograph(tree.folder)
    for folder in (linked, bare, shallow, plain):
        use(Store(tmp_path / "store"), folder, revision="", mail=mail.read_bytes())

    assert photograph(tmp_path / "user") | photograph(tree.folder) == before


@pytest.mark.parametrize("granted", [0, 1, 2, 4, 6, 7, 8, 9, 10, 12, 13, 14])
def test_a_run_that_is_killed_leaves_nothing(tree: UserTree, tmp_path: Path, granted: int) -> None:
    """Wherever the end comes; and the next run comes to the same end as if nothing had been."""
    mail = make_dirty(tree)
    store = Store(tmp_path / "store")
    before = photograph(tree.folder)
    words = [python("x")[0], "-c", USE_IT, str(store.folder), str(tree.folder), str(mail), str(granted)]
    with start(words, stdin=PIPE, stdout=PIPE, within=Surroundings(cwd=paths.ROOT)) as child:
        assert child.stdout
        said = child.stdout.readline()
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)
    use(store, tree.folder, revision="", mail=mail.read_bytes())

    assert said == b"about to die\n"
    assert photograph(tree.folder) == before
