"""The matrix of the semantics: traits down, grouped by theme, profiles across, in as many pages as the width asks for.

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
_LEGEND = f"{SAME} as before it   {UNCONFIRMED} no primary source   {SILENT} cannot show it, or nothing is known"


def matrix_lines(traits: Sequence[Trait], profiles: Sequence[Profile], width: int) -> list[Line]:
    """Which value each profile has of each trait.

    :param profiles: oldest first. Those that do not fit go on a further page, and so do those that are of something
        else than the one before. At least one is on each page, however narrow it is.
    :param width: columns.
    :return: on the first page every trait that its profiles speak of; on a page that goes on with the one before,
        those of which something changes there. A cell that says the same as the one before it on its page is a ditto
        mark.
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
    """What a profile is called above its column: mainline's go by their release."""
    return profile.removeprefix(f"{MAINLINE}-")


class _Page(NamedTuple):
    """Profiles beside each other.

    :param traits: the rows.
    :param others: how many traits its profiles speak of that are no rows, as nothing changes.
    :param before: the last profile of the page that this one goes on with; None for the first page of a family.
    """

    profiles: Sequence[Profile]
    traits: Sequence[Trait]
    others: int
    before: Profile | None

    @property
    def cells(self) -> list[dict[str, str]]:
        """For each profile what stands in its column, by trait."""
        said: dict[str, Expectation] = {}
        columns = []
        for profile in self.profiles:
            columns.append({trait.name: _cell(trait.name, profile, said) for trait in self.traits})
            said |= profile.expectations
        return columns

    @property
    def widths(self) -> list[int]:
        """The widths of the columns."""
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
    """As many profiles on a page as there is room for."""
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
    """Whether two profiles are of different things: of what the one with less to say speaks of, most is not shared."""
    few = min(len(one.expectations), len(other.expectations))
    return 2 * len(one.expectations.keys() & other.expectations.keys()) < few


def _make_page(
    traits: Iterable[Trait], profiles: Sequence[Profile], said: Mapping[str, Expectation], before: Profile | None
) -> _Page:
    """

    :param said: what was last said of each trait before this page.
    """
    spoken = [trait for trait in traits if any(trait.name in one.expectations for one in profiles)]
    changing = [
        trait
        for trait in spoken
        if any(
            not _is_same(said.get(trait.name), found)
            for one in profiles
            if (found := one.expectations.get(trait.name)) is not None
        )
    ]
    return _Page(profiles, changing, len(spoken) - len(changing), before)


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
    """The same as plain values, for JSON: each trait with all that the file says of it."""
    return {
        "format_version": 1,
        "profiles": [
            {"name": one.name, "title": one.title, "date": one.date, "source": one.source} for one in profiles
        ],
        "traits": [trait_table(trait, profiles) for trait in traits],
    }


def trait_table(trait: Trait, profiles: Iterable[Profile]) -> dict[str, object]:
    """One trait as plain values, for JSON."""
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
