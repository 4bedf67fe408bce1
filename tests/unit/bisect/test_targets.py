# SPDX-License-Identifier: GPL-2.0-only
"""Which targets two kernels give, and which value a run shows of them."""

from __future__ import annotations

from harness.bisect.observed import ObservedRun, differing
from harness.bisect.targets import Kind, Target, files_to_run, find_targets, read_others, read_value
from harness.model.run_record import CaseRecord
from harness.model.verdict import Outcome, TraitSighting


def case(name: str, **shows: str) -> CaseRecord:
    """Return a case that matched and showed traits."""
    sightings = tuple(TraitSighting(trait, value, f"{name}:1") for trait, value in shows.items())
    return CaseRecord(name, "s", name, Outcome.MATCH, sightings=sightings, seconds=len(name))


def cases(*every: CaseRecord) -> dict[str, CaseRecord]:
    """Return cases by id."""
    return {one.id: one for one in every}


GOOD = cases(case("s/a.session", view="relative"), case("s/bb.session", view="relative"))
MIXED = cases(case("s/a.session", view="relative"), case("s/bb.session", view="absolute"))


def test_trait_that_all_cases_agree_on_is_one_target() -> None:
    """The quickest case that shows it is run."""
    traits = [one for one in find_targets(GOOD, GOOD) if one.kind is Kind.TRAIT]

    assert traits == [Target(Kind.TRAIT, "view", ("s/a.session", "s/bb.session"))]
    assert files_to_run(traits) == ("s/a.session",)


def test_mixed_trait_is_traced_in_each_case() -> None:
    """Only the case that saw the other value shows the change: the quickest would show none on any commit."""
    ends = ObservedRun(GOOD), ObservedRun(MIXED)
    found = [one for one in differing(find_targets(GOOD, MIXED), *ends) if one.kind is Kind.TRAIT]

    assert [one.key for one in found] == ["trait view in s/bb.session"]
    assert files_to_run(found) == ("s/bb.session",)
    assert [read_value(found[0], end) for end in (GOOD, MIXED)] == ["relative", "absolute"]


def test_trait_that_is_mixed_in_one_file_is_read_by_case() -> None:
    """Two tests of one file are two cases."""
    both = cases(case("s/test_x.py::a", view="relative"), case("s/test_x.py::b", view="absolute"))
    [a, b] = [one for one in find_targets(both, both) if one.kind is Kind.TRAIT]

    assert (read_value(a, both), read_value(b, both)) == ("relative", "absolute")


def test_trait_that_is_mixed_between_the_ends_differs_from_them() -> None:
    """Its value is compared with that of the ends, where it is one target."""
    [trait] = [one for one in find_targets(GOOD, GOOD) if one.kind is Kind.TRAIT]

    assert read_others([], MIXED)[trait] == "absolute and relative"
