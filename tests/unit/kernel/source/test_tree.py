# SPDX-License-Identifier: GPL-2.0-only
"""Trees of the user: the commit that each gives, and the errors for folders that are not kernel trees."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from harness.base.context import Context
from harness.base.errors import ExitStatus, UsageError
from harness.base.process import Surroundings, run
from harness.base.store import Store
from harness.kernel.git import snapshot
from harness.kernel.git.worktree import checked_out
from harness.kernel.source.tree import Source, is_tree, source_tree
from tests.privileges import READ_ALL, without
from tests.program import environment, harness
from tests.unit.kernel.user_tree import FILES, UserTree, kernel_tree, seconds


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "store")


def take(store: Store, path: Path, revision: str = "") -> Source:
    return source_tree(Context(store, seconds(60)), path, revision=revision)


def refuse(store: Store, path: Path, revision: str = "") -> UsageError:
    with pytest.raises(UsageError) as caught:
        take(store, path, revision)
    return caught.value


def files_of(source: Source) -> dict[str, bytes]:
    """What a source's commit holds; a link as what it points to."""
    names = source.repository.git("ls-tree", "-r", "-z", "--name-only", source.commit, deadline=seconds(60)).stdout
    words = [("cat-file", "blob", f"{source.commit}:{name.decode()}") for name in names.split(b"\0") if name]
    return {word[2].partition(":")[2]: source.repository.git(*word, deadline=seconds(60)).stdout for word in words}


@pytest.mark.parametrize(
    ("revision", "means"),
    [
        *(("v9.0", "v9.0"), ("v9.0^{}", "v9.0"), ("HEAD~1", "v9.0"), ("v9.1^", "v9.0"), ("signed", "v9.0")),
        *(("master", "v9.1"), ("HEAD", "v9.1"), ("@", "v9.1"), (":/change kernel", "v9.1"), ("topic/a+b", "v9.0")),
    ],
)
def test_a_revision_is_whatever_git_takes_for_a_commit(store: Store, tree: UserTree, revision: str, means: str) -> None:
    """It comes to the full hash, whatever the files in the work tree are."""
    tree.git("tag", "--annotate", "--message", "signed", "signed", "v9.0")
    tree.git("branch", "topic/a+b", "v9.0")
    tree.write("kernel/cgroup.c", "unfinished")
    source = take(store, tree.folder, revision)

    assert source.commit == tree.git("rev-parse", f"{means}^{{commit}}")
    assert str(source.origin).startswith(f"{tree.folder} at ")
    assert (source.uncommitted, source.notes) == (0, ())


def test_a_short_hash_is_a_revision(store: Store, tree: UserTree) -> None:
    """The start of a hash stands for all of it."""
    commit = tree.git("rev-parse", "v9.0")

    assert take(store, tree.folder, commit[:9]).commit == commit


def test_a_commit_is_described_by_the_tag_before_it(store: Store, tree: UserTree) -> None:
    """People know a tree by its tags."""
    commit = tree.commit({"new.c": "x"})

    assert str(take(store, tree.folder, "v9.0").origin) == f"{tree.folder} at v9.0"
    assert str(take(store, tree.folder).origin) == f"{tree.folder} at v9.1-1-g{commit[:12]}"


def test_an_unknown_revision_is_answered_with_near_names(store: Store, tree: UserTree) -> None:
    """Tags and branches alike."""
    tree.git("branch", "for-next")

    assert refuse(store, tree.folder, "v9.2").what == f"{tree.folder} has no revision v9.2"
    assert refuse(store, tree.folder, "v9.2").evidence == "similar names:\nv9.1\nv9.0"
    assert "for-next" in refuse(store, tree.folder, "fornext").evidence
    assert refuse(store, tree.folder, "zzz").evidence == "none of its 4 tags and branches has a similar name"


