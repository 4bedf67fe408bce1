# SPDX-License-Identifier: GPL-2.0-only
"""Batches: every case is run once, the longest first; what a lost worker ran is run again, and not forever."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.hosts import figures
from harness.hosts.batches import LONGEST_SECONDS, MOST_LOSSES, Batch, Loss, Work

DURATIONS = st.lists(st.floats(0.1, 90), max_size=60)


def named(durations: list[float]) -> dict[str, float]:
    """Name a case for each duration."""
    return {f"case{at}": seconds for at, seconds in enumerate(durations)}


@given(durations=DURATIONS, workers=st.integers(1, 8), seed=st.integers(), is_ordered=st.booleans())
def test_each_case_is_run_to_a_result_once(durations: list[float], workers: int, seed: int, is_ordered: bool) -> None:
    """Workers that are lost at any moment leave no case out, and no case gets two results."""
    luck = random.Random(seed)
    seconds = named(durations)
    work = Work(list(seconds), seconds, is_ordered=is_ordered)
    hosts = [f"host{at}" for at in range(workers)]
    running: dict[str, Batch] = {}
    results: list[str] = []
    while not work.is_done:
        for host in hosts:
            if host not in running and (batch := work.take(host, hosts=hosts, workers=workers)) is not None:
                running[host] = batch
        host = luck.choice(sorted(running))
        batch = running.pop(host)
        ended = luck.randint(0, len(batch.ids))
        for case in batch.ids[:ended]:
            assert work.is_awaited(batch.number, case)
            work.end_case(case)
            results.append(case)
        if ended == len(batch.ids):
            results += work.end_batch(batch.number)
        else:
            suspect = batch.ids[ended] if luck.random() < 0.7 else ""
            results += work.lose_batch(batch.number, host, suspect=suspect).given_up

    assert sorted(results) == sorted(seconds)
    assert all(work.take(host, hosts=hosts, workers=workers) is None for host in hosts)


@given(durations=DURATIONS, workers=st.integers(1, 8))
def test_batches_shrink_and_begin_with_the_longest(durations: list[float], workers: int) -> None:
    """The first case of a batch is never longer than that of the one before; no batch is longer than allowed."""
    seconds = named(durations)
    work = Work(list(seconds), seconds)
    batches = []
    while (batch := work.take("a", hosts=["a"], workers=workers)) is not None:
        batches.append(batch)
    firsts = [seconds[batch.ids[0]] for batch in batches]

    assert sorted(one for batch in batches for one in batch.ids) == sorted(seconds)
    assert firsts == sorted(firsts, reverse=True)
    for batch in batches:
        load = sum(seconds[one] for one in batch.ids)
        assert len(batch.ids) == 1 or load <= LONGEST_SECONDS + seconds[batch.ids[-1]] / 2 + 1e-6


def test_work_for_more_workers_is_divided_into_more_batches() -> None:
    """Batches shrink as hosts grow."""
    seconds = dict.fromkeys((f"case{at}" for at in range(200)), 3.0)

    def first_batch(workers: int) -> int:
        batch = Work(list(seconds), seconds).take("a", hosts=["a"], workers=workers)
        assert batch is not None
        return len(batch.ids)

    assert [first_batch(workers) for workers in (1, 4, 16, 64)] == [40, 40, 10, 3]


def test_few_cases_are_shared() -> None:
    """No worker takes cases that another one could begin."""
    work = Work(["one", "two", "three"], dict.fromkeys(("one", "two", "three"), 1.0))

    assert [len(take(work, host, workers=2).ids) for host in ("a", "b")] == [2, 1]


def test_cases_to_run_first_are_run_first() -> None:
    """Those that failed last time, then the longest."""
    seconds = {"short": 1.0, "long": 9.0, "failed": 2.0}
    batch = Work(list(seconds), seconds, first=["failed"]).take("a", hosts=["a"], workers=1)

    assert batch is not None
    assert batch.ids[0] == "failed"


def test_a_random_order_is_kept() -> None:
    """With ``--repeat``, the order of the seed is that of the batches."""
    ids = ["b", "c", "a"]
    work = Work(ids, {"a": 9.0}, is_ordered=True)
    found: list[str] = []
    while (batch := work.take("a", hosts=["a"], workers=2)) is not None:
        found += batch.ids

    assert found == ids


def take(work: Work, host: str, *, workers: int = 1) -> Batch:
    """Take a batch that there must be, of two hosts."""
    batch = work.take(host, hosts=["a", "b"], workers=workers)
    assert batch is not None
    return batch


def test_the_case_that_ran_when_a_worker_was_lost_is_blamed() -> None:
    """It is run again alone, on another host; the second loss is an error of this case only."""
    work = Work(["one", "two", "three"], {}, is_ordered=True)
    batch = take(work, "a")
    assert batch.ids == ("one", "two", "three")
    work.end_case("one")

    assert work.lose_batch(batch.number, "a", suspect="two") == Loss(again=("two", "three"))
    others = take(work, "a")
    assert others.ids == ("three",)
    assert work.take("a", hosts=["a", "b"], workers=2) is None
    alone = take(work, "b")
    assert (alone.ids, alone.lost) == (("two",), ("a",))
    assert work.lose_batch(alone.number, "b", suspect="two") == Loss(given_up=("two",))
    assert work.left == ("three",)


def test_a_batch_that_loses_its_workers_between_cases_is_given_up_whole() -> None:
    """Nothing tells which case it was."""
    work = Work(["one", "two"], {}, is_ordered=True)
    first = take(work, "a")
    work.lose_batch(first.number, "a")
    second = take(work, "b")

    assert second.ids == ("one", "two")
    assert len(second.lost) + 1 == MOST_LOSSES
    assert work.lose_batch(second.number, "b") == Loss(given_up=("one", "two"))
    assert work.is_done


def test_with_one_host_a_batch_is_run_again_there() -> None:
    """There is no other."""
    work = Work(["one"], {})
    batch = work.take("a", hosts=["a"], workers=1)
    assert batch is not None
    work.lose_batch(batch.number, "a")

    assert work.take("a", hosts=["a"], workers=1) is not None


def test_the_result_of_a_batch_that_is_over_does_not_count() -> None:
    """A worker that was thought to be lost may still send one."""
    work = Work(["one"], {})
    batch = take(work, "a")
    work.lose_batch(batch.number, "a")

    assert not work.is_awaited(batch.number, "one")


@pytest.mark.parametrize("number", [0, 99])
def test_an_unknown_batch_has_no_cases(number: int) -> None:
    """Messages are untrusted."""
    work = Work(["one"], {})

    assert work.end_batch(number) == ()
    assert work.lose_batch(number, "a") == Loss()
    assert not work.is_awaited(number, "one")


def test_simulated_runs_come_close_to_the_bound() -> None:
    """On 1 to 256 hosts, with the durations of the largest suite; ``tox -e bench-hosts`` prints the table."""
    assert [figure.name for figure in figures(5) if not figure.is_met] == []


def test_what_a_late_batch_has_not_ended_runs_twice_and_counts_once() -> None:
    """An idle worker gets the rest; the loss of either worker then costs nothing."""
    work = Work(["a", "b", "c"], {"a": 1.0, "b": 1.0, "c": 1.0})
    slow = work.take("slow", hosts=["slow", "quick"], workers=1)
    assert slow is not None
    work.end_case("a")
    second = work.double_batch(slow.number)
    assert second is not None

    assert second.ids == ("b", "c")
    assert work.double_batch(slow.number) is None
    assert work.lose_batch(slow.number, "slow", suspect="b") == Loss()
    assert work.is_awaited(second.number, "b")
    work.end_case("b")
    assert work.end_batch(second.number) == ("c",)


@pytest.mark.parametrize(
    ("case", "batch_seconds", "case_seconds", "is_late"),
    [
        ("", 130.0, 0.0, False),
        ("", 140.0, 0.0, True),
        ("a", 40.0, 22.0, False),
        ("a", 40.0, 30.0, True),
        ("a", 140.0, 1.0, True),
    ],
)
def test_a_batch_is_late_by_what_was_expected(
    case: str, batch_seconds: float, case_seconds: float, is_late: bool
) -> None:
    """A boot may precede it, which is not expected of a case; a batch that is over is never late."""
    work = Work(["a", "b", "c"], {"a": 3.0, "b": 1.0, "c": 1.0})
    batch = work.take("host", hosts=["host"], workers=1)
    assert batch is not None

    assert work.is_late(batch.number, case, batch_seconds=batch_seconds, case_seconds=case_seconds) is is_late
    work.end_batch(batch.number)
    assert not work.is_late(batch.number, case, batch_seconds=batch_seconds, case_seconds=case_seconds)
