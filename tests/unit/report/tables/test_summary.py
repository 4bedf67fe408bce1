# SPDX-License-Identifier: GPL-2.0-only
"""Show the end of a run as plain lines."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.run_record import BuildRecord, CaseRecord, Problem, ProblemKind, RunRecord, TraitRecord, dump_run
from harness.model.verdict import Outcome, TraitSighting
from harness.report.tables.summary import case_lines, header_lines, is_clean, summary
from harness.report.text import columns, plain_text
from harness.results.records import load_run_record
from tests.unit.report.golden import assert_golden
from tests.unit.report.sample import CASES, RUN, SPLAT, case

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)


def summary_lines(run: RunRecord, width: int) -> list[str]:
    """Return the summary as plain lines."""
    return [line.text for line in summary(run, width)]


@pytest.mark.parametrize("width", [80, 200])
def test_summary_matches_the_golden_file(width: int) -> None:
    """It has traits, nearest profiles, slowest cases, notes, problems, failures and totals."""
    assert_golden(f"summary-{width}.txt", "".join(f"{line}\n" for line in summary_lines(RUN, width)))


def test_loaded_record_gives_the_same_summary() -> None:
    """The summary needs only the record."""
    assert summary_lines(load_run_record(dump_run(RUN)), 80) == summary_lines(RUN, 80)


def test_only_an_id_may_be_wider() -> None:
    """At 80 columns every line fits except the id of a failed case, which can be copied."""
    too_wide = [line for line in summary_lines(RUN, 80) if columns(line) > 80]

    assert too_wide == [f"TIME  {CASES[4].id}"]


def test_totals_come_last() -> None:
    """The last line counts the outcomes; an unfinished run has another line after it."""
    complete = summary_lines(RUN, 200)
    killed = summary_lines(replace(RUN, complete=False, cases=CASES[:1]), 200)

    assert complete[-1] == ("9 cases in 41.2 s: 3 match, 1 mismatch, 1 timeout, 1 kernel, 1 lost, 1 skipped, 1 error")
    assert killed[-2:] == ["1 case in 41.2 s: 1 match", "THE RUN DID NOT FINISH: it was interrupted or killed"]


def test_end_of_a_failing_run_fits_a_screen() -> None:
    """24 lines of 80 columns: how many, which traits explain them, the first, where the rest is, the totals."""
    traits = tuple(TraitRecord(f"trait_{number}", "odd", "even", True, "meaning") for number in range(20))

    def failing(number: int) -> CaseRecord:
        seen = [TraitSighting(f"trait_{number % 20}", "odd", "x:1")] if number < 100 else []
        reason = f"reason {number} " + "long " * 40
        made = case(f"s/{'deep/' * 9}{number}.session", Outcome.MISMATCH, reason=reason)
        return replace(made, sightings=tuple(seen))

    cases = (*map(failing, range(120)), *(case(f"s/{number}.session", Outcome.MATCH) for number in range(100)))
    run = replace(RUN, traits=traits, cases=cases, notes=("note " * 90,) * 9, not_run=("s/late.session",) * 30)
    texts = summary_lines(run, 80)
    end = texts[-23:]
    first = texts.index("120 of 220 cases are not as expected")

    assert all(columns(line) <= 80 for line in end)
    assert first > len(texts) - 23
    assert "  trait_0: odd, expected even: 5 cases" in end
    assert "  and 12 more traits" in end
    assert "  20 are not explained by a trait" in end
    assert f"first: {cases[0].id}" in end
    assert any(line.startswith("       reason 0 long") for line in end)
    assert "the rest: above; as a page: harness report --format html" in end
    assert any(line.startswith("30 cases not run: s/late.session, ") for line in end)
    assert sum(line.startswith("DIFF  s/") for line in texts[:first]) == 120


def test_run_without_cases_has_a_summary() -> None:
    """It shows that no case ran."""
    assert summary_lines(replace(RUN, cases=(), traits=(), nearest=(), notes=(), problems=()), 80)[-1] == (
        "0 cases in 41.2 s: none ran"
    )


def test_few_cases_have_no_slowest_list() -> None:
    """Their times are visible in the lines above."""
    titles = ["Slowest cases" in summary_lines(replace(RUN, cases=(CASES[0],) * number), 80) for number in (1, 5, 6)]

    assert titles == [False, False, True]


def test_header_leaves_out_unknown_facts() -> None:
    """Unknown facts have no line."""
    names = [
        line.text.split()[0] for line in header_lines(replace(RUN, qemu="", machine_type="", profile=""), 80, total=3)
    ]

    assert names == ["kernel", "from", "config", "acceleration", "cases"]


def test_header_has_the_version_of_the_series_as_posted() -> None:
    """A version such as v2.1 is not shortened to v2."""
    build = BuildRecord(commit="c", series="halve it", series_version=2, series_suffix=".1", patches=("a", "b"))
    lines = [line.text for line in header_lines(replace(RUN, kernel=replace(RUN.kernel, build=build)), 80, total=3)]

    assert any(line.endswith("halve it v2.1, 2 patches") for line in lines)


def test_long_failures_are_bounded() -> None:
    """A diff of a thousand lines and a dozen long splats are cut to a screen or two, with the path of the rest."""
    long = "".join(f"+line {number}\n" for number in range(1000))
    splats = (replace(SPLAT, text=long),) * 12
    failed = replace(case("cases/a/b.session", Outcome.KERNEL, reason="r", diff=long), splats=splats)
    texts = [line.text.strip() for line in case_lines(failed, 200)]

    assert len(texts) < 160
    assert "[... 940 lines cut here; see cases/a/b.session/diff ...]" in texts
    assert "[... 975 lines cut here; see cases/a/b.session/kernel.log ...]" in texts
    assert "[... 9 more splats ...]" in texts


@given(ANY_TEXT, st.sampled_from(list(Outcome)), st.sampled_from([0, 40, 80, 200]))
def test_any_case_gives_plain_lines(text: str, outcome: Outcome, width: int) -> None:
    """No text of a guest or a case file puts a control character into a line, or makes a line too wide."""
    splat = replace(SPLAT, title=text, text=text)
    hostile = replace(CASES[0], outcome=outcome, id=text, title=text, reason=text, diff=text, splats=(splat,) * 4)
    lines = case_lines(hostile, width)

    assert all(plain_text(line.text) == line.text and "\n" not in line.text for line in lines)
    assert not width or all(columns(line.text) <= width for line in lines if "logs: " not in line.text)


def test_problem_keeps_its_lines() -> None:
    """The problem comes first; evidence and hint keep their lines below it."""
    problem = "pytest broke off: TypeError\n    in a.py:3\nhint: report it"
    lines = summary_lines(replace(RUN, problems=(Problem(ProblemKind.ABORTED, problem),)), 80)
    at = lines.index("PROBLEM       pytest broke off: TypeError")

    assert [line.strip() for line in lines[at + 1 : at + 3]] == ["in a.py:3", "hint: report it"]


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (replace(RUN, cases=(), problems=()), True),
        (replace(RUN, cases=(case("a", Outcome.MATCH), case("b", Outcome.SKIPPED)), problems=()), True),
        (replace(RUN, cases=(replace(case("a", Outcome.MISMATCH), known="a bug"),), problems=()), True),
        (replace(RUN, cases=(case("a", Outcome.MISMATCH),), problems=()), False),
        (replace(RUN, cases=(), problems=(Problem(ProblemKind.ABORTED, "pytest broke off"),)), False),
        (replace(RUN, cases=(), problems=(), complete=False), False),
    ],
)
def test_is_clean(run: RunRecord, *, expected: bool) -> None:
    """A run is clean if it is complete and has no problem and only known failures."""
    assert is_clean(run) is expected
