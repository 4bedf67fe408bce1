# SPDX-License-Identifier: GPL-2.0-only
"""The disk stays bounded: results, logs and mails go by the rules of [keep]; verdicts stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base.store import bytes_on_disk
from harness.follow.state.config import DAY
from tests.unit.follow.inboxes import series
from tests.unit.follow.lab import CONFIG, Lab


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """Return a service that has tested two series, each with a run folder."""
    lab = Lab(tmp_path, CONFIG + "results_days = 20\nlogs_days = 10\nmails_days = 15\n")
    for name in "ab":
        lab.inbox.add(one.render() for one in series(name, [f"patch {name}"]))
        lab.run()
        lab.now += 60
        (run,) = (one / "results" / "run" for one in lab.state.glob(f"series/{'ab'.index(name) + 1}/*"))
        (run / "cases" / "one").mkdir(parents=True)
        (run / "cases" / "one" / "kernel.log").write_bytes(b"x" * 100_000)
        (run / "build.log").write_text("log")
        (run / "run.json").write_text("{}")
    return lab


def names(lab: Lab) -> set[str]:
    """Return the names of the files of all tests."""
    return {one.name for one in (lab.state / "series").rglob("*") if one.is_file()}


def test_logs_go_before_results(lab: Lab) -> None:
    """After the days of logs, the records and answers are left; after those of results, nothing."""
    lab.now += 11 * DAY
    lab.run()
    assert {"run.json", "series.json", "answer.txt"} <= names(lab)
    assert not {"kernel.log", "build.log", "log.txt"} & names(lab)
    lab.now += 10 * DAY
    lab.run()

    assert names(lab) == set()
    assert lab.series() == ["patch a v1 answered success", "patch b v1 answered success"]
    assert "success" in (lab.state / "page" / "1.html").read_text()


def test_results_fit_their_bound_oldest_first(lab: Lab) -> None:
    """The newer series keeps its results."""
    size = bytes_on_disk(lab.state / "series" / "2")
    lab.text += f'results = "{size + 4096}"\n'
    lab.now += DAY
    lab.run()

    assert [one.name for one in (lab.state / "series").iterdir()] == ["2"]


def test_content_of_old_mails_is_forgotten_and_their_names_are_not(lab: Lab) -> None:
    """An old mail that comes again is known, and its series is not tested again."""
    lab.now += 16 * DAY
    lab.run()
    assert lab.rows("SELECT count(*) FROM mail WHERE raw IS NOT NULL") == [(0,)]
    lab.inbox.rewrite(one.render() for name in "ab" for one in series(name, [f"patch {name}"]))
    lab.run()

    assert lab.series() == ["patch a v1 answered success", "patch b v1 answered success"]


def test_mails_of_series_that_wait_are_kept(tmp_path: Path) -> None:
    """However old they are."""
    lab = Lab(tmp_path, CONFIG.replace('free = "1"', 'free = "900T"') + "mails_days = 1\n")
    lab.inbox.add(one.render() for one in series("a", ["one"]))
    lab.run()
    lab.now += 30 * DAY
    lab.run()
    lab.text = CONFIG
    lab.run()

    assert lab.series() == ["one v1 answered success"]


def test_page_is_written_where_something_changed(lab: Lab) -> None:
    """A second look writes nothing; a new series writes its page and the list."""
    page = lab.state / "page"
    before = {one.name: one.stat().st_mtime_ns for one in page.iterdir()}
    lab.run()
    assert {one.name: one.stat().st_mtime_ns for one in page.iterdir()} == before
    lab.inbox.add(one.render() for one in series("c", ["<b>third</b>"]))
    lab.run()
    after = {one.name: one.stat().st_mtime_ns for one in page.iterdir()}

    assert {name for name, time in after.items() if before.get(name) != time} == {"3.html", "index.html"}
    assert "&lt;b&gt;third&lt;/b&gt;" in (page / "index.html").read_text()
