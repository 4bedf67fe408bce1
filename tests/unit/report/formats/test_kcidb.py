# SPDX-License-Identifier: GPL-2.0-only
"""Check reports for KCIDB with kcidb-io's validation and their references."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kcidb_io.schema import LATEST  # type: ignore[import-untyped]  # it ships no types

from harness.base.errors import UsageError
from harness.model.run_record import BuildRecord, CaseRecord, OutcomeCount, RunRecord
from harness.model.verdict import Fault, Outcome
from harness.report.formats.kcidb import Sender, kcidb_report, patchset_hash, path_of
from harness.results.known_failures import KnownFailure
from tests.unit.report.sample import CASES, KERNEL, RUN, case

Table = Mapping[str, object]
BUILT = BuildRecord(
    source="/home/u/linux at v6.6",
    base="a1" * 20,
    commit="b2" * 20,
    series="cgroup: two things",
    series_version=2,
    patches=("cgroup: one", "cgroup: two"),
    patch_digests=("c3" * 32, "d4" * 32),
    fragments=("base", "cgroups"),
    compiler="gcc 12.2.0",
    seconds=12.5,
    warnings=("a.c:1: warning: x (patch 1)",),
)
BUILT_RUN = replace(RUN, kernel=replace(KERNEL, spec="~/linux@v6.6+two.mbox", build=BUILT))
SENDER = Sender()
DAY = datetime.date(2027, 3, 1)


def tables(name: str, *runs: RunRecord, sender: Sender = SENDER) -> list[Table]:
    """Return one list of the report of some runs."""
    whole = kcidb_report(runs, names=[f"run-{number}" for number in range(len(runs))], sender=sender)
    LATEST.validate(whole)
    return list(cast(Sequence[Table], whole[name]))


def test_built_kernel_is_a_checkout_and_a_build() -> None:
    """Base, hash of the patches, compiler, configuration and time are in KCIDB's fields."""
    [checkout] = tables("checkouts", BUILT_RUN)
    [build] = tables("builds", BUILT_RUN)
    lines = "".join(f"{digest}\n" for digest in BUILT.patch_digests)

    assert checkout["git_commit_hash"] == BUILT.base
    assert checkout["patchset_hash"] == hashlib.sha256(lines.encode()).hexdigest()
    assert build["checkout_id"] == checkout["id"]
    assert (build["compiler"], build["config_name"], build["duration"]) == ("gcc 12.2.0", "base cgroups", 12.5)
    assert build["status"] == "PASS"


def test_patchset_hash() -> None:
    """It is empty without a series, and missing if an older record does not have the patches."""
    assert patchset_hash(BuildRecord(commit="c")) == ""
    assert patchset_hash(replace(BUILT, patch_digests=())) is None
    assert (
        "patchset_hash"
        not in tables("checkouts", replace(RUN, kernel=replace(KERNEL, build=replace(BUILT, patch_digests=()))))[0]
    )


@pytest.mark.parametrize(
    ("outcome", "fault", "status"),
    [
        (Outcome.MATCH, Fault.NONE, "PASS"),
        (Outcome.MISMATCH, Fault.NONE, "FAIL"),
        (Outcome.TIMEOUT, Fault.NONE, "FAIL"),
        (Outcome.KERNEL, Fault.NONE, "FAIL"),
        (Outcome.LOST, Fault.NONE, "FAIL"),
        (Outcome.SKIPPED, Fault.NONE, "SKIP"),
        (Outcome.ERROR, Fault.CASE, "ERROR"),
        (Outcome.ERROR, Fault.HOST, "MISS"),
    ],
)
def test_each_outcome_has_its_status(outcome: Outcome, fault: Fault, status: str) -> None:
    """A broken test is ERROR, a test that could not run is MISS."""
    [test] = tables("tests", replace(RUN, cases=(replace(case("cases/a.session", outcome), fault=fault),)))

    assert test["status"] == status


