# SPDX-License-Identifier: GPL-2.0-only
"""Read the changes that a series declares, in a ``harness.toml`` next to it or on the command line. Pure.

cases = ["SUITE/views/zombie.session"]        # cases whose outcome may change
inventory = ["proc: /proc/self/a"]             # entries of the inventory that may come, go or change

[traits]                    # by the whole series, in any patch
outside_view = "absolute"

[patch.3.traits]            # by the third patch only; or by a part of its title: [patch."show paths".traits]
self_view = "relative"
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.base.errors import SeriesError, UsageError
from harness.base.toml_table import Table
from harness.model.inventory import TARGET
from harness.model.series_record import Declared
from harness.semantics.traits import Semantics

FILE_NAME = "harness.toml"
_KEYS = ("cases", "inventory", "traits", "patch")


@dataclass(frozen=True, slots=True)
class Declarations:
    """The declarations of a series."""

    entries: tuple[Declared, ...] = ()

    def allows(self, trait: str, value: str, *, patch: int) -> bool:
        """Return whether a patch may change a trait to a value."""
        return any(one.name == trait and one.value == value and one.patch in (0, patch) for one in self.entries)

    def allows_case(self, case: str) -> bool:
        """Return whether the outcome of a case may change, or an entry of the inventory, by its name as a target."""
        return any(one.name == case and not one.value for one in self.entries)

    @property
    def traits(self) -> frozenset[str]:
        """Return the traits that are declared to change."""
        return frozenset(one.name for one in self.entries if one.value)

    @property
    def final(self) -> Mapping[str, Declared]:
        """Return the declared value of each trait after the last patch: of the last named patch, else of the series."""
        latest: dict[str, Declared] = {}
        for one in sorted((one for one in self.entries if one.value), key=lambda entry: entry.patch):
            latest[one.name] = one
        return latest


NOTHING = Declarations()


def parse_declarations(text: str, *, path: str, subjects: Sequence[str], semantics: Semantics) -> Declarations:
    """Read a ``harness.toml``.

    :param text: the content of the file.
    :param path: the name of the file in errors.
    :param subjects: the titles of the patches, in their order.
    :param semantics: the traits and values that it may name.
    :raises SeriesError: the file is not TOML, or names an unknown key, trait, value or patch.
    """
    try:
        top = Table(tomllib.loads(text), path=path, kind=SeriesError)
    except tomllib.TOMLDecodeError as error:
        raise SeriesError(f"{path} is not TOML", evidence=str(error), remedy="fix that line") from None
    found = [Declared(case, source=path) for case in top.texts("cases", default=())]
    found += [Declared(f"{TARGET}{key}", source=path) for key in top.texts("inventory", default=())]
    if "traits" in top.names():
        found += _traits(top.table("traits"), 0, path, semantics)
    if "patch" in top.names():
        for name, table in top.table("patch").tables():
            number = _number(name, table, subjects)
            found += _traits(table.table("traits"), number, path, semantics)
            table.close()
    for name in top.names():
        if name not in _KEYS:
            raise top.error(f"{name} is not a known key", remedy=f"known keys: {', '.join(_KEYS)}")
    return Declarations(tuple(found))


def read_expected(words: Iterable[str], *, semantics: Semantics) -> Declarations:
    """Read ``--expect TRAIT=VALUE``, ``--expect 3:TRAIT=VALUE`` for the third patch, ``--expect inventory:KEY``.

    :param words: the arguments.
    :param semantics: the traits and values that they may name.
    :raises UsageError: an argument has another form, or names an unknown trait or value.
    """
    found = []
    for word in words:
        if word.startswith(TARGET):
            found.append(Declared(word, source="--expect"))
            continue
        patch, colon, rest = word.partition(":")
        number = int(patch) if colon and patch.isdecimal() else 0
        trait, equals, value = (rest if number else word).partition("=")
        complaint = semantics.complaint(trait, value) if equals else "it is not TRAIT=VALUE"
        if complaint:
            remedy = "write a trait and one of its values; list them: harness semantics"
            raise UsageError(f"--expect {word}: {complaint}", remedy=remedy)
        found.append(Declared(trait, value, number, "--expect"))
    return Declarations(tuple(found))


def joined(one: Declarations, other: Declarations) -> Declarations:
    """Return both declarations; the second overrides the first for each trait."""
    kept = [entry for entry in one.entries if not entry.value or entry.name not in other.traits]
    return Declarations((*kept, *other.entries))


def _traits(table: Table, patch: int, path: str, semantics: Semantics) -> list[Declared]:
    found = []
    for trait in table.names():
        value = table.text(trait)
        if complaint := semantics.complaint(trait, value):
            raise table.error(complaint, remedy="name a trait and one of its values; list them: harness semantics")
        found.append(Declared(trait, value, patch, path))
    return found


def _number(name: str, table: Table, subjects: Sequence[str]) -> int:
    """Return the number of the patch that a key names by its number or a part of its title."""
    if name.isdecimal():
        numbers = [int(name)] if 1 <= int(name) <= len(subjects) else []
    else:
        numbers = [at for at, subject in enumerate(subjects, 1) if name in subject]
    if len(numbers) != 1:
        count = f"{len(numbers)} patches" if numbers else "no patch"
        raise table.error(f"{name!r} matches {count} of the series", remedy="write a number, or a part of one title")
    return numbers[0]