@pytest.mark.parametrize("revision", ["--all", "-h", "v9.0..v9.1", "v9.0:Makefile", "v9.0^{tree}", "^v9.0", "HEAD~7"])
def test_what_is_no_commit_is_refused(store: Store, tree: UserTree, revision: str) -> None:
    """An option, a range, a file, a commit before the first."""

    assert refuse(store, tree.folder, revision).what == f"{tree.folder} has no revision {revision}"


def test_a_clean_tree_is_its_commit(store: Store, tree: UserTree) -> None:
    """Without changes there is nothing to say; what is ignored is no change."""
    tree.write("kernel/cgroup.o", "object")
    tree.write(".config", "CONFIG_X=y")

    assert take(store, tree.folder).commit == tree.git("rev-parse", "HEAD")
    assert take(store, tree.folder).uncommitted == 0


def test_uncommitted_changes_are_taken_and_counted(store: Store, tree: UserTree) -> None:
    """Changed, new, gone, staged, executable, a link in place of a file: the files as they are, on top of HEAD."""
    tree.write("kernel/cgroup.c", "changed")
    tree.write("fs/new.c", "new")
    tree.write("staged.c", "staged")
    tree.git("add", "staged.c")
    (tree.folder / "include/a.h").unlink()
    (tree.folder / "Kconfig").chmod(0o755)
    (tree.folder / "init/main.c").unlink()
    (tree.folder / "init/main.c").symlink_to("../kernel/cgroup.c")
    source = take(store, tree.folder)
    changed = {"kernel/cgroup.c": b"changed", "fs/new.c": b"new", "staged.c": b"staged"}
    expected = {**FILES, **changed, "init/main.c": b"../kernel/cgroup.c"}
    del expected["include/a.h"]

    assert files_of(source) == expected
    assert source.uncommitted == 6
    assert str(source.origin).endswith(" at v9.1 with 6 uncommitted changes")
    assert source.notes[0].startswith("with 6 uncommitted changes: Kconfig, fs/new.c, ")
    assert source.repository.git("rev-parse", f"{source.commit}^", deadline=seconds(60)).text.strip() == tree.git(
        "rev-parse", "HEAD"
    )


def test_the_same_files_come_to_the_same_commit(store: Store, tree: UserTree, tmp_path: Path) -> None:
    """In another store and at another time; a change made and undone leaves none."""
    tree.write("kernel/cgroup.c", "changed")
    source = take(store, tree.folder)

    assert take(store, tree.folder).commit == source.commit
    assert take(Store(tmp_path / "other"), tree.folder).commit == source.commit
    tree.write("kernel/cgroup.c", "changed anew")
    assert take(store, tree.folder).commit != source.commit
    tree.git("checkout", "kernel/cgroup.c")
    assert take(store, tree.folder).commit == tree.git("rev-parse", "HEAD")


def change_all_kinds(tree: UserTree) -> None:
    """Make every kind of uncommitted change."""
    tree.write("kernel/cgroup.c", "int other;\n")
    tree.write("scripts/new.sh", "#!/bin/sh\n").chmod(0o755)
    tree.write('a "name"\n\\ of two lines', "x")
    (tree.folder / "link").symlink_to("kernel/cgroup.c")
    (tree.folder / "include/a.h").unlink()
    (tree.folder / "init/main.c").unlink()
    tree.write("init/main.c/inner.c", "int inner;\n")
    tree.write("staged.c", "int staged;\n")
    tree.git("add", "staged.c")
    tree.write("staged.c", "int changed_after_it;\n")


