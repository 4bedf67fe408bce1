# SPDX-License-Identifier: GPL-2.0-only
"""Find entries of an inventory that no document mentions, in a made-up tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base.errors import UsageError
from harness.inventory import find_undocumented
from harness.model.inventory import InventoryChange


def test_added_entries_are_looked_for_as_whole_words(tmp_path: Path) -> None:
    """A longer name is another one; what changed or is gone is not looked for."""
    folder = tmp_path / "Documentation/admin-guide"
    folder.mkdir(parents=True)
    (folder / "cgroup-v2.rst").write_text("memory.swap.peak.  See ``memory.peak_other``, and pids_localevents,")
    (folder / "binary").write_bytes(b"\xff\xfe\x00 cpuset.cpus.exclusive")
    changes = [
        InventoryChange("v2: /c/memory.swap.peak", "", "x"),
        InventoryChange("v2: /c/memory.peak", "", "x"),
        InventoryChange("v2: /c/cpuset.cpus.exclusive", "", "x"),
        InventoryChange("mounts: cgroup2 pids_localevents", "", "accepted"),
        InventoryChange("mounts: cgroup2 unknown_option", "", "accepted"),
        InventoryChange("calls: user 9000 then unshare cgroup", "", "x"),
        InventoryChange("v2: /c/changed", "a", "b"),
        InventoryChange("v2: /c/gone", "a", ""),
    ]

    assert find_undocumented(changes, tmp_path) == {"v2: /c/memory.peak", "mounts: cgroup2 unknown_option"}


def test_tree_without_documents_is_an_error(tmp_path: Path) -> None:
    """The hint names the option."""
    with pytest.raises(UsageError, match="has no folder Documentation") as caught:
        find_undocumented([], tmp_path)

    assert "--documents" in caught.value.remedy
