# SPDX-License-Identifier: GPL-2.0-only
"""Which profiles are nearest to what a run has seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.semantics.nearest import find_nearest, rank
from harness.semantics.profile import Nearness
from harness.semantics.traits import Semantics, load_semantics
from tests.unit.semantics.test_traits import SHIPPED, SMALL

OLD = """
[trait.node]
meaning = "what unshare does beside"
theme = "old"
scenarios = ["N-02"]
[trait.node.values]
made = "a cgroup"
none = "nothing"

[trait.name]
meaning = "what the cgroup is called"
theme = "old"
scenarios = ["N-02"]
[trait.name.values]
node = "node_PID"
pid = "PID"

[profile.old1]
title = "of 2008"
date = 2008-01-24
source = "a commit"
[profile.old1.traits]
node = { value = "made", confirmed = true, source = "a commit" }
name = { value = "node", confirmed = true, source = "a commit" }

[profile.old2]
title = "of 2009"
date = 2009-06-09
source = "a commit"
[profile.old2.traits]
node = { value = "made", confirmed = true, source = "a commit" }
name = { value = "pid", confirmed = true, source = "a commit" }
"""
"""Traits and profiles of something else, which may be in the same kernel."""
MERGED = '\nnode = [{ since = "4.6", value = "none", confirmed = true, source = "a commit" }]\n'


@pytest.fixture(scope="module")
def shipped() -> Semantics:
    """The data that the harness ships with."""
    return load_semantics(SHIPPED.read_text(), path="cases/semantics.toml")


@pytest.fixture(scope="module")
def small() -> Semantics:
    """Two traits, one posting, mainline."""
    return load_semantics(SMALL, path="small.toml")


@pytest.fixture(scope="module", params=["", MERGED])
def stacked(request: pytest.FixtureRequest) -> Semantics:
    """The same, and the profiles of something else; mainline says nothing of that, or that it has it not."""
    v0 = "[profile.v0.traits]\n"
    agent = 'agent = { value = "allowed", confirmed = false, source = "inferred" }\n'
    return load_semantics(SMALL.replace(v0, v0 + agent) + str(request.param) + OLD, path="stacked.toml")


def _ranked(semantics: Semantics, seen: dict[str, str]) -> tuple[Nearness, ...]:
    return rank(semantics.profiles(), seen)


def test_the_unconfirmed_and_the_silent_count_as_halves(small: Semantics) -> None:
    """A kernel like 5.17 is nearest to it; the older mainline and the silent posting come after."""
    ranked = _ranked(small, {"view": "relative", "agent": "refused"})

    assert [str(one) for one in ranked] == [
        "mainline-5.17: none of 2 traits differs",
        "mainline-4.6: 1 of 2 traits differs (1 unconfirmed): agent (?)",
        "v0: 1 of 1 trait differs (1 unconfirmed), 1 has no expectation: view (?)",
    ]
    assert [one.halves for one in ranked] == [0, 1, 2]
    assert [(one.profile, one.halves) for one in _ranked(small, {"view": "absolute"})] == [
        ("v0", 0),
        ("mainline-5.17", 2),
        ("mainline-4.6", 2),
    ]


def test_of_equals_the_newest_is_first(small: Semantics, shipped: Semantics) -> None:
    """When nothing tells profiles apart, the newest mainline comes first and the oldest posting last."""
    names = [one.profile for one in _ranked(shipped, {})]

    assert [one.profile for one in _ranked(small, {})] == ["mainline-5.17", "mainline-4.6", "v0"]
    assert [name for name in names if name in ("v0", "v1", "v2", "v3", "v4")] == ["v4", "v3", "v2", "v1", "v0"]


def test_a_kernel_is_nearest_to_its_own_profile(shipped: Semantics) -> None:
    """What a profile says is at distance zero from it, and nothing else comes before it."""
    for profile in shipped.profiles():
        ranked = _ranked(shipped, dict(profile.values))

        assert ranked[0].halves == 0
        assert profile.name in {one.profile for one in ranked if one.halves == 0}


def test_posted_versions_are_told_apart(shipped: Semantics) -> None:
    """Each posted version's own values single it out, but for the two pairs that nothing known tells apart."""
    twins = {"v2": {"v3"}, "v4": {"mainline-4.6"}}
    for name in ("v0", "v1", "v2", "v3", "v4"):
        ranked = _ranked(shipped, dict(shipped.postings[name].values))

        assert {one.profile for one in ranked if one.halves == 0} <= {name} | twins.get(name, set())


def test_the_runs_own_profile_is_named(small: Semantics) -> None:
    """Of profiles that say the same, a 6.1 kernel reads of mainline-6.1; the second is another one."""
    own = small.profile("mainline", release="6.1.0-56-cloud-amd64")
    found = find_nearest(small, {"view": "relative", "agent": "allowed"}, own=own)

    assert [str(one) for one in found] == [
        "mainline-4.6: none of 2 traits differs",
        "mainline-6.1: 1 of 2 traits differs: agent",
    ]
    assert [one.profile for one in find_nearest(small, dict(own.values), own=own)] == ["mainline-6.1", "mainline-4.6"]
    assert [one.profile for one in find_nearest(small, dict(own.values))] == ["mainline-5.17", "mainline-4.6"]