def test_a_few_changes_give_the_commit_that_the_index_gives(store: Store, tree: UserTree, tmp_path: Path) -> None:
    """They are added to the tree of the kept index; in an empty store the index is written."""
    take(store, tree.folder)
    change_all_kinds(tree)
    take(store, tree.folder)  # the user's index changed: it is taken over, and written
    tree.write("kernel/cgroup.c", "int third;\n")
    (tree.folder / "link").unlink()
    (tree.folder / "link").write_text("a file")
    (tree.folder / "scripts/new.sh").unlink()
    (tree.folder / "init/main.c/inner.c").unlink()
    (tree.folder / "init/main.c").rmdir()
    tree.write("init/main.c", "int main_again;\n")
    quick, slow = take(store, tree.folder), take(Store(tmp_path / "other"), tree.folder)

    assert quick.commit == slow.commit
    assert quick.uncommitted == slow.uncommitted
    change_back = {"kernel/cgroup.c": "int cgroup;\nint namespace;\n"}
    for name, content in change_back.items():
        tree.write(name, content)
    assert take(store, tree.folder).commit == take(Store(tmp_path / "third"), tree.folder).commit


def test_many_changes_between_two_few_ones(
    store: Store, tree: UserTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tree that changes are added to is that of the index, also after the index was written again."""
    take(store, tree.folder)
    monkeypatch.setattr(snapshot, "_FEW", 1)
    tree.write("one.c", "1")
    take(store, tree.folder)
    tree.write("two.c", "2")
    take(store, tree.folder)
    tree.write("three.c", "3")
    quick = take(store, tree.folder)

    assert quick.commit == take(Store(tmp_path / "other"), tree.folder).commit
    assert quick.uncommitted == 3


def test_a_change_within_the_clocks_tick_is_seen(store: Store, tree: UserTree) -> None:
    """A file changed to the same size at the same time as the index was written ("racy git") is read."""
    index = tree.folder / ".git/index"
    file = tree.folder / "init/main.c"
    moment = index.stat().st_mtime_ns
    os.utime(file, ns=(moment, moment))
    tree.git("update-index", "--refresh")
    os.utime(index, ns=(moment, moment))
    with file.open("r+b") as stream:
        stream.write(b"iNt")
    os.utime(file, ns=(moment, moment))

    assert take(store, tree.folder).uncommitted == 1


def test_what_git_was_told_to_take_for_unchanged_is_read(store: Store, tree: UserTree) -> None:
    """The files are built as they are, so they are taken as they are."""
    tree.git("update-index", "--assume-unchanged", "init/main.c")
    tree.write("init/main.c", "changed")

    assert take(store, tree.folder).uncommitted == 1


def test_files_that_a_sparse_tree_lacks_are_not_gone(store: Store, tree: UserTree) -> None:
    """They are there, only not checked out."""
    tree.git("sparse-checkout", "set", "--no-cone", "/*", "!/init/")

    assert not (tree.folder / "init").exists()
    assert take(store, tree.folder).uncommitted == 0


def test_the_repositorys_own_ignore_list_counts(store: Store, tree: UserTree) -> None:
    """.git/info/exclude is where people list their notes."""
    (tree.folder / ".git/info").mkdir(exist_ok=True)
    (tree.folder / ".git/info/exclude").write_text("notes\n")
    tree.write("notes", "x")

    assert take(store, tree.folder).uncommitted == 0


def test_a_merge_that_is_not_done_is_taken_as_it_is(store: Store, tree: UserTree) -> None:
    """With the marks of the conflict in the file: that is what lies there."""
    tree.git("checkout", "--quiet", "-b", "other", "v9.0")
    tree.commit({"kernel/cgroup.c": "int other;\n"})
    with pytest.raises(Exception, match="git failed"):
        tree.git("merge", "master")

    assert b"<<<<<<<" in files_of(take(store, tree.folder))["kernel/cgroup.c"]


def test_bytes_are_kept_whatever_the_trees_attributes_say(store: Store, tree: UserTree) -> None:
    """Line ends and keywords stay as they are in the file."""
    tree.write(".gitattributes", "* text eol=crlf ident\n")
    tree.git("add", "--force", ".gitattributes")
    tree.write("init/main.c", b"a\r\nb\n$Id$\n")

    assert files_of(take(store, tree.folder))["init/main.c"] == b"a\r\nb\n$Id$\n"


def test_a_repository_within_the_tree_is_left_out(store: Store, tree: UserTree) -> None:
    """Whatever state it is in."""
    tree.git("init", "--quiet", tree.write("tools/mine/x", "x").parent)
    tree.write("tools/x.c", "x")

    assert take(store, tree.folder).notes == ("with 1 uncommitted change: tools/x.c",)


def test_a_linked_work_tree_has_its_own_head_and_files(store: Store, tree: UserTree, tmp_path: Path) -> None:
    """Where .git is a file; the objects are shared with the other work trees."""
    tree.git("worktree", "add", "--quiet", tmp_path / "linked", "v9.0")
    (tmp_path / "linked/new.c").write_text("x")
    source = take(store, tmp_path / "linked")

    assert source.uncommitted == 1
    assert take(store, tmp_path / "linked", "HEAD").commit == tree.git("rev-parse", "v9.0")
    assert source.repository == take(store, tree.folder).repository


def test_a_bare_repository_is_taken_at_head(store: Store, tree: UserTree, tmp_path: Path) -> None:
    """A mirror has no files; HEAD or a revision."""
    tree.git("clone", "--quiet", "--bare", tree.folder, tmp_path / "linux.git")

    assert is_tree(tmp_path / "linux.git")
    assert take(store, tmp_path / "linux.git").commit == tree.git("rev-parse", "HEAD")
    assert take(store, tmp_path / "linux.git", "v9.0").commit == tree.git("rev-parse", "v9.0")
    assert take(store, tree.folder / ".git").commit == tree.git("rev-parse", "HEAD")


def test_a_shallow_clone_is_a_tree_too(store: Store, tree: UserTree, tmp_path: Path) -> None:
    """Its history ends early, also once that has changed; a missing commit is reported as such."""
    clone = tmp_path / "shallow"
    tree.git("clone", "--quiet", "--depth=1", f"file://{tree.folder}", clone)
    source = take(store, clone)
    history = ("rev-list", "--count", source.commit)

    assert source.repository.git(*history, deadline=seconds(60)).text == "1\n"
    assert "shallow" in refuse(store, clone, "HEAD~1").evidence
    tree.git("fetch", "--quiet", "--unshallow", at=clone)
    assert take(store, clone).repository.git(*history, deadline=seconds(60)).text == "2\n"


def test_a_partial_clone_lacks_files(store: Store, tree: UserTree, tmp_path: Path) -> None:
    """git would fetch them from the server and write them to the user's repository: that is for the user to do."""
    clone = tmp_path / "partial"
    tree.git("config", "uploadpack.allowFilter", "true")
    tree.git("clone", "--quiet", "--filter=blob:none", f"file://{tree.folder}", clone)
    v90 = tree.git("rev-parse", "v9.0")

    assert (
        refuse(store, clone, "v9.0").what == f"{clone} is a partial clone without 1 of the files of commit {v90[:12]}"
    )
    assert take(store, clone, "v9.1").commit == tree.git("rev-parse", "v9.1")
    assert take(store, clone).uncommitted == 0
    tree.git("archive", "--output", tmp_path / "x.tar", "v9.0", at=clone)
    assert take(store, clone, "v9.0").commit == tree.git("rev-parse", "v9.0")


@pytest.mark.parametrize("name", ["linux", "a b", '"quoted"', "#comment", "back\\slash", "ünï"])
def test_objects_are_borrowed_from_borrowers(store: Store, tree: UserTree, tmp_path: Path, name: str) -> None:
    """A clone that shares the objects of another one, by a relative path even, at a path with odd letters."""
    clone = tmp_path / "clones" / name
    clone.parent.mkdir()
    tree.git("clone", "--quiet", "--shared", tree.folder, clone)
    (clone / ".git/objects/info/alternates").write_text("../../../../linux/.git/objects\n")
    (clone / "Kconfig").write_text("changed")
    source = take(store, clone)

    assert files_of(source)["Kconfig"] == b"changed"
    assert source.uncommitted == 1


def test_a_repository_of_long_hashes(store: Store, tmp_path: Path) -> None:
    """sha256 is a matter of the repository, not ours."""
    tree = kernel_tree(tmp_path / "linux", options=("--object-format=sha256",))
    tree.write("Kconfig", "changed")

    assert take(store, tree.folder, "v9.0").commit == tree.git("rev-parse", "v9.0")
    assert files_of(take(store, tree.folder))["Kconfig"] == b"changed"


def test_a_repository_without_commits_is_its_files(store: Store, tree: UserTree, tmp_path: Path) -> None:
    """Someone who unpacked a kernel and typed 'git init'; a revision of it there is none."""
    shutil.copytree(tree.folder, tmp_path / "fresh", ignore=shutil.ignore_patterns(".git"))
    fresh = tmp_path / "fresh"
    tree.git("init", "--quiet", at=fresh)

    assert files_of(take(store, fresh)) == {**FILES, "kernel/cgroup.c": b"int cgroup;\nint namespace;\n"}
    assert refuse(store, fresh, "HEAD").what == f"the git repository {fresh} has no commit HEAD"


def test_what_is_removed_is_made_again(store: Store, tree: UserTree) -> None:
    """'harness clean' takes one kind; the other one does not rely on it."""
    tree.write("new.c", "x")
    source = take(store, tree.folder)
    for kind in ("kernel-repository", "kernel-worktree"):
        with checked_out(Context(store, seconds(60)), source.repository, source.commit) as worktree:
            worktree.git("rm", "--quiet", "new.c", deadline=seconds(60))
            worktree.git("commit", "--quiet", "--message", "known to that repository alone", deadline=seconds(60))
        shutil.rmtree(store.folder / kind)

        assert take(store, tree.folder) == source
        with checked_out(Context(store, seconds(60)), source.repository, source.commit) as worktree:
            assert (worktree.path / "new.c").read_text() == "x"


def unpacked(tree: UserTree, folder: Path) -> Path:
    """The files of a tree, without git."""
    shutil.copytree(tree.folder, folder, ignore=shutil.ignore_patterns(".git"))
    return folder


def test_a_plain_tree_is_taken_by_content(store: Store, tree: UserTree, tmp_path: Path) -> None:
    """Wherever it lies, the same files come to the same commit; what a build left is not taken."""
    plain = unpacked(tree, tmp_path / "plain")
    (plain / "init/main.o").write_text("object")
    (plain / ".config").write_text("CONFIG_X=y")
    source = take(store, plain)
    other = unpacked(tree, tmp_path / "other")

    assert sorted(files_of(source)) == sorted(FILES)
    assert (str(source.origin), source.uncommitted) == (f"the files of {plain}", 0)
    assert take(store, other).commit == source.commit
    (plain / "init/main.c").write_text("changed")
    (plain / "Kconfig").touch()
    (plain / "include/a.h").unlink()
    assert files_of(take(store, plain)) == {
        name: content
        for name, content in {
            **FILES, "kernel/cgroup.c": b"int cgroup;\nint namespace;\n", "init/main.c": b"changed"
        }.items()
        if name != "include/a.h"
    }  # fmt: skip


def test_a_tree_whose_ignore_file_ignores_everything(store: Store, tree: UserTree, tmp_path: Path) -> None:
    """As the one of Debian's source package does, for the sake of its packagers."""
    plain = unpacked(tree, tmp_path / "plain")
    (plain / ".gitignore").write_text("*.o\n/include/generated/\n/*\n!/debian/\n")
    for name in ("vmlinux", "vmlinux.o", ".config", ".tmp_x", "init/main.o", "include/generated/x.h", "System.map"):
        (plain / name).parent.mkdir(exist_ok=True)
        (plain / name).write_text("left by a build")

    assert sorted(files_of(take(store, plain))) == sorted(FILES)


def test_a_plain_tree_within_another_repository(store: Store, tree: UserTree) -> None:
    """A kernel unpacked within somebody's project is not the project's."""
    inner = unpacked(tree, tree.folder / "vendor/linux")

    assert sorted(files_of(take(store, inner))) == sorted(FILES)
    assert refuse(store, inner, "v9.0").what.startswith(f"{inner} is not the top of a git repository")


def test_a_tree_whose_repository_is_elsewhere(store: Store, tree: UserTree, tmp_path: Path) -> None:
    """A linked work tree that was copied to where its repository is not: its files are all there is."""
    plain = unpacked(tree, tmp_path / "plain")
    (plain / ".git").write_text("gitdir: /nonexistent/worktrees/x\n")

    assert sorted(files_of(take(store, plain))) == sorted(FILES)


def test_a_file_that_cannot_be_read_is_told(tree: UserTree, tmp_path: Path) -> None:
    """A tree's files are taken as they are: one that this user may not read cannot be."""
    file = tree.folder / "kernel/cgroup.c"
    file.write_text("changed")
    file.chmod(0)
    words = [*without(*READ_ALL), *harness("build", tree.folder)]
    env = environment(HARNESS_STORE=str(tmp_path / "store"))
    said = run(words, deadline=seconds(60), check=False, within=Surroundings(env=env))

    assert said.status == ExitStatus.USAGE
    assert "cgroup.c" in said.complaint


def test_a_file_in_the_place_of_a_folder_and_the_other_way_round(store: Store, tree: UserTree) -> None:
    """What lies there is taken."""
    shutil.rmtree(tree.folder / "init")
    tree.write("init", "file")
    (tree.folder / "include/a.h").unlink()
    tree.write("include/a.h/b.h", "inner")
    taken = files_of(take(store, tree.folder))

    assert taken["init"] == b"file"
    assert taken["include/a.h/b.h"] == b"inner"
    assert len(taken) == len(FILES)


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        ("Makefile", "it has no Makefile"),
        ("Kconfig", "it has no Kconfig"),
    ],
)
def test_what_is_no_kernel_tree_is_refused(store: Store, tree: UserTree, break_it: str, reason: str) -> None:
    """Said is what was looked for; as files and as a commit."""
    tree.git("rm", "--quiet", break_it)
    tree.git("commit", "--quiet", "--message", "no kernel")

    assert refuse(store, tree.folder).what == f"{tree.folder} is not a kernel tree: {reason}"
    assert "Kconfig" in refuse(store, tree.folder).evidence
    assert refuse(store, tree.folder, "HEAD").what.endswith(reason)


