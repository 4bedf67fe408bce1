# SPDX-License-Identifier: GPL-2.0-only
"""A suite outside of the checkout works like a shipped one: run, diff, history, semantics, accept, report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.base import process
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from harness.model.verdict import Outcome
from harness.results.folder import load_run
from tests.program import environment, harness

pytestmark = pytest.mark.guest
SECONDS = 600.0


def start(*words: str | Path, cwd: Path) -> process.Completed:
    """Run the harness in a folder outside of the checkout."""
    return process.run(
        harness(*words),
        deadline=Deadline.after(SECONDS),
        check=False,
        within=process.Surroundings(env=environment(), cwd=cwd),
    )


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a new suite whose cases were run twice."""
    desk = tmp_path_factory.mktemp("desk")
    assert start("suite", "new", "mine", cwd=desk).status == ExitStatus.AS_EXPECTED
    for _ in range(2):
        done = start("run", "deb", "--suite", "mine", "-n", "2", "--results", "results", cwd=desk)
        assert done.status == ExitStatus.AS_EXPECTED, done.text + done.complaint
    return desk


def test_cases_use_all_parts_of_the_suite(desk: Path) -> None:
    """Feature, preparation, helper, program, file, fixtures and traits are all used, and all cases match."""
    run = load_run(desk / "results/latest")

    assert {case.id: case.outcome for case in run.cases} == {
        "mine/first.session": Outcome.MATCH,
        "mine/test_first.py::test_names_of_all_lengths": Outcome.MATCH,
    }
    assert run.suite == str(desk / "mine")
    assert [(one.trait, one.seen, one.expected) for one in run.traits] == [("name_of_child", "own", "own")]


def test_two_runs_differ_in_noise_only(desk: Path) -> None:
    """The suite is found from the record, without an option."""
    transcripts = [
        case.transcript
        for folder in sorted((desk / "results").glob("2*"))
        for case in load_run(folder).cases
        if "ticket-" in case.transcript
    ]
    told = start("diff", "last~1", "last", "--json", "--results", "results", cwd=desk)
    found = json.loads(told.text)

    assert len(set(transcripts)) == len(transcripts) == 2
    assert told.status == ExitStatus.AS_EXPECTED, told.complaint
    assert not found["cases"]


def test_history_semantics_and_report_know_the_suite(desk: Path) -> None:
    """They show its cases, its traits and its page."""
    history = start("history", "mine/first.session", "--results", "results", cwd=desk)
    semantics = start("semantics", "--suite", "mine", "name_of_child", cwd=desk)
    page = start("report", "--format", "html", "--output", "page.html", "--results", "results", cwd=desk)
    learned = start("semantics", "--suite", "mine", "--learn", "results/latest", cwd=desk)

    assert "mine/first.session" in history.text
    assert "mine/first.session:" in semantics.text
    assert page.status == learned.status == ExitStatus.AS_EXPECTED, page.complaint + learned.complaint
    assert (desk / "page.html").stat().st_size > 10_000
    assert "name_of_child" in (desk / "mine/seen.toml").read_text()


def test_accept_rewrites_a_case(desk: Path) -> None:
    """A case that differs is rewritten in place, named by its id."""
    case = desk / "mine/first.session"
    case.write_text(case.read_text().replace("    last\n", "    the last\n"))
    differs = start("run", "--suite", "mine", "--cases", "first.session", "--results", "accepted", cwd=desk)
    accepted = start("accept", "--suite", "mine", "mine/first.session", "--results", "accepted", cwd=desk)

    assert differs.status == ExitStatus.DIFFERS, differs.complaint
    assert accepted.status == ExitStatus.AS_EXPECTED, accepted.complaint
    assert "+    last" in accepted.text
    assert "    last\n" in case.read_text()


def test_a_case_with_missing_needs_is_skipped(desk: Path) -> None:
    """The reason comes from the suite: the output of a preparation with status 4, or the text of a missing feature."""
    suite = desk / "mine/suite.toml"
    before = suite.read_text()
    suite.write_text(before.replace("[ -e /proc/self/ns/uts ]", "false"))
    missing = start("run", "--suite", "mine", "--results", "missing", cwd=desk)
    suite.write_text(before.replace("minectl files {at} {words}", "echo no such thing at {at} {words}; (exit 4)"))
    unprepared = start("run", "--suite", "mine", "--cases", "first.session", "--results", "unprepared", cwd=desk)
    suite.write_text(before.replace("minectl files {at} {words}", "echo broken {at} {words}; false"))
    broken = start("run", "--suite", "mine", "--cases", "first.session", "--results", "broken", cwd=desk)
    suite.write_text(before)

    # The profile says that the kernel has the feature: then its lack is no excuse.
    assert "the profile mainline-6.1 expects the feature, so all cases are run" in missing.text
    assert [case.reason for case in load_run(desk / "unprepared/latest").cases] == [
        "no such thing at /run/mine before after"
    ]
    assert unprepared.status == ExitStatus.AS_EXPECTED, unprepared.complaint
    assert broken.status == ExitStatus.DIFFERS
    assert "cannot be prepared: broken /run/mine before after" in broken.text


MIXED = """title: a step that observes something else than its trait means

    # echo another
    (name_of_child = own) same
    (name_of_child = shared) another
"""


def test_mixed_trait_is_a_finding_of_a_run_and_a_fault_of_a_suite_check(tmp_path: Path) -> None:
    """The cases judge the kernel (status 1); on a kernel that is known to be steady the cases are at fault (2)."""
    assert start("suite", "new", "mine", cwd=tmp_path).status == ExitStatus.AS_EXPECTED
    (tmp_path / "mine/second.session").write_text(MIXED)
    ran = start("run", "--suite", "mine", "--results", "ran", cwd=tmp_path)
    checked = start("suite", "check", "mine", "--on", "deb", "--results", "checked", cwd=tmp_path)
    [trait] = load_run(tmp_path / "ran/latest").traits

    assert ran.status == ExitStatus.DIFFERS, ran.text + ran.complaint
    assert "~ name_of_child  mixed  own" in ran.text
    assert (trait.seen, trait.shown) == ("", "mixed (own, shared)")
    assert load_run(tmp_path / "ran/latest").problems == ()
    assert checked.status == ExitStatus.CASE_BROKEN, checked.text + checked.complaint
    assert "name_of_child: cases see different values on deb: own at mine/first.session:" in checked.text
    assert "1 fault" in checked.complaint