def test_what_too_few_traits_cannot_tell_apart_is_counted(small: Semantics) -> None:
    """A run of one case must not look as if it had singled out a release; the second is one that is further."""
    assert [str(one) for one in find_nearest(small, {"view": "relative"})] == [
        "mainline-5.17 and 1 other: none of 1 trait differs",
        "v0: 1 of 1 trait differs (1 unconfirmed): view (?)",
    ]


def test_a_run_that_only_describes_has_no_profile_of_its_own(small: Semantics) -> None:
    """auto says nothing, so it is near to nothing."""
    auto = small.profile("auto", release=None)

    assert find_nearest(small, {"view": "absolute"}, own=auto)[0].profile == "v0"


def test_nothing_seen_is_near_to_nothing(small: Semantics) -> None:
    """A run whose cases show no trait does not call the newest kernel the nearest."""
    assert find_nearest(small, {}) == ()


def test_each_family_of_traits_has_a_nearest_profile(stacked: Semantics) -> None:
    """A kernel with both has both named, by their themes; neither counts against the other."""
    seen = {"view": "relative", "agent": "refused", "node": "made", "name": "pid"}

    assert [str(one) for one in find_nearest(stacked, seen)][:2] == [
        "mainline-5.17: none of 2 traits differs in view, writes",
        "old2: none of 2 traits differs in old",
    ]


def test_a_kernel_without_the_other_thing_is_not_near_to_it(stacked: Semantics) -> None:
    """An ordinary kernel shows one trait of the other family, or none; where mainline speaks of it, it is one more."""
    plain = {"view": "relative", "agent": "refused"}
    found = find_nearest(stacked, plain)

    assert [one.profile for one in found] == ["mainline-5.17", "mainline-4.6"]
    if "node" in stacked.changes:
        found = find_nearest(stacked, {**plain, "node": "none"})
        assert str(found[0]) == "mainline-5.17: none of 3 traits differs in view, writes, ..."
        assert len(found) == 2


def test_profiles_of_something_else_are_shown_together(stacked: Semantics) -> None:
    """Columns of one family stand beside each other, mainline after the postings of the largest."""
    names = [one.name for one in stacked.shown()]

    assert names[0] == "v0"
    assert names[-2:] == ["old1", "old2"]
    assert len(set(names)) == len(names)


@given(st.data())
def test_ranking_holds_its_shape_for_any_sightings(data: st.DataObject) -> None:
    """Any values in any order: every profile once, the nearest first, each trait in one list at most."""
    semantics = load_semantics(SMALL + OLD, path="small.toml")
    seen = data.draw(
        st.fixed_dictionaries({}, optional={n: st.sampled_from(list(t.values)) for n, t in semantics.traits.items()})
    )
    ranked = _ranked(semantics, seen)
    nearest = find_nearest(semantics, seen)

    assert ranked == _ranked(semantics, dict(reversed(list(seen.items()))))
    assert sorted(one.profile for one in ranked) == sorted(profile.name for profile in semantics.profiles())
    assert [one.halves for one in ranked] == sorted(one.halves for one in ranked)
    for one in ranked:
        listed = (*one.differ, *one.unconfirmed, *one.silent)
        assert len(set(listed)) == len(listed)
        assert set(listed) <= set(seen)
        assert one.known + len(one.silent) == len(seen)
    assert len(nearest) <= 3
    assert bool(nearest) == bool(seen)


def test_shipped_families_are_what_they_are_called(shipped: Semantics) -> None:
    """Everything of cgroup namespaces is one family, whatever its theme."""
    largest = shipped.families()[0]

    assert {"outside_view", "setns", "nsdelegate", "move_judged_by", "mount_root"} <= largest


def test_a_posted_version_inherits_the_release_that_it_was_made_on(shipped: Semantics) -> None:
    """Traits that the base decides are no silences of a posted version: a kernel like version 4 on 4.4 is version 4."""
    base = shipped.profile("mainline-4.4", release=None)
    posted = shipped.postings["v4"]
    seen = {**base.values, **{trait: posted.values[trait] for trait in posted.own}}
    ranked = _ranked(shipped, seen)

    assert {"thread_mode", "cgroup_freeze", "cgroup_kill", "file_handle_reach"} <= posted.inherited
    assert not any(posted.expectations[trait].confirmed for trait in posted.inherited)
    assert (ranked[0].profile, ranked[0].halves) == ("v4", 0)
    assert ranked[1].halves > 0


def test_inherited_traits_join_no_families(shipped: Semantics) -> None:
    """The controller ns stays a family of its own, although every posted version inherits that it is absent."""
    families = shipped.families()

    assert shipped.postings["v3"].values["ns_controller"] == "absent"
    assert [len(families), "ns_controller" in families[0]] == [2, False]


def test_one_trait_of_another_family_names_no_release(stacked: Semantics) -> None:
    """Two do: a line of its own needs more than one value."""
    one = find_nearest(stacked, {"view": "absolute", "agent": "allowed", "node": "made"})
    two = find_nearest(stacked, {"view": "absolute", "agent": "allowed", "node": "made", "name": "pid"})

    assert [near.profile for near in one if near.profile.startswith("old")] == []
    assert [near.profile for near in two if near.profile.startswith("old")] == ["old2"]
