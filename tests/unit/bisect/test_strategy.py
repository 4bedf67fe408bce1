"""The strategy of a bisection, against brute force over made-up histories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.bisect.commit_graph import Lineage, nodes
from harness.bisect.intervals import find_stretches
from harness.bisect.strategy import choose, entropy, hoped_builds, most_builds
from tests.unit.bisect.histories import bisect, commit, linear, merged

many = settings(max_examples=300)


def steps(size: int, changes: Mapping[int, str]) -> list[str]:
    """The value on each commit of a row, when it changes at some."""
    values, value = [], "start"
    for at in range(size):
        value = changes.get(at, value)
        values.append(value)
    return values


def brute_force(values: Sequence[str]) -> list[tuple[int, str, str]]:
    """Where the value changes, found by looking at every commit."""
    return [(at, values[at - 1], values[at]) for at in range(1, len(values)) if values[at - 1] != values[at]]


@many
@given(st.integers(2, 120), st.data())
def test_targets_that_change_once_are_found_within_the_bound(size: int, data: st.DataObject) -> None:
    """In a row of commits each change is found to the commit, in no more builds than are promised."""
    places = data.draw(st.lists(st.integers(1, size - 1), min_size=1, max_size=8))
    truth = {f"t{number}": steps(size, {at: "end"}) for number, at in enumerate(places)}
    done = bisect(linear(size), {name: values.__getitem__ for name, values in truth.items()}, ends=(0, size - 1))

    for name, values in truth.items():
        (stretch,) = done.found[name]
        assert [(stretch.high, stretch.before[0], stretch.after)] == brute_force(values)
        assert stretch.size == 1
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
def test_what_changes_several_times_is_reported_at_each_change_that_was_met(size: int, data: st.DataObject) -> None:
    """Whatever a target does on the way, each change that is told is one, they follow on each other, and none that was
    seen is left out."""
    row = st.lists(st.sampled_from("abc"), min_size=size, max_size=size)
    truth = {f"t{number}": data.draw(row) for number in range(3)}
    done = bisect(linear(size), {name: values.__getitem__ for name, values in truth.items()}, ends=(0, size - 1))

    for name, values in truth.items():
        told = [(one.high, one.before[0], one.after) for one in done.found[name]]
        assert set(told) <= set(brute_force(values))
        chain = [values[0], *(after for _, _, after in told)]
        assert [before for _, before, _ in told] == chain[:-1]
        assert chain[-1] == values[-1]
        seen = {values[node] for node in (0, *done.builds, size - 1)}
        assert seen == set(chain)


@given(st.integers(3, 80), st.data())
def test_a_trait_that_goes_from_a_over_b_to_c_has_both_changes_told(size: int, data: st.DataObject) -> None:
    """When no two changes are hidden from each other, all of them are found."""
    first = data.draw(st.integers(1, size - 2))
    second = data.draw(st.integers(first + 1, size - 1))
    values = steps(size, {first: "b", second: "c"})
    done = bisect(linear(size), {"t": values.__getitem__}, ends=(0, size - 1))
    told = [(one.high, one.before[0], one.after) for one in done.found["t"]]

    assert told in (brute_force(values), [(first, "start", "b"), (second, "b", "c")])


@many
@given(merged(), st.data())
def test_merges_are_handled(lineage: Lineage, data: st.DataObject) -> None:
    """What one commit changed for all that is built on it, is found to be that commit, on whatever branch it was."""
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
        # Several targets may be met on two branches that brought the change from one place: it is told once.
        assert len(done.found[name]) == 1
    assert len(done.builds) <= end


@many
@given(merged(30), st.data())
def test_what_cannot_be_judged_is_named_when_it_hides_the_answer(lineage: Lineage, data: st.DataObject) -> None:
    """With commits that do not build, the answer holds the culprit, and beside it nothing that could be asked."""
    end = len(lineage) - 1
    culprit = data.draw(st.integers(1, end))
    broken = data.draw(st.sets(st.integers(1, max(1, end - 1)), max_size=12)) - {end}
    done = bisect(
        lineage,
        {"t": lambda node: "end" if lineage.ancestors(node) >> culprit & 1 else "start"},
        ends=(0, end),
        broken=sorted(broken),
    )
    (stretch,) = done.found["t"]

    assert stretch.members >> culprit & 1
    assert set(nodes(stretch.members)) - {stretch.high} <= broken


@given(st.integers(8, 60), st.data())
def test_a_target_of_which_a_commit_says_nothing_does_not_stop_the_others(size: int, data: st.DataObject) -> None:
    """Its case could not be asked there: it is asked elsewhere, and the others are found to the commit."""
    one, other = (data.draw(st.integers(1, size - 1)) for _ in range(2))
    mute = data.draw(st.sets(st.integers(1, size - 2), max_size=6))
    done = bisect(
        linear(size),
        {
            "mute": lambda node: None if node in mute else "end" if node >= one else "start",
            "told": lambda node: "end" if node >= other else "start",
        },
        ends=(0, size - 1),
    )
    (stretch,), (exact,) = done.found["mute"], done.found["told"]

    assert (exact.high, exact.size) == (other, 1)
    assert stretch.members >> one & 1
    assert set(nodes(stretch.members)) - {stretch.high} <= mute


def test_commits_that_change_nothing_that_is_built_cost_nothing() -> None:
    """A thousand commits to the documentation after one that counts: there is nothing to ask."""
    commits = [commit(0, ()), commit(1, (0,)), *(commit(at, (at - 1,), is_inert=True) for at in range(2, 1002))]
    lineage = Lineage(commits, ["0"])
    done = bisect(lineage, {"t": lambda node: "end" if node else "start"}, ends=(0, lineage.node("1001")))

    assert lineage.node("1001") == lineage.node("1") == 1
    assert not done.builds
    assert lineage.commits[done.found["t"][0].high].hash == "1"


def test_a_revert_and_the_commit_that_is_reverted_are_asked_once() -> None:
    """The same files show the same: what is seen before a change is known after its revert."""
    trees = ["a", "b", "a", "b", "a", "c"]
    lineage = Lineage([commit(at, (at - 1,) if at else (), tree=tree) for at, tree in enumerate(trees)], ["0"])
    done = bisect(lineage, {"t": lambda node: trees[node]}, ends=(0, 5))

    assert not done.builds
    assert [(one.high, one.size) for one in done.found["t"]] == [(5, 1)]


def test_a_side_branch_from_before_the_good_end_is_taken_for_good() -> None:
    """A merged branch that left the history earlier begins, as for git, where the good end stands."""
    commits = [commit(0, ()), commit(1, (0,)), commit(2, (90,)), commit(3, (2,)), commit(4, (1, 3))]
    lineage = Lineage(commits, ["0"])
    done = bisect(lineage, {"t": lambda node: "end" if node in (3, 4) else "start"}, ends=(0, 4))

    assert [(one.high, one.size) for one in done.found["t"]] == [(3, 1)]


def test_ends_that_parted_are_traced_to_the_side_that_changed() -> None:
    """From where two branches parted, what changed on the good one is told of the good one."""
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


def test_the_next_commit_is_looked_for_away_from_those_that_do_not_build() -> None:
    """Twenty broken commits in a row do not take twenty builds."""
    broken = range(40, 60)
    done = bisect(linear(101), {"t": lambda node: "end" if node >= 70 else "start"}, ends=(0, 100), broken=broken)

    assert [(one.high, one.size) for one in done.found["t"]] == [(70, 1)]
    assert len(set(done.builds) & set(broken)) <= 4


def test_the_choice_prefers_what_helps_more_targets() -> None:
    """Three targets are open in one half and one in the other: the half of the three comes first."""
    lineage = linear(17)
    at = {"a": 12, "b": 12, "c": 12, "d": 4}
    observed = {name: {0: "s", 8: "e" if place < 8 else "s", 16: "e"} for name, place in at.items()}
    stretches = [one for name in at for one in find_stretches(lineage, name, observed[name])]
    choice = choose(lineage, stretches)

    assert choice is not None
    assert choice.node == 12
    assert choice.bits == 3.0
    assert [split.target for split in choice.splits] == ["a", "b", "c"]


@pytest.mark.parametrize(("size", "changes"), [(2, 1), (7, 2), (9, 3), (16, 2), (16, 16), (12, 4)])
def test_the_bound_is_reached_and_never_passed(size: int, changes: int) -> None:
    """Over all ways in which so many targets can change, the worst one takes what is promised or a little less."""
    worst = 0
    for places in combinations(range(1, size), min(changes, size - 1)):
        truth = {f"t{at}": (lambda node, at=at: "end" if node >= at else "start") for at in places}
        worst = max(worst, len(bisect(linear(size), truth, ends=(0, size - 1)).builds))
    promised = most_builds(size - 1, changes)

    assert worst <= promised
    assert worst >= promised - changes


@pytest.mark.parametrize(("part", "whole", "bits"), [(1, 2, 1.0), (0, 4, 0.0), (4, 4, 0.0), (1, 1, 0.0)])
def test_what_a_question_tells(part: int, whole: int, bits: float) -> None:
    """A half is one bit; what is known before is none."""
    assert entropy(part, whole) == bits


def test_a_history_that_is_out_of_order_is_refused() -> None:
    """A commit before its parent would be nobody's descendant."""
    with pytest.raises(ValueError, match="before its parent"):
        Lineage([commit(1, (0,)), commit(0, ())], ["0"])
