# SPDX-License-Identifier: GPL-2.0-only
"""Read KTAP and TAP 13 as test programs print it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.tap.lines import Result
from harness.tap.report import MOST_TESTS, TapReport, read_report

_WORDS = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12)
NAMES = st.tuples(_WORDS, _WORDS).map(".".join)
OLD_GROUP = "        # Subtest: b\n        1..1\n        ok 1 - c\n"
RESULTS = st.sampled_from(["ok", "not ok"])
RESULT_OF = {"ok": Result.PASS, "not ok": Result.FAIL}


def results(report: TapReport) -> dict[str, str]:
    """Return the result of each test by its name."""
    return {test.name: str(test.result) for test in report.tests}


def test_plain_report() -> None:
    """A dash before the name is no part of it."""
    report = read_report("TAP version 13\n1..3\nok 1 - first\nnot ok 2 second\nok 3 third one\n")

    assert results(report) == {"first": "pass", "second": "fail", "third one": "pass"}
    assert report.is_tap
    assert not report.faults


def test_other_output_is_no_report() -> None:
    """A program that prints "ok" in a sentence is judged by its exit status."""
    assert not read_report("all is ok\nok, done\n# ok\n1.5\n").is_tap


@pytest.mark.parametrize(
    ("line", "name", "result", "reason"),
    [
        ("ok 1 - a # SKIP no swap", "a", "skip", "no swap"),
        ("ok 1 # SKIP test_core", "test_core", "skip", ""),
        ("ok 1 # SKIP cgroup v2 isn't mounted", "1", "skip", "cgroup v2 isn't mounted"),
        ("not ok 1 a # XFAIL of 6.1", "a", "xfail", "of 6.1"),
        ("ok 1 a # XFAIL since 6.10", "a", "xfail", "since 6.10"),
        ("not ok 1 a # TODO write it", "a", "xfail", "write it"),
        ("ok 1 a # todo it works", "a", "pass", "it works"),
        ("not ok 1 a # TIMEOUT 45 seconds", "a", "fail", "45 seconds"),
        ("not ok 1 a # exit=1", "a", "fail", "exit=1"),
        ("not ok 1 # error a", "a", "fail", ""),
        ("ok 1", "1", "pass", ""),
        ("ok 1 [683] Result (0) of 0xffff888012345678", "[N] Result (0) of 0xN", "pass", ""),
    ],
)
def test_directives(line: str, name: str, result: str, reason: str) -> None:
    """A directive decides; what differs from run to run is no part of a name."""
    (test,) = read_report(f"1..1\n{line}\n").tests

    assert (test.name, str(test.result), test.reason) == (name, result, reason)


def test_skip_of_the_c_harness_has_the_name_of_the_test() -> None:
    """kselftest_harness.h of 6.1 prints the reason of the skip where the name is expected."""
    report = read_report(
        "TAP version 13\n1..2\n#  RUN           global.one ...\n#      SKIP      needs root\n"
        "#            OK  global.one\nok 1 # SKIP needs root\n#  RUN           global.two ...\n"
        "#            OK  global.two\nok 2 global.two\n"
    )

    assert results(report) == {"global.one": "skip", "global.two": "pass"}
    assert report.tests[0].reason == "needs root"


@pytest.mark.parametrize(
    "output",
    [
        "1..1\n  KTAP version 1\n  1..2\n    1..1\n    ok 1 c\n  ok 1 b\n  not ok 2 d\nnot ok 1 a\n",
        "1..1\n# TAP version 13\n# 1..2\n# # 1..1\n# # ok 1 c\n# ok 1 b\n# not ok 2 d\nnot ok 1 a\n",
        f"1..1\n    # Subtest: a\n    1..2\n{OLD_GROUP}    ok 1 - b\n    not ok 2 - d\nnot ok 1 - a\n",
    ],
)
def test_nested_tests(output: str) -> None:
    """Indentation, a prefix of the kernel's runner, and the older form of KUnit nest in the same way."""
    report = read_report(output)

    assert results(report) == {"a/b/c": "pass", "a/d": "fail"}
    assert not report.faults


