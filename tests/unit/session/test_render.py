# SPDX-License-Identifier: GPL-2.0-only
"""A session file as it really went."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import assume, given, reject
from hypothesis import strategies as st

from harness.base.errors import CaseError
from harness.session.match import Bindings, match_step
from harness.session.render import PlayedStep, diff, render_actual
from harness.session.transcript import Alternatives, ExpectedLine, Step, Transcript, parse
from harness.session.varying import find_tokens
from harness.suite.load import find_suite

PATH = "cases/a.session"

SESSION = """\
title: A session
varies: 20124 7

Some prose.

    # sleep 10 &  # in the back
                  # for a while
    [1] 20124

    # cat /proc/20124/cgroup
    7:freezer:/sub
    (view = relative) 0::/..
    (view = absolute) 0::/sub
    (view = hidden)
    end ...
    ...
More prose.

\t# true
"""


def played(transcript: Transcript, outputs: Sequence[str | None]) -> list[PlayedStep]:
    """The steps as they went; None for one that was not played."""
    pairs = zip(transcript.steps, outputs, strict=True)
    return [PlayedStep(step, output) for step, output in pairs if output is not None]


def rendered(outputs: Sequence[str | None], *, text: str = SESSION) -> str:
    """The file as it went with these outputs, which must be stable: played the same again, it fits and stays."""
    transcript = parse(text, path=PATH)
    actual = render_actual(transcript, played(transcript, outputs))
    check_accepted(transcript, actual, outputs)

    return actual


def check_accepted(transcript: Transcript, accepted: str, outputs: Sequence[str | None]) -> None:
    """An accepted file has the same steps; the same outputs fit it, and it is rendered as itself."""
    again = parse(accepted, path=PATH)
    bindings = Bindings.none_of(again.varies)

    assert [(step.prompt, step.command) for step in again.steps] == [
        (step.prompt, step.command) for step in transcript.steps
    ]
    for step, output in zip(again.steps, outputs, strict=True):
        if output is not None:
            matched = match_step(step, output, bindings)

            assert matched.fits, matched.reason
            bindings = matched.bindings
    assert render_actual(again, played(again, outputs)) == accepted


def changes(actual: str, *, text: str = SESSION) -> list[str]:
    """The lines that a rendering took away and added."""
    lines = diff(text, actual, path=PATH).split("\n")[2:]
    return [line for line in lines if line.startswith(("-", "+"))]


@pytest.mark.parametrize(
    "outputs",
    [
        ["[1] 99\r\n", "3:freezer:/sub\r\n0::/..\r\nend\r\n", ""],
        ["[1] 99", "3:freezer:/sub\n0::/sub\nend of all\nx\ny", "[1]+  Done   sleep 10\n"],
        ["[1] 20124", "7:freezer:/sub\nend", "\n"],
        [None, None, None],
        ["[1] 5", None, None],
    ],
)
def test_render_actual_keeps_what_fits(outputs: list[str | None]) -> None:
    """A run that matched, and steps that were not played, leave the file unchanged."""
    assert rendered(outputs) == SESSION


def test_render_actual_replaces_differing_lines() -> None:
    """Only differing lines change; tokens and ellipses stay, and this run's numbers become the example's."""
    actual = rendered(["[1] 99", "3:freezer:/sub\n0::/..\nlast 99 3\nend\nx", "error: 3"])

    assert changes(actual) == ["+    last 20124 7", "+\terror: 7"]


def test_choice_that_does_not_fit_is_replaced() -> None:
    """If no alternative was seen, the output replaces all of them."""
    actual = rendered(["[1] 99", "3:freezer:/sub\n0::/other\nend", ""])

    assert changes(actual) == [
        "-    (view = relative) 0::/..",
        "-    (view = absolute) 0::/sub",
        "-    (view = hidden)",
        "+    0::/other",
    ]


def test_choice_that_fits_stays() -> None:
    """Alternatives are kept if another line of the step differs."""
    actual = rendered(["[1] 99", "3:freezer:/sub\n0::/sub\nnot the end", ""])

    assert changes(actual) == ["-    end ...", "+    not the end"]


def test_missing_output_is_removed() -> None:
    """Lines that were not in the output are removed."""
    assert changes(rendered(["[1] 99", "3:freezer:/sub", ""])) == ["-    end ..."]
    assert changes(rendered(["[1] 99", "", ""])) == [
        "-varies: 20124 7",
        "+varies: 20124",
        "-    7:freezer:/sub",
        "-    end ...",
    ]


def test_special_output_is_escaped() -> None:
    """Prompts, guards, ellipses, backslashes and continued comments in an output stay output."""
    output = "# no comment\n    # nor this\nsh# x\n#\n(a = b) c\n...\n\\d\n\n> e\ninside# f\n"
    actual = rendered(["[1] 99", None, output])
    last = actual.split("\t# true\n")[1]

    assert last.split("\n") == [
        *("\t\\# no comment", "\t    # nor this", "\tsh# x", "\t\\#", "\t\\(a = b) c", "\t\\...", "\t\\\\d", ""),
        *("\t> e", "\t\\inside# f", ""),
    ]


def test_comment_at_the_start_of_an_output_is_escaped() -> None:
    """Right after a command that ends in a comment a number sign would continue the comment."""
    text = "    # a # b\n    c\n"

    assert rendered(["  # d\n  # e\nc"], text=text) == "    # a # b\n    \\  # d\n      # e\n    c\n"
    assert rendered(["#d\nc"], text=text) == "    # a # b\n    \\#d\n    c\n"


def test_first_kept_line_is_escaped() -> None:
    """A line that stays in the file must not become part of the command when the lines above it are removed."""
    text = "    # a # b\n    c\n      # d\n"

    assert rendered(["  # d"], text=text) == "    # a # b\n    \\  # d\n"


def test_continuation_at_the_start_of_an_output_is_escaped() -> None:
    """Right after an incomplete command a second prompt would continue it."""
    assert rendered(["> a"], text="    # echo '\n    b\n") == "    # echo '\n    \\> a\n"


def test_number_equal_to_a_token_is_escaped() -> None:
    """If this run's output has the example's number with another meaning, the line is literal."""
    text = "varies: 7\n\n    # a\n    7\n    # b\n    x\n"

    assert changes(rendered(["5", "7"], text=text), text=text) == ["-    x", "+    \\7"]
    assert changes(rendered(["5", "5"], text=text), text=text) == ["-    x", "+    7"]
    assert changes(rendered(["5", "6"], text=text), text=text) == ["-    x", "+    6"]


def test_token_is_learned_from_a_new_line() -> None:
    """A differing line may still show the token; then the file keeps it."""
    text = "varies: 7\n\n    # a\n    7 b\n    # echo 7\n    7\n"

    assert changes(rendered(["7 c", "7"], text=text), text=text) == ["-    7 b", "+    7 c"]


def test_unused_token_is_dropped() -> None:
    """Without this the accepted file could not be read: its command would use a token that no output shows."""
    text = "title: t\nvaries: 20124\n    7\n\n    # sleep &\n    [1] 20124\n    # cat /proc/20124/cgroup\n    7:/\n"

    assert rendered(["fork: failed", "3:/"], text=text) == (
        "title: t\nvaries: 7\n\n    # sleep &\n    fork: failed\n    # cat /proc/20124/cgroup\n    7:/\n"
    )
    assert rendered(["fork: failed", "none"], text=text).startswith("title: t\n\n    # sleep &\n")


def test_last_header_is_dropped() -> None:
    """A file whose only header is dropped has none, and its prose is not read as one."""
    text = "varies: 7\n\nNote: prose\n    # a\n    7\n"

    assert rendered(["x"], text=text) == "\nNote: prose\n    # a\n    x\n"


def test_job_notices_are_kept() -> None:
    """Job notices are ignored, but new output includes them."""
    text = "    # a\n    b\n"

    assert rendered(["c\n[1]+  Done   sleep 1"], text=text) == "    # a\n    c\n    [1]+  Done   sleep 1\n"


def test_line_ends_are_kept() -> None:
    """A file with CR LF line ends keeps them, and one without a line end at its end too."""
    assert rendered(["x\ny"], text="    # a\r\n    b\r\n") == "    # a\r\n    x\r\n    y\r\n"
    assert rendered(["b"], text="    # a") == "    # a\n    b"


def test_blank_lines_between_steps_are_kept() -> None:
    """Blank lines between steps are not output and are kept."""
    text = "    # a\n\n    # b\n    c\n\nend\n"

    assert rendered(["x\n\ny", ""], text=text) == "    # a\n    x\n\n    y\n\n    # b\n\nend\n"


def test_adjacent_choices_are_replaced() -> None:
    """Choices of one trait with nothing left between them would be one; then the output is written as it was."""
    text = "    # a\n    (t = x) 1\n    (t = y) 2\n    between\n    (t = x) 3\n    (t = y) 4\n    end\n"

    assert rendered(["1\n3\nother"], text=text) == "    # a\n    1\n    3\n    other\n"


def test_diff_is_a_patch(tmp_path: Path) -> None:
    """patch(1) applies the difference to the file and gives the accepted one."""
    actual = rendered(["[1] 99", "3:freezer:/other", "error"])
    (tmp_path / "cases").mkdir()
    (tmp_path / PATH).write_text(SESSION)
    patch = diff(SESSION, actual, path=PATH)
    subprocess.run(["patch", "-p1", "--silent"], input=patch, text=True, cwd=tmp_path, check=True)

    assert (tmp_path / PATH).read_text() == actual
    assert diff("a", "a\n", path="b").endswith("-a\n\\ No newline at end of file\n+a\n")
    assert diff(SESSION, SESSION, path=PATH) == ""


# What follows draws files and outputs at random.

LINES = st.sampled_from(
    [
        *("", "a", "b c", "  in", "# comment", "  # deeper", "#", "sh2# x", "inside#", "> y", "\\z", "...", "a..."),
        *("(t = x) 1", "(t = x)", "(t = y) 2", "(u = x) 7", "7", "7:/sub", "[1] 42", "42 7", "5 7 42", "5", "6", "17"),
        *("[1]+  Done   sleep 1", "[2]-  Killed   a", "tab\there", "\t", "title: x", "\x1b[1mbold", "\x00", "é\u2028ü"),
    ]
)
OUTPUTS = st.lists(LINES, max_size=5).map("\n".join)
COMMANDS = st.sampled_from(
    ["# a", "# b # c", "inside# d", '# PS1="sh2# " sh', "sh2# e # f", "sh2# exit", "(t = x) # g", "# echo 7 42", "# '"]
)
OFTEN = st.sampled_from(["...", "(t = x) 1", "(t = y) 2", "(t = z)", "7 ..."])
EXPECTED = st.lists(st.one_of(LINES, OFTEN), max_size=6)
HEADERS = st.sampled_from(["", "varies: 7 42\n\n", "title: a\nvaries: 42\n  7\n\n", "varies: 7\n\n"])
BLOCKS = st.tuples(COMMANDS, EXPECTED, st.sampled_from(["", "\n", "prose\n", "\n\nprose\n\n"]))


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    """A session file that can be read, with lines of all kinds in its outputs."""
    text = draw(HEADERS)
    for command, expected, after in draw(st.lists(BLOCKS, min_size=1, max_size=4)):
        text += "".join(f"    {line}\n" if line else "\n" for line in [command, *expected]) + after
    try:
        return parse(text, path=PATH)
    except CaseError:
        reject()


def as_expected(step: Step, numbers: Mapping[str, str], data: st.DataObject) -> str:
    """An output as the step expects it, with these numbers for the tokens."""
    lines: list[ExpectedLine] = []
    values: dict[str, str] = {}
    for item in step.expected:
        if isinstance(item, Alternatives):
            drawn = data.draw(st.sampled_from([alternative.guard.value for alternative in item.alternatives]))
            value = values.setdefault(item.trait, drawn)
            lines += [line for a in item.alternatives if a.guard.value == value for line in a.lines]
        else:
            lines.append(item)
    texts: list[str] = []
    for line in lines:
        if line.is_any_lines:
            texts += data.draw(st.lists(st.sampled_from(["x", "", "y z"]), max_size=3))
        elif not line.is_notice:
            texts.append(line.text if line.literal else with_numbers(line.text, numbers, data))
    return "\n".join(texts)


def with_numbers(text: str, numbers: Mapping[str, str], data: st.DataObject) -> str:
    """An expected line as this run shows it."""
    for start, token in reversed(find_tokens(text, tuple(numbers))):
        text = text[:start] + numbers[token] + text[start + len(token) :]
    return text.removesuffix("...") + data.draw(st.sampled_from(["", " and more"])) if text.endswith("...") else text


@given(transcripts(), st.data())
def test_matching_run_gives_the_file_back(transcript: Transcript, data: st.DataObject) -> None:
    """For any file, if all its steps fit, the accepted file is equal."""
    numbers = {token: data.draw(st.sampled_from(["7", "5", "42", "1234"])) for token in transcript.varies}
    outputs = [as_expected(step, numbers, data) for step in transcript.steps]
    bindings = Bindings.none_of(transcript.varies)
    for step, output in zip(transcript.steps, outputs, strict=True):
        matched = match_step(step, output, bindings)
        assume(matched.fits)  # guards of one trait in two places may contradict each other
        bindings = matched.bindings

    assert rendered(outputs, text="\n".join(transcript.lines)) == "\n".join(transcript.lines)


@given(transcripts(), st.data())
def test_accepted_file_fits(transcript: Transcript, data: st.DataObject) -> None:
    """For any file and any output, the accepted file can be read, fits, and is stable."""
    outputs = data.draw(st.tuples(*[st.one_of(st.none(), OUTPUTS, st.text(max_size=20)) for _ in transcript.steps]))

    rendered(list(outputs), text="\n".join(transcript.lines))


def test_token_of_a_mismatch_leaves_a_file_with_headers_of_the_suite() -> None:
    """The header varies is rewritten when a token is not shown; the headers of the suite are known then, too."""
    suite = find_suite("cgroupns")
    text = "title: t\nhierarchies: v2\nvaries: 104\nscenario: X-01\nsource: s\n\n    # clone\n    pid 104\n"
    transcript = parse(text, path=PATH, preparations=suite.preparations)

    actual = render_actual(transcript, played(transcript, ["no such call"]))

    assert "varies" not in actual
    assert "hierarchies: v2" in actual
