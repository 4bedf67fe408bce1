# SPDX-License-Identifier: GPL-2.0-only
"""The shards of a run: a partition of its cases that depends on nothing but their ids and the durations file."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.base.errors import UsageError
from harness.model.shard import Shard, dump_durations, parse_shard, partition, read_durations

IDS = st.lists(st.text(max_size=8), unique=True, max_size=40)
SECONDS = st.dictionaries(st.text(max_size=8), st.floats(0, 100), max_size=40)


@given(IDS, SECONDS, st.integers(1, 12), st.randoms())
def test_partition_has_each_case_once(ids: list[str], seconds: dict[str, float], count: int, random: object) -> None:
    """Whatever the order of the cases, each is in one shard, and the partition is the same."""
    shards = partition(ids, seconds, count)
    shuffled = ids[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis' own generator

    assert len(shards) == count
    assert sorted(one for shard in shards for one in shard) == sorted(ids)
    assert partition(shuffled, seconds, count) == shards


@given(st.lists(st.floats(0.01, 10), min_size=1, max_size=60), st.integers(1, 8))
def test_partition_balances_known_durations(durations: list[float], count: int) -> None:
    """No two shards differ by more than the longest case of all."""
    seconds = {f"case-{at}": value for at, value in enumerate(durations)}
    loads = sorted(sum(seconds[one] for one in shard) for shard in partition(seconds, seconds, count))

    assert all(later - earlier <= max(durations) + 1e-9 for earlier, later in pairwise(loads))
    assert loads[-1] - loads[0] <= max(durations) + 1e-9


def test_new_case_moves_no_other() -> None:
    """A case without a known duration joins a shard, and all others stay where they are."""
    ids = [f"suite/case-{at}.session" for at in range(50)]
    before = partition(ids, {}, 5)
    after = partition([*ids, "suite/new.session"], {}, 5)

    assert [one - {"suite/new.session"} for one in after] == list(before)
    assert min(map(len, before)) > 0


def test_record_distinguishes_partitions() -> None:
    """All shards of a run have one digest; another case, duration or count has another one."""
    ids = ["a", "b", "c", "d"]
    first, second = (Shard(number, 2).record(ids, is_of_whole_suite=True) for number in (1, 2))
    others = [
        Shard(1, 3).record(ids, is_of_whole_suite=True),
        Shard(1, 2).record([*ids, "e"], is_of_whole_suite=True),
        Shard(1, 2, dict.fromkeys(ids, 1.0)).record(ids, is_of_whole_suite=True),
    ]

    assert first.partition == second.partition
    assert first.cases == 4
    assert first.partition not in {one.partition for one in others}


@pytest.mark.parametrize("text", ["", "2", "0/3", "4/3", "-1/3", "1/0", "a/b", "1/3/5", "1/99999", "²/3", "1 / 3"])
def test_parse_shard_refuses_what_is_no_shard(text: str) -> None:
    """The error shows the form."""
    with pytest.raises(UsageError, match=r"not a shard") as caught:
        parse_shard(text, {})

    assert "--shard 1/4" in caught.value.remedy
    assert str(parse_shard("2/5", {})) == "2/5"


def test_durations_are_read_back() -> None:
    """They are rounded to hundredths of a second and sorted, so that two files differ in what has changed."""
    text = dump_durations({"b": 1.239, "a": 0.5})

    assert read_durations(text, path="d.json") == {"a": 0.5, "b": 1.24}
    assert text.index('"a"') < text.index('"b"')


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not a durations file"),
        ("[]", "not a durations file"),
        (json.dumps({"format": 1, "seconds": {"a": "1"}}), "not a durations file"),
        (json.dumps({"format": 1, "seconds": {"a": True}}), "not a durations file"),
        (json.dumps({"format": 1, "seconds": {"a": -1}}), "not a durations file"),
        ('{"format": 1, "seconds": {"a": NaN}}', "not a durations file"),
        ('{"format": 1, "seconds": {"a": 1e999}}', "not a durations file"),
        (json.dumps({"format": 2, "seconds": {}}), "the format is too new"),
        ("[" * 100_000, "not a durations file"),
    ],
)
def test_read_durations_refuses_other_files(text: str, problem: str) -> None:
    """The error names the file, and the command that writes one."""
    with pytest.raises(UsageError, match=problem) as caught:
        read_durations(text, path="d.json")

    assert caught.value.what.startswith("d.json: ")
    assert caught.value.remedy
