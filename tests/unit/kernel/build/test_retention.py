# SPDX-License-Identifier: GPL-2.0-only
"""Which kept objects are dropped when they take too much: the least worth first, what series start from last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.kernel.build.retention import KeptObjects, choose_dropped

DAY = 86400.0
NOW = 20_000 * DAY
MIB = 1 << 20
PLAIN = KeptObjects(
    key="plain",
    repositories=frozenset({"linux"}),
    commit="commit of plain",
    is_patched=False,
    base="",
    config="config",
    tools="gcc",
    seconds=30.0,
    starts=0,
    series_starts=0,
    used_at=NOW,
    size=110 * MIB,
)
BASE = replace(PLAIN, key="base", commit="commit of base", seconds=600.0, starts=1, series_starts=1)


@st.composite
def entries(draw: st.DrawFn) -> list[KeptObjects]:
    """Up to a dozen entries, some with a series, some of them on the commit of another entry."""
    number = draw(st.integers(0, 12))
    made = []
    for at in range(number):
        is_patched = draw(st.booleans())
        series_starts = draw(st.integers(0, 2))
        made.append(
            replace(
                PLAIN,
                key=f"key {at}",
                commit=f"commit {at}",
                is_patched=is_patched,
                base=f"commit {draw(st.integers(0, 12))}" if is_patched else "",
                seconds=draw(st.floats(0, 5000)),
                starts=series_starts + draw(st.integers(0, 20)),
                series_starts=series_starts,
                used_at=NOW - draw(st.integers(0, 120 * 24)) * DAY / 24,
                size=draw(st.integers(0, 400)) * MIB,
            )
        )
    return made


bounds = st.integers(0, 3000).map(lambda number: number * MIB)


def rest(kept: Sequence[KeptObjects], bound: int) -> list[KeptObjects]:
    """Return what stays."""
    dropped = choose_dropped(kept, bound=bound)
    return [one for one in kept if one.key not in dropped]


def total(kept: Sequence[KeptObjects]) -> int:
    """Return the bytes that entries take together."""
    return sum(one.size for one in kept)


@given(entries(), bounds)
def test_the_rest_is_within_the_bound(kept: list[KeptObjects], bound: int) -> None:
    """What stays fits; nothing is dropped twice, nothing unknown, and nothing more from what fits."""
    dropped = choose_dropped(kept, bound=bound)
    stays = rest(kept, bound)

    assert total(stays) <= bound
    assert len(dropped) == len(set(dropped)) == len(kept) - len(stays)
    assert choose_dropped(stays, bound=bound) == ()


@given(entries(), bounds)
def test_no_more_is_dropped_than_has_to_be(kept: list[KeptObjects], bound: int) -> None:
    """Without the last key that is dropped the rest would not fit."""
    dropped = choose_dropped(kept, bound=bound)
    with_the_last = [one for one in kept if one.key not in dropped[:-1]]

    assert not dropped or total(with_the_last) > bound


@given(entries().flatmap(lambda kept: st.tuples(st.just(kept), st.permutations(kept))), bounds)
def test_the_order_of_the_entries_does_not_matter(
    both: tuple[list[KeptObjects], list[KeptObjects]], bound: int
) -> None:
    """The same entries in another order lose the same."""
    kept, shuffled = both

    assert set(choose_dropped(shuffled, bound=bound)) == set(choose_dropped(kept, bound=bound))


@given(entries(), bounds)
def test_the_newest_stays(kept: list[KeptObjects], bound: int) -> None:
    """The next build starts from what was just built, unless that alone is larger than the bound."""
    newest = replace(PLAIN, key="newest", used_at=NOW + 1, size=200 * MIB)

    assert (newest in rest([*kept, newest], bound)) is (newest.size <= bound)


@given(entries(), st.lists(st.integers(1, 400), min_size=1, max_size=4), bounds)
def test_bases_outlive_all_others(kept: list[KeptObjects], sizes: list[int], bound: int) -> None:
    """Bases that fit into the bound with the newest stay, whatever else is worth."""
    plain = [replace(one, series_starts=0, is_patched=True, base="elsewhere") for one in kept]
    bases = [
        replace(BASE, key=f"base {at}", commit=f"base {at}", size=size * MIB, seconds=0.1, used_at=NOW - 50 * DAY)
        for at, size in enumerate(sizes)
    ]
    newest = replace(PLAIN, key="newest", used_at=NOW + 1)
    room = max(bound, total(bases) + newest.size)

    assert set(bases) <= set(rest([*plain, *bases, newest], room))


@pytest.mark.parametrize("better", ["seconds", "starts", "used_at", "size"])
@given(kept=entries(), bound=bounds)
def test_what_is_worth_more_stays_longer(kept: list[KeptObjects], bound: int, better: str) -> None:
    """Of two entries alike, the slower to make, the one used more or later, and the smaller is not dropped first."""
    worse = replace(PLAIN, key="b", commit="b", used_at=NOW - DAY)
    good = {
        "seconds": replace(worse, seconds=31.0),
        "starts": replace(worse, starts=1),
        "used_at": replace(worse, used_at=NOW - DAY / 2),
        "size": replace(worse, size=109 * MIB),
    }[better]
    good = replace(good, key="a", commit="a")
    newest = replace(PLAIN, key="newest", used_at=NOW + 1)
    stays = rest([*kept, worse, good, newest], bound)

    assert good in stays or worse not in stays
    assert choose_dropped([worse, good, newest], bound=total([good, worse])) == ("b",)


@given(st.lists(st.integers(1, 150), min_size=1, max_size=40), st.booleans())
def test_builds_in_a_row_leave_what_series_start_from(sizes: list[int], is_patched: bool) -> None:
    """Neither the commits of a bisection nor a dozen series push out the base, however long each of them takes."""
    bound = BASE.size + 150 * MIB
    kept = [BASE]
    for at, size in enumerate(sizes):
        made = replace(
            PLAIN,
            key=f"key {at}",
            commit=f"commit {at}",
            is_patched=is_patched,
            base="elsewhere" if is_patched else "",
            seconds=3000.0,
            starts=30,
            used_at=NOW + at,
            size=size * MIB,
        )
        kept = rest([*kept, made], bound)
        assert made in kept

    assert BASE in kept


def test_the_base_of_a_kept_series_counts_as_a_base() -> None:
    """A series that started from other objects will need its base again; with another config it will not."""
    base = replace(PLAIN, key="base", commit="base", seconds=1.0, used_at=NOW - DAY)
    other = replace(PLAIN, key="other", seconds=600.0, starts=20)
    series = replace(PLAIN, key="series", commit="patched", is_patched=True, base="base", used_at=NOW + 1)
    elsewhere = replace(series, config="another")
    room = base.size + series.size

    assert choose_dropped([base, other, series], bound=room) == ("other",)
    assert choose_dropped([base, other, elsewhere], bound=room) == ("base",)


def test_a_base_that_is_not_used_any_more_goes_like_any_other() -> None:
    """Bases of a compiler that was replaced must not take the room for ever."""
    used = replace(BASE, used_at=NOW - 59 * DAY)
    left = replace(BASE, used_at=NOW - 61 * DAY)
    kept = [PLAIN, replace(PLAIN, key="newest", used_at=NOW)]
    kept[0] = replace(kept[0], used_at=NOW - DAY)
    room = 2 * BASE.size

    assert choose_dropped([used, *kept], bound=room) == ("plain",)
    assert choose_dropped([left, *kept], bound=room) == ("base",)
