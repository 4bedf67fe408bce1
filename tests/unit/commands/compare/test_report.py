# SPDX-License-Identifier: GPL-2.0-only
"""Tests of ``harness report`` as a command."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from junitparser import JUnitXml

from harness.base.errors import ExitStatus
from harness.model.run_record import CaseRecord, RunRecord, dumps_case
from harness.model.verdict import Outcome
from harness.results.find_run import KERNELS_NAME
from harness.results.folder import CASES_NAME, RUN_NAME, RunFolder
from tests.command_line import call
from tests.unit.report.formats.ktap_reader import read_ktap
from tests.unit.report.sample import CASES, KERNEL, RUN, STARTED, case

GOOD = replace(RUN, problems=())
IDS = sorted(one.id for one in CASES)
OTHER = replace(KERNEL, image_digest="ab" * 32, spec="series:other")


def save(results: Path, number: int, run: RunRecord = GOOD) -> str:
    """Write a run folder; return its name."""
    folder = RunFolder.create(results, "deb", STARTED + number)
    folder.write(replace(run, started=STARTED + number))
    return folder.path.name


def test_case_ids_are_equal_in_every_format(tmp_path: Path) -> None:
    """JSON, JUnit, KTAP, KCIDB and text of a run have the same case ids."""
    save(tmp_path, 1)
    reports = {form: call("report", "--format", form, "--results", tmp_path).text for form in FORMATS}
    junit = {one.name for suite in JUnitXml.fromstring(reports["junit"].encode()) for one in suite}
    [ktap] = read_ktap(reports["ktap"])

    assert sorted(one["id"] for one in json.loads(reports["json"])["runs"][0]["cases"]) == IDS
    assert sorted(junit) == IDS
    assert sorted(one.description for one in ktap.leaves()) == IDS
    assert sorted(one["misc"]["id"] for one in json.loads(reports["kcidb"])["tests"]) == IDS
    assert all(one.id in reports["text"] for one in CASES if one.outcome not in (Outcome.MATCH, Outcome.SKIPPED))


FORMATS = ("text", "json", "junit", "ktap", "kcidb")


@pytest.mark.parametrize("form", FORMATS)
def test_output_writes_the_report_to_a_file(tmp_path: Path, form: str) -> None:
    """The file has the same bytes as the terminal; one line shows its path."""
    save(tmp_path, 1)
    shown = call("report", "last", "--format", form, "--results", tmp_path)
    result = call("report", "last", "--format", form, "--output", tmp_path / "out", "--results", tmp_path)

    assert result.text == f"written: {tmp_path}/out\n"
    assert (tmp_path / "out").read_text() == shown.text
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o644


def test_report_shows_several_runs_side_by_side(tmp_path: Path) -> None:
    """A run of several kernels stands for one run of each kernel; a run that is named twice is shown once."""
    names = [save(tmp_path, 1), save(tmp_path, 2, replace(GOOD, kernel=OTHER))]
    joint = RunFolder.joint(tmp_path, 2, STARTED + 3)
    joint.write_file(KERNELS_NAME, json.dumps(names))
    result = call("report", joint.path, names[0], "--format", "json", "--results", tmp_path)
    text = call("report", joint.path, "--results", tmp_path).text

    assert [one["name"] for one in json.loads(result.text)["runs"]] == names
    assert "Kernels of this run" in text
    assert all(len(line) <= 80 for line in text.splitlines() if "cases/" not in line)


def test_merge_joins_shards(tmp_path: Path) -> None:
    """With --merge each case appears once, and the run is one column."""
    first = save(tmp_path, 1, replace(GOOD, cases=CASES[:4]))
    second = save(tmp_path, 2, replace(GOOD, cases=CASES[3:]))
    result = call("report", "--merge", first, second, "--format", "json", "--results", tmp_path)
    [run] = json.loads(result.text)["runs"]

    assert sorted(one["id"] for one in run["cases"]) == IDS
    assert run["name"] == f"{second}+1"


def test_merge_refuses_runs_of_two_kernels(tmp_path: Path) -> None:
    """The error names the runs and their kernels, and nothing is written."""
    names = [save(tmp_path, 1), save(tmp_path, 2, replace(GOOD, kernel=OTHER))]
    result = call("report", "--merge", *names, "--output", tmp_path / "out", "--results", tmp_path)

    result.require_error(ExitStatus.USAGE, "not of one kernel", names[0], "series:other")
    assert not (tmp_path / "out").exists()


def test_report_refuses_invalid_arguments(tmp_path: Path) -> None:
    """An unknown run, an unknown format and a path that cannot be written are usage errors."""
    save(tmp_path, 1)
    call("report", "nope", "--results", tmp_path).require_error(ExitStatus.USAGE, "nope: no such run")
    assert call("report", "--format", "pdf").status is ExitStatus.USAGE
    result = call("report", "--output", tmp_path / "no/such", "--results", tmp_path)

    result.require_error(ExitStatus.USAGE, "no/such cannot be written")


def test_report_of_an_unfinished_run_has_the_finished_cases(tmp_path: Path) -> None:
    """Every finished case is reported, also before a partial line; the report says that the run did not finish."""
    name = save(tmp_path, 1, replace(GOOD, cases=(), complete=False))
    lines = "".join(map(dumps_case, CASES[:3]))
    (tmp_path / name / CASES_NAME).write_text(lines + dumps_case(CASES[3])[:50])
    result = call("report", name, "--format", "junit", "--results", tmp_path)
    names = {one.name for suite in JUnitXml.fromstring(result.text.encode()) for one in suite}

    assert result.status is ExitStatus.AS_EXPECTED
    assert names == {*(one.id for one in CASES[:3]), "1: the run did not finish"}


def test_damaged_or_newer_run_is_a_usage_error(tmp_path: Path) -> None:
    """The error names the file and the problem, with a hint."""
    damaged, newer = save(tmp_path, 1), save(tmp_path, 2)
    (tmp_path / damaged / RUN_NAME).write_text('{"format_version": 1, "kernel":')
    file = tmp_path / newer / RUN_NAME
    file.write_text(re.sub('"format_version": [0-9]+', '"format_version": 99', file.read_text(), count=1))

    call("report", damaged, "--results", tmp_path).require_error(ExitStatus.USAGE, f"{damaged}/{RUN_NAME} is damaged")
    call("report", newer, "--results", tmp_path).require_error(ExitStatus.USAGE, "run record format 99", "newer one")


def test_report_writes_lone_surrogates(tmp_path: Path) -> None:
    """Text of a guest that is not UTF-8 cannot stop a report in any format."""
    hostile: CaseRecord = case("cases/\udcff.session", Outcome.MISMATCH, reason="\ud800", diff="\udcfe")
    save(tmp_path, 1, replace(GOOD, cases=(hostile,)))

    for form in FORMATS:
        result = call("report", "--format", form, "--output", tmp_path / "out", "--results", tmp_path)

        assert result.status is ExitStatus.AS_EXPECTED, result.text
        assert (tmp_path / "out").read_text(encoding="utf-8")
