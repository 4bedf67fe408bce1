# SPDX-License-Identifier: GPL-2.0-only
"""Check the conclusions on a whole series."""

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


def test_breakage_in_between_is_reported() -> None:
    """A trait that changes back and a build that works again are reported with both patches."""
    assert [one.render() for one in find_broken((FINE, BREAKS, STOPS, MENDS))] == [
        "patch 3 breaks the build, patch 4 fixes it",
        "patch 2 breaks trait outside_view, patch 4 fixes it",
    ]
    assert not list(find_broken((FINE, BREAKS)))


def test_host_error_is_not_a_breakage() -> None:
    """A build that ran out of disk space is no evidence about the patch."""
    assert not list(find_broken((replace(STOPS, at_fault=False), replace(MENDS, effects=()))))


@pytest.mark.parametrize(
    ("shown", "missing"),
    [
        ({"view": "absolute"}, ()),
        ({"view": "relative"}, ("view = absolute, declared by --expect: it is relative",)),
        ({}, ("view = absolute, declared by --expect: no case of this run shows it (shown by P-04)",)),
    ],
)
def test_missing_declared_change(shown: dict[str, str], missing: tuple[str, ...]) -> None:
    """The value after the last patch is reported."""
    runs: dict[int, RunRecord] = {
        0: run("a", case("a", shows={"view": "relative"})),
        1: run("b", case("a", shows=shown)),
    }
    declared = Declarations((Declared("view", "absolute", 0, "--expect"),))
    record = conclude(GOOD, runs, base=known(0, runs[0]), declared=declared, semantics=SEMANTICS)

    assert [(one.name, one.text) for one in record.missing] == [("view", text) for text in missing]
    assert record.state is (PatchState.FAIL if missing else PatchState.SUCCESS)


def test_net_effect_is_that_of_the_ends() -> None:
    """Changes that are undone in between are not part of it."""
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
def test_state_of_a_series_is_its_worst(patches: tuple[PatchRecord, ...], state: PatchState) -> None:
    """Complaints warn, an untested patch is unknown, everything else fails."""
    assert replace(GOOD, patches=(BASE, *patches)).state is state


def test_findings_fail_a_strict_series() -> None:
    """``--werror`` turns warnings into failures, but not a check, which only --strict shows."""
    warned = replace(GOOD, patches=(BASE, replace(FINE, style=BREAKS.style)), is_strict=True)

    assert warned.state is PatchState.FAIL


def test_record_is_read_back() -> None:
    """A record that is written and read is equal."""
    assert load_series(dump_series(RECORD), source="series.json") == RECORD


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format_version": 99}', dump_series(RECORD)[:500], '{"format_version": 1, "title": 3}']
)
def test_damaged_record_is_reported_by_file(text: str) -> None:
    """A cut, newer or foreign file is an error that names the file."""
    with pytest.raises(UsageError, match=r"series\.json"):
        load_series(text, source="series.json")
