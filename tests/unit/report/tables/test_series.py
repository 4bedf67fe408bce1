# SPDX-License-Identifier: GPL-2.0-only
"""Show a series on a terminal, to a mailing list, GitHub, GitLab and b4."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from junitparser import JUnitXml

from harness.model.origin import Origin, OriginKind
from harness.model.series_record import ChangedLines, Level, LineSpan, SeriesRecord, StyleFinding
from harness.model.verdict import Outcome
from harness.report.formats.b4 import Status, error_finding, patch_findings, render_json, render_lines, series_findings
from harness.report.formats.forge import ANNOTATIONS, annotate, render_code_quality, render_summary
from harness.report.formats.series_junit import render_series_junit
from harness.report.formats.series_mail import WIDTH, render_mail
from harness.report.tables.series import series_lines
from harness.report.text import columns
from tests.unit.series.sample import BASE, BREAKS, FINE, GOOD, HOSTILE, MENDS, RECORD, STOPS, case, run

EVIL = replace(
    RECORD,
    title=HOSTILE,
    patches=(
        BASE,
        replace(BREAKS, number=1, subject=HOSTILE, style=(StyleFinding(Level.ERROR, f"{HOSTILE}.c", 1, HOSTILE),)),
        replace(STOPS, number=2, what=HOSTILE, evidence=f"{HOSTILE}\n\n::error::{HOSTILE}\n```\n</pre>"),
    ),
)
"""A record in which every untrusted text is hostile."""
RUNS = {
    0: run("a", case("a"), case("b", Outcome.TIMEOUT)),
    2: run("b", case("views/a", Outcome.MISMATCH), case("b", Outcome.TIMEOUT)),
    4: run("c", case("views/a"), case("b", Outcome.TIMEOUT)),
}


def text_of(record: SeriesRecord, width: int = 80) -> str:
    """Return the lines of a terminal."""
    return "\n".join(line.text for line in series_lines(record, width))


def test_terminal_has_a_row_for_each_patch() -> None:
    """Below a row are the changes of the patch; the result is at the end."""
    text = text_of(RECORD)

    assert re.search(r"^1/4 +cgroup: prepare +ok +ok +as base +- +ok$", text, re.MULTILINE)
    assert re.search(r"^2/4 .* 1 +1 +boots +41, 2 fail +FAIL$", text, re.MULTILINE)
    assert re.search(r"^3/4 .* no build +- +FAIL$", text, re.MULTILINE)
    assert "UNEXPECTED trait outside_view: relative -> absolute" in text
    assert "patch 2 breaks trait outside_view, patch 4 fixes it" in text
    assert "MISSING: outside_view = hidden" in text
    assert text.splitlines()[-2].startswith("FAIL: patch 3 does not build; 1 unexpected change")


@pytest.mark.parametrize(
    ("version", "suffix", "shown"), [(1, "", "t, 4 patches"), (2, ".1", "t, v2.1, 4 patches"), (5, "b", "t, v5b, 4")]
)
def test_the_title_has_the_version_as_posted(version: int, suffix: str, shown: str) -> None:
    """The numbers and letters after the number of the version are not lost; the first version is not named."""
    assert shown in text_of(replace(RECORD, title="t", version=version, suffix=suffix))


@pytest.mark.parametrize("record", [RECORD, GOOD, EVIL])
@pytest.mark.parametrize("width", [60, 80, 120])
def test_lines_fit_the_terminal(record: SeriesRecord, width: int) -> None:
    """No line wraps, whatever the titles."""
    assert max(columns(line.text) for line in series_lines(record, width)) <= width


@pytest.mark.parametrize("record", [RECORD, GOOD, EVIL])
def test_mail_is_plain_text_of_72_columns(record: SeriesRecord) -> None:
    """Only the commands are wider; the result comes first."""
    lines = render_mail(record).splitlines()
    body, commands = lines[:-2], lines[-2:]

    assert max(map(columns, body)) <= WIDTH
    assert "".join(lines).isprintable()
    assert body[-1] == "Reproduce:"
    assert commands[0] == "  b4 mbox -n series.mbx cover@example.org"
    assert commands[1].startswith("  harness series series.mbx --base linux@0123456789abcdef")
    assert "/home/u" not in "\n".join(lines)


def test_log_path_is_not_in_the_mail() -> None:
    """It is a field of its own, shown on a terminal so that it can be copied."""
    log = f"/home/user/{'deep/' * 20}kernel.log"
    stops = replace(STOPS, evidence="everything is in another file", log=log)
    record = replace(RECORD, patches=(BASE, replace(stops, number=1)))

    assert log in "".join(text_of(record, 60).split("\n"))
    assert any(line.endswith(log) for line in text_of(record, 60).split("\n"))
    assert "everything is in another file" in render_mail(record)
    assert log not in render_mail(record)


def test_mail_names_the_base_without_its_path() -> None:
    """The path of a tree on this host is private."""
    tree = Origin(OriginKind.TREE, "/home/u/linux at home", "v6.6", 2)
    record = replace(RECORD, base="whatever this sentence says", base_origin=tree, base_series="a shipped series")
    text = " ".join(render_mail(record).split())

    assert "on linux at home at v6.6 with 2 uncommitted changes + a shipped series:" in text
    assert "whatever" not in text


def test_mail_has_the_declarations() -> None:
    """The command to reproduce the result includes them."""
    lines = render_mail(RECORD).splitlines()

    assert lines[0] == "Patch 3 does not build; 1 unexpected change; 1 declared change missing;"
    assert lines[-1].endswith("--expect outside_view=hidden")


def test_invalid_message_id_is_left_out() -> None:
    """Arguments of commands are quoted, and an invalid Message-ID is left out."""
    lines = render_mail(replace(RECORD, message_id="x y; rm -rf ~@z", origin="my topic.mbox")).splitlines()

    assert lines[-1].startswith("  harness series 'my topic.mbox' --base")
    assert "rm" not in lines[-2]


def test_junit_has_a_suite_for_each_patch() -> None:
    """Base, patches and the series have suites; a case fails only in the suite of the patch that broke it."""
    suites = {suite.name: suite for suite in JUnitXml.fromstring(render_series_junit(RECORD, RUNS).encode())}
    failed = {
        (name.split()[0], test.name)
        for name, suite in suites.items()
        for test in suite
        for one in test.result
        if type(one).__name__ == "Failure"
    }

    assert [name.split()[0] for name in suites] == ["base", "1/4", "2/4", "3/4", "4/4", "the"]
    assert failed == {
        ("2/4", "cases/views/a.session"),
        ("2/4", "series/no undeclared change"),
        ("3/4", "series/builds"),
        ("the", "series/every patch works alone: trait outside_view"),
        ("the", "series/every patch works alone: the build"),
        ("the", "series/declared change is there: outside_view"),
    }


def test_junit_of_a_good_series_has_no_failure() -> None:
    """A case that fails on the base is skipped with the reason."""
    junit = JUnitXml.fromstring(render_series_junit(GOOD, {0: RUNS[0]}).encode())

    assert (junit.failures, junit.errors) == (0, 0)
    assert "fails on the base" in render_series_junit(GOOD, {0: RUNS[0]})


def test_strict_series_fails_for_findings() -> None:
    """With ``--werror`` warnings are failures in JUnit as well."""
    warned = replace(GOOD, patches=(BASE, replace(FINE, style=BREAKS.style)), is_strict=True)
    names = [test.name for suite in JUnitXml.fromstring(render_series_junit(warned, {}).encode()) for test in suite]

    assert JUnitXml.fromstring(render_series_junit(warned, {}).encode()).failures == 1
    assert "series/checkpatch" in names


def test_annotations_are_one_command_for_each_line() -> None:
    """Text of a title or a guest is neither a command nor a property."""
    for line in annotate(EVIL):
        assert re.fullmatch(r"::(error|warning) [^:\n]*::[^\n\r]*", line)
        assert "%0A" not in line
        assert line.isprintable()
    assert "::warning file=kernel/cgroup/cgroup.c,line=12,title=checkpatch%2C patch 2::" in "\n".join(annotate(RECORD))


def test_annotations_are_limited() -> None:
    """GitHub shows ten of each level; the last one counts the others."""
    many = tuple(StyleFinding(Level.WARNING, "kernel/x.c", number, "long line") for number in range(30))
    lines = annotate(replace(GOOD, patches=(BASE, replace(FINE, style=many))))

    assert len(lines) == ANNOTATIONS
    assert "21 more" in lines[-1]


def test_summary_shows_hostile_text_as_text() -> None:
    """No title makes a cell, a tag, a mention or a heading."""
    text = render_summary(EVIL)
    rows = [line for line in text.splitlines() if line.startswith("|")]

    assert {row.count("|") for row in rows} == {8}
    assert not re.search(r"<img|@you|`rm`|\x1b|\u202e|```|&lt;", text)
    assert text.count("</pre>") == 1
    assert text.startswith("### FAIL")


def test_code_quality_report_for_gitlab() -> None:
    """Each finding about a line of the tree appears once, with GitLab's required fields."""
    twice = replace(RECORD, patches=(BASE, BREAKS, replace(BREAKS, number=3)))
    found = json.loads(render_code_quality(twice))

    assert [(one["location"], one["severity"]) for one in found] == [
        ({"path": "kernel/cgroup/cgroup.c", "lines": {"begin": 12}}, "minor"),
        ({"path": "kernel/cgroup/cgroup.c", "lines": {"begin": 13}}, "minor"),
    ]
    assert all(one["fingerprint"] and one["check_name"] and one["description"] for one in found)