def test_what_is_no_folder_is_refused(store: Store, tree: UserTree) -> None:
    """Nothing, a file, a folder of the tree that is not its top, a Makefile of something else."""
    tree.write("kernel/Makefile", "obj-y = cgroup.o\n")
    nothing, file, inner = tree.folder / "x", tree.folder / "Kconfig", tree.folder / "kernel"

    assert refuse(store, nothing).what == f"{nothing} is not a kernel tree: no such folder"
    assert refuse(store, file).what == f"{file} is not a kernel tree: it is a file"
    assert refuse(store, inner).what == f"{inner} is not a kernel tree: its Makefile has no VERSION and PATCHLEVEL"
    assert f"give {tree.folder}" in refuse(store, inner).remedy
    assert refuse(store, tree.folder / ("x" * 300)).what.endswith("it cannot be read (File name too long)")
    assert not any(map(is_tree, (nothing, file, inner)))
    assert is_tree(tree.folder)


def test_a_hook_around_the_run_does_not_mislead(
    store: Store, tree: UserTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """git tells its hooks which repository they run in; the run is asked for another one."""
    tree.git("clone", "--quiet", tree.folder, tmp_path / "other")
    for name, place in {"GIT_DIR": ".", "GIT_INDEX_FILE": "index", "GIT_OBJECT_DIRECTORY": "objects"}.items():
        monkeypatch.setenv(name, str(tmp_path / "other/.git" / place))
    tree.write("new.c", "x")

    assert take(store, tree.folder).uncommitted == 1
