# SPDX-License-Identifier: GPL-2.0-only
"""Learn sightings from runs and keep them in a file."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.base.errors import CaseError
from harness.model.run_record import Problem, ProblemKind, RunRecord
from harness.model.verdict import Outcome
from harness.results.sightings import (
    NOTHING,
    Seen,
    Sighting,
    kernel_name,
    known,
    learn,
    merge,
    parse_seen,
    render_seen,
    why_not,
)
from harness.semantics.traits import load_semantics
from tests.unit.report.sample import CASES, KERNEL, RUN
from tests.unit.semantics.test_traits import SMALL

BROKEN = Problem(ProblemKind.BROKEN_FILE, "a.session:2: no step\nmore")
SOUND = replace(RUN, problems=(), cases=tuple(case for case in CASES if case.outcome is not Outcome.ERROR))
"""A run whose sightings count: mismatches, splats and time-outs are about the kernel."""
OLD, NEW = "2026-11-21T10:00:00Z", "2026-11-22T10:00:00Z"


def seen(trait: str, value: str, *, kernel: str = "6.1.0", image: str = "9f", at: str = OLD) -> Seen:
    """Return one sighting."""
    return Seen({trait: {value: (Sighting(kernel, image, at),)}})


def images(found: Seen) -> set[tuple[str, str, str, str]]:
    """Return trait, value, kernel and image of each sighting."""
    return {
        (trait, value, one.kernel, one.image)
        for trait, values in found.values.items()
        for value, where in values.items()
        for one in where
    }


NAMES = st.sampled_from(["a", "b", "c"])
TIMES = st.sampled_from([OLD, NEW, "2026-11-22T10:00:01Z"])
SEEN = st.lists(
    st.builds(seen, NAMES, NAMES, kernel=st.text(min_size=1, max_size=5).filter(str.strip), image=NAMES, at=TIMES),
    max_size=6,
).map(lambda parts: merge(*parts))


@given(SEEN, SEEN, SEEN)
def test_order_and_repetition_do_not_count(one: Seen, two: Seen, three: Seen) -> None:
    """Learning runs in any order, twice, or in several steps gives the same file."""
    text = render_seen(merge(one, two, three))

    assert render_seen(merge(three, one, two)) == text
    assert render_seen(merge(merge(one, two), merge(two, three))) == text
    assert render_seen(merge(one, one)) == render_seen(merge(one))
    assert merge(NOTHING, one) == one


@given(SEEN)
def test_written_text_is_read_back(one: Seen) -> None:
    """Any name of a kernel is read back; all runs of an image get the time of its newest."""
    read = parse_seen(render_seen(one), path="seen.toml")

    assert render_seen(read) == render_seen(one)
    assert images(read) == images(one)


@given(SEEN)
def test_learning_again_changes_nothing(one: Seen) -> None:
    """The text of the file stays the same after it was read and written again."""
    text = render_seen(one)

    assert render_seen(merge(parse_seen(text, path="seen.toml"), one)) == text


def test_newest_sighting_of_a_kernel_counts() -> None:
    """The old value of a series that was fixed is dropped; sightings of other kernels stay."""
    before = merge(seen("view", "hidden", kernel="v1", image="aa"), seen("view", "hidden", kernel="other"))
    after = merge(before, seen("view", "relative", kernel="v1", image="bb", at=NEW))

    assert {value: [one.kernel for one in where] for value, where in after.of("view").items()} == {
        "hidden": ["other"],
        "relative": ["v1"],
    }
    assert after.kernels == {"v1", "other"}
    assert merge(after, before) == after


def test_learn_records_seen_traits() -> None:
    """Each seen trait has the kernel, its image and the time of the run; traits that no case showed are left out."""
    learned = learn(SOUND)

    assert why_not(SOUND) == ""
    assert learned.of("pinning") == {"no": (Sighting("6.1.0-56-cloud-amd64", "9f" * 6, "2026-09-21T14:13:20Z"),)}
    assert not learned.of("unprivileged_creation_allowed")
    assert learned.of("pinning")["no"][0].date == "2026-09-21"


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (replace(SOUND, complete=False), "it did not finish"),
        (replace(SOUND, kernel=replace(KERNEL, release="unknown")), "its kernel did not boot"),
        (
            replace(SOUND, problems=(Problem(ProblemKind.BROKEN_FILE, "a.session:2: no step\nmore"),)),
            "it has a problem: a.session:2: no step",
        ),
        (
            replace(SOUND, cases=CASES),
            "cases/nested/broken.session ended with an error: line 4: unknown header 'hierachy'",
        ),
    ],
)
def test_run_with_a_harness_fault_is_not_learned(run: RunRecord, why: str) -> None:
    """Its sightings cannot be trusted."""
    assert why_not(run) == why


def test_kind_of_a_problem_decides() -> None:
    """The text of a problem does not make it a contradiction."""
    sentence = "pinning: cases contradict each other: a.session:1 saw yes"

    assert why_not(replace(SOUND, problems=(Problem(ProblemKind.BROKEN_FILE, sentence),))) == (
        f"it has a problem: {sentence}"
    )


def test_contradiction_affects_only_its_trait() -> None:
    """Such a trait has no value in the record; the other traits are learned."""
    problem = Problem(ProblemKind.CONTRADICTION, "whatever this sentence says")
    traits = tuple(replace(trait, seen="") if trait.trait == "pinning" else trait for trait in SOUND.traits)
    torn = replace(SOUND, problems=(problem,), traits=traits)

    assert why_not(torn) == ""
    assert set(learn(torn).values) == set(learn(SOUND).values) - {"pinning"}


@pytest.mark.parametrize(
    ("spec", "series", "name"),
    [
        ("deb", "", "6.1.0-56-cloud-amd64"),
        ("series:cgroupns-v1", "the first series", "cgroupns-v1"),
        ("linux@v6.6+x.mbox", "my topic", "linux-v6.6+x.mbox"),
    ],
)
def test_kernel_name(spec: str, series: str, name: str) -> None:
    """A shipped series is named by its name, so that its next image replaces it; other kernels by their argument."""
    kernel = replace(KERNEL, spec=spec, build=replace(KERNEL.build, series=series))

    assert kernel_name(replace(SOUND, kernel=kernel)) == name


def test_new_run_of_a_kernel_changes_few_lines() -> None:
    """Image and time appear once for each kernel, so that a diff is readable."""
    traits = [f"t{number}" for number in range(20)]
    before = merge(*(seen(trait, "yes", kernel="v1") for trait in traits))
    after = merge(before, *(seen(trait, "yes", kernel="v1", image="aa", at=NEW) for trait in traits[1:]))
    lines, new = (render_seen(one).splitlines() for one in (before, after))

    assert [line for line in new if line not in lines] == [
        '"v1" = { image = "aa", at = "2026-11-22T10:00:00Z" }',
        "[older.t0]",
        'yes = [{ kernel = "v1", image = "9f", at = "2026-11-21T10:00:00Z" }]',
    ]


def test_removed_traits_and_values_are_dropped() -> None:
    """A trait or value that was renamed does not count as seen."""
    semantics = load_semantics(SMALL, path="small.toml")
    kept = known(semantics, merge(seen("view", "relative"), seen("agent", "odd"), seen("gone", "yes")))

    assert kept == seen("view", "relative")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[view", "seen.toml is not TOML"),
        ("", "seen.toml: kernel is missing"),
        ("[kernel]\n[trait]\n[older]\n[odd]", "seen.toml: odd is not a known key"),
        ("[kernel]\n[trait]\nview = 1", "seen.toml: trait.view is not a table"),
        ('[kernel]\n[trait.view]\nyes = ["a"]', "seen.toml: trait.view: yes names a, which is not in [kernel]"),
        ('[kernel]\na = { image = "b" }\n[trait]\n[older]', "seen.toml: kernel.a.at is missing"),
        ("[kernel]\n[trait]\n[older.view]\nyes = []", "seen.toml: older.view.yes is not a list of tables"),
    ],
)
def test_broken_file_is_reported(text: str, complaint: str) -> None:
    """The error names file and key."""
    with pytest.raises(CaseError) as caught:
        parse_seen(text, path="seen.toml")

    assert complaint in caught.value.what
