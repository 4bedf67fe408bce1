# SPDX-License-Identifier: GPL-2.0-only
"""Series applied to trees, with real git: the same commits every time, and errors that say why not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import SeriesError, UsageError
from harness.base.process import PIPE, python, start
from harness.base.store import Store
from harness.kernel.git.worktree import checked_out
from harness.kernel.patches import apply as tree_module
from harness.kernel.patches.apply import patch_tree
from harness.kernel.patches.patched_tree import PatchedTree, unpatched
from harness.kernel.patches.series import Series, read_series, series_of_range
from harness.kernel.source.tree import Source, source_tree
from tests.unit.kernel.thread import Tree, lines, mailbox

SOON = Deadline.after(3600)
TOP: Mapping[str, bytes] = {"Makefile": b"VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 0\n", "Kconfig": b"\n"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """v6.1, v6.2, v6.3; then ``topic``, two patches on v6.2."""
    tree = Tree(tmp_path / "tree")
    tree.commit("one", {**TOP, "kernel/fork.c": lines(), "kernel/exit.c": lines()})
    tree.git("tag", "v6.1")
    tree.commit("two", {"kernel/exit.c": lines(line3="three")})
    tree.git("tag", "v6.2")
    tree.commit("three", {"kernel/fork.c": lines(line9="NINE", line10="TEN", line11="ELEVEN")})
    tree.git("tag", "v6.3")
    tree.git("checkout", "--quiet", "-b", "topic", "v6.2")
    tree.commit("exit: five", {"kernel/exit.c": lines(line3="three", line5="five")}, "From me.")
    tree.commit("fork: ten", {"kernel/fork.c": lines(line10="ten")})
    tree.git("checkout", "--quiet", "main")
    return tree


def made(tree: Tree, commits: str, *options: str) -> Series:
    """A series out of a mailbox with what git-format-patch(1) makes of a range."""
    folder = tree.folder.parent / "folder"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    tree.git("format-patch", "--quiet", "--no-renames", "-o", str(folder), *options, commits)
    return read_series(folder, deadline=SOON)


def source(store: Store, tree: Tree, revision: str = "v6.2") -> Source:
    return source_tree(Context(store, SOON), tree.folder, revision=revision)


def patched(store: Store, tree: Tree, series: Series, revision: str = "v6.2") -> PatchedTree:
    return patch_tree(Context(store, SOON), source(store, tree, revision), series, is_revision_given=bool(revision))


def content(of: PatchedTree, commit: str, name: str) -> bytes:
    return of.repository.git("show", f"{commit}:{name}", deadline=SOON).stdout


def error(store: Store, tree: Tree, series: Series, revision: str) -> SeriesError:
    with pytest.raises(SeriesError) as raised:
        patched(store, tree, series, revision)
    return raised.value


def test_each_patch_is_a_commit(store: Store, tree: Tree) -> None:
    """In order, with author, date and message of the mail; the date is the committer's, too."""
    result = patched(store, tree, made(tree, "v6.2..topic"))
    shown = result.repository.git("log", "--format=%an|%at|%ct|%s|%b", "-2", result.commit, deadline=SOON).text

    assert len(result.commits) == 2
    assert content(result, result.commits[0], "kernel/exit.c") == lines(line3="three", line5="five")
    assert content(result, result.commits[0], "kernel/fork.c") == lines()
    assert content(result, result.commit, "kernel/fork.c") == lines(line10="ten")
    assert shown.split("\n")[:2] == [
        "Jörg Ünal|1700000300|1700000300|fork: ten|",
        "Jörg Ünal|1700000240|1700000240|exit: five|From me.",
    ]


def test_the_same_series_gives_the_same_commits(store: Store, tree: Tree, tmp_path: Path) -> None:
    """In another store, and read from a mailbox in place of a folder."""
    first = patched(store, tree, made(tree, "v6.2..topic"))
    (tmp_path / "t.mbox").write_bytes(mailbox(tree.mails("v6.2..topic", "-v3", "--subject-prefix=PATCH net")))
    second = patched(Store(tmp_path / "other"), tree, read_series(tmp_path / "t.mbox", deadline=SOON))

    assert first.commits == second.commits


