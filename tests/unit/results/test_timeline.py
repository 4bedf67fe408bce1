# SPDX-License-Identifier: GPL-2.0-only
"""Trace cases and traits over builds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.results.timeline import BuildState, Entry, Timeline, rate_of, spark, timelines, value_levels


def timeline(*runs: tuple[str, int, int]) -> Timeline:
    """Return a timeline of runs: image, verdicts, failures."""
    entries = [
        Entry(f"run-{at}", float(at), "deb 6.1", "6.1.0", image, "", "x", asked, failed)
        for at, (image, asked, failed) in enumerate(runs)
    ]
    (one,) = timelines(entries)
    return one


def test_first_bad_build_is_of_the_current_stretch() -> None:
    """An earlier bad stretch that was fixed does not count; a flaky build does not end a stretch."""
    one = timeline(("a", 1, 1), ("b", 1, 0), ("c", 1, 1), ("c", 1, 1), ("d", 2, 1), ("e", 1, 1))

    assert one.first_bad is not None
    assert one.first_bad.first.run == "run-2"
    assert len(one.stretch) == 3
    assert one.times_broken == 2
    assert [build.first.image for build in one.flakes] == ["d"]


def test_good_timeline_has_no_first_bad_build() -> None:
    """A timeline without a verdict has none either."""
    good = timeline(("a", 1, 1), ("b", 1, 0))

    assert good.first_bad is None
    assert good.stretch[0].first.image == "b"
    assert timeline(("a", 0, 0)).stretch == ()


def test_build_is_one_image_and_one_case_text() -> None:
    """Another text of the case is another build, and so is every unknown image."""
    entries = [
        Entry("1", 1.0, "deb", "6.1", "a", "v1", "match", 1, 0),
        Entry("2", 2.0, "deb", "6.1", "a", "v1", "mismatch", 1, 1),
        Entry("3", 3.0, "deb", "6.1", "a", "v2", "mismatch", 1, 1),
        Entry("4", 4.0, "deb", "6.1", "unknown", "v2", "match", 1, 0),
        Entry("5", 5.0, "deb", "6.1", "unknown", "v2", "mismatch", 1, 1),
    ]
    (one,) = timelines(reversed(entries))

    assert [build.state for build in one.builds] == [BuildState.FLAKY, BuildState.BAD, BuildState.GOOD, BuildState.BAD]


def test_the_values_of_a_trait() -> None:
    """The builds with another value than before, and a height for each value."""
    values = ["relative", "relative", "", "hidden", "relative"]
    # The names of the folders decrease over time: the time counts.
    entries = [Entry(f"{9 - at}", at, "deb", "6.1", str(at), "", value) for at, value in enumerate(values)]
    (one,) = timelines(entries)

    assert [(build.first.run, build.values) for build in one.value_changes] == [
        ("9", ("relative",)), ("6", ("hidden",)), ("5", ("relative",)),
    ]  # fmt: skip
    assert value_levels(one) == (("relative", 0.0), ("hidden", 1.0))
    assert value_levels(one, "hidden") == (("hidden", 0.0), ("relative", 1.0))
    assert value_levels(one, "never seen") == (("never seen", 0.0), ("relative", 0.5), ("hidden", 1.0))


def test_spark_has_a_bar_for_each_build() -> None:
    """Only the rates 0 and 1 have the lowest and the highest bar."""
    assert spark([0.0, 0.001, 0.5, 0.999, 1.0, None]) == "▁▂▅▇█·"


RUNS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(0, 3), st.integers(0, 3)).map(lambda one: (*one[:2], min(one[1:]))),
    min_size=1,
)


@given(RUNS)
def test_no_run_is_lost(runs: list[tuple[str, int, int]]) -> None:
    """Every run is in one build, the stretch is the end of the timeline, and rates are from 0 to 1."""
    one = timeline(*runs)

    assert sum(len(build.entries) for build in one.builds) == len(runs)
    assert one.asked_builds[len(one.asked_builds) - len(one.stretch) :] == one.stretch
    assert all(rate is None or 0 <= rate <= 1 for rate in map(rate_of, one.builds))
    assert (one.first_bad is None) or one.asked_builds[-1].state is BuildState.BAD
