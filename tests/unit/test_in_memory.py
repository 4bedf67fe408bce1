# SPDX-License-Identifier: GPL-2.0-only
"""Temporary folders of tests in memory, where the host has the room."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests import in_memory


@pytest.mark.parametrize(
    ("asked", "given", "is_used"),
    [(True, None, True), (False, None, False), (True, "/somewhere", False)],
    ids=["asked", "not-asked", "place-given"],
)
def test_folders_are_in_memory_when_asked_for(
    pytestconfig: pytest.Config,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    asked: bool,
    given: str | None,
    is_used: bool,
) -> None:
    """A place that the user or pytest-xdist gives for a worker is left as it is."""
    monkeypatch.setattr(in_memory, "_FOLDER", tmp_path)
    monkeypatch.setattr(in_memory, "_FREE_BYTES", 1)
    monkeypatch.setattr(pytestconfig.option, "in_memory", asked)
    monkeypatch.setattr(pytestconfig.option, "basetemp", given)
    monkeypatch.setenv(in_memory.ROOT, "")
    monkeypatch.delenv(in_memory.ROOT)

    in_memory.use(pytestconfig)

    assert os.environ.get(in_memory.ROOT) == (str(tmp_path) if is_used else None)


def test_tests_do_not_see_the_place() -> None:
    """It is meant for this pytest, not for those that tests start."""
    assert in_memory.ROOT not in os.environ


def test_a_folder_without_room_is_not_used(tmp_path: Path) -> None:
    """Neither is one that does not exist."""
    assert in_memory.has_room(tmp_path, 1)
    assert not in_memory.has_room(tmp_path, 1 << 60)
    assert not in_memory.has_room(tmp_path / "none", 1)
