# SPDX-License-Identifier: GPL-2.0-only
"""Tests of ``harness semantics`` as a command: its output and exit status."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.base.errors import ExitStatus
from harness.model.run_record import RunRecord, TraitRecord
from harness.results.folder import RunFolder
from harness.suite.definition import Suite
from tests.command_line import call
from tests.unit.report.sample import RUN, STARTED

SOUND = replace(
    RUN, problems=(), cases=RUN.cases[:2], traits=(TraitRecord("outside_view", "relative", "relative", True, ""),)
)


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of the file of sightings, which does not exist yet."""
    monkeypatch.setattr(Suite, "seen_file", property(lambda suite: tmp_path / "seen.toml"))
    return tmp_path / "seen.toml"


def write_run(folder: Path, run: RunRecord = SOUND) -> Path:
    """Write a run folder; return its path."""
    written = RunFolder.create(folder, "deb", STARTED)
    written.write(run)
    return written.path


def test_matrix_fits_80_columns_in_a_file() -> None:
    """The matrix has every trait and default profile, and no line is longer than 80 columns."""
    result = call("semantics")

    assert result.status is ExitStatus.AS_EXPECTED
    assert max(map(len, result.text.splitlines())) <= 80
    assert "\x1b" not in result.text
    for word in ("outside_view", "move_judged_by", "v0", "4.13", "latest"):
        assert word in result.text.split()


def test_profiles_chooses_the_columns() -> None:
    """--profiles takes the names of --profile; mainline means all its releases."""
    result = call("semantics", "--profiles", "v1,mainline-latest", "view")
    heads = [line.split() for line in result.text.splitlines() if line.startswith("     ")]
    releases = call("semantics", "--profiles", "mainline", COLUMNS="900")

    assert heads == [["v1", "latest"]]
    assert {"3.18", "4.6", "5.17", "latest"} <= set(releases.text.splitlines()[0].split())


def test_unknown_names_are_usage_errors_with_suggestions() -> None:
    """An unknown trait, theme or profile is a usage error."""
    call("semantics", "outside_veiw").require_error(ExitStatus.USAGE, "no trait or theme outside_veiw; did you mean")
    call("semantics", "views").require_error(ExitStatus.USAGE, "did you mean view")
    call("semantics", "--profiles", "mainlin-6.1").require_error(ExitStatus.USAGE, "no profile mainlin-6.1")
    call("semantics", "--profiles", "auto").require_error(ExitStatus.USAGE, "the profile auto has no expectations")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--learn", "--unobserved"),
        ("--unobserved", "--profiles", "v1"),
        ("--unobserved", "view"),
        ("scope", "--profiles", "v1"),
    ],
)
def test_conflicting_arguments_are_usage_errors(arguments: tuple[str, ...]) -> None:
    """Arguments that exclude each other are a usage error."""
    call("semantics", *arguments).require_error(ExitStatus.USAGE)


def test_stories_are_text_or_json(seen: Path) -> None:
    """One trait, several traits or a theme are printed as text or as JSON."""
    result = call("semantics", "outside_view", "setns_own")

    assert "cgroupns/views/siblings-v2.session:" in result.text
    assert result.text.index("\nsetns_own\n") > result.text.index("outside_view\n")
    assert json.loads(call("semantics", "outside_view", "--json").text)["name"] == "outside_view"
    assert len(json.loads(call("semantics", "outside_view", "scope", "--json").text)) == 2
    assert {one["theme"] for one in json.loads(call("semantics", "view", "--json").text)["traits"]} == {"view"}
    assert json.loads(call("semantics", "--unobserved", "--json").text)["kernels"] == []


def test_coverage_is_the_old_name_of_unobserved(seen: Path) -> None:
    """The old name is accepted, and the help shows only the new one."""
    assert call("semantics", "--coverage").text == call("semantics", "--unobserved").text
    call("semantics", "--coverage", "--learn").require_error(ExitStatus.USAGE)
    assert "--unobserved" in call("semantics", "--help").text
    assert "--coverage" not in call("semantics", "--help").text


def test_learn_counts_a_run_once(seen: Path, tmp_path: Path) -> None:
    """The file is written once and not again for the same run; stories and --unobserved read it."""
    run = write_run(tmp_path / "results")
    first = call("semantics", "--learn", run)
    text = seen.read_text()
    stamp = seen.stat().st_ino
    again = call("semantics", "--learn", run, run)

    assert (first.status, again.status) == (ExitStatus.AS_EXPECTED, ExitStatus.AS_EXPECTED)
    assert "6.1.0-56-cloud-amd64: 1 traits, from" in first.text
    assert seen.read_text() == text
    assert seen.stat().st_ino == stamp
    assert "relative  6.1.0-56-cloud-amd64 (9f9f9f9f9f9f, 2026-09-21)" in call("semantics", "outside_view").text
    assert "on 1 kernel" in call("semantics", "--unobserved").text


def test_learn_skips_other_folders(seen: Path, tmp_path: Path) -> None:
    """``--learn results/*`` skips folders without a run and runs that did not finish, with a note."""
    good = write_run(tmp_path / "results")
    broken = write_run(tmp_path / "results", replace(SOUND, complete=False))
    result = call("semantics", "--learn", broken, tmp_path, good)

    assert result.status is ExitStatus.AS_EXPECTED
    assert f"not learned: {broken}: it did not finish" in result.text
    assert f"not learned: {tmp_path} holds no run.json" in result.text
    assert seen.exists()


def test_learn_without_a_run_is_a_usage_error(seen: Path, tmp_path: Path) -> None:
    """A mistyped name is a usage error, and no file is written."""
    call("semantics", "--learn", tmp_path).require_error(ExitStatus.USAGE, "no run to learn from")

    assert not seen.exists()


def test_unobserved_exits_with_1_if_there_are_traits(seen: Path) -> None:
    """The exit status is 1 if a trait was not observed with two values, for scripts."""
    result = call("semantics", "--unobserved")

    assert result.status is ExitStatus.DIFFERS
    assert "traits were not observed with two values, on 0 kernels" in result.text


def test_damaged_file_of_sightings_is_a_case_error(seen: Path) -> None:
    """The file of sightings belongs to the suite, so the error is one of the cases."""
    seen.write_text("[view")

    call("semantics", "--unobserved").require_error(ExitStatus.CASE_BROKEN, "seen.toml is not TOML")