def test_b4_findings_of_a_patch() -> None:
    """Kernel, checkpatch and cases have a column each; the array has the keys that b4 reads."""
    told = {one.number: [(each.tool, each.status) for each in patch_findings(one)] for one in RECORD.posted}

    assert told[1] == [
        ("harness/kernel", Status.PASS),
        ("harness/checkpatch", Status.PASS),
        ("harness/cases", Status.PASS),
    ]
    assert told[2] == [
        ("harness/kernel", Status.WARN),
        ("harness/checkpatch", Status.WARN),
        ("harness/cases", Status.FAIL),
    ]
    assert told[3] == [("harness/kernel", Status.FAIL), ("harness/checkpatch", Status.PASS)]
    for entry in json.loads(render_json(list(patch_findings(BREAKS)))):
        assert set(entry) == {"tool", "status", "summary", "details", "url"}
        assert entry["status"] in ("pass", "warn", "fail")


def test_b4_finding_of_the_series() -> None:
    """It has one line, with the reply to the list as details."""
    (one,) = series_findings(RECORD)

    assert (one.status, one.details) == (Status.FAIL, render_mail(RECORD))


def test_lines_for_b4_prep() -> None:
    """There are none without findings; b4 recognizes a failure by ERROR."""
    assert render_lines(list(patch_findings(FINE))) == ""
    assert render_lines(list(patch_findings(STOPS))).startswith("ERROR: harness/kernel: does not build\n")
    assert "WARNING: harness: not tested: no disk" in render_lines([error_finding("no disk", "df")])
    assert "ERROR" not in render_lines(list(patch_findings(replace(MENDS, style=BREAKS.style))))


