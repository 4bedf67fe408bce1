# SPDX-License-Identifier: GPL-2.0-only
"""What fits a step, what is learned of it, and what is said where it does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.verdict import TraitSighting
from harness.session.match import Bindings, StepMatch, is_played, match_step, substitute, unlearned
from harness.session.output import read_output
from harness.session.transcript import Guard, parse

PATH = "cases/a.session"


def match(expected: str, output: str, *, varies: str = "", values: dict[str, str] | None = None) -> StepMatch:
    """Hold an output against the expected lines of a step whose command is in line 3."""
    block = "".join(f"    {line}\n" for line in expected.split("\n")) if expected else ""
    shown = "".join(f"    {token}\n" for token in varies.split())
    header = f"varies: {varies}" if varies else "title: none"
    # A second step shows each token, for one that stands nowhere is refused.
    transcript = parse(f"{header}\n\n    # a\n{block}    # b\n{shown}", path=PATH)
    return match_step(transcript.steps[0], output, Bindings.none_of(transcript.varies), expected_values=values or {})


@pytest.mark.parametrize(
    ("expected", "output"),
    [
        ("", ""),
        ("", "\r\n\r\n"),
        ("a", "a"),
        ("a", "a\r\n"),
        ("a\n\nb", "a  \n\t\nb \n\n"),
        ("a", "\x1b[1;31ma\x1b[0m\x1b]0;title\x07\x1b(B\r\r\n"),
        ("a...", "a"),
        ("a...", "abc"),
        ("a ...", "a"),
        ("a ...", "a b c"),
        ("a...", "a..."),
        ("...", ""),
        ("...", "a\nb"),
        ("...\nb", "b"),
        ("...\nb", "a\na\nb"),
        ("a\n...", "a"),
        ("a\n...\nc\n...\ne", "a\nb\nc\nd\nc\ne"),
        ("...\na\nb\n...", "a\na\nb\na"),
        ("a\n[1]+  Terminated              sleep 100", "a"),
        ("a", "[2]-  Done                    sleep 1\na\n[1]+  Killed                  sleep 100\n"),
        ("", "[1]+  Exit 1                  false"),
        ("\\...", "..."),
        ("a", "a\n\x1b[?2004l"),
    ],
)
def test_match_step_accepts(expected: str, output: str) -> None:
    """The outputs fit."""
    matched = match(expected, output)

    assert matched.fits, matched.reason
    assert (matched.diff, matched.reason, matched.sightings) == ("", "", ())


@pytest.mark.parametrize(
    ("expected", "output", "reason"),
    [
        ("7:freezer:/..", "7:freezer:/", 'line 4: expected "7:freezer:/..", saw "7:freezer:/"'),
        ("", "a", 'line 3: expected nothing more here, saw "a"'),
        ("a", "", 'line 4: expected "a", saw nothing'),
        ("a\nb", "a", 'line 5: expected "b", saw nothing'),
        ("a\nb\nc", "a\nc", 'line 5: expected "b", saw "c"'),
        ("a\nb", "a\nb\nc", 'line 5: expected nothing more here, saw "c"'),
        ("a\nb", "a\nx\nb", 'line 4: expected nothing more here, saw "x"'),
        (" a", "a", 'line 4: expected " a", saw "a"'),
        ("a", "\na", 'line 3: expected nothing more here, saw ""'),
        ("a...", "ba", 'line 4: expected "a...", saw "ba"'),
        ("a ...", "ab", 'line 4: expected "a ...", saw "ab"'),
        ("...\nb", "a", 'line 5: expected "b", saw "a"'),
        ("...\nb", "b\nc", 'line 5: expected nothing more here, saw "c"'),
        ("\\...", "a", 'line 4: expected "...", saw "a"'),
        ("\\a...", "ab", 'line 4: expected "a...", saw "ab"'),
        ("[1] 20124", "[1] 20125", 'line 4: expected "[1] 20124", saw "[1] 20125"'),
        ("a", "x" * 300, f'line 4: expected "a", saw "{"x" * 200}"...'),
        ("a", "\x00", 'line 4: expected "a", saw "^@"'),
    ],
)
def test_match_step_rejects(expected: str, output: str, reason: str) -> None:
    """The outputs do not fit; the reason names the first difference and its line."""
    matched = match(expected, output)

    assert not matched.fits
    assert matched.reason == reason


def test_diff_has_the_numbers_of_this_run() -> None:
    """The diff compares expected lines, with this run's numbers, with the output; matching lines do not differ."""
    expected = "[1] 20124\n20124 sleep ...\n...\n20124 zombie\nend"
    matched = match(expected, "[1] 99\n99 sleep 10\nx\ny\n99 running\nend", varies="20124")

    assert matched.diff.split("\n") == [
        "--- expected",
        "+++ seen",
        "@@ -1,4 +1,6 @@",
        " [1] 99",
        " 99 sleep 10",
        "-99 zombie",
        "+x",
        "+y",
        "+99 running",
        " end",
    ]
    assert matched.reason == 'line 7: expected "99 zombie", saw "x"'
    assert matched.bindings.learned == {"20124": "99"}


