# SPDX-License-Identifier: GPL-2.0-only
"""The series that ship with the harness: ``series/NAME/series.toml`` and patches beside it.

A series may stand on another one that ships (``base = "series:NAME"``): it is applied on top of it, is judged by the
same profile, and declares only what it changes again.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from harness.base import paths
from harness.base.deadline import Deadline
from harness.base.errors import SeriesError, UsageError
from harness.base.toml_table import Table
from harness.model.kernel_spec import SpecKind
from harness.semantics.profile import Declaration

if TYPE_CHECKING:
    from harness.kernel.patches.series import Series

DESCRIPTION = "series.toml"


@dataclass(frozen=True, slots=True)
class ShippedSeries:
    """A series that ships with the harness.

    :param name: name of its folder.
    :param title: its title in one line.
    :param summary: what it changes, in a few sentences.
    :param base: the KERNEL argument of its base: a source such as ``deb-src:6.1``, or another series.
    :param profile: the profile that a kernel with it is compared with, before the traits.
    :param traits: the trait values that differ from those of its base.
    :param source: the source of the facts.
    :param confirmed: whether ``traits`` were observed on a booted kernel.
    :param series: its patches.
    :param fragments: config fragments in addition to the default ones.
    :param below: the series that it is applied on top of; None for a source.
    :param suite: the suite that defines its traits; empty for the default suite.
    """

    name: str
    title: str
    summary: str
    base: str
    profile: str
    traits: Mapping[str, str]
    source: str
    confirmed: bool
    series: Series
    fragments: tuple[Path, ...] = ()
    below: ShippedSeries | None = None
    suite: str = ""

    @property
    def stack(self) -> tuple[ShippedSeries, ...]:
        """Return the series that are applied to the source, in order: those below, and this one."""
        return (*(self.below.stack if self.below else ()), self)

    @property
    def declaration(self) -> Declaration:
        """Return the differences from the profile that are declared for a kernel with the whole stack."""
        traits = {trait: value for one in self.stack for trait, value in one.traits.items()}
        sources = dict.fromkeys(one.source for one in self.stack)
        return Declaration(self.name, traits, "; ".join(sources), all(one.confirmed for one in self.stack))


def shipped_names(folder: Path = paths.SERIES) -> tuple[str, ...]:
    """Return the sorted names of all shipped series."""
    return tuple(sorted(path.parent.name for path in folder.glob(f"*/{DESCRIPTION}")))


def shipped_suite(name: str, folder: Path = paths.SERIES) -> str:
    """Return the suite that a series names; empty for the default suite, and for an unknown series."""
    path = folder / name / DESCRIPTION
    return _open_description(path).text("suite", default="") if path.is_file() else ""


def shipped_claims(suites: Collection[str], folder: Path = paths.SERIES) -> Mapping[str, tuple[str, Mapping[str, str]]]:
    """Return the base's profile and the declared trait values of each series, without reading its patches.

    The profile is empty for a series on top of another one.

    :param suites: only series that name one of these; the empty name is that of series that name none.
    :raises SeriesError: a description is broken.
    """
    names = [name for name in shipped_names(folder) if shipped_suite(name, folder) in suites]
    return {name: _claims(folder / name / DESCRIPTION) for name in names}


def _claims(path: Path) -> tuple[str, Mapping[str, str]]:
    table = _open_description(path)
    return table.text("profile", default=""), _read_traits(table)


def _open_description(path: Path) -> Table:
    """Read a series description.

    :raises SeriesError: it is not TOML.
    """
    try:
        return Table(tomllib.loads(path.read_text()), path=f"series/{path.parent.name}/{path.name}", kind=SeriesError)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SeriesError(f"{path} is not TOML", evidence=str(error), remedy="correct that line") from error


def _read_traits(table: Table) -> Mapping[str, str]:
    values = table.table("traits")
    return MappingProxyType({trait: values.text(trait) for trait in values.names()})


def find_shipped(name: str, *, deadline: Deadline, folder: Path = paths.SERIES) -> ShippedSeries:
    """Read the shipped series of that name.

    :raises UsageError: there is none; the evidence lists those there are.
    :raises SeriesError: its description or its patches are broken, or those of a series below.
    :raises HostError: git is missing, or did not end before the deadline.
    """
    names = shipped_names(folder)
    if name not in names:
        near = get_close_matches(name, names, 1)
        raise UsageError(
            f"no series {name} ships with the harness",
            evidence="\n".join(names) or f"no series in {folder}",
            remedy=f"use series:{near[0]}"
            if near
            else "use one of these; apply your own series with SOURCE+MBOX-OR-FOLDER",
        )
    return _read(name, folder, above=(), deadline=deadline)


def _read(name: str, folder: Path, *, above: tuple[str, ...], deadline: Deadline) -> ShippedSeries:
    """Read a shipped series and those below it.

    :param above: names of the series on top of this one; naming one of them as a base is an error.
    """
    path = folder / name / DESCRIPTION
    table = _open_description(path)
    title, summary, base = table.text("title"), table.text("summary").strip(), table.text("base")
    below = None
    if base.startswith(SpecKind.SERIES.value):
        under = base.removeprefix(SpecKind.SERIES.value)
        if under in (name, *above) or under not in shipped_names(folder):
            raise table.error(f"base {base} is invalid", remedy="give a source or another shipped series")
        below = _read(under, folder, above=(name, *above), deadline=deadline)
    profile = below.profile if below else table.text("profile")
    source, confirmed = table.text("source"), table.flag("confirmed")
    fragments = tuple(path.parent / one for one in table.texts("fragments", default=()))
    if missing := [one.name for one in fragments if not one.is_file()]:
        raise table.error(f"fragments lists {missing[0]}, which is missing", remedy="add it beside series.toml")
    traits, suite = _read_traits(table), table.text("suite", default="")
    table.close()
    # Imported here: commands that only list the names must not import the readers of mails.
    from harness.kernel.patches.series import read_series

    series = read_series(path.parent, deadline=deadline)
    return ShippedSeries(
        *(name, title, summary, base, profile, traits, source, confirmed, series),
        fragments=fragments,
        below=below,
        suite=suite,
    )
