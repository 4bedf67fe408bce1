# SPDX-License-Identifier: GPL-2.0-only
"""Find the run that an argument names."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.base.errors import UsageError
from harness.model.run_record import FORMAT_VERSION, NO_KERNEL_ID, RunRecord
from harness.results.find_run import KERNELS_NAME, find_run, find_runs
from harness.results.folder import RunFolder
from tests.unit.report.sample import KERNEL, RUN, STARTED


def make(results: Path, number: int, *, spec: str = "deb", run: RunRecord = RUN) -> Path:
    """Write a run folder, a minute after the one before."""
    folder = RunFolder.create(results, spec, STARTED + 60 * number)
    folder.write(replace(run, started=STARTED + 60 * number, kernel=replace(KERNEL, spec=spec)))
    return folder.path


def joint(results: Path, *members: Path) -> Path:
    """Write the folder of a run of several kernels."""
    folder = RunFolder.joint(results, len(members), STARTED + 3600)
    folder.write_file(KERNELS_NAME, json.dumps([one.name for one in members]))
    return folder.path


def test_last_is_the_newest_complete_run(tmp_path: Path) -> None:
    """Killed runs, runs without a kernel and unreadable runs are skipped."""
    first, second = make(tmp_path, 1), make(tmp_path, 2)
    make(tmp_path, 3, run=replace(RUN, complete=False))
    make(tmp_path, 4, run=replace(RUN, cases=(replace(RUN.cases[0], id=NO_KERNEL_ID),)))
    (make(tmp_path, 5) / "run.json").write_text('{"format')

    assert find_run("last", results=tmp_path).folder == second
    assert find_run("last~1", results=tmp_path).folder == first


def test_last_of_a_kernel(tmp_path: Path) -> None:
    """``last:`` takes the KERNEL argument as it was typed, including colons."""
    series = make(tmp_path, 1, spec="series:x")
    make(tmp_path, 2)

    assert find_run("last:series:x", results=tmp_path).folder == series


def test_folder_is_named_by_path_or_name(tmp_path: Path) -> None:
    """A symbolic link names it as well, and its run need not be finished."""
    made = make(tmp_path, 1, run=replace(RUN, complete=False))

    assert find_run(str(made), results=tmp_path / "elsewhere").folder == made
    assert find_run(made.name, results=tmp_path).folder == made
    assert find_run("latest", results=tmp_path).folder == made


def test_the_kernels_of_one_run(tmp_path: Path) -> None:
    """The name of a run of two kernels names both; kernels of a larger run are named by letter or KERNEL argument."""
    members = [make(tmp_path, number, spec=spec) for number, spec in enumerate(("deb", "series:x", "series:y"))]
    two, three = joint(tmp_path, *members[:2]), joint(tmp_path, *members)
    pair = find_runs([two.name], results=tmp_path)

    assert [one.folder for one in pair] == members[:2]
    assert find_run(f"{three}:C", results=tmp_path).folder == members[2]
    assert find_run(f"{three.name}:series:x", results=tmp_path).folder == members[1]
    for words in ([three.name], [f"{three.name}:D", "last"], [three.name, "last"]):
        with pytest.raises(UsageError) as caught:
            find_runs(words, results=tmp_path)
        assert "A  " in caught.value.evidence


def test_one_argument_is_compared_with_the_last_run(tmp_path: Path) -> None:
    """The named run comes first, the last run second."""
    first, second = make(tmp_path, 1), make(tmp_path, 2)

    assert [one.folder for one in find_runs([first.name], results=tmp_path)] == [first, second]


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["no-such"], "no-such: no such run"),
        (["last~7"], "no such run: last~7"),
        (["last:nope"], "no such run: last of nope"),
        (["last", "last"], "last and last are the same run"),
        (["last"], "last and last are the same run"),
        (["last:A:B", "last"], "no such run: last of A:B"),
    ],
)
def test_unknown_run_is_reported(tmp_path: Path, words: list[str], what: str) -> None:
    """The error shows the argument as it was typed."""
    make(tmp_path, 1)
    with pytest.raises(UsageError) as caught:
        find_runs(words, results=tmp_path)

    assert caught.value.what == what
    assert caught.value.remedy


def test_damaged_or_newer_run_is_reported_by_file(tmp_path: Path) -> None:
    """A folder without a record, a cut record and a record of a newer format are errors."""
    made = make(tmp_path, 1)
    file = made / "run.json"
    whole = json.loads(file.read_text())
    for text, word in (
        (json.dumps({**whole, "format_version": FORMAT_VERSION + 1}), "run record format"),
        (file.read_text()[:300], "is damaged"),
    ):
        file.write_text(text)
        with pytest.raises(UsageError, match=word) as caught:
            find_run(made.name, results=tmp_path)
        assert str(file) in caught.value.what
    file.unlink()
    with pytest.raises(UsageError, match="holds no readable run"):
        find_run(made.name, results=tmp_path)
