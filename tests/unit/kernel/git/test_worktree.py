# SPDX-License-Identifier: GPL-2.0-only
"""Work trees of ours: the files of a commit and no others, with the times that make needs."""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.base import paths
from harness.base.context import Context
from harness.base.errors import HostError
from harness.base.process import PIPE, Surroundings, python, start
from harness.base.store import Store
from harness.kernel.git.fast_import import FileMode, TreeFile, import_files
from harness.kernel.git.repository import Repository, open_repository
from harness.kernel.git.slot import EarlyLook
from harness.kernel.git.worktree import EPOCH, WorkTree, checked_out
from harness.kernel.source.tree import source_tree
from tests.unit.kernel.user_tree import UserTree, seconds

OLD = EPOCH * 1_000_000_000
CONTENTS = [b"one", b"two", b"three"]
NAMES = ["Makefile", "a/b.c", "a/c.c", "a/d/e.h", "link"]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "store")


@pytest.fixture
def ours(store: Store, tree: UserTree) -> Repository:
    """Our repository, with what the user's tree has."""
    return source_tree(Context(store, seconds(60)), tree.folder).repository


def check_out(store: Store, repository: Repository, commit: str) -> WorkTree:
    """A work tree that was held and let go: in a test nobody else takes it."""
    with checked_out(Context(store, seconds(60)), repository, commit) as worktree:
        return worktree


def names_in(folder: Path) -> set[str]:
    return {str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_symlink() or not one.is_dir()}


def young_in(folder: Path) -> set[str]:
    """The files whose time is not the old one."""
    return {name for name in names_in(folder) if (folder / name).lstat().st_mtime_ns != OLD}


def test_the_files_of_a_commit_and_no_others(store: Store, ours: Repository, tree: UserTree) -> None:
    """All files, all old; and no .git, by which a build would find a repository around it."""
    worktree = check_out(store, ours, tree.git("rev-parse", "v9.0"))

    assert names_in(worktree.path) == set(tree.git("ls-tree", "-r", "--name-only", "v9.0").split())
    assert (worktree.path / "kernel/cgroup.c").read_text() == "int cgroup;\n"
    assert not young_in(worktree.path)


def test_a_switch_writes_only_what_differs(store: Store, ours: Repository, tree: UserTree) -> None:
    """The folder is used again; a file that is the same is the same file on disk."""
    first = check_out(store, ours, tree.git("rev-parse", "v9.0"))
    numbers = {name: (first.path / name).stat().st_ino for name in names_in(first.path)}
    changes = {name: (first.path / name).stat().st_ctime_ns for name in names_in(first.path)}
    second = check_out(store, ours, tree.git("rev-parse", "v9.1"))
    written = {name for name in numbers if (second.path / name).stat().st_ctime_ns != changes[name]}

    assert second.path == first.path
    assert written == {"kernel/cgroup.c"}
    assert {name for name in numbers if (second.path / name).stat().st_ino != numbers[name]} <= written


def test_two_at_once_get_two_folders(store: Store, ours: Repository, tree: UserTree) -> None:
    """And the folder that is at the wanted commit already is preferred to the first one."""
    with ExitStack() as both:
        old, new = (
            both.enter_context(checked_out(Context(store, seconds(60)), ours, tree.git("rev-parse", tag)))
            for tag in ("v9.0", "v9.1")
        )

        assert old.path != new.path
    assert check_out(store, ours, new.commit).path == new.path
    assert check_out(store, ours, old.commit).path == old.path


def test_a_file_that_differs_from_what_was_built_is_young(store: Store, ours: Repository, tree: UserTree) -> None:
    """Others are old; so it is again after the next call, whatever was young before."""
    built, commit = tree.git("rev-parse", "v9.0"), tree.git("rev-parse", "v9.1")
    worktree = check_out(store, ours, commit)
    before = time.time_ns() - 20_000_000  # the clock of files ticks every 4 or 10 ms

    assert worktree.refresh(built, deadline=seconds(60)) == ("kernel/cgroup.c",)
    assert young_in(worktree.path) == {"kernel/cgroup.c"}
    assert (worktree.path / "kernel/cgroup.c").stat().st_mtime_ns >= before
    assert worktree.refresh(commit, deadline=seconds(60)) == ()
    assert not young_in(worktree.path)
    assert worktree.refresh(None, deadline=seconds(60)) == ()


def test_what_git_am_applied_is_young(store: Store, ours: Repository, tree: UserTree) -> None:
    """A series is applied in the work tree: what it changed differs from the base that was built."""
    base = tree.git("rev-parse", "v9.0")
    mail = tree.git("format-patch", "--stdout", "v9.0..v9.1").encode() + b"\n"
    with checked_out(Context(store, seconds(60)), ours, base) as worktree:
        worktree.git("am", "--quiet", stdin=mail, deadline=seconds(60))

        assert worktree.refresh(base, deadline=seconds(60)) == ("kernel/cgroup.c",)
        assert young_in(worktree.path) == {"kernel/cgroup.c"}
        assert (worktree.path / "kernel/cgroup.c").read_text() == "int cgroup;\nint namespace;\n"
        tip = worktree.git("rev-parse", "HEAD", deadline=seconds(60)).text.strip()
    assert ours.has_commit(tip, deadline=seconds(60))
    assert not young_in(check_out(store, ours, tip).path)


