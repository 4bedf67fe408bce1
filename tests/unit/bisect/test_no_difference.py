# SPDX-License-Identifier: GPL-2.0-only
"""Check the errors that prevent or end a bisection: problem, evidence and hint."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.base.errors import HarnessError, SeriesError, UsageError
from harness.bisect.state import dump_bisect as dump_state
from harness.bisect.state import load_bisect
from harness.bisect.wanted import TraceSelection
from harness.kernel.git.repository import Repository
from tests.unit.bisect.desk import Desk
from tests.unit.bisect.pretended import PretendedRunner


def refused(
    desk: Desk, *words: str, good: str = "v9.0", bad: str = "HEAD", wanted: TraceSelection | None = None
) -> str:
    """Bisect and return the error, which has a hint and contains some texts."""
    with pytest.raises(HarnessError) as caught:
        desk.bisect(good, bad, wanted)
    assert caught.value.remedy
    error = str(caught.value)
    assert [word for word in words if word not in error] == [], error
    return error


def test_unusable_ends_are_errors(desk: Desk) -> None:
    """An unknown revision, equal ends, the wrong order and unrelated histories are reported with both ends."""
    first = desk.tree.git("rev-parse", "HEAD")
    desk.tree.change(outside_view="absolute")
    desk.tree.git("checkout", "--quiet", "--orphan", "alone")
    desk.tree.change(comment="alone")

    refused(desk, "has no revision v9.9", good="v9.9")
    refused(desk, "has no revision nonsense", bad="nonsense")
    refused(desk, "--good is missing", good="")
    refused(desk, "both ends are the same commit", first, bad="v9.0")
    refused(desk, "--good master is newer than --bad v9.0", "swap them", good="master", bad="v9.0")
    refused(desk, "have no history in common", good="v9.0", bad="alone")


def test_equal_ends_are_reported_with_what_was_compared(desk: Desk) -> None:
    """No built file, the image, the behavior or the named target may be equal."""
    desk.tree.document("only text")
    refused(desk, "nothing differs between the ends", "none of the 1 commits changes a file that is built")
    desk.tree.change(comment="a comment")
    refused(desk, "they have the same kernel image", "sha256 of both images")
    desk.tree.change(other="yes")
    refused(desk, "nothing differs between the ends", "compared: 3 traits and 3 cases", "good: ", "runs/")
    desk.tree.change(outside_view="absolute")
    wanted = TraceSelection(traits=("self_view",))
    refused(desk, "self_view does not differ", "self_view: relative at both ends", wanted=wanted)


def test_unknown_target_is_an_error(desk: Desk) -> None:
    """A mistyped name of a trait or case costs no build."""
    refused(desk, "no such trait", "outside_view", wanted=TraceSelection(traits=("outside_vew",)))
    refused(desk, "no case id contains this", wanted=TraceSelection(cases=("nonsense",)))

    assert not any(runner.built for runner in desk.runners)


def test_end_that_does_not_build_is_a_series_error(desk: Desk) -> None:
    """The error names the end."""
    desk.tree.change(outside_view="absolute", broken="yes")

    assert "the bad end cannot be tested: it does not build" in refused(desk)
    with pytest.raises(SeriesError):
        desk.bisect()


def test_moved_tree_needs_a_restart(desk: Desk, at: dict[str, str]) -> None:
    """A moved branch does not silently start another bisection; the hash of the commit continues the old one."""
    was = desk.tree.git("rev-parse", "HEAD")
    desk.bisect()
    desk.tree.change(outside_view="absolute")
    refused(desk, "the tree has moved", was, "--restart")

    assert desk.bisect(restart=True).state.bad_commit != was


def test_lost_commit_is_reported(desk: Desk, at: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """If the history is rewritten during the bisection, the error names the commit and how to continue."""
    real = PretendedRunner.image_of

    def lose(runner: PretendedRunner, word: str, *, name: str) -> str:
        if "step" in name:
            raise UsageError("there is no such revision", remedy="-")
        return real(runner, word, name=name)

    monkeypatch.setattr(PretendedRunner, "image_of", lose)
    monkeypatch.setattr(Repository, "has_commit", lambda *_, **__: False)
    refused(desk, "is no longer in the tree", "--restart")


def test_unreadable_state_is_reported(desk: Desk, at: dict[str, str]) -> None:
    """The error for a damaged or newer state names the file and has a hint."""
    desk.bisect()
    kept = desk.state.read_text()
    desk.state.write_text(kept[:100])
    refused(desk, str(desk.state), "is damaged", "--restart")
    desk.state.write_text(kept.replace(at["first"], "0" * 40))
    refused(desk, str(desk.state), "does not match this history", "--restart")
    desk.state.write_text(kept.replace('"format_version": 1', '"format_version": 99'))
    refused(desk, str(desk.state), "has format 99", "reads up to format 1")

    assert load_bisect(kept, source="state").targets
    assert desk.bisect(restart=True).is_whole


def test_changed_case_is_reported(desk: Desk, at: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its results before and after the change cannot be compared."""
    answer = desk.bisect()
    files = tuple(replace(one, digest="other") for one in answer.state.files)
    desk.state.write_text(dump_state(replace(answer.state, files=files)))

    assert "was changed since this bisection began" in refused(desk, answer.state.files[0].id)


def test_replay_of_an_unknown_bisection_is_an_error(desk: Desk) -> None:
    """The arguments must be those of a bisection that was started."""
    with pytest.raises(UsageError, match="no such bisection"):
        desk.replay()
