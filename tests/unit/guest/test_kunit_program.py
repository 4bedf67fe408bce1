# SPDX-License-Identifier: GPL-2.0-only
"""The guest's program that runs KUnit suites, with a made-up debugfs and kernel log."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base import paths, process
from harness.base.deadline import Deadline
from harness.tap.kunit import read_kunit

LOG = "[    0.1] init\n[    0.2] KTAP version 1\n[    0.3] 1..1\n[    0.4]     # Subtest: one\n"
LOG += "[    0.4]     1..1\n[    0.5]     ok 1 a\n[    0.6] ok 1 one\n"
RESULTS = "KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: one\n    1..1\n    ok 1 a\nok 1 one\n"


@pytest.fixture
def guest(tmp_path: Path) -> Path:
    """Return a folder with a debugfs of one suite, and a dmesg that prints a log."""
    suite = tmp_path / "debug/kunit/one"
    suite.mkdir(parents=True)
    (tmp_path / "debug/kunit/init_suite").mkdir()
    (suite / "run").write_text("")
    (suite / "results").write_text(RESULTS)
    (tmp_path / "dmesg").write_text(f"#!/bin/sh\ncat {tmp_path}/log\n")
    (tmp_path / "dmesg").chmod(0o755)
    (tmp_path / "log").write_text(LOG)
    return tmp_path


def kunit(guest: Path, *words: str) -> process.Completed:
    """Run the program."""
    variables = {"PATH": f"{guest}:/usr/bin:/bin", "DEBUGFS": str(guest / "debug")}
    return process.run(
        ["bash", paths.KUNIT_PROGRAM, *words],
        deadline=Deadline.after(30),
        check=False,
        within=process.Surroundings(env=variables),
    )


def test_suite_runs_again(guest: Path) -> None:
    """Something is written to its file, and its results are printed; one of init code has no such file."""
    done = kunit(guest, "again", "one")

    assert (done.status, done.text) == (0, RESULTS)
    assert (guest / "debug/kunit/one/run").read_text() == "1\n"
    assert [one.name for one in read_kunit(done.text, "one").tests] == ["a"]
    for name in ("init_suite", "other"):
        missing = kunit(guest, "again", name)
        assert (missing.status, missing.text) == (4, f"this kernel has no KUnit suite {name} that runs again\n")


def test_report_of_a_boot(guest: Path) -> None:
    """The kernel log is printed if it has the suite; the name in another one is not enough."""
    assert (kunit(guest, "boot", "one").status, kunit(guest, "boot", "one").text) == (0, LOG)
    assert kunit(guest, "boot", "on").text == "this kernel has no KUnit suite on\n"
    (guest / "log").write_text("[    0.1] Command line: kunit.filter_glob=one one\n")
    done = kunit(guest, "boot", "one")
    assert (done.status, done.text) == (4, "this kernel ran no KUnit suite when it was booted\n")


def test_list_says_what_runs_again(guest: Path) -> None:
    """Suites of init code do not."""
    done = kunit(guest, "list")

    assert f"harness: again {guest}/debug/kunit/one\n" in done.text
    assert "init_suite" not in done.text
    assert done.text.endswith(LOG)