def test_a_file_that_is_gone_is_named_as_changed(store: Store, ours: Repository, tree: UserTree) -> None:
    """Its objects must be built again, though there is no file to touch."""
    built = tree.git("rev-parse", "v9.1")
    tree.git("rm", "--quiet", "include/a.h")
    tree.git("commit", "--quiet", "--message", "gone")
    worktree = check_out(store, ours, tree.git("rev-parse", "HEAD"))

    assert worktree.refresh(built, deadline=seconds(60)) == ("include/a.h",)
    assert not young_in(worktree.path)


def test_what_somebody_left_in_it_is_gone(store: Store, ours: Repository, tree: UserTree) -> None:
    """Files of a build, also ignored ones, a repository, a change, a patch half applied, a lock of a killed git."""
    commit = tree.git("rev-parse", "v9.1")
    worktree = check_out(store, ours, commit)
    wanted = names_in(worktree.path)
    mail = tree.git("format-patch", "--stdout", "v9.0..v9.1").encode() + b"\n"

    assert worktree.git("am", "--quiet", stdin=mail, deadline=seconds(60), check=False).status != 0
    for name in ("init/main.o", ".config", "new/file", "kernel/cgroup.c"):
        (worktree.path / name).parent.mkdir(exist_ok=True)
        (worktree.path / name).write_text("left")
    tree.git("init", "--quiet", worktree.path / "inner")
    (worktree.path / "Kconfig").unlink()
    for name in ("index.lock", "HEAD.lock"):
        (worktree.git_dir / name).touch()
    again = check_out(store, ours, commit)
    assert again.path == worktree.path
    assert names_in(again.path) == wanted
    assert not (again.path / "inner").exists()
    assert "namespace" in (again.path / "kernel/cgroup.c").read_text()
    assert not young_in(again.path)
    again.git("am", "--abort", deadline=seconds(60), check=False)
    assert again.git("status", "--porcelain", deadline=seconds(60)).text == ""


def test_a_damaged_folder_is_made_anew(store: Store, ours: Repository, tree: UserTree) -> None:
    """A full disk leaves half an index."""
    commit = tree.git("rev-parse", "v9.1")
    worktree = check_out(store, ours, commit)
    (worktree.git_dir / "index").write_bytes(b"DIRC")

    assert names_in(check_out(store, ours, commit).path) == set(tree.git("ls-files").split())


def test_a_commit_that_is_not_there_is_told(store: Store, ours: Repository) -> None:
    """Not as a damaged folder."""
    with pytest.raises(HostError, match="git failed"), checked_out(Context(store, seconds(60)), ours, "1" * 40):
        pass


