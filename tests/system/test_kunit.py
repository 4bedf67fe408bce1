# SPDX-License-Identifier: GPL-2.0-only
"""KUnit suites of a real kernel: a run, and a series that breaks a test and fixes it."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.base import process
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from harness.base.store import Store
from harness.kernel.source.tree import source_package
from harness.model.verdict import Outcome
from harness.results.folder import load_run
from harness.results.records import load_series
from tests.program import environment, harness

pytestmark = [
    pytest.mark.guest,
    pytest.mark.build,
    pytest.mark.network,
    pytest.mark.slow(
        *("harness/run/foreign", "harness/run/program.py", "harness/tap", "harness/series", "qemu/kunit.sh"),
        "tests/system/test_kunit.py",
    ),
]
SECONDS = 7200.0
KERNEL = "deb-src:6.1"
FILE = "lib/kunit/kunit-example-test.c"
GOOD, BAD = "KUNIT_EXPECT_EQ(test, 1 + 1, 2);", "KUNIT_EXPECT_EQ(test, 1 + 1, 3);"
TEST = "kunit/example::example_simple_test"


def start(*words: str | Path, cwd: Path) -> process.Completed:
    """Run the harness on the example suite of a kernel that has all suites: one build serves all tests."""
    return process.run(
        harness(*words, "--suite", "kunit", "-k", "example", "--results", "results"),
        deadline=Deadline.after(SECONDS),
        check=False,
        within=process.Surroundings(env=environment(), cwd=cwd),
    )


def mail(number: int, before: str, after: str) -> str:
    """Return the mail of a patch of three."""
    old, new = (text.splitlines(keepends=True) for text in (before, after))
    diff = "".join(difflib.unified_diff(old, new, f"a/{FILE}", f"b/{FILE}"))
    return (
        f"From {number:040x} Mon Sep 17 00:00:00 2001\nFrom: A <a@example.org>\nDate: Mon, 1 Jan 2024 00:00:00 +0000\n"
        f"Subject: [PATCH {number}/3] example: change {number}\n\nOne line.\n\nSigned-off-by: A <a@example.org>\n"
        f"---\ndiff --git a/{FILE} b/{FILE}\n{diff}-- \n2.39.5\n\n"
    )


def write_series(file: Path, contents: Sequence[str]) -> None:
    """Write the patches between the contents of the file."""
    pairs = itertools.pairwise(contents)
    file.write_text("".join(mail(number, *pair) for number, pair in enumerate(pairs, start=1)))


def test_run_has_tests_with_reasons(tmp_path: Path) -> None:
    """The suite has a boot of its own; a suite that the kernel does not have is a case with Kconfig's reason."""
    done = start("run", KERNEL, cwd=tmp_path)
    cases = {case.id: case for case in load_run(tmp_path / "results/latest").cases}

    assert done.status == ExitStatus.AS_EXPECTED, done.text + done.complaint
    assert cases[TEST].outcome is Outcome.MATCH
    assert cases["kunit/example"].machine == "boot"
    assert cases["kunit/example::example_skip_test"].reason == "this test should be skipped"
    missing = process.run(
        harness("run", KERNEL, "--suite", "kunit", "-k", "ext4", "--results", "results"),
        deadline=Deadline.after(SECONDS),
        within=process.Surroundings(env=environment(), cwd=tmp_path),
    )
    assert "needs CONFIG_BLOCK [=n] and CONFIG_EXT4_FS [=n]" in missing.text


def test_series_that_breaks_a_test_and_fixes_it(tmp_path: Path) -> None:
    """Each change is of the patch that made it, with the text of the assertion."""
    deadline = Deadline.after(SECONDS)
    source = source_package(Context(Store.default(), deadline), KERNEL.partition(":")[2])
    good = source.repository.git("cat-file", "blob", f"{source.commit}:{FILE}", deadline=deadline).text
    assert GOOD in good
    bad = good.replace(GOOD, BAD)
    fixed = good.replace(GOOD, f"{GOOD}\n\tKUNIT_SUCCEED(test);")
    write_series(tmp_path / "series.mbox", [good, f"{good}\n/* A comment. */\n", f"{bad}\n/* A comment. */\n", fixed])
    done = start("series", "series.mbox", "--base", KERNEL, "--full", cwd=tmp_path)

    assert done.status == ExitStatus.DIFFERS, done.text + done.complaint
    (file,) = (tmp_path / "results").glob("*/series.json")
    record = load_series(file.read_text(), source=str(file))
    effects = {patch.number: [(one.name, one.before, one.after) for one in patch.effects] for patch in record.patches}
    assert {number: found for number, found in effects.items() if found} == {
        2: [(TEST, "match", "mismatch")],
        3: [(TEST, "mismatch", "match")],
    }
