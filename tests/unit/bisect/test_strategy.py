# SPDX-License-Identifier: GPL-2.0-only
"""Compare the strategy of a bisection with brute force over artificial histories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.bisect.commit_graph import Lineage, nodes
from harness.bisect.intervals import find_intervals
from harness.bisect.strategy import choose, entropy, hoped_builds, most_builds
from tests.unit.bisect.histories import bisect, commit, linear, merged

# With 100 examples `candidates <= 2` in place of `< 2` in most_builds() passes unnoticed, with 300 it does not.
many = settings(max_examples=max(300, settings().max_examples))


def steps(size: int, changes: Mapping[int, str]) -> list[str]:
    """Return the value on each commit of a linear history that changes at some."""
    values, value = [], "start"
    for at in range(size):
        value = changes.get(at, value)
        values.append(value)
    return values


def brute_force(values: Sequence[str]) -> list[tuple[int, str, str]]:
    """Return the changes of a value, found by checking every commit."""
    return [(at, values[at - 1], values[at]) for at in range(1, len(values)) if values[at - 1] != values[at]]


@many
@given(st.integers(2, 120), st.data())
def test_targets_that_change_once_are_found_within_the_bound(size: int, data: st.DataObject) -> None:
    """In a linear history each change is traced to its commit within the bound of builds."""
    places = data.draw(st.lists(st.integers(1, size - 1), min_size=1, max_size=8))
    truth = {f"t{number}": steps(size, {at: "end"}) for number, at in enumerate(places)}
    done = bisect(linear(size), {name: values.__getitem__ for name, values in truth.items()}, ends=(0, size - 1))

    for name, values in truth.items():
        (interval,) = done.found[name]
        assert [(interval.high, interval.before[0], interval.after)] == brute_force(values)
        assert interval.size == 1
    assert len(done.builds) <= most_builds(size - 1, len(set(places)))


@given(st.integers(2, 3000), st.data())
def test_targets_that_share_a_commit_cost_as_much_as_one(size: int, data: st.DataObject) -> None:
    """A hundred targets that one commit changed take log2(N) builds, rounded up."""
    at = data.draw(st.integers(1, size - 1))
    done = bisect(
        linear(size), {f"t{n}": (lambda node: "end" if node >= at else "start") for n in range(100)}, ends=(0, size - 1)
    )

    assert len(done.builds) <= (size - 2).bit_length()
    assert len(done.builds) <= hoped_builds(size - 1, 100)


@many
@given(st.integers(2, 40), st.data())
def test_reported_changes_of_a_target_are_real_and_complete(size: int, data: st.DataObject) -> None:
    """Each reported change is real, consecutive changes fit each other, and no seen value is left out."""
    # One draw for a whole row: a draw for each value takes longer than the bisection.
    row = st.binary(min_size=size, max_size=size).map(lambda drawn: ["abc"[byte % 3] for byte in drawn])
    truth = {f"t{number}": data.draw(row) for number in range(3)}
    done = bisect(linear(size), {name: values.__getitem__ for name, values in truth.items()}, ends=(0, size - 1))

    for name, values in truth.items():
        changes = [(one.high, one.before[0], one.after) for one in done.found[name]]
        assert set(changes) <= set(brute_force(values))
        chain = [values[0], *(after for _, _, after in changes)]
        assert [before for _, before, _ in changes] == chain[:-1]
        assert chain[-1] == values[-1]
        seen = {values[node] for node in (0, *done.builds, size - 1)}
        assert seen == set(chain)


@given(st.integers(3, 80), st.data())
def test_trait_with_three_values_has_two_changes(size: int, data: st.DataObject) -> None:
    """If no change hides another, all are found."""
    first = data.draw(st.integers(1, size - 2))
    second = data.draw(st.integers(first + 1, size - 1))
    values = steps(size, {first: "b", second: "c"})
    done = bisect(linear(size), {"t": values.__getitem__}, ends=(0, size - 1))
    changes = [(one.high, one.before[0], one.after) for one in done.found["t"]]

    assert changes in (brute_force(values), [(first, "start", "b"), (second, "b", "c")])


@many
@given(merged(), st.data())
def test_merges_are_handled(lineage: Lineage, data: st.DataObject) -> None:
    """A change is traced to its commit on whatever branch it was made."""
    end = len(lineage) - 1
    names = [f"t{number}" for number in range(data.draw(st.integers(1, 4)))]
    culprits = {name: data.draw(st.integers(1, end)) for name in names}
    truth = {
        name: (lambda node, culprit=culprit: "end" if lineage.ancestors(node) >> culprit & 1 else "start")
        for name, culprit in culprits.items()
    }
    done = bisect(lineage, truth, ends=(0, end))

    for name, culprit in culprits.items():
        found = {one.high for one in done.found[name] if one.size == 1}
        assert culprit in found
        # Two branches may have the change from one commit: it is reported once.
        assert len(done.found[name]) == 1
    assert len(done.builds) <= end


@many
@given(merged(30), st.data())
def test_untestable_nodes_stay_in_the_interval(lineage: Lineage, data: st.DataObject) -> None:
    """If commits do not build, the interval has the culprit and otherwise only untestable commits."""
    end = len(lineage) - 1
    culprit = data.draw(st.integers(1, end))
    broken = data.draw(st.sets(st.integers(1, max(1, end - 1)), max_size=12)) - {end}
    done = bisect(
        lineage,
        {"t": lambda node: "end" if lineage.ancestors(node) >> culprit & 1 else "start"},
        ends=(0, end),
        broken=sorted(broken),
    )
    (interval,) = done.found["t"]

    assert interval.members >> culprit & 1
    assert set(nodes(interval.members)) - {interval.high} <= broken


@given(st.integers(8, 60), st.data())
def test_silent_commit_affects_only_its_target(size: int, data: st.DataObject) -> None:
    """A target without a verdict on a commit is observed on others; other targets are traced exactly."""
    one, other = (data.draw(st.integers(1, size - 1)) for _ in range(2))
    mute = data.draw(st.sets(st.integers(1, size - 2), max_size=6))
    done = bisect(
        linear(size),
        {
            "mute": lambda node: None if node in mute else "end" if node >= one else "start",
            "other": lambda node: "end" if node >= other else "start",
        },
        ends=(0, size - 1),
    )
    (interval,), (exact,) = done.found["mute"], done.found["other"]

    assert (exact.high, exact.size) == (other, 1)
    assert interval.members >> one & 1
    assert set(nodes(interval.members)) - {interval.high} <= mute


def test_inert_commits_need_no_build() -> None:
    """A thousand commits to the documentation after the only change leave nothing to build."""
    commits = [commit(0, ()), commit(1, (0,)), *(commit(at, (at - 1,), is_inert=True) for at in range(2, 1002))]
    lineage = Lineage(commits, ["0"])
    done = bisect(lineage, {"t": lambda node: "end" if node else "start"}, ends=(0, lineage.node("1001")))

    assert lineage.node("1001") == lineage.node("1") == 1
    assert not done.builds
    assert lineage.commits[done.found["t"][0].high].hash == "1"


def test_twins_are_built_once() -> None:
    """Equal files give equal values: those from before a change hold after its revert."""
    trees = ["a", "b", "a", "b", "a", "c"]
    lineage = Lineage([commit(at, (at - 1,) if at else (), tree=tree) for at, tree in enumerate(trees)], ["0"])
    done = bisect(lineage, {"t": lambda node: trees[node]}, ends=(0, 5))

    assert not done.builds
    assert [(one.high, one.size) for one in done.found["t"]] == [(5, 1)]


def test_branch_from_before_the_good_end_counts_as_good() -> None:
    """A merged branch that forked off before the good end starts at the good end, as for git."""
    commits = [commit(0, ()), commit(1, (0,)), commit(2, (90,)), commit(3, (2,)), commit(4, (1, 3))]
    lineage = Lineage(commits, ["0"])
    done = bisect(lineage, {"t": lambda node: "end" if node in (3, 4) else "start"}, ends=(0, 4))

    assert [(one.high, one.size) for one in done.found["t"]] == [(3, 1)]


def test_diverged_ends_are_traced_to_the_side_that_changed() -> None:
    """A change on the good branch after the merge base is found on the good branch."""
    commits = [commit(0, ()), commit(1, (0,)), commit(2, (1,)), commit(3, (0,)), commit(4, (3,))]
    lineage = Lineage(commits, ["0"])
    good, bad = lineage.node("2"), lineage.node("4")
    done = bisect(
        lineage,
        {
            "of the good side": lambda node: "new" if node in (1, 2) else "old",
            "of both": lambda node: {2: "x", 4: "y"}.get(node, "old"),
        },
        ends=(0, good, bad),
    )

    assert [(one.high, one.after) for one in done.found["of the good side"]] == [(1, "new")]
    assert [(one.high, one.after) for one in done.found["of both"]] == [(2, "x"), (4, "y")]


def test_next_commit_is_away_from_broken_ones() -> None:
    """Twenty broken commits in a row do not take twenty builds."""
    broken = range(40, 60)
    done = bisect(linear(101), {"t": lambda node: "end" if node >= 70 else "start"}, ends=(0, 100), broken=broken)

    assert [(one.high, one.size) for one in done.found["t"]] == [(70, 1)]
    assert len(set(done.builds) & set(broken)) <= 4


def test_choice_prefers_more_targets() -> None:
    """If three targets are open in one half and one in the other, the half of the three comes first."""
    lineage = linear(17)
    at = {"a": 12, "b": 12, "c": 12, "d": 4}
    observed = {name: {0: "s", 8: "e" if place < 8 else "s", 16: "e"} for name, place in at.items()}
    intervals = [one for name in at for one in find_intervals(lineage, name, observed[name])]
    choice = choose(lineage, intervals)

    assert choice is not None
    assert choice.node == 12
    assert choice.bits == 3.0
    assert [split.target for split in choice.splits] == ["a", "b", "c"]


@pytest.mark.parametrize(("size", "changes"), [(2, 1), (7, 2), (9, 3), (16, 2), (16, 16), (12, 4)])
def test_bound_is_tight(size: int, changes: int) -> None:
    """Over all combinations of changes, the worst one takes the bound or a little less."""
    worst = 0
    for places in combinations(range(1, size), min(changes, size - 1)):
        truth = {f"t{at}": (lambda node, at=at: "end" if node >= at else "start") for at in places}
        worst = max(worst, len(bisect(linear(size), truth, ends=(0, size - 1)).builds))
    promised = most_builds(size - 1, changes)

    assert worst <= promised
    assert worst >= promised - changes


@pytest.mark.parametrize(("part", "whole", "bits"), [(1, 2, 1.0), (0, 4, 0.0), (4, 4, 0.0), (1, 1, 0.0)])
def test_entropy(part: int, whole: int, bits: float) -> None:
    """A half gives one bit; a certainty gives none."""
    assert entropy(part, whole) == bits


def test_history_out_of_order_is_an_error() -> None:
    """A commit must not be listed before its parent."""
    with pytest.raises(ValueError, match="before its parent"):
        Lineage([commit(1, (0,)), commit(0, ())], ["0"])
