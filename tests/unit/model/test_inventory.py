# SPDX-License-Identifier: GPL-2.0-only
"""Inventories: their JSON form, and what differs between two."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.base.errors import UsageError
from harness.model.inventory import (
    Inventory,
    InventoryEntry,
    MissingSection,
    called,
    changes_of,
    dump_inventory,
    load_inventory,
)

BASE = Inventory(
    "deb",
    "6.1.0",
    "linux-image 6.1",
    "0" * 64,
    "cgroupns",
    (
        InventoryEntry("v2: /a/memory.max", 'mode=0644 read=ok default="max"'),
        InventoryEntry("calls: setns", "EPERM"),
        InventoryEntry("v2: /a/old", "mode=0444"),
    ),
    (MissingSection("v1", "no v1"),),
)


def with_entries(**facts: str) -> Inventory:
    """Return an inventory with other facts."""
    return replace(BASE, entries=tuple(InventoryEntry(key, text) for key, text in facts.items()))


def test_inventory_is_read_back() -> None:
    """JSON keeps all of it."""
    assert load_inventory(dump_inventory(BASE), source="a.json") == BASE


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format_version": 99}'])
def test_damaged_inventory_is_named(text: str) -> None:
    """The error names the file."""
    with pytest.raises(UsageError, match=r"a\.json"):
        load_inventory(text, source="a.json")


def test_planted_changes_are_found() -> None:
    """Another mode, another error number, a new file and one that is gone; nothing else."""
    after = replace(
        BASE,
        entries=(
            InventoryEntry("v2: /a/memory.max", 'mode=0600 read=ok default="max"'),
            InventoryEntry("calls: setns", "EINVAL"),
            InventoryEntry("v2: /a/new", "mode=0444"),
        ),
    )
    found = changes_of(BASE, after)

    assert [(one.key, *one.differing) for one in found] == [
        ("v2: /a/memory.max", "mode=0644", "mode=0600"),
        ("calls: setns", "EPERM", "EINVAL"),
        ("v2: /a/new", "", "mode=0444"),
        ("v2: /a/old", "mode=0444", ""),
    ]


FACTS = st.dictionaries(st.text(min_size=1, max_size=5), st.text(min_size=1, max_size=5), max_size=8)


@given(FACTS, FACTS)
def test_changes_are_exactly_the_differences(old: dict[str, str], new: dict[str, str]) -> None:
    """Each key with other facts is in it once, no key with the same ones."""
    found = changes_of(with_entries(**old), with_entries(**new))

    assert sorted(one.key for one in found) == sorted(key for key in old | new if old.get(key) != new.get(key))


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("v2-child: /sys/fs/cgroup/child/memory.swap.peak", "memory.swap.peak"),
        ("mounts: cgroup2 pids_localevents", "pids_localevents"),
        ("proc: /proc/self/ns/", "ns"),
        ("calls: user 9000 then unshare cgroup", ""),
        ("flags: flags", ""),
    ],
)
def test_name_that_a_document_would_have(key: str, name: str) -> None:
    """A call has none: its key is a sentence."""
    assert called(key) == name
