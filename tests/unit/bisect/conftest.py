# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of the bisection's tests."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.bisect import request
from tests.unit.bisect.desk import Desk, make_history
from tests.unit.bisect.pretended import PretendedRunner, PretendedTree, pretended_tree


@pytest.fixture(scope="session")
def tree_to_copy(tmp_path_factory: pytest.TempPathFactory) -> PretendedTree:
    """Make a tree with one commit, once: git starts five times for it."""
    return pretended_tree(tmp_path_factory.mktemp("pretended") / "linux")


@pytest.fixture
def desk(tree_to_copy: PretendedTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    one = Desk(tree_to_copy.copy(tmp_path / "linux"), tmp_path)

    def make(*words: Any) -> PretendedRunner:
        runner = PretendedRunner(*words)
        runner.interrupt_at = one.interrupt_at
        one.runners.append(runner)
        return runner

    monkeypatch.setattr(request, "CommitRunner", make)
    return one


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """Make the long history once: a hundred git commands take seconds."""
    tree = pretended_tree(tmp_path_factory.mktemp("made") / "linux")
    return tree.folder, make_history(tree)


@pytest.fixture
def at(desk: Desk, made: tuple[Path, dict[str, str]]) -> dict[str, str]:
    """Give the desk's tree the long history and return the commits that change something."""
    shutil.rmtree(desk.tree.folder)
    shutil.copytree(made[0], desk.tree.folder)
    return made[1]
