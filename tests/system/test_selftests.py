# SPDX-License-Identifier: GPL-2.0-only
"""Selftests of a made-up kernel tree: a run, a bisection and a series, each over a sub-test that breaks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.base import process
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from harness.model.verdict import Outcome
from harness.pipeline import Prepared
from harness.results.folder import load_run
from harness.results.records import load_series
from tests.program import environment, harness
from tests.system.bootable_tree import FLAGS, flags, make_bootable
from tests.unit.kernel.fake_tree import FILES, FakeRepository

pytestmark = [
    pytest.mark.guest,
    pytest.mark.build,
    pytest.mark.slow(
        *("harness/run/foreign", "harness/run/program.py", "harness/tap", "harness/bisect", "harness/series"),
        *("tests/system/bootable_tree.py", "tests/system/test_selftests.py"),
    ),
]
SECONDS = 1200.0
TARGET = "tools/testing/selftests/flags"
PROGRAM = """#!/bin/sh
echo TAP version 13
echo 1..3
echo ok 1 steady
[ "$(dd if=/sys/kernel/boot_params/data bs=1 skip=498 count=1 2>/dev/null)" = 1 ] || echo -n "not "
echo ok 2 flag_is_one
echo "ok 3 # SKIP no hardware of that kind"
"""
SCRIPT = """#!/bin/sh
[ "$(dd if=/sys/kernel/boot_params/data bs=1 skip=498 count=1 2>/dev/null)" = 1 ]
"""
OTHER = "lib/string.c"
TEST = "selftests/flags/flags.sh::flag_is_one"


def start(*words: str | Path, cwd: Path) -> process.Completed:
    """Run the harness in a folder outside of the checkout."""
    return process.run(
        harness(*words, "--results", "results"),
        deadline=Deadline.after(SECONDS),
        check=False,
        within=process.Surroundings(env=environment(), cwd=cwd),
    )


@pytest.fixture(scope="module")
def tree(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> FakeRepository:
    """Return a tree of which the fifth of eight commits breaks a sub-test."""
    tree = make_bootable(tmp_path_factory.mktemp("trees") / "linux", prepared.request.image)
    makefile = (tree.path / "Makefile").read_text() + "\nheaders:\n\t@mkdir -p $(O)/usr/include\n"
    common = "all:\n"
    tests = {f"{TARGET}/Makefile": "TEST_PROGS = flags.sh\ninclude ../lib.mk\n", f"{TARGET}/flags.sh": PROGRAM}
    tree.commit({"Makefile": makefile, "tools/testing/selftests/lib.mk": common, **tests}, subject="selftests: flags")
    for number in range(2, 9):
        change = {FLAGS: flags("2")} if number == 5 else {OTHER: f"{FILES[OTHER]}/* {number} */\n"}
        tree.commit(change, subject=f"change {number}")
    return tree


@pytest.fixture
def desk(tmp_path: Path, tree: FakeRepository) -> Path:
    """Return a folder with the tree's name in it."""
    (tmp_path / "linux").symlink_to(tree.path)
    return tmp_path


def test_sub_test_that_breaks_is_bisected(desk: Path, tree: FakeRepository) -> None:
    """The commit that broke it is found, from the sub-test's own results."""
    words = ("bisect", tree.path, "--good", tree.commits[1], "--bad", tree.commits[-1], "--suite", "selftests:flags")
    done = start(*words, "--json", cwd=desk)

    assert done.status == ExitStatus.AS_EXPECTED, done.text + done.complaint
    assert tree.commits[5] in done.text
    assert TEST in done.text
    assert json.loads(done.text)


def test_script_is_bisected_in_one_command(desk: Path, tree: FakeRepository) -> None:
    """A reproducer needs no suite."""
    (desk / "repro.sh").write_text(SCRIPT)
    words = ("bisect", tree.path, "--good", tree.commits[1], "--bad", tree.commits[-1], "--suite", "script:repro.sh")
    done = start(*words, "--json", cwd=desk)

    assert done.status == ExitStatus.AS_EXPECTED, done.text + done.complaint
    assert tree.commits[5] in done.text


def test_run_has_the_tests_of_its_kernel(desk: Path, tree: FakeRepository) -> None:
    """The failure is unjudged alone, and a regression from the commit before."""
    first = start("run", f"{tree.path}@{tree.commits[4]}", "--suite", "selftests:flags", cwd=desk)
    base = load_run(desk / "results/latest")
    alone = start("run", f"{tree.path}@{tree.commits[5]}", "--suite", "selftests:flags", cwd=desk)
    unjudged = {case.id: case for case in load_run(desk / "results/latest").cases}
    against = start(
        "run", f"{tree.path}@{tree.commits[5]}", "--suite", "selftests:flags", "--baseline", "last~1", cwd=desk
    )
    judged = load_run(desk / "results/latest")

    assert first.status == alone.status == ExitStatus.AS_EXPECTED, first.text + alone.text
    assert {case.id.rpartition("::")[2]: case.outcome for case in base.cases} == {
        "steady": Outcome.MATCH,
        "flag_is_one": Outcome.MATCH,
        "3": Outcome.SKIPPED,
        "selftests/flags/flags.sh": Outcome.MATCH,
    }
    assert unjudged[TEST].is_unjudged
    assert against.status == ExitStatus.DIFFERS, against.text
    assert judged.baseline.failures == (TEST,)


def test_series_that_breaks_a_test_and_fixes_it(desk: Path, tree: FakeRepository) -> None:
    """Each change is of the patch that made it."""
    patches = desk / "patches"
    tree.git("checkout", "--quiet", "-b", "series", tree.commits[4])
    for number, value in enumerate(("", "2", "", "1"), start=1):
        files = {FLAGS: flags(value)} if value else {OTHER: f"{FILES[OTHER]}/* patch {number} */\n"}
        tree.commit(files, subject=f"patch {number}")
    tree.git("format-patch", "--quiet", "-4", "--output-directory", str(patches))
    tree.git("checkout", "--quiet", "main")
    base = f"{tree.path}@{tree.commits[4]}"
    done = start("series", patches, "--base", base, "--suite", "selftests:flags", "--full", cwd=desk)

    assert done.status == ExitStatus.DIFFERS, done.text + done.complaint
    (file,) = (desk / "results").glob("*/series.json")
    record = load_series(file.read_text(), source=str(file))
    effects = {patch.number: [(one.name, one.before, one.after) for one in patch.effects] for patch in record.patches}
    assert {number: found for number, found in effects.items() if found} == {
        2: [(TEST, "match", "mismatch")],
        4: [(TEST, "mismatch", "match")],
    }
