# SPDX-License-Identifier: GPL-2.0-only
"""Define an inventory, which lists what user space finds on a kernel, its JSON form, and differences of two. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from harness.base.json_records import RecordFormat, Table, dump_value, load_value

FORMAT_VERSION = 1
ABSENT = "not there"
"""The value of an entry that an inventory does not have."""
TARGET = "inventory:"
"""The beginning of the name of an entry, as an argument and in reports."""


@dataclass(frozen=True, slots=True)
class InventoryEntry:
    """One thing that user space finds.

    :param key: ``SECTION: NAME``, unique in the inventory.
    :param facts: the facts about it, such as ``mode=0644 owner=0:0 read=ok``.
    """

    key: str
    facts: str


@dataclass(frozen=True, slots=True)
class MissingSection:
    """A section of the suite that the kernel does not have.

    :param name: its name in ``suite.toml``.
    :param reason: what its preparation printed.
    """

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """The inventory of a kernel.

    :param kernel: the KERNEL argument.
    :param release: release of the kernel.
    :param origin: package and version, or path.
    :param image_digest: sha256 of the image.
    :param suite: name or folder of the suite, which says what is listed.
    :param entries: sorted by section and as the guest printed them.
    """

    kernel: str
    release: str
    origin: str
    image_digest: str
    suite: str
    entries: tuple[InventoryEntry, ...]
    missing: tuple[MissingSection, ...] = ()
    format_version: int = field(default=FORMAT_VERSION)


@dataclass(frozen=True, slots=True)
class InventoryChange:
    """A difference of two inventories.

    :param key: the key of the entry.
    :param before: the facts in the first one; empty if it has no such entry.
    :param after: the facts in the second one; empty if it has no such entry.
    """

    key: str
    before: str
    after: str

    @property
    def differing(self) -> tuple[str, str]:
        """Return the facts that differ, before and after; whole if the entry was added or removed."""
        return differing_facts(self.before, self.after)


def differing_facts(before: str, after: str) -> tuple[str, str]:
    """Return the facts of an entry that differ; whole if there is none before or after."""
    if not before or not after:
        return before, after
    old, new = before.split(), after.split()
    return " ".join(one for one in old if one not in new), " ".join(one for one in new if one not in old)


def called(key: str) -> str:
    """Return the name by which a document would mention an entry: the last part of a path, or a mount option.

    :param key: the key of the entry.
    :return: empty for the answer of a call, whose key is a sentence.
    """
    name = key.partition(": ")[2]
    words = name.split()
    if "/" in name and len(words) == 1:
        return name.rstrip("/").rpartition("/")[2]
    return words[1] if len(words) == 2 else ""


def changes_of(before: Inventory, after: Inventory) -> tuple[InventoryChange, ...]:
    """Return what differs, in the order of the entries; what only the first inventory has comes last."""
    return changes_between(before.entries, after.entries)


def changes_between(before: Iterable[InventoryEntry], after: Iterable[InventoryEntry]) -> tuple[InventoryChange, ...]:
    """Return what differs between the entries of two inventories, in the order of :func:`changes_of`."""
    return tuple(_changes({one.key: one.facts for one in before}, {one.key: one.facts for one in after}))


def _changes(old: dict[str, str], new: dict[str, str]) -> Iterator[InventoryChange]:
    for key, facts in new.items():
        if old.get(key, "") != facts:
            yield InventoryChange(key, old.get(key, ""), facts)
    for key, facts in old.items():
        if key not in new:
            yield InventoryChange(key, facts, "")


def dump_inventory(inventory: Inventory) -> str:
    """Return an inventory as JSON."""
    return dump_value(inventory, first=("format_version",))


def load_inventory(text: str, *, source: str) -> Inventory:
    """Read the JSON of :func:`dump_inventory`.

    :param source: the name of the text, for messages.
    :raises UsageError: the text is damaged, or of a newer format.
    """
    return load_value(
        Inventory, text, RecordFormat(FORMAT_VERSION, _as_it_is, described="inventory format"), source=source
    )


def _as_it_is(table: Table) -> Table:
    return table