KILLED = """
import sys
from pathlib import Path
from harness.base.deadline import Deadline
from harness.kernel.git.repository import Repository
from harness.kernel.git.worktree import checked_out
from harness.base.context import Context
from harness.base.store import Store
context, ours = Context(Store(Path(sys.argv[1])), Deadline.after(60)), Repository(Path(sys.argv[2]))
with checked_out(context, ours, sys.argv[3]) as it:
    (it.path / "left").write_text("x")
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_run_that_is_killed_frees_its_folder(store: Store, ours: Repository, tree: UserTree) -> None:
    """The lock ends with the process, and its leftovers are removed."""
    commit = tree.git("rev-parse", "v9.0")
    words = [python("x")[0], "-c", KILLED, str(store.folder), str(ours.git_dir), commit]
    with start(words, stdin=PIPE, stdout=PIPE, within=Surroundings(cwd=paths.ROOT)) as child:
        assert child.stdout
        assert child.stdout.readline() == b"held\n"
        with checked_out(Context(store, seconds(60)), ours, commit) as other:
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
            with checked_out(Context(store, seconds(60)), ours, commit) as freed:
                folders = {other.path.parent.name, freed.path.parent.name}

                assert folders == {"0", "1"}
                assert not (freed.path / "left").exists()


def test_the_store_may_be_moved(store: Store, tree: UserTree, tmp_path: Path) -> None:
    """Nothing in it is bound to its place."""
    plain = tree.folder
    (plain / ".git").rename(tmp_path / "away.git")
    source = source_tree(Context(store, seconds(60)), plain)
    first = check_out(store, source.repository, source.commit)
    store.folder.rename(tmp_path / "moved")
    moved = Store(tmp_path / "moved")
    repository = Repository(moved.folder / source.repository.git_dir.relative_to(store.folder))
    again = check_out(moved, repository, source.commit)

    assert names_in(again.path) == names_in(plain)
    assert again.path != first.path


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Repository]:
    """A store and a repository for histories of all kinds."""
    store = Store(tmp_path_factory.mktemp("many"))
    return store, open_repository(Context(store, seconds(60)), "many")


TREES = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(CONTENTS), min_size=1).map(
    lambda files: tuple(sorted({**files, "Makefile": files.get("Makefile", b"one")}.items()))
)


def commit_of(repository: Repository, files: tuple[tuple[str, bytes], ...]) -> str:
    kinds = [TreeFile(name, FileMode.LINK if name == "link" else FileMode.PLAIN, content) for name, content in files]
    return import_files(repository, kinds, message="a tree", deadline=seconds(60))


@given(history=st.lists(st.tuples(TREES, st.booleans()), min_size=2, max_size=4))
@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
def test_times_after_any_history(
    many: tuple[Store, Repository], history: list[tuple[tuple[tuple[str, bytes], ...], bool]]
) -> None:
    """A file is young exactly when it differs from what was built, links too, whatever was checked out in between."""
    store, repository = many
    built, built_files = commit_of(repository, history[0][0]), dict(history[0][0])
    for files, is_built in history:
        commit = commit_of(repository, files)
        worktree = check_out(store, repository, commit)
        differ = {name for name, content in files if built_files.get(name) != content}

        assert not young_in(worktree.path)
        changed = worktree.refresh(built, deadline=seconds(60))
        assert young_in(worktree.path) == differ
        assert set(changed) == differ | (built_files.keys() - dict(files).keys())
        if is_built:
            built, built_files = commit, dict(files)


def test_a_switch_of_every_kind_gives_the_files_of_git(store: Store, ours: Repository, tree: UserTree) -> None:
    """A few changed files are written without git's index: modes, links, a file for a folder and back."""
    first = tree.git("rev-parse", "HEAD")
    tree.write("scripts/run.sh", "#!/bin/sh\n").chmod(0o755)
    (tree.folder / "include/link").symlink_to("../kernel")
    tree.git("rm", "--quiet", "init/main.c")
    tree.write("init", "a file")
    tree.write("new/deep/file\nof lines", b"\0\xff")
    tree.git("add", "--all", "--force")
    tree.git("commit", "--quiet", "--message", "second")
    second = tree.git("rev-parse", "HEAD")
    tree.git("rm", "--quiet", "-r", "init", "include/link", "new")
    tree.write("include/link/cgroup.c", "in a folder")
    (tree.folder / "scripts/run.sh").chmod(0o644)
    tree.git("add", "--all", "--force")
    tree.git("commit", "--quiet", "--message", "third")
    third = tree.git("rev-parse", "HEAD")
    check_out(store, ours, first)
    for commit in (second, third, first, third, second, first):
        with checked_out(Context(store, seconds(60)), ours, commit) as worktree:
            assert worktree.came_from

            assert worktree.git("status", "--porcelain", "--ignored", deadline=seconds(60)).text == ""
            assert worktree.git("diff-index", "HEAD", deadline=seconds(60)).text == ""
            assert names_in(worktree.path) == set(tree.git("ls-tree", "-rz", "--name-only", commit).split("\0")) - {""}
        assert not young_in(worktree.path)
        assert not [path for path in worktree.path.rglob("*") if path.is_dir() and not any(path.iterdir())]


def test_an_index_that_a_killed_run_left_behind_is_noticed(store: Store, ours: Repository, tree: UserTree) -> None:
    """The files are those of a newer commit than the index, as after a kill before git's index was written."""
    old, new = tree.git("rev-parse", "v9.0"), tree.git("rev-parse", "v9.1")
    worktree = check_out(store, ours, old)
    index = (worktree.git_dir / "index").read_bytes()
    check_out(store, ours, new)
    (worktree.git_dir / "index").write_bytes(index)
    again = check_out(store, ours, new)

    assert not again.came_from
    assert (again.path / "kernel/cgroup.c").read_text() == "int cgroup;\nint namespace;\n"
    assert again.git("status", "--porcelain", deadline=seconds(60)).text == ""


@pytest.mark.parametrize("left", ["", "kernel/left.o", "empty/folder/"])
def test_a_work_tree_is_looked_at_before_the_commit_is_known(
    store: Store, ours: Repository, tree: UserTree, left: str
) -> None:
    """It is held, and what somebody left in it is removed, an empty folder too."""
    worktree = check_out(store, ours, tree.git("rev-parse", "v9.0"))
    if left.endswith("/"):
        (worktree.path / left).mkdir(parents=True)
    elif left:
        (worktree.path / left).touch()
    commit = tree.git("rev-parse", "v9.1")
    with ExitStack() as stack:
        early = EarlyLook(Context(store, seconds(60)), stack)
        early.begin(ours)
        with checked_out(Context(store, seconds(60)), ours, commit) as other:
            assert other.path != worktree.path
        with checked_out(Context(store, seconds(60)), ours, commit, early=early) as held:
            assert held.path == worktree.path
            assert bool(held.came_from) == (not left)
            assert names_in(held.path) == set(tree.git("ls-tree", "-r", "--name-only", commit).split())
            assert not (held.path / "empty").exists()
    with checked_out(Context(store, seconds(60)), ours, commit) as freed:
        assert freed.path in (worktree.path, other.path)
