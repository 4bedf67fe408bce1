# SPDX-License-Identifier: GPL-2.0-only
"""What tests of kernel sources share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.base.store import Store
from tests.unit.kernel.fake_tree import FakeRepository, make_repository
from tests.unit.kernel.user_tree import UserTree, kernel_tree
from tests.unit.kernel.workshop import Workshop


@pytest.fixture(scope="session")
def tree_to_copy(tmp_path_factory: pytest.TempPathFactory) -> UserTree:
    """A kernel tree in git, made once: git starts eight times for it."""
    return kernel_tree(tmp_path_factory.mktemp("user") / "linux")


@pytest.fixture(scope="session")
def b4_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store for what b4 makes of mails: it starts once for the same mails, which takes a quarter of a second."""
    return Store(tmp_path_factory.mktemp("b4"))


@pytest.fixture
def tree(tree_to_copy: UserTree, tmp_path: Path) -> UserTree:
    """A user's kernel tree of this test's own, with two commits: ``v9.0`` and ``v9.1``."""
    tree = UserTree(tmp_path / "linux")
    shutil.copytree(tree_to_copy.folder, tree.folder, symlinks=True)
    tree.git("update-index", "--refresh")
    return tree


@pytest.fixture(scope="session")
def repository_to_copy(tmp_path_factory: pytest.TempPathFactory) -> FakeRepository:
    """The fake tree in git, made once: git starts four times for it."""
    return make_repository(tmp_path_factory.mktemp("fake") / "linux")


@pytest.fixture
def workshop(repository_to_copy: FakeRepository, tmp_path: Path) -> Workshop:
    """The fake tree in a repository of this test's own, and an empty store."""
    folder = tmp_path / "linux"
    shutil.copytree(repository_to_copy.path, folder, symlinks=True)
    return Workshop(FakeRepository(folder, list(repository_to_copy.commits)), Store(tmp_path / "store"))
