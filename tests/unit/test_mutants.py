# SPDX-License-Identifier: GPL-2.0-only
"""The mutants: patches that can be read, and what their measurement concludes from cases that fail."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import pytest

from bench.mutant import (
    MUTANTS,
    UNMUTATED,
    Measured,
    Mutant,
    MutantResult,
    digests,
    dumps,
    find_mutants,
    in_order,
    judge,
    loads,
    suite_of,
    summary,
    unmutated,
)
from bench.mutants import MutantBench
from harness.kernel.mail.diff import read_changes
from harness.model.run_record import CaseRecord
from harness.model.verdict import Outcome, SplatReport, TraitSighting
from harness.semantics.profile import Expectation, Profile
from harness.suite.load import find_suite

ALL = find_mutants()
SUITES = ("cgroupns", "timens")
NAMESPACES = ("fs/proc/", "kernel/nsproxy.c", "kernel/fork.c")
PLACES = {
    "cgroupns": (*NAMESPACES, "kernel/cgroup/", "fs/kernfs/"),
    "timens": (
        *NAMESPACES,
        "kernel/time/",
        "include/linux/time_namespace.h",
        "fs/timerfd.c",
        "kernel/futex/",
        "kernel/sys.c",
    ),
}
PROFILE = Profile("mainline-6.1", MappingProxyType({"setns": Expectation("supported", "setns(2)", True)}))
NOW = {"cases/a.session": "1", "cases/test_b.py": "2"}


def case(identity: str, outcome: Outcome = Outcome.MATCH, *, saw: str = "", splat: str = "") -> CaseRecord:
    """A case that came out like this."""
    sightings = (TraitSighting("setns", saw, identity),) if saw else ()
    splats = (SplatReport(splat, "it broke", "", ""),) if splat else ()
    return CaseRecord(identity, "c", "n", outcome, reason="why", sightings=sightings, splats=splats)


def killed(name: str, *killers: str) -> Measured:
    """A mutant that these cases killed."""
    return Measured(name, MutantResult.KILLED, "image", killers, files={killers[0]: NOW[killers[0]]})


@pytest.mark.parametrize("suite", SUITES)
def test_each_suite_has_mutants_enough(suite: str) -> None:
    """The cases of a suite are measured with no fewer than twenty-five mistakes, each another patch."""
    mutants = [mutant for mutant in ALL if mutant.suite == suite]

    assert len(mutants) >= 25
    assert len({mutant.title for mutant in mutants}) == len(mutants)
    assert unmutated(suite) not in {mutant.name for mutant in mutants}


def test_every_mutant_belongs_to_a_suite() -> None:
    """No folder of mutants is left out of the tests here."""
    assert {suite_of(mutant.name) for mutant in ALL} == {*SUITES}


@pytest.mark.parametrize("mutant", ALL, ids=lambda mutant: mutant.name)
def test_a_mutant_is_a_small_patch_that_says_what_is_seen(mutant: Mutant) -> None:
    """Its head is one sentence for people, its diff whole, small, and in the code that is asked about."""
    text = mutant.path.read_bytes()
    patch = read_changes(text)
    changed = [line for file in patch for hunk in file.hunks for line in hunk.body if line[:1] in (b"+", b"-")]

    assert mutant.sees.endswith(".")
    assert 1 <= len(patch) <= 2
    assert b"/dev/null" not in text
    assert all(name.startswith(PLACES[mutant.suite]) for file in patch for name in file.files)
    assert 1 <= len(changed) <= 40


@pytest.mark.parametrize("suite", SUITES)
def test_the_readme_of_a_suite_names_every_mutant_once(suite: str) -> None:
    """The rows of its table are the mutants of the suite."""
    rows = [line for line in (MUTANTS / suite / "README.md").read_text().splitlines() if line.startswith("| `")]

    assert sorted(f"{suite}/{row.split('`')[1]}" for row in rows) == [
        mutant.name for mutant in ALL if mutant.suite == suite
    ]


def test_a_mutant_that_no_case_notices_survives() -> None:
    """What was skipped notices nothing; the verdict rests on all files."""
    found = judge("m", "image", [case("a"), case("b", Outcome.SKIPPED)], PROFILE, NOW, seconds=1.0)

    assert (found.fate, found.files) == (MutantResult.SURVIVED, NOW)


def test_a_case_that_fails_kills() -> None:
    """The first kill is reported with the trait that differs; the verdict depends only on its file."""
    cases = [
        case("cases/test_b.py::test_c", Outcome.MISMATCH, saw="refused"),
        case("cases/a.session", Outcome.TIMEOUT, saw="supported"),
    ]
    found = judge("m", "image", cases, PROFILE, NOW, seconds=1.0)

    assert found.fate is MutantResult.KILLED
    assert found.killers == ("cases/test_b.py::test_c", "cases/a.session")
    assert (found.traits, found.files) == (("setns",), {"cases/test_b.py": "2"})
    assert "cases/test_b.py::test_c, cases/a.session (setns)" in found.line()


@pytest.mark.parametrize(
    ("failed", "fate"),
    [
        (case("cases/a.session", Outcome.LOST), MutantResult.BROKEN),
        (case("cases/a.session", Outcome.KERNEL, splat="panic"), MutantResult.BROKEN),
        (case("cases/a.session", Outcome.KERNEL, splat="warning"), MutantResult.KILLED),
    ],
)
def test_a_mutant_that_panics_is_broken(failed: CaseRecord, fate: MutantResult) -> None:
    """A kernel that goes away says nothing of the cases; one that complains was caught."""
    assert judge("m", "image", [failed], PROFILE, NOW, seconds=1.0).fate is fate


def test_a_measurement_holds_for_the_same_image_and_cases() -> None:
    """A kill needs its case as it was, a survival every case; another image needs a new measurement."""
    dead, alive = killed("m", "cases/a.session"), Measured("m", MutantResult.SURVIVED, "image", files=NOW)
    changed = {**NOW, "cases/test_b.py": "3"}

    assert dead.holds("image", NOW)
    assert dead.holds("image", changed)
    assert not dead.holds("image", {**NOW, "cases/a.session": "3"})
    assert not dead.holds("other", NOW)
    assert alive.holds("image", NOW)
    assert not alive.holds("image", changed)
    assert alive.passed("image", changed) == {"cases/a.session"}
    assert not alive.passed("other", changed)
    assert not Measured("m", MutantResult.BROKEN, "image").holds("image", NOW)


def test_likely_killers_come_first() -> None:
    """What killed the mutant before, then what killed most others, then the rest by name."""
    results = [killed("x", "cases/test_b.py"), killed("y", "cases/test_b.py"), killed("m", "cases/a.session")]

    assert in_order(["c", *NOW], results, mutant="m") == ["cases/a.session", "cases/test_b.py", "c"]
    assert in_order(["c", *NOW], results, mutant="z") == ["cases/test_b.py", "cases/a.session", "c"]


def test_the_sum_names_who_survived() -> None:
    """A broken mutant is not counted, and each survivor is reported with its visible effect."""
    first, second, third, *_ = ALL
    results = {
        first.name: killed(first.name, "cases/a.session"),
        second.name: Measured(second.name, MutantResult.SURVIVED),
        third.name: Measured(third.name, MutantResult.BROKEN),
    }

    assert summary([first, second, third], results) == [
        "1 / 2 killed",
        f"survived: {second.name}: {second.sees}",
        f"broken: {third.name}: {third.sees}",
    ]


def test_what_was_measured_is_read_back() -> None:
    """The file that one measurement leaves is what the next one starts from."""
    measured = [killed("timens/m", "cases/a.session"), Measured(unmutated("timens"), MutantResult.SURVIVED, files=NOW)]
    results = {one.name: one for one in measured}

    assert loads(dumps(results.values(), {"host": "here"})) == results


def test_a_measurement_without_a_suite_is_one_of_cgroup_namespaces() -> None:
    """Files that were written before there was a second suite stay valid."""
    old = [killed("m", "cases/a.session"), Measured(UNMUTATED, MutantResult.SURVIVED, files=NOW)]

    assert set(loads(dumps(old, {}))) == {"cgroupns/m", "cgroupns/base"}
    assert loads(dumps(old, {}))["cgroupns/m"].name == "cgroupns/m"


def test_a_case_file_is_another_when_what_it_expects_changes(tmp_path: Path) -> None:
    """The values of the traits that it names count as its text does; those that it does not name do not."""
    (tmp_path / "a.session").write_text("(setns = supported) 0\n")
    (tmp_path / "b.session").write_text("0\n")
    files = {name: tmp_path / name for name in ("a.session", "b.session")}
    other = Profile("x", MappingProxyType({"setns": Expectation("refused", "", True)}))
    before, after = digests(files, PROFILE), digests(files, other)

    assert [before[name] == after[name] for name in sorted(before)] == [False, True]


@pytest.mark.parametrize("suite", SUITES)
def test_a_mutant_is_measured_with_the_cases_of_its_suite(suite: str) -> None:
    """Those about the harness itself say nothing of a kernel."""
    files = MutantBench({}, 1).paths(find_suite(suite))

    assert files
    assert {name.partition("/")[0] for name in files} == {suite}
    assert not [name for name in files if "selftest" in name]
