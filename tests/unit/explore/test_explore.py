# SPDX-License-Identifier: GPL-2.0-only
"""The search finds what differs, shrinks it, writes it down and remembers it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import CaseError
from harness.base.store import Store
from harness.coverage.bitmap import NOTHING, Bitmap
from harness.explore.explore import Exploration, Explorer, ExploreRequest
from harness.explore.kept import find_corpus, find_findings
from harness.explore.steer import Reached
from harness.session.transcript import parse
from tests.unit.explore.shelves import SUITE, Shelves, sides, subject

SECONDS = 0.3


def explore(
    tmp_path: Path, kernel: Shelves, other: Shelves | None = None, *, seconds: float = SECONDS, keeps: bool = True
) -> Exploration:
    """Explore shelves, with a store and a folder of the test."""
    context = Context(Store(tmp_path / "store"), Deadline.after(60))
    request = ExploreRequest(
        sides(kernel, other), "large", 1, seconds, tmp_path / "found", 3, 2, subject(), keeps=keeps
    )
    return Explorer(context, request).explore()


def test_nothing_is_found_where_nothing_differs(tmp_path: Path) -> None:
    """All sequences are counted, and the code that they reached."""
    kernel = Shelves()
    found = explore(tmp_path, kernel)

    assert not found.divergences
    assert not found.unstable
    assert found.sequences == len(kernel.sequences) > 0
    assert found.steps == sum(map(len, kernel.sequences))
    assert found.ambiguous == 0
    assert (found.reached, found.whole) == (3, 4)


def test_a_mistake_is_found_shrunk_and_written(tmp_path: Path) -> None:
    """The session file is valid, has the expected answers, and says what each side answers."""
    found = explore(tmp_path, Shelves(room=2))
    (first, path), *_ = found.divergences
    text = path.read_text()
    transcript = parse(text, path=path.name)

    put = first.operations[0]
    assert first.operations == (put, put, put)
    assert first.line == f"{put}: expected 0, got full"
    assert [step.command for step in transcript.steps] == [f"shelves '{put}; {put}; {put}'"]
    assert f"    {put} = 0\n" * 3 in text
    assert "The model by the profile large expects: 0. shelves (1.0) answers: full." in text
    assert "source: harness explore shelves --seed 1" in text


def test_the_same_finding_is_reported_once(tmp_path: Path) -> None:
    """The search goes on after a finding, and does not report it again."""
    found = explore(tmp_path, Shelves(room=2))
    lines = [one.line for one, _ in found.divergences]

    assert len(lines) == len(set(lines))


def test_a_finding_is_replayed_first(tmp_path: Path) -> None:
    """The next exploration begins with it, on any kernel; without time for a search it does only that."""
    explore(tmp_path, Shelves(room=2))
    again = Shelves()
    found = explore(tmp_path, again, seconds=0)

    kept = [one.operations for one in find_findings(Store(tmp_path / "store"), str(SUITE.folder))]
    assert (kept[0][0],) * 3 in kept
    assert sorted(again.sequences) == sorted(kept)
    assert found.replayed == found.sequences == len(kept)
    assert not found.divergences


def test_a_measurement_neither_replays_nor_keeps(tmp_path: Path) -> None:
    """It shows what the search alone finds."""
    explore(tmp_path, Shelves(room=2), keeps=False)

    assert not find_findings(Store(tmp_path / "store"), str(SUITE.folder))


def test_a_wrong_answer_that_is_not_seen_again_is_unstable(tmp_path: Path) -> None:
    """It is counted and shown, and is no finding."""
    found = explore(tmp_path, Shelves(wrong_once=True))

    assert not found.divergences
    assert [one.answer for one in found.unstable] == ["wrong"]


def test_a_kernel_that_breaks_is_a_finding_with_its_splat(tmp_path: Path) -> None:
    """The sequence is shrunk on fresh machines, and the log is in the session file."""
    kernel = Shelves(breaks_at=3)
    found = explore(tmp_path, kernel)
    (first, path), *_ = found.divergences

    assert first.operations == ("put a", "put a", "put a")
    assert first.problem == "BUG: the shelf broke"
    assert "| line 2" in path.read_text()
    assert kernel.machines == len(kernel.sequences)


def test_two_kernels_are_compared(tmp_path: Path) -> None:
    """No model is needed: a finding is what differs between them."""
    found = explore(tmp_path, Shelves(room=2, name="small"), Shelves(room=1, name="tiny"))
    (first, path), *_ = found.divergences
    text = path.read_text()

    assert first.operations == (first.operations[0],) * 2
    assert "small (1.0) answers: 0. tiny (1.0) answers: full." in text
    assert "source: harness explore small --diff tiny --seed 1" in text


def test_sequences_that_reach_new_code_are_kept(tmp_path: Path) -> None:
    """They are few, and the next exploration of that kernel knows them."""
    kernel = Shelves()
    explore(tmp_path, kernel)
    context = Context(Store(tmp_path / "store"), Deadline.after(60))
    request = ExploreRequest(sides(kernel), "large", 1, 0, tmp_path / "found", 3)

    assert 1 <= len(find_corpus(context.store, request.key)) <= 3


def test_a_model_that_contradicts_itself_says_where(tmp_path: Path) -> None:
    """The error names the line of the model and the operations."""
    kernel = Shelves()
    broken = dataclasses.replace(sides(kernel), traits={})
    with pytest.raises(CaseError) as raised:
        broken.try_once(("put a",), deadline=Deadline.after(10))

    assert "model.py:" in raised.value.what
    assert "KeyError" in raised.value.what
    assert "put a" in raised.value.evidence


def test_reached_counts_new_code_once() -> None:
    """Code outside of the subject does not count."""
    reached = Reached(subject())
    page = bytearray(subject().pages[0])
    page[0] = 0b10011

    assert reached.add(Bitmap({0: bytes(page)})) == 2
    assert reached.add(Bitmap({0: bytes(page)})) == 0
    assert reached.add(NOTHING) == 0
    assert (reached.count, reached.whole) == (2, 4)