def test_group_that_fails_alone() -> None:
    """A group that fails although its tests pass is a failure of its own."""
    assert results(read_report("1..1\n  1..1\n  ok 1 b\nnot ok 1 a\n")) == {"a/b": "pass", "a": "fail"}


def test_group_without_a_result() -> None:
    """The tests of a group that died are kept, under the group's name."""
    report = read_report("KTAP version 1\n1..1\n    # Subtest: a\n    1..2\n    ok 1 b\n")

    assert results(report) == {"a/b": "pass"}
    assert report.faults == (
        "a promises 2 results, and 1 came",
        "promises 1 results, and 0 came",
        "no result of the group a",
    )


@pytest.mark.parametrize("came", [0, 2, 4])
def test_wrong_plan_is_a_fault(came: int) -> None:
    """Results that are missing are not gone in silence, and neither are those that nobody promised."""
    report = read_report("1..3\n" + "".join(f"ok {number} t{number}\n" for number in range(1, came + 1)))

    assert report.faults == (f"promises 3 results, and {came} came",)


def test_report_without_a_plan() -> None:
    """Many programs print none."""
    assert not read_report("TAP version 13\nok 1 a\nok 2 b\n").faults


def test_two_reports_one_after_another() -> None:
    """A script may run two programs."""
    report = read_report("TAP version 13\n1..1\nok 1 a\nTAP version 13\n1..2\nok 1 b\nok 2 c\n")

    assert list(results(report)) == ["a", "b", "c"]
    assert not report.faults


def test_whole_program_is_skipped() -> None:
    """The reason is that of the plan."""
    report = read_report("TAP version 13\n1..0 # SKIP no swap\n")

    assert (report.skipped, report.tests, report.faults) == ("no swap", (), ())


def test_names_that_are_doubled() -> None:
    """Their ids are numbered, and an id never names two tests."""
    report = read_report("1..4\nok 1 a\nnot ok 2 a\nok 3 a (2)\nok 4 a\n")

    assert list(results(report)) == ["a", "a (2)", "a (2) (2)", "a (3)"]


@pytest.mark.parametrize("times", [2, 1000])
def test_results_that_are_printed_again(times: int) -> None:
    """Children inherit unwritten output and print it as well; each result counts once."""
    report = read_report("TAP version 13\n1..2\nok 1 a\n" * times + "ok 2 b\n")

    assert results(report) == {"a": "pass", "b": "pass"}
    assert report.repeated == times - 1
    assert not report.faults


def test_result_that_is_printed_otherwise() -> None:
    """The failure counts, and the contradiction is shown."""
    report = read_report("1..1\nok 1 a\nnot ok 1 a\n")

    assert results(report) == {"a": "fail"}
    assert report.faults == ("a has two results: pass, fail",)


@pytest.mark.parametrize("half", ["not ok 2 - seco", "ok 2 sec", "not o", "o", "ok"])
def test_program_that_dies_within_a_line(half: str) -> None:
    """Half a result is none."""
    report = read_report(f"1..3\nok 1 first\n{half}")

    assert results(report) == {"first": "pass"}
    assert "promises 3 results, and 1 came" in report.faults
    assert f"ends within a line: {half!r}" in report.faults


def test_last_line_without_an_end() -> None:
    """A program may leave out the last line's end."""
    assert results(read_report("1..1\nok 1 first")) == {"first": "pass"}


def test_text_before_a_failure_is_its_reason() -> None:
    """The last line is shown first."""
    (test,) = read_report("1..1\n# expected 1\n# test.c:12: seen 2\nnot ok 1 a\n").tests

    assert test.reason == "test.c:12: seen 2"
    assert test.text == "# expected 1\n# test.c:12: seen 2"