LINES = ChangedLines(
    6, code=5, run=2, cases=3, boot_only=(LineSpan("init/main.c", 7, 7),), not_run=(LineSpan("kernel/fork.c", 12, 13),)
)
COVERED = replace(GOOD, lines=LINES, patches=(GOOD.patches[0], replace(GOOD.patches[1], lines=LINES)))
SENTENCE = "2 of 5 changed lines with code were run; by the boot only: init/main.c:7; not run: kernel/fork.c:12-13"


def test_lines_that_no_case_runs_are_in_every_format() -> None:
    """The terminal, the mail, GitHub's summary and annotations, GitLab's report, and properties in JUnit."""
    junit = JUnitXml.fromstring(render_series_junit(COVERED, {}).encode())
    properties = {one.name: one.value for one in list(junit)[1].properties()}  # type: ignore[no-untyped-call]
    (finding,) = [one for one in json.loads(render_code_quality(COVERED)) if one["check_name"] == "coverage"]

    assert SENTENCE in " ".join(text_of(COVERED).split())
    assert f"{SENTENCE}." in " ".join(render_mail(COVERED).split())
    assert "kernel/fork.c" in render_summary(COVERED)
    assert any(one.startswith("::notice file=kernel/fork.c,line=12,title=patch 1") for one in annotate(COVERED))
    assert finding["location"] == {"path": "kernel/fork.c", "lines": {"begin": 12}}
    assert properties["lines.code"] == "5"
    assert properties["lines.run"] == "2"
    assert properties["lines.not_run"] == "kernel/fork.c:12-13"


def test_many_places_are_counted() -> None:
    """A mail has no room for a hundred places."""
    spans = tuple(LineSpan("kernel/fork.c", line, line) for line in range(1, 200, 2))

    assert str(ChangedLines(200, 200, 100, 1, (), spans)).endswith("kernel/fork.c:23, 88 more places")
    assert str(ChangedLines(4)) == "none of 4 changed lines has code"
    assert str(ChangedLines(0)) == "no line of C code is changed"


def test_names_of_files_are_untrusted() -> None:
    """A file name of a patch is no command and no markup."""
    evil = ChangedLines(1, code=1, not_run=(LineSpan(HOSTILE, 1, 1),))
    record = replace(COVERED, lines=evil, patches=(GOOD.patches[0], replace(GOOD.patches[1], lines=evil)))
    texts = [text_of(record), render_mail(record), render_summary(record), *annotate(record)]

    assert not [text for text in texts if "\x1b" in text or "\u202e" in text]
    assert "<img" not in render_summary(record)
    assert all(command.count("\n") == 0 for command in annotate(record))
