"""What all patches together come to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.base.errors import UsageError
from harness.model.run_record import RunRecord
from harness.model.series_record import Declared, PatchRecord, PatchState, dump_series
from harness.model.verdict import Outcome
from harness.results.records import load_series
from harness.series.declared import Declarations
from harness.series.effects import conclude, find_broken
from tests.unit.series.sample import BASE, BREAKS, FINE, GOOD, MENDS, RECORD, SEMANTICS, STOPS, case, known, run


def test_what_is_broken_on_the_way_is_told() -> None:
    """A trait that changes and comes back, and a build that fails and works again, each with both patches."""
    assert [one.render() for one in find_broken((FINE, BREAKS, STOPS, MENDS))] == [
        "patch 3 breaks the build, patch 4 fixes it",
        "patch 2 breaks trait outside_view, patch 4 fixes it",
    ]
    assert not list(find_broken((FINE, BREAKS)))


def test_a_host_at_fault_breaks_nothing() -> None:
    """A build that ran out of disk says nothing of the patch."""
    assert not list(find_broken((replace(STOPS, at_fault=False), replace(MENDS, effects=()))))


@pytest.mark.parametrize(
    ("shown", "missing"),
    [
        ({"view": "absolute"}, ()),
        ({"view": "relative"}, ("view = absolute, declared by --expect: it is relative",)),
        ({}, ("view = absolute, declared by --expect: no case that was asked shows it (shown by P-04)",)),
    ],
)
def test_what_was_declared_and_did_not_come(shown: dict[str, str], missing: tuple[str, ...]) -> None:
    """The last patch is asked for it, and what it is instead is told."""
    runs: dict[int, RunRecord] = {
        0: run("a", case("a", shows={"view": "relative"})),
        1: run("b", case("a", shows=shown)),
    }
    declared = Declarations((Declared("view", "absolute", 0, "--expect"),))
    record = conclude(GOOD, runs, base=known(0, runs[0]), declared=declared, semantics=SEMANTICS)

    assert [(one.name, one.text) for one in record.missing] == [("view", text) for text in missing]
    assert record.state is (PatchState.FAIL if missing else PatchState.SUCCESS)


def test_the_net_effect_is_that_of_the_ends() -> None:
    """What comes and goes on the way is not in it."""
    runs = {0: run("a", case("a")), 1: run("b", case("a", Outcome.LOST)), 2: run("c", case("a"))}
    record = replace(RECORD, patches=(BASE, FINE, MENDS))

    assert conclude(record, runs, base=known(0, runs[0]), declared=Declarations(), semantics=SEMANTICS).net == ()


@pytest.mark.parametrize(
    ("patches", "state"),
    [
        ((FINE,), PatchState.SUCCESS),
        ((replace(FINE, style=BREAKS.style),), PatchState.WARNING),
        ((replace(FINE, failed="not judged", at_fault=False), replace(FINE, style=BREAKS.style)), PatchState.UNKNOWN),
        ((STOPS, FINE), PatchState.FAIL),
        ((BREAKS, MENDS), PatchState.FAIL),
    ],
)
def test_the_state_of_a_series_is_its_worst(patches: tuple[PatchRecord, ...], state: PatchState) -> None:
    """Complaints warn, what is not known is said to be so, all else fails."""
    assert replace(GOOD, patches=(BASE, *patches)).state is state


def test_complaints_fail_a_strict_series() -> None:
    """``--werror`` turns warnings into a failure; a check, which only --strict shows, is none."""
    warned = replace(GOOD, patches=(BASE, replace(FINE, style=BREAKS.style)), is_strict=True)

    assert warned.state is PatchState.FAIL


def test_a_record_comes_back_from_its_json() -> None:
    """What is written is read again, all of it."""
    assert load_series(dump_series(RECORD), source="series.json") == RECORD


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format_version": 99}', dump_series(RECORD)[:500], '{"format_version": 1, "title": 3}']
)
def test_a_damaged_record_is_told_by_name(text: str) -> None:
    """Cut off, of a newer harness, or by somebody else: an error that names the file."""
    with pytest.raises(UsageError, match=r"series\.json"):
        load_series(text, source="series.json")