def test_diff_omits_lines_of_an_ellipsis() -> None:
    """Lines that an ellipsis stands for are shown as they were, and only differing lines are a difference."""
    matched = match("a\n...\nb\nc", "a\nx\ny\nb\nd")

    assert matched.diff.split("\n")[3:] == [" x", " y", " b", "-c", "+d"]
    assert matched.reason == 'line 7: expected "c", saw "d"'


def test_token_keeps_its_first_value() -> None:
    """A token has its first value in the same line, in later lines and in later steps."""
    transcript = parse("varies: 7 0:32\n\n    # a\n    7 0:32 7\n    # echo 7 17 /sub7 7:a 0:32\n    7\n", path=PATH)
    first, second = transcript.steps
    start = Bindings.none_of(transcript.varies)
    matched = match_step(first, "12 3:456 12", start)

    assert matched.fits
    assert matched.bindings.learned == {"7": "12", "0:32": "3:456"}
    assert start.learned == {}
    assert substitute(second.command, matched.bindings) == "echo 12 17 /sub7 12:a 3:456"
    assert unlearned(second.command, start) == ("7", "0:32")
    assert unlearned(second.command, matched.bindings) == ()
    assert match_step(second, "12", matched.bindings).fits
    assert match_step(second, "13", matched.bindings).reason == 'line 6: expected "12", saw "13"'
    assert not match_step(first, "12 3:456 13", start).fits


@pytest.mark.parametrize(
    ("expected", "output", "fits"),
    [
        ("7:freezer:/", "10:freezer:/", True),
        ("/sub7", "/sub8", False),
        ("17", "18", False),
        ("a7", "a8", False),
        ("7a", "8a", False),
        ("(7)", "(8)", True),
        ("7", "x", False),
        ("7", "8a", False),
        ("7...", "123", True),
        ("7 7", "1 2", False),
        ("\\7", "8", False),
        ("\\7", "7", True),
    ],
)
def test_token_ends_at_letters_and_digits(expected: str, output: str, *, fits: bool) -> None:
    """A number is a token only without a letter or digit beside it, in the example and in the output."""
    assert match(expected, output, varies="7").fits is fits


def test_longest_token_is_found() -> None:
    """Of tokens that start at the same position the longest is used."""
    matched = match("0:32 32 0", "5:6 7 8", varies="0 32 0:32")

    assert matched.bindings.learned == {"0": "8", "32": "7", "0:32": "5:6"}


def test_two_tokens_may_have_one_value() -> None:
    """Two numbers of the example may be the same one in this run."""
    assert match("155 145", "9 9", varies="155 145").bindings.learned == {"155": "9", "145": "9"}


def test_token_after_an_ellipsis_may_be_in_a_later_line() -> None:
    """If the first line with the shape of a token does not fit, a later one is used."""
    matched = match("...\n20124 a\n...\n20124 b", "1 a\n2 a\nx\n2 b", varies="20124")

    assert matched.fits
    assert matched.bindings.learned == {"20124": "2"}


def test_tokens_are_learned_from_the_first_fit() -> None:
    """Where lines can be divided in several ways, tokens are learned from the first lines that fit."""
    assert match("...\n20124 a\n...", "1 a\n2 a\n", varies="20124").bindings.learned == {"20124": "1"}


def test_mismatch_teaches_matching_lines() -> None:
    """Tokens are learned from lines that fit even if others do not, so that the case can continue."""
    matched = match("[1] 20124\nb", "[1] 99\nc", varies="20124")

    assert not matched.fits
    assert matched.bindings.learned == {"20124": "99"}


VIEWS = "a\n(view = relative) 7:freezer:/..\n(view = absolute) 7:freezer:/\n(view = hidden)\nb"


@pytest.mark.parametrize(
    ("output", "value", "line"),
    [("a\n7:freezer:/..\nb", "relative", 5), ("a\n7:freezer:/\nb", "absolute", 6), ("a\nb", "hidden", 7)],
)
def test_matching_alternative_is_a_sighting(output: str, value: str, line: int) -> None:
    """The alternative that fits gives the value of the trait, whatever the profile expects."""
    matched = match(VIEWS, output, values={"view": "absolute"})

    assert matched.fits
    assert matched.sightings == (("view", value, line),)
    assert matched.trait_sightings(PATH) == (TraitSighting("view", value, f"{PATH}:{line}"),)


def test_missing_alternative_is_a_mismatch() -> None:
    """The diff is against the alternative of the profile's value, or else the first."""
    first = match(VIEWS, "a\n7:freezer:/x\nb")
    profile = match(VIEWS, "a\n7:freezer:/x\nb", values={"view": "absolute"})
    hidden = match(VIEWS, "a\n7:freezer:/x\nb", values={"view": "hidden"})

    assert not first.fits
    assert first.reason == 'line 5: expected "7:freezer:/..", saw "7:freezer:/x"'
    assert first.sightings == ()
    assert profile.reason == 'line 6: expected "7:freezer:/", saw "7:freezer:/x"'
    assert "-7:freezer:/\n+7:freezer:/x" in profile.diff
    assert hidden.reason == 'line 4: expected nothing more here, saw "7:freezer:/x"'


