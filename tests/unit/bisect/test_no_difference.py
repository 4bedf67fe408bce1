"""What makes no bisection, or ends one: each with its own words, the evidence, and what to do now."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.base.errors import HarnessError, SeriesError, UsageError
from harness.bisect.request import TraceSelection
from harness.bisect.state import dump_bisect as dump_state
from harness.bisect.state import load_bisect
from harness.kernel.git.repository import Repository
from tests.unit.bisect.desk import Desk
from tests.unit.bisect.pretended import PretendedAsker


def refused(
    desk: Desk, *words: str, good: str = "v9.0", bad: str = "HEAD", wanted: TraceSelection | None = None
) -> str:
    """The error that it ends with, which says what to do; these words are in it."""
    with pytest.raises(HarnessError) as caught:
        desk.bisect(good, bad, wanted)
    assert caught.value.remedy
    told = str(caught.value)
    assert [word for word in words if word not in told] == [], told
    return told


def test_revisions_that_make_no_bisection_are_refused(desk: Desk) -> None:
    """None of that name, the same twice, the wrong order, no history in common: each is told, with what each end is."""
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


def test_ends_that_do_not_differ_are_told_with_what_was_compared(desk: Desk) -> None:
    """Nothing built, the same image, the same behaviour, or not in what was asked for."""
    desk.tree.document("only text")
    refused(desk, "nothing differs between the ends", "none of the 1 commits changes what is built")
    desk.tree.change(comment="a comment")
    refused(desk, "they have the same kernel image", "sha256 of both images")
    desk.tree.change(other="yes")
    refused(desk, "nothing differs between the ends", "compared: 3 traits and 3 cases", "good: ", "runs/")
    desk.tree.change(outside_view="absolute")
    wanted = TraceSelection(traits=("self_view",))
    refused(desk, "self_view does not differ", "self_view: relative at both ends", wanted=wanted)


def test_words_that_name_no_target_are_refused(desk: Desk) -> None:
    """A slip in the name of a trait or case costs no build."""
    refused(desk, "there is no such trait", "outside_view", wanted=TraceSelection(traits=("outside_vew",)))
    refused(desk, "no case has this in its id", wanted=TraceSelection(cases=("nonsense",)))

    assert not any(asker.built for asker in desk.askers)


def test_an_end_that_does_not_build_is_a_result(desk: Desk) -> None:
    """It is the kernel's fault, and told of which end."""
    desk.tree.change(outside_view="absolute", broken="yes")

    assert "the bad end cannot be judged: it does not build" in refused(desk)
    with pytest.raises(SeriesError):
        desk.bisect()


def test_a_tree_that_moves_changes_nothing_unless_it_is_begun_anew(desk: Desk, at: dict[str, str]) -> None:
    """A branch that moved is not silently another bisection; by the commit's name the old one goes on."""
    was = desk.tree.git("rev-parse", "HEAD")
    desk.bisect()
    desk.tree.change(outside_view="absolute")
    refused(desk, "the tree has moved", was, "--restart")

    assert desk.bisect(restart=True).state.bad_commit != was


def test_a_commit_that_the_tree_has_lost_is_named(
    desk: Desk, at: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """History that was rewritten and collected while it was bisected: what is gone, and how to go on."""
    real = PretendedAsker.image_of

    def lose(asker: PretendedAsker, word: str, *, name: str) -> str:
        if "step" in name:
            raise UsageError("there is no such revision", remedy="-")
        return real(asker, word, name=name)

    monkeypatch.setattr(PretendedAsker, "image_of", lose)
    monkeypatch.setattr(Repository, "has_commit", lambda *_, **__: False)
    refused(desk, "is not in the tree any more", "--restart")


def test_a_state_that_cannot_be_read_is_named(desk: Desk, at: dict[str, str]) -> None:
    """Damaged or of a newer harness: the file, and what to do."""
    desk.bisect()
    kept = desk.state.read_text()
    desk.state.write_text(kept[:100])
    refused(desk, str(desk.state), "is damaged", "--restart")
    desk.state.write_text(kept.replace(at["first"], "0" * 40))
    refused(desk, str(desk.state), "is not of this history", "--restart")
    desk.state.write_text(kept.replace('"format_version": 1', '"format_version": 99'))
    refused(desk, str(desk.state), "of format 99", "reads up to format 1")

    assert load_bisect(kept, source="state").targets
    assert desk.bisect(restart=True).is_whole


def test_a_case_that_was_changed_meanwhile_is_named(
    desk: Desk, at: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answers before and after cannot be compared."""
    answer = desk.bisect()
    files = tuple(replace(one, digest="other") for one in answer.state.files)
    desk.state.write_text(dump_state(replace(answer.state, files=files)))

    assert "was changed since this bisection began" in refused(desk, answer.state.files[0].id)


def test_a_replay_of_nothing_says_what_there_is(desk: Desk) -> None:
    """The words must be those of a bisection that was begun."""
    with pytest.raises(UsageError, match="no such bisection"):
        desk.replay()
