# SPDX-License-Identifier: GPL-2.0-only
"""A month of a list: each series once, none lost; and the same after the service was killed again and again."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.follow_judge import judge
from tests.unit.follow.lab import Lab
from tests.unit.follow.month import Month, days, make_lab

KILLS = 30


def final(lab: Lab) -> list[tuple[object, ...]]:
    """Return what must not depend on when the service was killed."""
    query = "SELECT title, version, state, verdict, key, base, sender FROM series ORDER BY key"
    answers = "SELECT key, answer.verdict, kind, part, answer.state FROM answer JOIN series ON series = id"
    return lab.rows(query) + lab.rows(f"{answers} ORDER BY 1, 2, 3, 4")


def files(lab: Lab) -> set[str]:
    """Return the names of drafts and of folders of answers, without the numbers of the series."""
    drafts = {json.dumps(one.name.split("-")[2:]) for one in (lab.folder / "drafts" / "cur").iterdir()}
    return drafts | {one.name.partition("-")[2] for one in (lab.folder / "out").iterdir()}


def check(lab: Lab, month: Month) -> None:
    """Check that the newest whole version of each series was judged once, and no version twice."""
    rows = lab.rows("SELECT title, version, state FROM series WHERE state NOT IN ('superseded', 'ended')")
    judged = [(str(title), str(version)) for title, version, state in rows if state == "answered"]

    assert len(judged) == len(set(judged))
    assert {title: version for title, version in month.expected.items() if (title, version) not in judged} == {}
    assert [row for row in rows if row[2] != "answered"] == []


def verdicts_alone(lab: Lab, number: int) -> list[tuple[str, str]]:
    """Return the verdicts of some series, and those of a run on the mails of the series alone."""
    rows = lab.rows("SELECT id, folder, verdict FROM series WHERE verdict <> '' ORDER BY key LIMIT ?", number)
    return [
        (str(verdict), str(judge(str(lab.state / str(folder) / "series.mbox"), "base").state))
        for _, folder, verdict in rows
    ]


def test_a_week_has_each_series_once(tmp_path: Path) -> None:
    """Versions, rerolls, replies and broken mails of a week; verdicts are those of single runs."""
    month, lab = Month(1, 12, 7), make_lab(tmp_path)
    for _ in days(month, lab):
        lab.run()

    check(lab, month)
    assert all(one == other for one, other in verdicts_alone(lab, 10))
    assert len(list((lab.folder / "drafts" / "cur").iterdir())) == len(list((lab.folder / "out").iterdir()))


@pytest.mark.slow("harness/follow", "harness/kernel/mail", "tests/unit/follow", "tests/follow_judge.py")
def test_a_month_has_each_series_once(tmp_path: Path) -> None:
    """The same with 120 series in 30 days."""
    month, lab = Month(2, 120, 30), make_lab(tmp_path)
    for _ in days(month, lab):
        lab.run()

    check(lab, month)
    assert all(one == other for one, other in verdicts_alone(lab, 10))


def run_and_kill(lab: Lab, luck: random.Random, kills: int, seconds: float) -> int:
    """Run the service of a day in a process, kill it at random moments so often, then let it end; count the kills.

    :param seconds: how long the service took for that day without a kill.
    """
    words = [sys.executable, "-m", "tests.unit.follow.month", str(lab.folder), repr(lab.now)]
    done = 0
    while True:
        with subprocess.Popen(words) as child:
            try:
                child.wait(luck.uniform(0.1, 0.4 + seconds / (2 + done)) if done < kills else 600)
            except subprocess.TimeoutExpired:
                child.kill()
                done += 1
                continue
        assert child.returncode == 0
        return done


@pytest.mark.slow("harness/follow", "harness/kernel/mail", "tests/unit/follow", "tests/follow_judge.py")
def test_killed_at_random_moments_the_state_is_the_same(tmp_path: Path) -> None:
    """Thirty times SIGKILL: no series is lost, none is judged or answered twice."""
    month = Month(3, 40, 6)
    plain, killed = make_lab(tmp_path / "plain"), make_lab(tmp_path / "killed")
    seconds = []
    for _ in days(month, plain):
        began = time.monotonic()
        plain.run()
        seconds.append(time.monotonic() - began)
    luck, kills = random.Random(4), 0
    for day in days(month, killed):
        left = month.days - day
        kills += run_and_kill(killed, luck, (KILLS - kills + left - 1) // left, seconds[day])
    base, other = str(plain.folder), str(killed.folder)

    assert kills >= KILLS
    assert [tuple(str(one).replace(other, base) for one in row) for row in final(killed)] == [
        tuple(map(str, row)) for row in final(plain)
    ]
    assert files(killed) == files(plain)
    check(killed, month)
