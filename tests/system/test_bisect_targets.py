# SPDX-License-Identifier: GPL-2.0-only
"""A made-up history whose kernels do not all build or boot: both are traced, and so is what user space finds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.base import process
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from harness.pipeline import Prepared
from tests.program import environment, harness
from tests.system.bootable_tree import FLAGS, flags, make_bootable
from tests.unit.kernel.fake_tree import FILES, FakeRepository

pytestmark = [
    pytest.mark.guest,
    pytest.mark.build,
    pytest.mark.slow(
        *("harness/bisect", "harness/inventory.py", "tests/system/bootable_tree.py"),
        "tests/system/test_bisect_targets.py",
    ),
]
SECONDS = 1200.0
OTHER = "lib/string.c"
SUITE = """\
format = 1
name = "mine"
title = "one section"

[inventory.flags]
command = "echo flags = $(dd if=/sys/kernel/boot_params/data bs=1 skip=498 count=1 2>/dev/null)"
"""


@pytest.fixture(scope="module")
def tree(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> FakeRepository:
    """Return a tree: from the fourth commit on it shows another byte, the sixth does not boot, nor do those after it,
    and the eighth does not build."""
    tree = make_bootable(tmp_path_factory.mktemp("trees") / "linux", prepared.request.image)
    for number in range(2, 10):
        change = {
            4: {FLAGS: flags("2")},
            6: {FLAGS: flags("2", hangs=True)},
            8: {OTHER: "#error no string\n"},
        }.get(number, {OTHER: f"{FILES[OTHER]}/* {number} */\n"} if number < 8 else {"lib/other.h": "\n"})
        tree.commit(change, subject=f"change {number}")
    return tree


def bisect(tree: FakeRepository, folder: Path, bad: int, *words: str) -> list[tuple[str, str, list[str], str]]:
    """Bisect up to a commit; return subject, target and values of each change."""
    (folder / "mine").mkdir()
    (folder / "mine/suite.toml").write_text(SUITE)
    ends = ("--good", tree.commits[0], "--bad", tree.commits[bad - 1], "--results", "results", "--boot-seconds", "30")
    done = process.run(
        harness("bisect", tree.path, *ends, "--suite", "mine", "--json", *words),
        deadline=Deadline.after(SECONDS),
        check=False,
        within=process.Surroundings(env=environment(), cwd=folder),
    )
    assert done.status == ExitStatus.AS_EXPECTED, done.complaint
    return [
        (one["commit"]["subject"], change["target"], change["before"], change["after"])
        for one in json.loads(done.stdout)["culprits"]
        for change in one["changes"]
    ]


def test_commit_that_does_not_build(tree: FakeRepository, tmp_path: Path) -> None:
    """Kernels before it that do not boot are not even tried."""
    assert bisect(tree, tmp_path, 9, "--target", "builds") == [("change 8", "builds", ["yes"], "no")]


def test_commit_that_does_not_boot(tree: FakeRepository, tmp_path: Path) -> None:
    """The bad end is no error."""
    assert bisect(tree, tmp_path, 7, "--target", "boots") == [("change 6", "boots", ["yes"], "no")]


def test_commit_that_changes_what_user_space_finds(tree: FakeRepository, tmp_path: Path) -> None:
    """No case is needed: the suite has none."""
    found = bisect(tree, tmp_path, 5, "--target", "inventory:flags")

    assert found == [("change 4", "inventory flags: flags", ["1"], "2")]