def test_each_case_is_one_test_of_its_build() -> None:
    """The id of a test ends with the case's id, which is in misc as well; ids are unique, also over two runs."""
    tests = tables("tests", RUN, replace(RUN, started=RUN.started + 60))
    builds = tables("builds", RUN)

    assert [cast(Table, one["misc"])["id"] for one in tests] == [one.id for one in CASES] * 2
    assert len({one["id"] for one in tests}) == len(tests)
    assert all(str(one["id"]).endswith(str(cast(Table, one["misc"])["id"])) for one in tests)
    assert {one["build_id"] for one in tests} == {builds[0]["id"]}


@pytest.mark.parametrize(
    ("identity", "path"),
    [
        ("cases/views/siblings.session", "cases.views.siblings"),
        ("cases/setns/test_fds.py::test_own[v2-nested]", "cases.setns.test_fds.test_own-v2-nested"),
        ("kernel/boots", "kernel.boots"),
        ("//..", "unnamed"),
    ],
)
def test_paths(identity: str, path: str) -> None:
    """A path has dots for slashes, no file extension, and no character that the schema rejects."""
    assert path_of(identity) == path


def known_case(name: str, *entries: KnownFailure) -> CaseRecord:
    """Return a case with some known failures and an unrelated line for people."""
    notes = tuple(one.note for one in entries)
    return replace(case(name, Outcome.MISMATCH, reason="no"), known="whatever this says", known_failures=notes)


def test_known_failure_is_an_issue_and_an_incident() -> None:
    """A known failure is one issue over all runs, and an incident for each test."""
    clock = KnownFailure("cases/a.session", "", "the clock (of old)", "https://example.org/1", DAY)
    trait = KnownFailure("", "pinning", "not yet merged", "mail of Monday", DAY)
    both = (
        known_case("cases/a.session", clock),
        known_case("cases/b.session", trait, replace(trait, trait="scope")),
    )
    run = replace(RUN, cases=both)
    issues = {str(one["id"]): one for one in tables("issues", run, replace(run, started=2e9))}
    incidents = tables("incidents", run, replace(run, started=2e9))
    first = next(one for one in issues.values() if one.get("report_url"))

    assert len(issues) == 3
    assert len(incidents) == 6
    assert all(one["issue_id"] in issues and one["present"] is True for one in incidents)
    assert (first["comment"], first["report_url"], first["version"]) == (clock.reason, clock.link, 20270301)


def test_logs_are_linked_if_an_address_is_given() -> None:
    """Without an address of the results there are no links."""
    sender = Sender("my_ci", "https://ci.example.org/results/")
    test = tables("tests", BUILT_RUN, sender=sender)[2]

    assert test["log_url"] == f"https://ci.example.org/results/run-0/{CASES[2].folder}/actual.session"
    assert test["origin"] == "my_ci"
    assert "log_url" not in tables("tests", BUILT_RUN)[2]


def test_tries_are_in_misc() -> None:
    """KCIDB has no field for them."""
    tries = (OutcomeCount(Outcome.MATCH, 2), OutcomeCount(Outcome.MISMATCH, 1))
    [test] = tables("tests", replace(RUN, cases=(replace(CASES[2], tries=tries),)))

    assert cast(Table, test["misc"])["tries"] == {"match": 2, "mismatch": 1}


def test_invalid_arguments_are_errors() -> None:
    """An invalid origin and an invalid address are reported."""
    with pytest.raises(UsageError, match="is not a valid name of a CI system"):
        tables("tests", RUN, sender=Sender("My CI"))
    with pytest.raises(UsageError, match="rejects these runs"):
        tables("tests", RUN, sender=Sender(url="ci results"))


@settings(max_examples=50)
@given(st.text(st.characters(exclude_categories=()), max_size=40), st.sampled_from(Outcome))
def test_hostile_text_passes_the_schema(text: str, outcome: Outcome) -> None:
    """Any text of a guest or a file name gives a valid report."""
    hostile = replace(case(f"cases/{text}", outcome, reason=text, diff=text, title=text), known=text)

    assert tables("tests", replace(RUN, host=text, cases=(hostile,)))
