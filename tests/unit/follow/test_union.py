# SPDX-License-Identifier: GPL-2.0-only
"""Series that are tested all together, and the bisection over series when the union fails."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.follow.state.union_plan import Members, UnionPlan, plan_union
from tests.unit.follow.inboxes import series
from tests.unit.follow.lab import CONFIG, Lab

UNION = CONFIG.replace("options = []", "options = []\nunion = true")


def solve(members: Members, fails: Callable[[Members], bool]) -> tuple[UnionPlan, int]:
    """Return the conclusion about a union, and the number of tests."""
    passed: dict[Members, bool] = {}
    while (plan := plan_union(members, passed)).next:
        assert plan.next not in passed
        passed[plan.next] = not fails(plan.next)
    return plan, len(passed)


def test_union_that_passes_is_one_test() -> None:
    """All have a verdict from one kernel."""
    plan, tests = solve(tuple(range(1, 33)), lambda some: False)

    assert (plan.good, plan.alone, tests) == (tuple(range(1, 33)), (), 1)


@given(bad=st.sets(st.integers(1, 32), min_size=1, max_size=3))
def test_bad_series_are_found(bad: set[int]) -> None:
    """Every bad series is tested alone, and no others but those that share its smallest set."""
    members = tuple(range(1, 33))
    plan, tests = solve(members, lambda some: bool(bad & set(some)))

    assert bad <= set(plan.alone)
    assert len(plan.alone) <= 2 * len(bad)
    assert sorted(plan.good + plan.alone) == list(members)
    assert tests <= 1 + 2 * len(bad) * math.ceil(math.log2(len(members)))


def test_series_that_fail_only_together_are_a_clash() -> None:
    """Both halves pass, the whole does not: all of it is tested one by one."""
    plan, _ = solve((1, 2, 3, 4), lambda some: {2, 3} <= set(some))

    assert plan == UnionPlan(alone=(1, 2, 3, 4), clashes=((1, 2, 3, 4),))


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """Return a service whose rule tests unions."""
    return Lab(tmp_path, UNION)


def post(lab: Lab, *titles: str) -> None:
    """Add a series of two patches for each title."""
    lab.inbox.add(
        one.render() for at, title in enumerate(titles) for one in series(f"s{at}", [title, "two"], cover=title)
    )


def trials(lab: Lab) -> list[list[int]]:
    """Return the members of each test of a union."""
    return [json.loads(str(row[0])) for row in lab.rows("SELECT members FROM trial ORDER BY id")]


def test_pending_series_are_tested_together(lab: Lab) -> None:
    """One run of the base, one of all; the record says with which others a series was tested."""
    post(lab, "a", "b", "c")
    lab.run()

    assert lab.series() == [f"{name} v1 answered success" for name in "abc"]
    assert trials(lab) == [[], [1, 2, 3]]
    (record,) = lab.state.glob("union/of-2/1/answers/series.json")
    assert "together with series 1, 3" in record.read_text()
    patches = sorted((lab.state / "union" / "2" / "patches").iterdir())
    assert [one.name for one in patches] == [f"{at:04}.patch" for at in range(1, 7)]


def test_union_that_fails_is_bisected(lab: Lab) -> None:
    """The series that breaks it is judged alone, patch by patch; the others share verdicts."""
    post(lab, "a", "b", "c", "d breaks", "e", "f", "g", "h")
    lab.run()

    verdicts = [one.rpartition(" ")[2] for one in lab.series()]
    assert verdicts == ["success"] * 3 + ["fail"] + ["success"] * 4
    assert trials(lab) == [[], [1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4], [1, 2], [3, 4], [5, 6, 7, 8]]
    assert sorted(one.name for one in (lab.state / "series").iterdir()) == ["3", "4"]


def test_series_that_fail_only_together(lab: Lab) -> None:
    """Each is judged alone, and passes."""
    post(lab, "a clash", "b clash")
    lab.run()

    assert [one.rpartition(" ")[2] for one in lab.series()] == ["success", "success"]
    assert len(list((lab.state / "series").iterdir())) == 2


def test_single_series_is_no_union(lab: Lab) -> None:
    """One that waits alone is judged as usual."""
    post(lab, "a")
    lab.run()

    assert trials(lab) == []
    assert lab.series() == ["a v1 answered success"]