def test_what_was_applied_is_remembered(store: Store, tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second call touches no work tree."""
    series = made(tree, "v6.2..topic")
    first = patched(store, tree, series)
    monkeypatch.setattr(tree_module, "check_out_sparsely", None)

    assert patched(store, tree, series) == first


@pytest.mark.parametrize("facts", ["{", '{"commits": "a"}', "[]"])
def test_patch_tree_replaces_damaged_facts(store: Store, tree: Tree, facts: str) -> None:
    """Facts in the store that cannot be read count as missing: the series is applied again."""
    series = made(tree, "v6.2..topic")
    first = patched(store, tree, series)
    (file,) = (store.folder / "patched-tree").glob("*/patched-tree.json")
    file.write_text(facts)

    assert patched(store, tree, series) == first
    assert file.read_text() != facts


def test_the_users_tree_is_left_as_it_was(store: Store, tree: Tree) -> None:
    """No branch, no work tree, no object of ours."""
    before = {path: path.read_bytes() for path in tree.folder.rglob("*") if path.is_file()}
    patched(store, tree, made(tree, "v6.2..topic"))

    assert {path: path.read_bytes() for path in tree.folder.rglob("*") if path.is_file()} == before


def test_without_a_series_it_is_the_source(store: Store, tree: Tree) -> None:
    """No commit of ours is made."""
    plain = unpatched(source(store, tree))

    assert (plain.commits, plain.commit) == ((), plain.source.commit)


def test_a_conflict_shows_both_sides(store: Store, tree: Tree) -> None:
    """Which patch, file and hunk, what it expects and what the tree has; and the tag that it applies to."""
    raised = error(store, tree, made(tree, "v6.2..topic"), "v6.3")

    assert raised.what == f"patch 2/2 (fork: ten) does not apply to {tree.folder} at v6.3"
    assert raised.evidence.splitlines() == [
        "kernel/fork.c, hunk 1 of 1 (@@ -7,7 +7,7 @@):",
        "- is what the patch expects, + what the tree has from line 7 on:",
        "     7   7",
        "     8   8",
        "       - 9",
        "       - 10",
        "       - 11",
        "     9 + NINE",
        "    10 + TEN",
        "    11 + ELEVEN",
        "    12   12",
        "    13   13",
    ]
    assert raised.remedy == "the whole series applies to v6.2: PATH@v6.2+SERIES"


def test_the_newest_tag_that_it_applies_to_is_offered(store: Store, tree: Tree) -> None:
    """Not the nearest one; the series says nothing of its base."""
    for tag, file in [("v6.4", "a"), ("v6.10", "b")]:
        tree.commit(tag, {"kernel/fork.c": lines(), file: b"1\n"})
        tree.git("tag", tag)
    series = made(tree, "v6.2..topic")

    assert error(store, tree, series, "v6.3").remedy == "the whole series applies to v6.10: PATH@v6.10+SERIES"


def test_a_series_without_a_base_is_noted(store: Store, tree: Tree) -> None:
    """Where the user named no revision: it is applied to what the tree is at, and no guess is made."""
    series = made(tree, "v6.2..topic")
    at = source(store, tree, "v6.2")

    assert patch_tree(Context(store, SOON), at, series).notes == (
        f"the series has no base-commit; applied to {tree.folder} at v6.2",
    )
    assert patch_tree(Context(store, SOON), at, series, is_revision_given=True).notes == ()


def test_a_failed_series_leaves_nothing_that_disturbs(store: Store, tree: Tree) -> None:
    """Neither the patches before the one that failed, nor a folder."""
    series = made(tree, "v6.2..topic")
    error(store, tree, series, "v6.3")

    assert [path.name for path in (store.folder / "patched-tree").iterdir() if path.suffix != ".lock"] == []
    assert len(patched(store, tree, series, "v6.2").commits) == 2


def test_a_killed_run_leaves_nothing_that_disturbs(store: Store, tree: Tree) -> None:
    """SIGKILL while git am has stopped in its midst: the next run says the same, and takes away what was left."""
    series = made(tree, "v6.2..topic")
    words = python("tests.unit.kernel.killed_am", str(store.folder), str(tree.folder))
    with start(words, stdin=PIPE, stdout=PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"in the midst\n"
        child.kill()
        child.wait()
    left = list((store.folder / "patched-tree").glob(".*making-*"))

    assert [(path / "git/rebase-apply").is_dir() for path in left] == [True]
    assert "does not apply" in error(store, tree, series, "v6.3").what
    assert not list((store.folder / "patched-tree").glob(".*making-*"))
    assert len(patched(store, tree, series, "v6.2").commits) == 2


def test_a_patch_that_is_in_the_tree_is_told(store: Store, tree: Tree) -> None:
    """Applied already is another error than not applying, also where the lines around it have changed since."""
    series = made(tree, "v6.1..v6.2")
    tree.commit("near", {"kernel/exit.c": lines(line1="ONE", line3="three")})
    tree.git("tag", "v6.4")
    ends = "it is already applied"

    assert error(store, tree, series, "v6.2").what == f"patch 1/1 (two) does not apply to {tree.folder} at v6.2: {ends}"
    assert error(store, tree, series, "v6.4").what.endswith(ends)


def test_a_file_that_is_not_there_is_told(store: Store, tree: Tree) -> None:
    """And one that should not be there."""
    tree.commit("new", {"kernel/new.c": lines()})
    tree.commit("newer", {"kernel/new.c": lines(line1="one")})
    changing, adding = made(tree, "HEAD~1..HEAD"), made(tree, "HEAD~2..HEAD~1")
    tree.commit("other", {"kernel/new.c": b"other\n"})
    tree.git("tag", "v6.4")

    assert error(store, tree, changing, "v6.1").evidence == "kernel/new.c: the tree has no such file"
    assert error(store, tree, adding, "v6.4").evidence == "kernel/new.c: the tree has that file already"


def test_a_three_way_merge_helps_where_the_blobs_are_there(store: Store, tree: Tree) -> None:
    """Lines near the change have changed; that is said, also when the result is remembered."""
    tree.git("checkout", "--quiet", "-b", "near", "v6.2")
    tree.commit("near", {"kernel/exit.c": lines(line2="TWO", line3="three", line7="SEVEN")})
    tree.git("tag", "v6.2.1")
    series = made(tree, "v6.2..topic~1")
    for _ in range(2):
        result = patched(store, tree, series, "v6.2.1")

        assert content(result, result.commit, "kernel/exit.c") == lines(
            line2="TWO", line3="three", line5="five", line7="SEVEN"
        )
        assert result.notes[-1] == "patch 1/1 (exit: five) was applied by a three-way merge"


def test_the_base_of_the_series_is_honoured(store: Store, tree: Tree) -> None:
    """A tree without a revision gives way to it; a revision that was given does not; both are said."""
    series = made(tree, "v6.2..topic", "--base=v6.2")
    free = patched(store, tree, series, "")
    asked = patched(store, tree, made(tree, "topic~1..topic", "--base=v6.2"), "v6.1")
    same = patched(store, tree, series, "v6.2")

    assert free.base == tree.git("rev-parse", "v6.2").decode().strip()
    assert free.notes == (f"applied to v6.2, the base-commit of the series, not to {tree.folder} at v6.3",)
    assert asked.base == tree.git("rev-parse", "v6.1").decode().strip()
    assert asked.notes[-1] == f"the base-commit of the series is v6.2; applied to {tree.folder} at v6.1, as requested"
    assert same.notes == ()


def test_uncommitted_changes_are_said_to_be_left_out(store: Store, tree: Tree) -> None:
    """The series' base is another commit than the tree's; if it is the tree's own, the files as they are count."""
    (tree.folder / "Kconfig").write_bytes(b"# mine\n")
    other = patched(store, tree, made(tree, "v6.2..topic", "--base=v6.2"), "")
    tree.git("checkout", "--quiet", "v6.2")
    own = patched(store, tree, made(tree, "v6.2..topic", "--base=v6.2"), "")

    assert other.notes[-1] == "the 1 uncommitted changes of the tree are not included"
    assert content(other, other.commit, "Kconfig") == b"\n"
    assert content(own, own.commit, "Kconfig") == b"# mine\n"


def test_a_base_that_the_tree_lacks_is_said(store: Store, tree: Tree) -> None:
    """So are patches that the series says it needs."""
    series = made(tree, "topic~1..topic", "--base=v6.2")
    lost = Series(series.title, 1, series.patches, "1" * 40, prerequisites=series.prerequisites)
    result = patched(store, tree, lost)

    assert result.notes == (
        "the series declares 1 prerequisite patches that are not part of it",
        f"the base-commit 111111111111 of the series is not in the tree; applied to {tree.folder} at v6.2",
    )


def test_carriage_returns_and_other_bytes_arrive(store: Store, tree: Tree) -> None:
    """A file with CRLF and one in Latin-1."""
    latin = "é\n1\n2\n".encode("latin-1")
    tree.commit("base", {"crlf": b"a\r\nb\r\n", "latin": latin})
    tree.git("tag", "v7.0")
    tree.commit("crlf", {"crlf": b"a\r\nc\r\n"})
    tree.commit("latin", {"latin": latin.replace(b"2", b"3")})
    result = patched(store, tree, made(tree, "v7.0..main"), "v7.0")

    assert content(result, result.commit, "crlf") == b"a\r\nc\r\n"
    assert content(result, result.commit, "latin") == latin.replace(b"2", b"3")


def test_a_message_that_looks_like_a_mailbox_is_a_message(store: Store, tree: Tree) -> None:
    """A line that would begin another mail begins none."""
    message = "From a@b Thu Jan  1 00:00:00 1970\nSubject: [PATCH] more\n\n>From here"
    tree.commit("odd", {"kernel/odd.c": b"1\n"}, message)
    result = patched(store, tree, made(tree, "v6.3..main"), "v6.3")

    assert result.repository.git("log", "-1", "--format=%b", result.commit, deadline=SOON).text.strip() == message


def test_a_link_of_the_tree_is_not_followed(store: Store, tree: Tree) -> None:
    """Only the tree knows that it is one."""
    (tree.folder / "here").symlink_to("kernel")
    tree.commit("link", {})
    tree.git("tag", "v7.0")
    series = made(tree, "v6.2..topic")
    (tree.folder.parent / "x.diff").write_bytes(b"--- a/here/fork.c\n+++ b/here/fork.c\n@@ -1 +1 @@\n-1\n+2\n")
    series = read_series(tree.folder.parent / "x.diff", deadline=SOON)

    assert error(store, tree, series, "v7.0").what == "patch 1/1 (x) reaches through a symbolic link: here/fork.c"


def test_a_link_that_is_moved_must_stay_in_the_tree(store: Store, tree: Tree) -> None:
    """A rename says nothing of the link's target; what came out is looked at."""
    (tree.folder / "kernel/up").symlink_to("../Kconfig")
    tree.commit("link", {})
    tree.git("tag", "v7.0")
    text = b"diff --git a/kernel/up b/up\nsimilarity index 100%\nrename from kernel/up\nrename to up\n"
    (tree.folder.parent / "x.diff").write_bytes(text)
    series = read_series(tree.folder.parent / "x.diff", deadline=SOON)

    assert error(store, tree, series, "v7.0").what == (
        "the series makes a symbolic link that leaves the tree: up -> ../Kconfig"
    )


def test_a_range_is_a_series(store: Store, tree: Tree) -> None:
    """Of commits that the tree has; the base is where they leave its history."""
    at = source(store, tree, "")
    series = series_of_range(at.repository, "v6.2..topic", head=at.commit, deadline=SOON)
    result = patch_tree(Context(store, SOON), at, series)

    assert [patch.subject for patch in series.patches] == ["exit: five", "fork: ten"]
    assert series.base_commit == result.base == tree.git("rev-parse", "v6.2").decode().strip()
    assert content(result, result.commit, "kernel/fork.c") == lines(line10="ten")
    assert len(series_of_range(at.repository, "v6.1..", head=at.commit, deadline=SOON).patches) == 2


def test_a_range_that_is_no_series_is_said(store: Store, tree: Tree) -> None:
    """Nothing in it, no such commit, a merge."""
    at = source(store, tree, "")
    tree.git("merge", "--quiet", "-X", "ours", "-m", "merge", "topic")

    for text, kind, what in (
        ("v6.3..v6.1", UsageError, r"no commits in v6\.3\.\.v6\.1"),
        ("v6.1..gone", UsageError, "'gone' .* is not a commit"),
        ("--output=x..v6.1", UsageError, "is not a commit"),
        ("v6.1..main", SeriesError, "it has merges"),
    ):
        with pytest.raises(kind, match=what):
            series_of_range(at.repository, text, head=at.commit, deadline=SOON)


def test_the_work_tree_is_at_the_last_patch(store: Store, tree: Tree) -> None:
    """What is built has all patches; the folder holds no git."""
    result = patched(store, tree, made(tree, "v6.2..topic"))
    with checked_out(Context(store, SOON), result.repository, result.commit) as work_tree:
        names = sorted(path.name for path in work_tree.path.iterdir())

        assert (work_tree.path / "kernel/fork.c").read_bytes() == lines(line10="ten")
        assert names == ["Kconfig", "Makefile", "kernel"]


def test_the_store_holds_no_trace_of_the_time(store: Store, tree: Tree) -> None:
    """Commits are named in the fact that is remembered, and by nothing else."""
    result = patched(store, tree, made(tree, "v6.2..topic"))
    (fact,) = store.folder.glob("patched-tree/*/*")

    assert re.findall(r"[0-9a-f]{40}", fact.read_text()) == list(result.commits)
