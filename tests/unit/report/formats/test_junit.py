# SPDX-License-Identifier: GPL-2.0-only
"""Validate ``junit.xml`` with the project's schema, and read it with another library."""

from __future__ import annotations

import importlib.resources
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
import xmlschema
from hypothesis import given
from hypothesis import strategies as st
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from harness.model.run_record import KernelRecord, Problem, ProblemKind, RunRecord, TraitRecord
from harness.model.verdict import Outcome
from harness.report.formats.junit import JunitLimits, render_junit
from tests.unit.report.sample import CASES, RUN, SPLAT, case

SCHEMA = xmlschema.XMLSchema(str(importlib.resources.files("tests") / "data" / "junit.xsd"))
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)


def suites(text: str) -> list[TestSuite]:
    """Validate a text with the schema and return the suites as junitparser reads them."""
    SCHEMA.validate(text)
    read = JUnitXml.fromstring(text.encode())
    assert isinstance(read, JUnitXml)
    return list(read)


def cases_of(*runs: RunRecord) -> dict[str, TestCase]:
    """Return the testcases of runs by name, for several runs by classname and name."""
    found = [one for suite in suites(render_junit(runs)) for one in suite if isinstance(one, TestCase)]
    assert len({(one.classname, one.name) for one in found}) == len(found)
    return {one.name if len(runs) == 1 else f"{one.classname} {one.name}": one for one in found}


def properties_of(run: RunRecord) -> dict[str, str]:
    """Return the properties of a run's suite by name."""
    found = ET.fromstring(render_junit([run]).encode()).findall("testsuite/properties/property")
    return {one.attrib["name"]: one.attrib["value"] for one in found}


def test_totals_match_the_cases() -> None:
    """Every case is one testcase; mismatch, timeout, kernel and lost count as failures, errors as errors."""
    [suite] = suites(render_junit([RUN]))

    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (len(CASES) + 1, 4, 2, 1)
    assert len(list(suite)) == suite.tests
    assert suite.name == "6.1.0-56-cloud-amd64"
    assert suite.timestamp == "2026-09-21T14:13:20+00:00"
    assert suite.hostname == "builder7"
    assert suite.time == 41.2


@pytest.mark.parametrize(
    ("name", "kind", "type_"),
    [
        ("cases/views/from_outside.session", Failure, "mismatch"),
        ("cases/release/agent.session", Failure, "kernel"),
        ("cases/selftest/qemu_killed.session", Failure, "lost"),
        ("cases/unprivileged/v1.session", Skipped, "skipped"),
        ("cases/nested/broken.session", Error, "error"),
        ("1: problem of the run", Error, "error"),
    ],
)
def test_each_outcome_has_its_element(name: str, kind: type, type_: str) -> None:
    """A fault of the kernel is a failure with the outcome as type; one of the harness or the case is an error."""
    [result] = cases_of(RUN)[name].result

    assert type(result) is kind
    assert result.type == type_


def test_matched_case_has_no_result() -> None:
    """A match has only its time and its transcript."""
    matched = cases_of(RUN)["cases/views/manual_page.session"]

    assert matched.result == []
    assert matched.time == 2.61
    assert matched.system_out.startswith("    # mkdir -p /sys/fs/cgroup/freezer/sub\n")


def test_failure_text_starts_with_the_reason() -> None:
    """The text has reason, diff and path of the logs; the message is the reason on one line."""
    [failure] = cases_of(RUN)["cases/views/from_outside.session"].result

    assert failure.message == "line 12: expected 7:freezer:/ but saw 7:freezer:/../../sub2"
    lines = failure.text.splitlines()
    assert lines[0] == failure.message
    assert lines[2:4] == ["--- expected", "+++ seen"]
    assert lines[-1] == "logs: cases/views/from_outside.session/ in the run folder"


def test_splats_are_in_the_failure_text() -> None:
    """A splat has title, kind, fingerprint and text; ten are shown, and the others are counted."""
    many = replace(case("cases/a.session", Outcome.KERNEL, reason="warned"), splats=(SPLAT,) * 12)
    [one] = cases_of(RUN)["cases/release/agent.session"].result
    [ten] = cases_of(replace(RUN, cases=(many,)))["cases/a.session"].result

    assert f"{SPLAT.title} [warning, fingerprint 4be0f7a1]\n------------[ cut here ]" in one.text
    assert ten.text.count("[warning, fingerprint 4be0f7a1]") == 10
    assert "[... 2 more splats in cases/a.session/kernel.log ...]" in ten.text


@pytest.mark.parametrize("outcome", [one for one in Outcome if one is not Outcome.MATCH])
def test_failure_without_reason_counts(outcome: Outcome) -> None:
    """The library counts a failure without text as a success, so there is always a text."""
    [suite] = suites(render_junit([replace(RUN, problems=(), cases=(case("cases/x/a.session", outcome),))]))

    assert (suite.failures or 0) + (suite.errors or 0) + (suite.skipped or 0) == 1


