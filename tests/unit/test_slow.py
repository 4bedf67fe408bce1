# SPDX-License-Identifier: GPL-2.0-only
"""Slow tests run when what they depend on changed; tried on a project of its own, in real pytest sessions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import slow
from tests.slow import ROOT, digest, passed_digests, record

pytest_plugins = ["pytester"]
CONFTEST = """\
from tests import slow

def pytest_addoption(parser):
    slow.add_options(parser)

def pytest_configure(config):
    config.pluginmanager.register(slow.SlowTests(config))
"""
TESTS = """\
import pytest

def test_quick():
    pass

@pytest.mark.slow("lib")
def test_minor():
    pass

@pytest.mark.slow("lib", "data.txt", importance=1)
def test_major():
    assert open("data.txt").read() != "bad"
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Write a project with a quick test and two slow ones, in the current folder."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_some=TESTS)
    pytester.mkdir("lib").joinpath("code.py").write_text("1")
    (pytester.path / "data.txt").write_text("good")
    pytester.makeini("[pytest]\nmarkers = slow\naddopts = -p xdist -p no:cacheprovider --strict-markers\n")
    # Workers need no other plugin, and would import them all.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setattr(slow, "ROOT", pytester.path)
    monkeypatch.setattr(slow, "RECORD", pytester.path / "slow.json")
    return pytester


def outcomes(project: pytest.Pytester, *options: str) -> list[str]:
    """Run pytest in a project, in this process.

    :return: ``passed test_quick`` and so on, in the order of the run.
    """
    session = project.inline_run("-n0", *options)
    reports = [one for one in session.getreports("pytest_runtest_logreport") if one.when == "call" or one.skipped]
    return [f"{one.outcome} {one.nodeid.partition('::')[2]}" for one in reports]


def test_all_slow_tests_run_by_default_and_important_ones_first(project: pytest.Pytester) -> None:
    """Slow tests come first; what was recorded has no influence."""
    expected = ["passed test_major", "passed test_minor", "passed test_quick"]

    assert outcomes(project, "--record-slow") == expected
    assert outcomes(project) == expected


def test_due_leaves_out_what_passed_until_a_dependency_changes(project: pytest.Pytester) -> None:
    """A changed file makes the tests that name it due, and no others."""
    assert outcomes(project, "--slow=due") == ["passed test_major", "passed test_minor", "passed test_quick"]
    outcomes(project, "--record-slow")
    assert outcomes(project, "--slow=due") == ["passed test_quick"]

    (project.path / "data.txt").write_text("other")
    assert outcomes(project, "--slow=due") == ["passed test_major", "passed test_quick"]
    (project.path / "lib/new.py").write_text("")
    assert outcomes(project, "--slow=due") == ["passed test_major", "passed test_minor", "passed test_quick"]


def test_a_changed_test_is_due(project: pytest.Pytester) -> None:
    """The module of a test is one of its dependencies."""
    outcomes(project, "--record-slow")
    project.makepyfile(test_some=TESTS + "\n\ndef test_more():\n    pass\n")

    assert "passed test_minor" in outcomes(project, "--slow=due")


def test_a_test_for_the_night_is_never_due(project: pytest.Pytester) -> None:
    """It runs with all the others only."""
    test = "\n\n@pytest.mark.slow('lib', nightly=True)\ndef test_night():\n    pass\n"
    project.makepyfile(test_some=TESTS + test)

    assert "passed test_night" not in outcomes(project, "--slow=due")
    assert "passed test_night" in outcomes(project)


def test_a_failed_test_is_not_recorded(project: pytest.Pytester) -> None:
    """A failed slow test stays due; the other one is recorded."""
    (project.path / "data.txt").write_text("bad")
    assert "failed test_major" in outcomes(project, "--record-slow")

    assert list(passed_digests(slow.RECORD)) == ["test_some.py::test_minor"]
    assert outcomes(project, "--slow=due") == ["failed test_major", "passed test_quick"]


def test_workers_record_as_one_process_does(project: pytest.Pytester) -> None:
    """With pytest-xdist, the process that starts the workers writes the record, and the workers get its start time."""
    outcomes(project, "--record-slow")
    alone = passed_digests(slow.RECORD)
    slow.RECORD.unlink()
    project.makeconftest(CONFTEST + f"slow.ROOT = __import__('pathlib').Path({str(project.path)!r})\n")

    assert project.inline_run("-n2", "--record-slow").ret == 0
    assert passed_digests(slow.RECORD) == alone


def test_due_tests_are_skipped_by_name_after_their_time(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No due slow test starts after the limit; --slow=all has none."""
    monkeypatch.setattr(slow, "DUE_SECONDS", -1.0)

    assert outcomes(project, "--slow=due") == ["skipped test_major", "skipped test_minor", "passed test_quick"]
    assert outcomes(project) == ["passed test_major", "passed test_minor", "passed test_quick"]


@pytest.mark.parametrize(("paths", "problem"), [("", "it names none"), ('"lib", "gone"', "no such path: gone")])
def test_a_slow_test_names_paths_that_exist(project: pytest.Pytester, paths: str, problem: str) -> None:
    """A marker without paths, or with a path that is not there, is a usage error that names the test."""
    project.makepyfile(test_some=TESTS.replace('("lib")', f"({paths})"))
    done = project.runpytest_inprocess("-n0")

    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"ERROR: test_some.py::test_minor: *{problem}"])


def test_digest_follows_names_and_contents(tmp_path: Path) -> None:
    """Two files that swap their contents make another digest; a compiled module makes none."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d/a").write_text("1")
    (tmp_path / "d/b").write_text("2")
    before = digest(["d"], tmp_path)
    (tmp_path / "d/__pycache__").mkdir()
    (tmp_path / "d/__pycache__/x.pyc").write_text("3")
    assert digest(["d"], tmp_path) == before
    (tmp_path / "d/a").write_text("2")
    (tmp_path / "d/b").write_text("1")

    assert digest(["d"], tmp_path) != before


def test_record_keeps_others_and_drops_gone_modules(tmp_path: Path) -> None:
    """Passes of one session add to those of before; a test of a removed module is dropped."""
    here = "tests/unit/test_slow.py::test_x"
    record({here: "1", "tests/test_gone.py::test_y": "2"}, tmp_path / "slow.json")
    record({"tests/slow.py::test_z": "3"}, tmp_path / "slow.json")

    assert json.loads((tmp_path / "slow.json").read_text()) == {here: "1", "tests/slow.py::test_z": "3"}


def test_the_record_names_tests_of_existing_modules() -> None:
    """The committed record holds no test of a module that is gone."""
    recorded = passed_digests(slow.RECORD)

    assert recorded
    assert [test for test in recorded if not (ROOT / test.partition("::")[0]).exists()] == []
    assert slow.RECORD.is_file()
