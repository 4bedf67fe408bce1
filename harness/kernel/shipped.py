"""The series that ship with the harness: ``series/NAME/series.toml`` and patches beside it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType

from harness import places
from harness.deadline import Deadline
from harness.errors import SeriesError, UsageError
from harness.kernel.series import Series, read_series
from harness.toml_table import Table

DESCRIPTION = "series.toml"


@dataclass(frozen=True, slots=True)
class ShippedSeries:
    """A series that ships with the harness.

    :param title: in one line. :param summary: what it changes, in a few sentences.
    :param base: the KERNEL word of the source that it is applied to, e.g. ``deb-src:6.1``.
    :param profile: what a kernel with it is compared with, before ``traits``.
    :param traits: the values that differ from the profile's because of it.
    :param source: where the facts are from. :param confirmed: whether ``traits`` were seen on a kernel that was booted.
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


def shipped_names(folder: Path = places.SERIES) -> tuple[str, ...]:
    """The names of all, sorted."""
    return tuple(sorted(path.parent.name for path in folder.glob(f"*/{DESCRIPTION}")))


def find_shipped(name: str, *, deadline: Deadline, folder: Path = places.SERIES) -> ShippedSeries:
    """The series of that name.

    :raises UsageError: there is none; the evidence lists those there are.
    :raises SeriesError: its description or its patches are broken.
    :raises HostError: git is missing, or did not end before the deadline.
    """
    names = shipped_names(folder)
    if name not in names:
        near = get_close_matches(name, names, 1)
        raise UsageError(
            f"no series {name} ships with the harness",
            evidence="\n".join(names) or f"there is none in {folder}",
            remedy=f"use series:{near[0]}"
            if near
            else "use one of these; another one is applied with SOURCE+MBOX-OR-FOLDER",
        )
    path = folder / name / DESCRIPTION
    try:
        table = Table(tomllib.loads(path.read_text()), path=f"series/{name}/{DESCRIPTION}", kind=SeriesError)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SeriesError(f"{path} is not TOML", evidence=str(error), remedy="mend that line") from error
    title, summary, base = table.text("title"), table.text("summary").strip(), table.text("base")
    profile, source, confirmed = table.text("profile"), table.text("source"), table.flag("confirmed")
    values = table.table("traits")
    traits = MappingProxyType({trait: values.text(trait) for trait in values.names()})
    table.close()
    series = read_series(path.parent, deadline=deadline)
    return ShippedSeries(name, title, summary, base, profile, traits, source, confirmed, series)