def test_properties_describe_kernel_and_host() -> None:
    """Kernel, image, config, acceleration with its evidence, QEMU, profile, host and each trait are properties."""
    properties = properties_of(RUN)

    assert properties["kernel.release"] == "6.1.0-56-cloud-amd64"
    assert properties["kernel.image.sha256"] == "9f" * 32
    assert properties["kernel.config.source"] == "beside the image"
    assert properties["acceleration.evidence"].startswith("KVM reached no ready mark")
    assert properties["nearest"] == "; ".join(RUN.nearest)
    assert properties["trait.outside_view"] == "relative"
    assert properties["trait.outside_view.expected"] == "hidden"
    assert properties["trait.setns_needs_descendant.expected"] == "no (unconfirmed)"
    assert "trait.unprivileged_creation_allowed" not in properties
    assert properties["note.1"].startswith("booted afresh 1 time")
    assert properties["complete"] == "yes"


def test_interrupted_run_has_an_error() -> None:
    """A killed run has a property and an error in addition to its ended cases."""
    killed = replace(RUN, complete=False, problems=(), cases=CASES[:2], not_run=("s/v/late.session",))
    [suite] = suites(render_junit([killed]))
    [result] = cases_of(killed)["1: the run did not finish"].result

    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (4, 0, 1, 1)
    assert cases_of(killed)["s/v/late.session"].classname == "s.v"
    assert properties_of(killed)["complete"] == "no: the run did not finish"
    assert result.message.startswith("the run did not finish: 2 cases had ended")


def test_case_is_counted_once() -> None:
    """A case that was recorded twice, as its worker died and it ran again, is one testcase: the last."""
    again = replace(CASES[2], outcome=Outcome.MATCH, reason="", diff="")
    [suite] = suites(render_junit([replace(RUN, problems=(), cases=(*CASES, again))]))

    assert (suite.tests, suite.failures) == (len(CASES), 3)


def test_names_are_unique() -> None:
    """Ids with equal classname and name, and runs of one kernel, get distinct names: GitLab drops duplicates."""
    twins = replace(RUN, cases=(case("cases/a.b/x.session"), case("cases/a/b/x.session")))
    found = cases_of(twins, twins)
    [first, second] = suites(render_junit([twins, twins]))

    assert len(found) == 6
    assert "6_1_0-56-cloud-amd64.cases.a.b cases/a/b/x.session" in found
    assert "6_1_0-56-cloud-amd64-2.cases.a.b cases/a.b/x.session" in found
    assert [first.name, second.name] == ["6.1.0-56-cloud-amd64", "6.1.0-56-cloud-amd64-2"]


def test_long_texts_are_cut_and_linked() -> None:
    """A long transcript or diff keeps head and tail and names the file with the whole text."""
    long = "".join(f"line {number}\n" for number in range(20_000))
    failed = replace(CASES[2], transcript=long, diff=long)
    text = render_junit([replace(RUN, cases=(failed,))], limits=JunitLimits(transcript=3000, diff=2000))
    [suite] = suites(text)
    first = next(iter(suite))
    assert isinstance(first, TestCase)

    assert len(text) < 12_000
    assert "characters cut here; see cases/views/from_outside.session/actual.session ...]" in first.system_out
    assert first.system_out.endswith("line 19999")
    assert "see cases/views/from_outside.session/diff ...]" in first.result[0].text


def test_many_long_failures_stay_below_the_limit() -> None:
    """151 failed cases of full length are below the 30 MB that GitLab accepts."""
    noise = "abcdefg\n" * 20_000
    failed = [replace(CASES[2], id=f"cases/{n}", name=str(n), transcript=noise, diff=noise) for n in range(151)]

    assert len(render_junit([replace(RUN, cases=tuple(failed))]).encode()) < 15_000_000


def test_hostile_output_is_shown_as_text() -> None:
    """Escape sequences are removed, forbidden characters and bidirectional controls are named, markup stays text."""
    nasty = "\x1b[31m</failure><system-out>]]>&amp;\x00\u202e\udcff\ud800\ufffe\r\n"
    [result] = cases_of(replace(RUN, cases=(replace(CASES[2], diff=nasty, transcript=nasty),)))[
        "cases/views/from_outside.session"
    ].result

    assert "\n</failure><system-out>]]>&amp;<U+0000><U+202E><0xFF><U+D800><U+FFFE>\n" in result.text


@given(ANY_TEXT, st.sampled_from(list(Outcome)), st.booleans())
def test_any_text_gives_a_valid_file(text: str, outcome: Outcome, complete: bool) -> None:
    """Whatever text a guest, a path or a host puts into a field, the file is well-formed and valid."""
    one = replace(
        CASES[0],
        outcome=outcome,
        id=text,
        classname=text,
        name=text,
        title=text,
        reason=text,
        diff=text,
        transcript=text,
        folder=text,
        splats=(replace(SPLAT, kind=text, title=text, text=text),),
    )
    run = RunRecord(
        kernel=KernelRecord(text, text, text, text, text, text, text),
        started=0.0,
        complete=complete,
        cases=(one, replace(one, id=text + "2")),
        traits=(TraitRecord(text, text, text, False, text),),
        problems=(Problem(ProblemKind.OTHER, text),),
        notes=(text,),
        profile=text,
        host=text,
        hostname=text,
    )
    rendered = render_junit([run, run])
    root = ET.fromstring(rendered.encode())

    SCHEMA.validate(rendered)
    assert len(root.findall("testsuite/testcase")) == 2 * (2 + 1 + (not complete))


def test_no_runs_give_a_valid_file() -> None:
    """No runs give an empty valid root; a run that ended before its first case gives a valid suite."""
    empty = replace(RUN, cases=(), problems=(), traits=(), notes=())

    assert suites(render_junit([])) == []
    assert [suite.tests for suite in suites(render_junit([empty]))] == [0]
