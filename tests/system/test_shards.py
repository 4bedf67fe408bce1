# SPDX-License-Identifier: GPL-2.0-only
"""The shards of a run together have the cases of the suite, each once, and are merged into one run."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from harness.base import process
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from harness.model.shard import partition
from harness.model.verdict import Outcome
from harness.results.folder import load_run
from tests.program import environment, harness

pytestmark = pytest.mark.guest
COUNT = 3
SUITE = "timens"


def start(*words: str | Path) -> process.Completed:
    """Run the harness."""
    within = process.Surroundings(env=environment())
    return process.run(harness(*words), deadline=Deadline.after(600.0), check=False, within=within)


def merged(folders: list[Path], form: str = "json") -> str:
    """Return the merged report of runs."""
    done = start("report", "--merge", *folders, "--format", form)
    assert done.status == ExitStatus.AS_EXPECTED, done.complaint
    return done.text


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return the run folders of the shards, whose cases ran in this process of pytest and in workers."""
    base = tmp_path_factory.mktemp("shards")
    folders = []
    for number in range(1, COUNT + 1):
        results = base / f"shard-{number}"
        workers = "2" if number == 1 else "1"
        done = start(
            "run", "deb", "--suite", SUITE, "--shard", f"{number}/{COUNT}", "-n", workers, "--results", results
        )
        assert done.status == ExitStatus.AS_EXPECTED, done.text + done.complaint
        assert f"(shard {number}/{COUNT})" in done.text
        folders.append((results / "latest").resolve())
    return folders


def test_each_case_is_in_one_shard(shards: list[Path]) -> None:
    """No case is lost or run twice, and the merged run is the run of the whole suite."""
    runs = [load_run(folder) for folder in shards]
    counts = Counter(case.id for run in runs for case in run.cases)
    [whole] = json.loads(merged(shards))["runs"]

    assert {run.shard.partition for run in runs} == {runs[0].shard.partition}
    assert all(run.cases for run in runs)
    assert set(counts.values()) == {1}
    assert len(counts) == runs[0].shard.cases > COUNT
    assert (whole["complete"], whole["is_partial"], len(whole["cases"])) == (True, False, len(counts))
    assert {case["outcome"] for case in whole["cases"]} <= {Outcome.MATCH, Outcome.SKIPPED}


def test_missing_shard_is_an_error_in_junit(shards: list[Path]) -> None:
    """A CI that lost one job sees it in the merged report."""
    text = merged([shards[0], shards[2]], "junit")

    assert "missing: shard 2 of 3" in text
    assert 'errors="1"' in text


def test_shard_without_a_case_is_no_error(tmp_path: Path) -> None:
    """More jobs than cases: the job passes, and its record merges with the others."""
    words = ("run", "deb", "--cases", f"{SUITE}/manpage/session.session", "--results", tmp_path)
    done = [start(*words, "--shard", f"{number}/2") for number in (1, 2)]

    assert [one.status for one in done] == [ExitStatus.AS_EXPECTED] * 2, [one.complaint for one in done]
    folders = sorted(tmp_path.glob("2*"))
    assert sorted(len(load_run(folder).cases) for folder in folders) == [0, 1]
    assert json.loads(merged(folders))["runs"][0]["complete"]


def test_durations_balance_the_shards(shards: list[Path], tmp_path: Path) -> None:
    """The durations of a run, written as a file, decide where a case runs; by its id it would be in the other shard."""
    file, case = tmp_path / "durations.json", f"{SUITE}/creation/clone3.session"
    assert start("report", *shards, "--format", "durations", "--output", file).status == ExitStatus.AS_EXPECTED
    assert not partition([case], {}, 2)[0]
    words = ("run", "deb", "--cases", case, "--shard", "1/2", "--durations", file, "--results", tmp_path / "r")
    assert start(*words).status == ExitStatus.AS_EXPECTED
    refused = start("report", "--merge", tmp_path / "r/latest", shards[1])

    assert [one.id for one in load_run(tmp_path / "r/latest").cases] == [case]
    assert refused.status == ExitStatus.USAGE
    assert "they are shards of different partitions" in refused.complaint
