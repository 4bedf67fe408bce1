# SPDX-License-Identifier: GPL-2.0-only
"""A series on several bases: which bases, what one of them does not have, the table and the text; nothing is built."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import UsageError
from harness.base.store import Store
from harness.model.bases_record import BaseResult, Dependency
from harness.model.series_record import PatchState
from harness.report.tables.bases import bases_lines, bases_text
from harness.series.applied import find_ground
from harness.series.backport import find_dependencies
from harness.series.many_bases import expand_bases
from tests.unit.kernel.thread import SOON, Tree, lines, mailbox, numbered
from tests.unit.kernel.user_tree import UserTree, kernel_tree
from tests.unit.series.sample import RECORD

MAKEFILE = b"VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 0\n"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Return a tree with the tags ``old`` and ``new``; between them a commit that the series below needs."""
    tree = Tree(tmp_path / "linux")
    plain = {"Makefile": MAKEFILE, "Kconfig": b'mainmenu "Linux"\n', "kernel/fork.c": lines(), "mm/slab.c": lines()}
    tree.commit("the tree", plain)
    tree.git("tag", "old")
    tree.commit("mm: another file", {"mm/slab.c": lines(line3="unrelated line")})
    tree.commit("fork: call it by its name", {"kernel/fork.c": lines(line5="a name of some length")})
    tree.git("tag", "new")
    return tree


def series(tree: Tree, folder: Path) -> Path:
    """Write a series of two patches on ``new``: the second one changes the line that the commit brought."""
    tree.commit("fork: say nine", {"kernel/fork.c": lines(line5="a name of some length", line19="nine")})
    tree.commit("fork: say it shorter", {"kernel/fork.c": lines(line5="a name", line19="nine")})
    file = folder / "topic.mbx"
    file.write_bytes(mailbox(numbered(tree.mails("new..HEAD", "--numbered"))))
    return file


def test_commit_that_a_backport_needs_is_named(tree: Tree, tmp_path: Path) -> None:
    """The patch does not apply to the older base; the commit in between that brought its lines is named, no other."""
    file = series(tree, tmp_path)
    context = Context(Store(tmp_path / "store"), Deadline.after(600))
    old, new = (find_ground(context, f"{tree.folder}@{one}", str(file)) for one in ("old", "new"))

    assert (old.applied, new.applied) == (1, 2)
    (need,) = find_dependencies(old, [new], deadline=SOON)
    assert (need.patch, need.file, need.subject) == (2, "kernel/fork.c", "fork: call it by its name")
    assert "fork: call it by its name" in str(need)
    assert find_dependencies(new, [old], deadline=SOON) == ()


def test_without_another_base_the_line_is_shown(tree: Tree, tmp_path: Path) -> None:
    """Where no base has it, the line itself is what is known."""
    file = series(tree, tmp_path)
    context = Context(Store(tmp_path / "store"), Deadline.after(600))
    old = find_ground(context, f"{tree.folder}@old", str(file))
    (need,) = find_dependencies(old, [], deadline=SOON)

    assert (need.commit, need.line) == ("", "a name of some length")


@pytest.fixture
def tags(tmp_path: Path) -> UserTree:
    """Return a tree with some stable tags."""
    tree = kernel_tree(tmp_path / "linux")
    for tag in ("v6.1", "v6.1.9", "v6.1.10", "v6.1.11-rc1", "v6.1.11", "v6.12.1"):
        tree.git("tag", tag)
    return tree


def test_newest_tags_of_a_pattern(tags: UserTree) -> None:
    """Versions are sorted as numbers; a tree without a revision is no base of its own."""
    found = expand_bases([str(tags.folder)], ["v6.1.*"], 3)

    assert found == tuple(f"{tags.folder}@{tag}" for tag in ("v6.1.11", "v6.1.11-rc1", "v6.1.10"))


def test_revision_alone_is_of_the_first_tree(tags: UserTree) -> None:
    """Bases need the tree once; other sources stay as they are, and no base comes twice."""
    words = [f"{tags.folder}@v6.1.9", "v6.12.1", "deb-src:6.1", "v6.1.9"]

    assert expand_bases(words, [], 5) == (f"{tags.folder}@v6.1.9", f"{tags.folder}@v6.12.1", "deb-src:6.1")
    assert expand_bases(["no/such@tree"], [], 5) == ("no/such@tree",)


def test_pattern_without_tags(tags: UserTree) -> None:
    """The error shows how to list tags; a pattern needs a tree."""
    with pytest.raises(UsageError, match=r"has no tag v5\.\*"):
        expand_bases([str(tags.folder)], ["v5.*"], 5)
    with pytest.raises(UsageError, match="needs a tree"):
        expand_bases(["deb-src:6.1"], ["v5.*"], 5)


GOOD = replace(
    RECORD, patches=tuple(replace(one, failed="", effects=(), style=(), warnings=()) for one in RECORD.patches)
)
GOOD = replace(GOOD, missing=(), broken=())
RESULTS = (
    BaseResult("linux@v6.1.129", RECORD, dependencies=(Dependency(2, "a.c", "x", "0123456789abcdef", "a: b"),)),
    BaseResult("linux@v6.12.40", GOOD, merged=(1,)),
    BaseResult("linux@next", None, "linux has no revision next"),
)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_table_has_a_column_for_each_base(width: int) -> None:
    """Every line fits; each base has its name in the table and a line below it."""
    shown = [line.text for line in bases_lines(RESULTS, width)]

    assert all(len(line) <= width for line in shown)
    assert {"v6.1.129", "v6.12.40", "next"} <= {
        word for line in shown if line.startswith("patch") for word in line.split()
    }
    assert any("merged" in line for line in shown)
    assert any('needs commit 0123456789ab ("a: b")' in line for line in shown)
    assert any(line == "next: linux has no revision next" for line in shown)


def test_text_is_tested_by_what_was_good() -> None:
    """Tested-by names the bases on which all patches are good, and no other; without one there is no such line."""
    assert GOOD.state in (PatchState.SUCCESS, PatchState.WARNING)
    text = bases_text(RESULTS, "Ann <ann@host.example>")

    assert text.splitlines()[-1] == "Tested-by: Ann <ann@host.example> # v6.12.40"
    assert all(len(line) <= 72 for line in text.splitlines()[:-1])
    assert "Tested-by" not in bases_text(RESULTS[:1], "Ann <ann@host.example>")
    assert "Tested-by" not in bases_text(RESULTS, "")
