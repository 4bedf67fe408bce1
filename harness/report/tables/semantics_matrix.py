# SPDX-License-Identifier: GPL-2.0-only
"""Show the matrix of the semantics: rows of traits by theme, columns of profiles, in pages that fit the width.

Pure: traits, profiles and a width in, lines out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from harness.report.lines import Line, Tone
from harness.report.text import elide, fold
from harness.semantics.profile import Expectation, Profile
from harness.semantics.traits import MAINLINE, Trait

SAME = '"'
UNCONFIRMED = "?"
SILENT = "."
_GAP = 2
_MARGIN = 2
_LEAST_NAME = 12
_LEGEND = f"{SAME} same as on its left   {UNCONFIRMED} no primary source   {SILENT} cannot show it, or unknown"


def matrix_lines(traits: Sequence[Trait], profiles: Sequence[Profile], width: int) -> list[Line]:
    """Return the value of each trait in each profile.

    The first page has every trait of its profiles. A page that continues another one has the traits that change there.
    A cell equal to the one on its left is a ditto mark.

    :param traits: the traits, in the order of the file.
    :param profiles: the profiles, oldest first. A new page starts if a profile does not fit or is of another family
        than the one before. Each page has at least one profile.
    :param width: columns.
    """
    traits = [trait for trait in traits if any(trait.name in one.expectations for one in profiles)]
    if not traits or not profiles:
        return []
    first = min(max(len(trait.name) for trait in traits), max(_LEAST_NAME, width // 2))
    lines: list[Line] = []
    for page in _pages(traits, profiles, width - _MARGIN - first):
        lines += [*_page_lines(page, first, width), Line("")]
    lines += [Line(text, Tone.FAINT) for text in fold(_LEGEND, width)]
    if release := next((one.name for one in profiles if column_name(one.name) != one.name), ""):
        lines += [Line(text, Tone.FAINT) for text in fold(f"{column_name(release)} is the profile {release}", width)]
    return lines


def column_name(profile: str) -> str:
    """Return the name of a profile's column: a mainline profile is named by its release."""
    return profile.removeprefix(f"{MAINLINE}-")


class _Page(NamedTuple):
    """Profiles that are side by side.

    :param profiles: the columns.
    :param traits: the rows.
    :param others: the number of traits of its profiles that have no row, as they do not change.
    :param before: the last profile of the page that this one continues; None for the first page of a family.
    """

    profiles: Sequence[Profile]
    traits: Sequence[Trait]
    others: int
    before: Profile | None

    @property
    def cells(self) -> list[dict[str, str]]:
        """Return the cells of each profile's column, by trait."""
        said: dict[str, Expectation] = {}
        columns = []
        for profile in self.profiles:
            columns.append({trait.name: _cell(trait.name, profile, said) for trait in self.traits})
            said |= profile.expectations
        return columns

    @property
    def widths(self) -> list[int]:
        """Return the widths of the columns."""
        names = (column_name(profile.name) for profile in self.profiles)
        return [max(map(len, (name, *cells.values()))) for name, cells in zip(names, self.cells, strict=True)]


def _cell(trait: str, profile: Profile, said: Mapping[str, Expectation]) -> str:
    found = profile.expectations.get(trait)
    if found is None:
        return SILENT
    if _is_same(said.get(trait), found):
        return SAME
    return found.value if found.confirmed else found.value + UNCONFIRMED


def _is_same(one: Expectation | None, other: Expectation) -> bool:
    return one is not None and (one.value, one.confirmed) == (other.value, other.confirmed)


def _pages(traits: Sequence[Trait], profiles: Sequence[Profile], room: int) -> Iterator[_Page]:
    """Yield pages, each with as many profiles as fit."""
    rest, before = list(profiles), None
    said: dict[str, Expectation] = {}
    while rest:
        if before is not None and _is_foreign(before, rest[0]):
            before, said = None, {}
        page = _make_page(traits, rest[:1], said, before)
        for number in range(2, len(rest) + 1):
            wider = _make_page(traits, rest[:number], said, before)
            if _is_foreign(rest[number - 2], rest[number - 1]) or sum(wider.widths) + _GAP * number > room:
                break
            page = wider
        yield page
        for profile in page.profiles:
            said |= profile.expectations
        rest, before = rest[len(page.profiles) :], page.profiles[-1]


def _is_foreign(one: Profile, other: Profile) -> bool:
    """Return whether two profiles are of different families: they share less than half of the smaller one's traits."""
    few = min(len(one.expectations), len(other.expectations))
    return 2 * len(one.expectations.keys() & other.expectations.keys()) < few


def _make_page(
    traits: Iterable[Trait], profiles: Sequence[Profile], said: Mapping[str, Expectation], before: Profile | None
) -> _Page:
    """Make a page.

    :param said: the last expectation of each trait before this page.
    """
    present = [trait for trait in traits if any(trait.name in one.expectations for one in profiles)]
    changing = [
        trait
        for trait in present
        if any(
            not _is_same(said.get(trait.name), found)
            for one in profiles
            if (found := one.expectations.get(trait.name)) is not None
        )
    ]
    return _Page(profiles, changing, len(present) - len(changing), before)


def _page_lines(page: _Page, first: int, width: int) -> Iterator[Line]:
    widths = page.widths
    yield Line(_row("", [column_name(profile.name) for profile in page.profiles], widths, first), Tone.STRONG)
    theme = ""
    cells = page.cells
    for trait in page.traits:
        if trait.theme != theme:
            theme = trait.theme
            yield Line(theme, Tone.FAINT)
        yield Line(_row(trait.name, [column[trait.name] for column in cells], widths, first))
    if page.others and page.before is not None:
        also = "the other " if page.traits else ""
        text = f"{also}{page.others} as in {column_name(page.before.name)}"
        yield from (Line(part, Tone.FAINT) for part in fold(text, width))


def _row(name: str, cells: Iterable[str], widths: Iterable[int], first: int) -> str:
    shown = [f"{elide(name, first):<{first}}", *(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))]
    return (" " * _MARGIN + (" " * _GAP).join(shown)).rstrip()


def matrix_table(traits: Sequence[Trait], profiles: Sequence[Profile]) -> dict[str, object]:
    """Return the matrix as a JSON table: each trait with everything that the file has about it."""
    return {
        "format_version": 1,
        "profiles": [
            {"name": one.name, "title": one.title, "date": one.date, "source": one.source} for one in profiles
        ],
        "traits": [trait_table(trait, profiles) for trait in traits],
    }


def trait_table(trait: Trait, profiles: Iterable[Profile]) -> dict[str, object]:
    """Return one trait as a JSON table."""
    return {
        "name": trait.name,
        "theme": trait.theme,
        "meaning": trait.meaning,
        "values": dict(trait.values),
        "unseen": list(trait.unseen),
        "scenarios": list(trait.scenarios),
        "story": trait.story,
        "profiles": {
            one.name: {"value": found.value, "confirmed": found.confirmed, "source": found.source}
            for one in profiles
            if (found := one.expectations.get(trait.name))
        },
    }
