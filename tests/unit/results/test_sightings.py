"""What runs have seen, learned and kept."""

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
"""A run that teaches: mismatches, splats and time-outs are about the kernel."""
OLD, NEW = "2026-11-21T10:00:00Z", "2026-11-22T10:00:00Z"


def seen(trait: str, value: str, *, kernel: str = "6.1.0", image: str = "9f", at: str = OLD) -> Seen:
    """One sighting."""
    return Seen({trait: {value: (Sighting(kernel, image, at),)}})


def images(found: Seen) -> set[tuple[str, str, str, str]]:
    """Everything but the times."""
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
    """Learning runs in any order, twice, or in several steps leaves the same file."""
    text = render_seen(merge(one, two, three))

    assert render_seen(merge(three, one, two)) == text
    assert render_seen(merge(merge(one, two), merge(two, three))) == text
    assert render_seen(merge(one, one)) == render_seen(merge(one))
    assert merge(NOTHING, one) == one


@given(SEEN)
def test_what_is_written_is_read(one: Seen) -> None:
    """Whatever a kernel calls itself; only the times of an image's runs become that of its newest."""
    read = parse_seen(render_seen(one), path="seen.toml")

    assert render_seen(read) == render_seen(one)
    assert images(read) == images(one)


@given(SEEN)
def test_learning_the_same_again_changes_nothing(one: Seen) -> None:
    """Not even the file's text, though it was read in between."""
    text = render_seen(one)

    assert render_seen(merge(parse_seen(text, path="seen.toml"), one)) == text


def test_of_a_kernel_the_newest_sighting_counts() -> None:
    """A series that was mended shows its old value no more; another kernel's sighting is left alone."""
    before = merge(seen("view", "hidden", kernel="v1", image="aa"), seen("view", "hidden", kernel="other"))
    after = merge(before, seen("view", "relative", kernel="v1", image="bb", at=NEW))

    assert {value: [one.kernel for one in where] for value, where in after.of("view").items()} == {
        "hidden": ["other"],
        "relative": ["v1"],
    }
    assert after.kernels == {"v1", "other"}
    assert merge(after, before) == after


def test_a_run_is_learned() -> None:
    """Each trait that was seen, with the kernel, its image and the time of the run; not those that no case showed."""
    learned = learn(SOUND)

    assert why_not(SOUND) == ""
    assert learned.of("pinning") == {"no": (Sighting("6.1.0-56-cloud-amd64", "9f" * 6, "2026-09-21T14:13:20Z"),)}
    assert not learned.of("unprivileged_creation_allowed")
    assert learned.of("pinning")["no"][0].date == "2026-09-21"


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (replace(SOUND, complete=False), "it did not finish"),
        (replace(SOUND, kernel=replace(KERNEL, release="unknown")), "its kernel did not come up"),
        (
            replace(SOUND, problems=(Problem(ProblemKind.BROKEN_FILE, "a.session:2: no step\nmore"),)),
            "it has a problem: a.session:2: no step",
        ),
        (replace(SOUND, cases=CASES), "cases/nested/broken.session is an error: line 4: unknown header 'hierachy'"),
    ],
)
def test_a_run_with_a_fault_of_the_harness_teaches_nothing(run: RunRecord, why: str) -> None:
    """What it says of the kernel cannot be relied on."""
    assert why_not(run) == why


def test_a_problem_is_no_contradiction_by_its_words() -> None:
    """Its kind decides."""
    sentence = "pinning: cases contradict each other: a.session:1 saw yes"

    assert why_not(replace(SOUND, problems=(Problem(ProblemKind.BROKEN_FILE, sentence),))) == (
        f"it has a problem: {sentence}"
    )


def test_a_contradiction_spoils_only_its_own_trait() -> None:
    """Such a trait has no value in the record; the others were seen."""
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
def test_what_a_kernel_is_called(spec: str, series: str, name: str) -> None:
    """A shipped series by its name, so that its next image takes its place; any other one by what was typed."""
    kernel = replace(KERNEL, spec=spec, build=replace(KERNEL.build, series=series))

    assert kernel_name(replace(SOUND, kernel=kernel)) == name


def test_a_new_run_of_a_kernel_changes_few_lines() -> None:
    """The image and the time stand once for each kernel, so that a difference can be read."""
    traits = [f"t{number}" for number in range(20)]
    before = merge(*(seen(trait, "yes", kernel="v1") for trait in traits))
    after = merge(before, *(seen(trait, "yes", kernel="v1", image="aa", at=NEW) for trait in traits[1:]))
    lines, new = (render_seen(one).splitlines() for one in (before, after))

    assert [line for line in new if line not in lines] == [
        '"v1" = { image = "aa", at = "2026-11-22T10:00:00Z" }',
        "[older.t0]",
        'yes = [{ kernel = "v1", image = "9f", at = "2026-11-21T10:00:00Z" }]',
    ]


def test_what_there_is_no_more_is_forgotten() -> None:
    """A trait or value that was renamed must not count as seen."""
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
def test_a_broken_file_is_told(text: str, complaint: str) -> None:
    """By file and key."""
    with pytest.raises(CaseError) as caught:
        parse_seen(text, path="seen.toml")

    assert complaint in caught.value.what
