# SPDX-License-Identifier: GPL-2.0-only
"""Merge runs: every case appears once, the newest result counts, and older results are kept."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.base.errors import UsageError
from harness.model.run_record import CaseRecord, OutcomeCount, Problem, ProblemKind, RunRecord
from harness.model.shard import NO_SHARD, ShardRecord
from harness.model.verdict import Outcome, TraitSighting
from harness.results.merge import NamedRun, merge_runs
from harness.suite.load import default_suite, suite_semantics
from tests.unit.report.sample import KERNEL, RUN, STARTED, case

SEMANTICS = suite_semantics(default_suite())
PLAIN = replace(RUN, problems=(), notes=(), nearest=())


def seen(path: str, outcome: Outcome = Outcome.MATCH, **fields: object) -> CaseRecord:
    """Return a case with a digest of its text and no sighting."""
    one = replace(case(path, outcome, reason="" if outcome is Outcome.MATCH else "why"), sightings=(), digest="d")
    return replace(one, **fields)  # type: ignore[arg-type]  # as a test names them


def run(number: int, *cases: CaseRecord, **fields: object) -> NamedRun:
    """Return a run, a minute after the one before."""
    record = replace(PLAIN, started=STARTED + 60 * number, cases=cases)
    return NamedRun(f"run-{number}", replace(record, **fields))  # type: ignore[arg-type]  # as a test names them


def merged(*named: NamedRun) -> RunRecord:
    """Merge runs."""
    return merge_runs(named, semantics=SEMANTICS)


def outcomes(record: RunRecord) -> dict[str, Outcome]:
    """Return the outcome of each case."""
    return {one.id: one.outcome for one in record.cases}


def test_shards_are_one_run() -> None:
    """Each case has its logs in the folder of its shard; durations add up, and the first start counts."""
    whole = merged(run(2, seen("cases/b.session")), run(1, seen("cases/a.session")))

    assert outcomes(whole) == {"cases/a.session": Outcome.MATCH, "cases/b.session": Outcome.MATCH}
    assert [one.folder for one in whole.cases] == ["run-1/cases/a.session", "run-2/cases/b.session"]
    assert (whole.started, whole.seconds) == (STARTED + 60, 2 * RUN.seconds)
    assert whole.complete


def test_newest_outcome_counts_and_older_makes_it_flaky() -> None:
    """Another outcome on the same image is a flake and a note, whatever the order of the arguments."""
    first, second = run(1, seen("cases/a.session", Outcome.MISMATCH)), run(2, seen("cases/a.session"))
    for whole in (merged(first, second), merged(second, first)):
        [one] = whole.cases

        assert one.outcome is Outcome.MATCH
        assert one.tries == (OutcomeCount(Outcome.MATCH, 1), OutcomeCount(Outcome.MISMATCH, 1))
        assert one.is_flaky
        assert "cases/a.session: mismatch in run-1, match in run-2, on the same image: a flake" in whole.notes


@pytest.mark.parametrize("field", ["digest", "guest_image_digest"])
def test_changed_case_or_guest_is_not_a_flake(field: str) -> None:
    """If the text of the case or the guest image changed, the older result is a note and not a try."""
    before = run(1, seen("cases/a.session", Outcome.MISMATCH))
    again = (
        run(2, seen("cases/a.session", digest="e"))
        if field == "digest"
        else run(2, seen("cases/a.session"), **{field: "f"})
    )
    whole = merged(before, again)

    assert whole.cases[0].tries == ()
    assert any("mismatch in run-1, match in run-2, the " in note for note in whole.notes)


def test_run_given_twice_counts_once() -> None:
    """A copy under another name does not count either."""
    one = run(1, seen("cases/a.session", Outcome.MISMATCH))
    whole = merged(one, NamedRun("copy", one.run), run(2, seen("cases/b.session")))

    assert whole.cases[0].tries == ()
    assert whole.seconds == 2 * RUN.seconds


def test_traits_are_those_of_the_cases_that_count() -> None:
    """A later rerun replaces the values that a case showed; values of different cases are kept apart."""

    def sight(path: str, value: str) -> CaseRecord:
        return seen(path, sightings=(TraitSighting("outside_view", value, f"{path}:1"),))

    again = merged(run(1, sight("cases/a.session", "hidden")), run(2, sight("cases/a.session", "relative")))
    apart = merged(run(1, sight("cases/a.session", "hidden")), run(2, sight("cases/b.session", "relative")))
    [trait] = [one for one in again.traits if one.trait == "outside_view"]

    assert (trait.seen, trait.where) == ("relative", ("cases/a.session:1",))
    assert again.problems == ()
    assert apart.problems == ()
    [mixed] = [one for one in apart.traits if one.trait == "outside_view"]
    assert (mixed.seen, mixed.shown) == ("", "mixed (hidden, relative)")


def test_nearest_knows_the_stable_version() -> None:
    """A kernel whose release hides its stable version is as near to its own profile as in each of the runs."""
    kernel = replace(KERNEL, release="6.1.0-57-cloud-amd64", stable="6.1.192")
    fixed = seen("cases/a.session", sightings=(TraitSighting("long_path", "cut", "cases/a.session:1"),))
    both = [run(number, fixed, kernel=kernel, profile="mainline-6.1", nearest=("x",)) for number in (1, 2)]

    assert merged(*both).nearest[0].startswith("mainline-6.1 and ")
    assert "none of 1 trait differs" in merged(*both).nearest[0]


def test_problems_are_joined_by_their_kind() -> None:
    """Contradictions that an older harness recorded go; other problems stay, whatever their text."""
    stays = Problem(ProblemKind.BROKEN_FILE, "cases contradict each other")
    goes = Problem(ProblemKind.CONTRADICTION, "two answers")

    assert merged(run(1, problems=(stays, goes)), run(2, problems=(goes,))).problems == (stays,)


def test_runs_of_other_kernels_are_not_merged() -> None:
    """Runs of an unknown image or with different profiles are not merged either."""
    other = run(2, seen("cases/a.session"), kernel=replace(KERNEL, image_digest="ab" * 32))
    unknown = replace(KERNEL, image_digest="unknown")
    with pytest.raises(UsageError, match="not of one kernel") as error:
        merged(run(1), other)
    with pytest.raises(UsageError, match="not of one kernel"):
        merged(run(1, kernel=unknown), run(2, kernel=unknown))
    with pytest.raises(UsageError, match="different profiles"):
        merged(run(1), run(2, profile="v1"))

    assert "run-2" in error.value.evidence


def test_unfinished_run_is_completed_by_a_full_rerun() -> None:
    """The rerun must be later and complete; a rerun of some cases leaves the merged run unfinished."""
    killed = run(1, seen("cases/a.session"), complete=False)
    again = run(2, seen("cases/a.session"), seen("cases/b.session"))
    part = run(3, seen("cases/b.session"))

    assert merged(killed, again).complete
    assert not merged(killed, part).complete
    assert not merged(killed).complete


@given(st.lists(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(Outcome)), max_size=6), min_size=1, max_size=4))
def test_no_case_is_lost_or_doubled(shards: list[list[tuple[int, Outcome]]]) -> None:
    """Whatever the shards, each case appears once, with its newest outcome and the tries of all shards."""
    named = [
        run(number, *(seen(f"cases/{one}.session", outcome) for one, outcome in dict(shard).items()))
        for number, shard in enumerate(shards)
    ]
    whole = merged(*named)
    expected = {one.id: one.outcome for each in named for one in each.run.cases}
    times = [one.id for each in named for one in each.run.cases]

    assert outcomes(whole) == expected
    assert len(whole.cases) == len(expected)
    assert all(sum(t.times for t in one.tries) == times.count(one.id) for one in whole.cases if one.tries)


def shard(number: int, *paths: str, digest: str = "p", count: int = 2) -> NamedRun:
    """Return the run of one shard of four cases, the whole suite."""
    record = ShardRecord(number, count, digest, 4, is_of_whole_suite=True)
    return run(number, *map(seen, paths), shard=record, is_partial=True)


def test_all_shards_are_the_whole_suite() -> None:
    """The merged run is complete, not partial, and no shard itself."""
    whole = merged(shard(1, "a", "b"), shard(2, "c", "d"))

    assert (whole.complete, whole.is_partial, whole.shard) == (True, False, NO_SHARD)
    assert not whole.problems


def test_shards_of_different_partitions_are_refused() -> None:
    """Cases of one could be missing in the other; the error shows both partitions."""
    with pytest.raises(UsageError, match="shards of different partitions") as caught:
        merged(shard(1, "a", "b"), shard(2, "c", digest="q"))

    assert caught.value.evidence == (
        "run-1: shard 1/2 of 4 cases, partition p\nrun-2: shard 2/2 of 4 cases, partition q"
    )


def test_missing_shard_is_a_problem() -> None:
    """The merged run is incomplete and names the shard; a rerun of all its cases makes up for it."""
    short = merged(shard(1, "a", "b", count=3), shard(3, "c", count=3))
    made_up = merged(shard(1, "a", "b", count=3), shard(3, "c", count=3), run(9, seen("d"), is_partial=True))

    assert not short.complete
    assert short.problems == (Problem(ProblemKind.MISSING_SHARD, "missing: shard 2 of 3\n1 of 4 cases have no result"),)
    assert made_up.complete
    assert not made_up.problems