def test_kernel_log_between_results() -> None:
    """Its lines are text, and a report in the log itself is read without the times."""
    between = read_report("1..2\nok 1 a\n[    1.234567] ok, a line of the kernel\nok 2 b\n")
    within = read_report("[    0.1]\n<6>[    1.234567] KTAP version 1\n[    1.234567] 1..1\n[   10.234567] ok 1 a\n")

    assert results(between) == {"a": "pass", "b": "pass"}
    assert results(within) == {"a": "pass"}


def test_escapes_and_characters_that_xml_cannot_hold() -> None:
    """Colors and titles are removed, and so is whatever no report could show."""
    report = read_report("1..1\n\x1b[32mok 1 \x1b]0;title\x07a\x00\x0b\ud800b\x1b[0m\r\n")

    assert results(report) == {"ab": "pass"}


def test_flood_is_bounded() -> None:
    """Results beyond the limit are counted, long lines are cut."""
    many = MOST_TESTS + 5
    report = read_report(
        f"1..{many}\n" + "x" * 100_000 + "\n" + "".join(f"ok {one} {'n' * 500}{one}\n" for one in range(1, many + 1))
    )

    assert len(report.tests) == MOST_TESTS
    assert report.faults == (f"5 of {many} results are left out",)
    assert max(len(test.name) for test in report.tests) < 220
    assert len(report.tests[0].text) == 400


def test_program_that_bails_out() -> None:
    """Its reason comes first."""
    assert read_report("1..3\nok 1 a\nBail out! no memory\n").faults[0] == "bails out: no memory"


@given(st.lists(st.tuples(RESULTS, NAMES), min_size=1, max_size=30))
def test_every_result_is_read(lines: list[tuple[str, str]]) -> None:
    """No result is lost, whatever the names; ids are unique."""
    text = "".join(f"{result} {number} - {name}\n" for number, (result, name) in enumerate(lines, start=1))
    report = read_report(f"TAP version 13\n1..{len(lines)}\n{text}")

    assert [test.result for test in report.tests] == [RESULT_OF[result] for result, _ in lines]
    assert len({test.name for test in report.tests}) == len(lines)
    assert not report.faults


REPORT_LINES = (
    "ok 1 a\n",
    "not ok 2 b # TODO\n",
    "1..3\n",
    "TAP version 13\n",
    "  ok 1 c\n",
    "# ok 2 d\n",
    "# # 1..2\n",
)
PARTS = (
    "    # Subtest: e\n",
    "Bail out!",
    "\x1b[",
    "\n",
    "#  RUN  f ...\n",
    "ok",
    "[   1.000000] ",
    "<6>",
    "1..9999999\n",
)
PIECES = st.sampled_from((*REPORT_LINES, *PARTS, "\r"))


@given(st.lists(PIECES | st.text(max_size=20), max_size=40).map("".join))
def test_any_text_is_read(text: str) -> None:
    """Nothing raises, and names stay unique and printable."""
    report = read_report(text)

    names = [test.name for test in report.tests]
    assert len(set(names)) == len(names)
    assert not any(character in "\n\r\x00\x1b" for name in names for character in name)
    assert all(names)


@given(st.lists(st.tuples(RESULTS, NAMES), min_size=1, max_size=10), st.integers(0, 400))
def test_half_of_a_report_has_no_other_results(lines: list[tuple[str, str]], end: int) -> None:
    """A program that dies early shows the results before, and is found to be incomplete."""
    text = f"1..{len(lines)}\n" + "".join(f"{one} {at} {name}\n" for at, (one, name) in enumerate(lines, start=1))
    whole, part = read_report(text), read_report(text[:end])
    # The last line that the plan promises counts without its end; its name may be cut.
    uncut = len(part.tests) if end <= text.rindex("\n", 0, -1) + 1 else len(lines) - 1

    assert whole.tests[:uncut] == part.tests[:uncut]
    assert [test.result for test in whole.tests[: len(part.tests)]] == [test.result for test in part.tests]
    assert len(part.tests) == len(whole.tests) or part.faults or not part.is_tap