def test_ambiguous_alternatives_give_no_sighting() -> None:
    """If two alternatives fit, there is no sighting and no mismatch."""
    matched = match("(t = x) a...\n(t = y) ab", "ab")

    assert matched.fits
    assert matched.sightings == ()


def test_choices_of_several_traits_are_independent() -> None:
    """Each trait of a step is sighted by itself."""
    expected = "(t = x) 1\n(t = y) 2\n-\n(u = x) 1...\n(u = y) ...\n(v = a)\n(v = b) end"

    assert match(expected, "2\n-\n15").sightings == (("t", "y", 5), ("v", "a", 9))
    assert match(expected, "1\n-\n2\nend").sightings == (("t", "x", 4), ("u", "y", 8))


def test_choices_of_one_trait_agree() -> None:
    """All guarded lines of one trait in a step have the same value; a value without lines has none."""
    expected = "(t = x) 1\n(t = y) 2\n-\n(t = x) 3\n(t = z) 4"

    assert match(expected, "1\n-\n3").sightings == (("t", "x", 4),)
    assert match(expected, "2\n-").sightings == (("t", "y", 5),)
    assert match(expected, "-\n4").sightings == (("t", "z", 8),)
    assert not match(expected, "2\n-\n3").fits


def test_is_played_prefers_sightings_to_the_profile() -> None:
    """A sighting of this case takes precedence over the profile; an unknown value plays no step."""
    guard = Guard("t", "x")

    assert is_played(None, {})
    assert is_played(guard, {"t": "x"}, expected_values={"t": "y"})
    assert not is_played(guard, {"t": "y"}, expected_values={"t": "x"})
    assert is_played(guard, {}, expected_values={"t": "x"})
    assert not is_played(guard, {})


def test_unplayed_steps_make_the_profile_unknown() -> None:
    """The profile does not count for a trait that an unplayed step was to show; sightings do."""
    guard = Guard("t", "x")

    assert not is_played(guard, {}, expected_values={"t": "x"}, unasked={"t"})
    assert is_played(guard, {"t": "x"}, unasked={"t"})
    assert is_played(guard, {}, expected_values={"t": "x"}, unasked={"u"})


@pytest.mark.parametrize(
    ("line", "fits"),
    [
        ("[1]+  Stopped                 cat", True),
        ("[1]+  Stopped(SIGTTIN)        cat", True),
        ("[3]   Done(2)                 true | false", True),
        ("[1]-  Running                 sleep 100 &", True),
        ("[1]+  Segmentation fault      (core dumped) ./a", True),
        ("[1]   Hangup                  sleep 5", True),
        ("[1] 20124", False),
        ("[1]", False),
        ("[1]+  Doner", False),
        ("Killed", False),
    ],
)
def test_match_step_ignores_job_notices(line: str, *, fits: bool) -> None:
    """A shell's notice about a job is ignored; the line that starts a job is not."""
    assert match("a", f"a\n{line}").fits is fits


def test_match_step_takes_linear_time() -> None:
    """Thousands of lines with several ellipses are matched in time, whether they fit or not."""
    lines = [f"{number} a" for number in range(5000)]
    runs = "...\n20124 a\n...\n155 a\n...\n145 a\n...\n20124 a\n..."

    assert match(runs, "\n".join([*lines, "0 a"]), varies="20124 155 145").fits
    assert match("...\na\n" * 2500 + "...", "a\n" * 5000).fits
    assert not match("...\na\n...\na\nb\n" * 10 + "...\nc", "a\n" * 5000).fits
    assert not match("\n".join(f"{i} x" for i in range(5000)), "\n".join(f"{i} y" for i in range(5000))).fits
    assert not match("...\n" + "a..." * 30, "a" * 100_000).fits


@given(st.lists(st.sampled_from(["a", "b", "..."]), max_size=8), st.lists(st.sampled_from(["a", "b"]), max_size=8))
def test_ellipsis_equals_every_division(expected: list[str], output: list[str]) -> None:
    """An ellipsis fits exactly if trying every division finds a fit."""

    def fits(want: list[str], have: list[str]) -> bool:
        if not want:
            return not have
        if want[0] == "...":
            return any(fits(want[1:], have[i:]) for i in range(len(have) + 1))
        return bool(have) and want[0] == have[0] and fits(want[1:], have[1:])

    assert match("\n".join(expected), "\n".join(output)).fits is fits(expected, output)


@given(st.text())
def test_read_output_gives_plain_lines(output: str) -> None:
    """The lines of any output can be written to a text file and read again."""
    lines = read_output(output)

    assert read_output("\n".join(lines)) == lines
    assert "\n".join(lines).encode().decode().split("\n") == list(lines or [""])
    assert not any(character in line for line in lines for character in "\r\n\x00\x1b")
