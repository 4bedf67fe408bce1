# SPDX-License-Identifier: GPL-2.0-only
"""Targets that the user names: whether a kernel builds or boots, splats, entries of the inventory, cases and traits."""

from __future__ import annotations

import pytest

from harness.base.errors import SeriesError, UsageError
from harness.bisect.report import BisectResult, answer_lines
from harness.bisect.targets import Kind
from harness.bisect.wanted import TraceSelection, WantedTarget, parse_target
from tests.unit.bisect.desk import Desk

SPLAT = "deadbeef0123"


def trace(*words: str) -> TraceSelection:
    """Return the selection of some arguments of ``--target``."""
    return TraceSelection(targets=tuple(map(parse_target, words)))


def changes(answer: BisectResult) -> list[tuple[str, tuple[str, ...], str, str]]:
    """Return target, values and commit of each change."""
    return [
        (change.target, change.before, change.after, one.commit.hash)
        for one in answer.culprits
        for change in one.changes
    ]


def fill(desk: Desk, count: int = 5) -> None:
    """Make commits with other images, which change nothing else."""
    for number in range(count):
        desk.tree.change(**{f"other_{number}": f"{number}"})


@pytest.mark.parametrize("word", ["", "build", "builds:x", "boots:", "case:", "case", "splat:xyz", "splat:12345"])
def test_other_words_are_no_targets(word: str) -> None:
    """The error has all forms, or how to get a fingerprint."""
    with pytest.raises(UsageError, match=f"--target {word}: ") as caught:
        parse_target(word)

    assert "builds, boots, case:ID" in caught.value.remedy or "harness splats" in caught.value.remedy


@pytest.mark.parametrize("word", ["builds", "boots", "case:a/b::c", "trait:x", f"splat:{SPLAT}", "inventory:v2: a b"])
def test_word_of_a_target_is_read_back(word: str) -> None:
    """The folder of a bisection is named by it."""
    assert parse_target(word).word == word
    assert TraceSelection(targets=(parse_target(word),)).arguments == (f"--target={word}",)


def test_build_that_breaks_is_traced_without_a_boot(desk: Desk) -> None:
    """An end that does not build is no error; kernels that do not boot do not matter."""
    fill(desk)
    desk.tree.change(hangs="yes")
    culprit = desk.tree.change(broken="no semicolon")
    desk.tree.change(hangs="", broken="something else")
    answer = desk.bisect(wanted=trace("builds"))
    text = "\n".join(line.text for line in answer_lines(answer, 80))

    assert changes(answer) == [("builds", ("yes",), "no", culprit)]
    assert answer.is_whole
    assert "builds: yes -> no" in text
    assert "line 1\n    it does not build: no semicolon" in text
    assert not any(step.runs for step in answer.state.steps)
    assert len(desk.runners[0].built) == len(set(desk.runners[0].built)), "nothing is built twice"


def test_boot_that_breaks_is_traced_past_commits_that_do_not_build(desk: Desk) -> None:
    """What does not build says nothing on whether it boots."""
    fill(desk)
    desk.tree.change(broken="no semicolon")
    desk.tree.change(broken="")
    culprit = desk.tree.change(hangs="at once")
    fill(desk, 3)
    answer = desk.bisect(wanted=trace("boots"))

    assert changes(answer) == [("boots", ("yes",), "no", culprit)]
    assert not desk.runners[0].asked or not any(step.runs for step in answer.state.steps)


def test_boot_that_is_fixed_is_traced(desk: Desk) -> None:
    """The good end is the one that does not boot."""
    desk.tree.change(hangs="at once")
    desk.tree.git("tag", "hangs")
    fill(desk)
    culprit = desk.tree.change(hangs="")
    fill(desk, 2)

    assert changes(desk.bisect("hangs", wanted=trace("boots"))) == [("boots", ("no",), "yes", culprit)]


def test_end_that_does_not_boot_names_the_target(desk: Desk) -> None:
    """Without the target it is an error, as is another target of such an end."""
    fill(desk, 2)
    desk.tree.change(hangs="at once", outside_view="absolute")
    for wanted in (TraceSelection(), trace("trait:outside_view"), trace("builds", "trait:outside_view")):
        with pytest.raises((SeriesError, UsageError)) as caught:
            desk.bisect(wanted=wanted)
        assert "--target boots" in caught.value.remedy or "outside_view do" in caught.value.what


def test_splat_is_traced_by_its_first_digits(desk: Desk) -> None:
    """A splat that a case logs from one commit on."""
    fill(desk)
    culprit = desk.tree.change(splat=SPLAT)
    fill(desk, 3)
    answer = desk.bisect(wanted=trace(f"splat:{SPLAT[:6]}"))

    assert changes(answer) == [(f"splat {SPLAT}", ("not logged",), "logged", culprit)]


def test_entry_of_the_inventory_is_traced(desk: Desk) -> None:
    """One that is added, one that changes, and none that was not asked for."""
    desk.tree.change(entry_a="mode=0644", entry_other="1")
    desk.tree.git("tag", "first")
    fill(desk)
    added = desk.tree.change(entry_ab="mode=0444")
    changed = desk.tree.change(entry_a="mode=0600", entry_other="2")
    fill(desk, 2)
    answer = desk.bisect("first", wanted=trace("inventory:tmp: entry_a"))

    assert changes(answer) == [
        ("inventory tmp: entry_ab", ("not there",), "mode=0444", added),
        ("inventory tmp: entry_a", ("mode=0644",), "mode=0600", changed),
    ]
    assert not any(step.runs for step in answer.state.steps)


def test_killed_bisection_of_stages_continues(desk: Desk) -> None:
    """Whatever is traced, the state on disk is enough."""
    fill(desk)
    culprit = desk.tree.change(hangs="at once", entry_a="1")
    fill(desk, 4)
    whole = desk.bisect(wanted=trace("boots"))
    state = desk.request(wanted=trace("boots")).folder / "state.json"
    state.unlink()
    desk.interrupt_at = 2
    with pytest.raises(KeyboardInterrupt):
        desk.bisect(wanted=trace("boots"))
    desk.interrupt_at = 0
    again = desk.bisect(wanted=trace("boots"))

    assert changes(again) == changes(whole) == [("boots", ("yes",), "no", culprit)]


def test_target_that_is_not_there_is_an_error(desk: Desk) -> None:
    """The error says what was compared."""
    fill(desk, 2)
    for word, compared in (("boots", "whether it boots"), (f"splat:{SPLAT}", "1 splats"), ("inventory:x", "nothing")):
        with pytest.raises(UsageError, match="does not differ") as caught:
            desk.bisect(wanted=trace(word))
        assert compared in caught.value.evidence


def test_names_match_by_kind() -> None:
    """A part of a case id is enough, a trait is named as a whole."""
    targets = {one: WantedTarget(one, "abcdef" if one is Kind.SPLAT else "x") for one in Kind}

    assert [one.word for one in targets.values()][:3] == ["trait:x", "case:x", "splat:abcdef"]
