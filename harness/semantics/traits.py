# SPDX-License-Identifier: GPL-2.0-only
"""Read traits and profiles, the known behavior of kernels, from a suite's ``semantics.toml``. Pure.

A trait is one observable choice; a profile (``harness/semantics/profile.py``) has the expected values with their
sources. ``mainline`` is stored as changes by release and resolved for one release (:meth:`Semantics.profile`).

Errors: a broken file is a :class:`CaseError` that names file and key; an unknown profile is a :class:`UsageError` that
names the known ones.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from types import MappingProxyType

from harness.base.errors import CaseError, SeriesError, UsageError
from harness.base.kernel_release import Release
from harness.base.toml_table import Table
from harness.semantics.profile import Declaration, Expectation, Profile, ReleaseChange, inherit, resolve

AUTO = "auto"
MAINLINE = "mainline"
LATEST = f"{MAINLINE}-latest"
"""The newest mainline in the file."""
_NEWEST = Release((9999, 0, 0))
_SCENARIO = re.compile(r"[A-Z]-\d{2}")


@dataclass(frozen=True, slots=True)
class Trait:
    """One observable choice.

    :param name: its name.
    :param meaning: the choice, in one sentence.
    :param theme: its chapter: ``view``, ``mount``, ...
    :param values: each value with its description.
    :param unseen: values that are in no profile; they describe other possible kernels.
    :param scenarios: ids of the scenarios that show it.
    :param story: the history of the decision, in paragraphs; may be empty.
    """

    name: str
    meaning: str
    theme: str
    values: Mapping[str, str]
    unseen: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()
    story: str = ""


@dataclass(frozen=True, slots=True)
class Semantics:
    """The content of a ``semantics.toml``.

    :param traits: the traits by name, in the order of the file.
    :param postings: the profiles of posted versions by name, in the order of the file.
    :param changes: the changes of mainline by trait, oldest first.
    :param released: the dates of releases of mainline, such as ``2016-05-15``, as far as the file has them.
    :param landmarks: releases of mainline that are shown with all traits, even where no trait changes.
    :param newest: the newest release of mainline that the changes cover; the profile of a later one is extrapolated.
    """

    traits: Mapping[str, Trait]
    postings: Mapping[str, Profile]
    changes: Mapping[str, tuple[ReleaseChange, ...]]
    released: Mapping[Release, str]
    landmarks: tuple[Release, ...] = ()
    newest: Release | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of profiles, besides ``mainline-RELEASE``."""
        return (AUTO, MAINLINE, LATEST, *self.postings)

    @property
    def known_values(self) -> Mapping[str, tuple[str, ...]]:
        """Return the values of each trait, which a guard may name."""
        return {name: tuple(trait.values) for name, trait in self.traits.items()}

    def complaint(self, trait: str, value: str) -> str:
        """Return the reason why a trait or its value is unknown; empty if both are known."""
        known = self.traits.get(trait)
        if known is None:
            return f"no trait {trait}" + near(trait, self.traits)
        if value not in known.values:
            return f"{trait} has no value {value}; it has {', '.join(known.values)}"
        return ""

    def profile(self, name: str, *, release: str | None, stable: str = "") -> Profile:
        """Return a profile by name.

        :param name: ``auto`` (without expectations), ``mainline`` (resolved by ``release``), ``mainline-6.1``,
            ``mainline-latest``, or a posted version such as ``v4``.
        :param release: the release of the kernel under test (``uname -r``); ``None`` if it is unknown.
        :param stable: its stable version, if the release hides it: 6.1.192 for 6.1.0-57; else empty.
        :raises UsageError: no such profile, or ``mainline`` for a release that cannot be parsed.
        """
        if name == AUTO:
            return Profile(AUTO, MappingProxyType({}), title="no expectations")
        if name in self.postings:
            return self.postings[name]
        if name == LATEST:
            return replace(self._mainline(_NEWEST), name=LATEST, title="mainline, the newest known release")
        if name == MAINLINE:
            found = Release.parse(release or "")
            if found is None:
                raise UsageError(
                    "the profile mainline needs the kernel's release, which could not be read",
                    evidence=f"release: {release or 'unknown'}",
                    remedy="name the release, --profile mainline-6.1, or use no expectations, --profile auto",
                )
            return self._mainline(found, exact=Release.parse(stable))
        found = Release.parse(name.removeprefix(f"{MAINLINE}-")) if name.startswith(f"{MAINLINE}-") else None
        if found is None:
            raise UsageError(
                f"no profile {name}" + near(name, self.names),
                remedy=f"use one of {', '.join(self.names)}, or mainline-RELEASE such as mainline-6.1",
            )
        return self._mainline(found)

    def expected(self, trait: str, profile: str) -> str:
        """Return the value that a profile expects of a trait; empty if there is none, or no such profile.

        :param trait: the name of the trait.
        :param profile: the name of a profile, as a run record has it.
        """
        try:
            found = self.profile(profile, release=None).expectations.get(trait)
        except UsageError:
            return ""
        return found.value if found else ""

    def changed(self, profile: Profile, declared: Declaration) -> Profile:
        """Return a profile with the traits that a series declares to change (:meth:`Profile.changed`).

        :raises SeriesError: a declared trait or value is unknown.
        """
        for trait, value in declared.traits.items():
            if complaint := self.complaint(trait, value):
                what = f"the series {declared.name} declares {trait} = {value}: {complaint}"
                raise SeriesError(what, remedy="name a trait of the suite's semantics.toml and one of its values")
        return profile.changed(declared)

    def profiles(self) -> tuple[Profile, ...]:
        """Return all profiles, newest first: mainline at each release where it changes, then the posted versions."""
        return (*map(self._mainline, reversed(self.releases)), *reversed(list(self.postings.values())))

    @property
    def releases(self) -> tuple[Release, ...]:
        """Return the releases in which mainline changes, oldest first."""
        found = {change.since for changes in self.changes.values() for change in changes}
        return tuple(sorted(found, key=lambda release: release.numbers))

    def shown(self, traits: Collection[str] = ()) -> tuple[Profile, ...]:
        """Return the profiles to show side by side, oldest first, those of one family of traits together.

        :param traits: the traits to show; empty for all.
        :return: the posted versions with expectations for them, mainline at each release in which one of them changes,
            and the newest mainline. With all traits, mainline is also shown at the landmarks.
        """
        chosen = set(traits or self.traits)
        changed = {change.since for trait in chosen for change in self.changes.get(trait, ())}
        releases = sorted(changed.union(() if traits else self.landmarks), key=lambda release: release.numbers)
        mainline = [*map(self._mainline, releases), self.profile(LATEST, release=None)] if releases else []
        posted = [one for one in self.postings.values() if one.own & chosen]
        shown: list[Profile] = []
        for number, family in enumerate(self.families()):
            shown += [one for one in posted if one.own <= family]
            shown += mainline if number == 0 else []
        return tuple(shown)

    def families(self) -> tuple[frozenset[str], ...]:
        """Group related traits into families; the largest family first.

        Two traits are of one family if they have the same theme, or if a posted version has own expectations for both.
        Traits with expectations of mainline only belong to the largest family.
        """
        themes: dict[str, set[str]] = {}
        for name, trait in self.traits.items():
            themes.setdefault(trait.theme, set()).add(name)
        posted = [set(one.own) for one in self.postings.values()]
        families: list[set[str]] = []
        for group in (*themes.values(), *posted):
            joined = group.union(*(family for family in families if family & group))
            families = [family for family in families if not family & group] + [joined]
        order = list(self.traits)
        families.sort(key=lambda family: (-len(family), min(map(order.index, family), default=0)))
        largest = [family for family in families if any(family & group for group in posted)][:1] or families[:1]
        others = [family for family in families if family not in largest and any(family & group for group in posted)]
        rest = set(order).difference(*largest, *others)
        return tuple(frozenset(family) for family in ([one | rest for one in largest] + others))

    def _mainline(self, release: Release, *, exact: Release | None = None) -> Profile:
        at, is_exact = exact or release, exact is not None
        resolved = {trait: resolve(changes, at, is_exact=is_exact) for trait, changes in self.changes.items()}
        expectations = {trait: found for trait, found in resolved.items() if found is not None}
        is_later = self.newest is not None and release != _NEWEST and release.numbers[:2] > self.newest.numbers[:2]
        return Profile(
            f"{MAINLINE}-{release}",
            MappingProxyType(expectations),
            title=f"mainline {release}",
            extrapolated_from=str(self.newest) if is_later else "",
        )


def load_semantics(text: str, *, path: str) -> Semantics:
    """Parse the text of a ``semantics.toml``.

    :param path: name of the file, for errors.
    :raises CaseError: the text is not TOML, has an unknown or missing key, an unknown trait or value, or releases out
        of order; the message names file and key.
    """
    try:
        top = Table(tomllib.loads(text), path=path, kind=CaseError)
    except tomllib.TOMLDecodeError as error:
        raise CaseError(f"{path} is not TOML", evidence=str(error), remedy="fix that line") from error
    traits = {name: _read_trait(name, table) for name, table in top.table("trait").tables()}
    postings: dict[str, Profile] = {}
    bases: dict[str, Release] = {}
    changes: dict[str, tuple[ReleaseChange, ...]] = {}
    released: dict[Release, str] = {}
    landmarks: tuple[Release, ...] = ()
    newest: Release | None = None
    for name, table in top.table("profile").tables():
        if name == MAINLINE:
            changes = _read_mainline(table, traits)
            released = _read_released(table)
            landmarks = tuple(_read_release(table, one) for one in table.texts("landmarks", default=()))
            newest = _read_release(table, table.text("newest")) if "newest" in table.names() else None
            table.close()
        elif name == AUTO:
            raise table.error("the name auto is reserved", remedy="use another name")
        else:
            if base := table.text("base", default=""):
                bases[name] = _read_release(table, base)
            postings[name] = _read_posting(name, table, traits)
    top.close()
    if not changes:
        raise top.error("the profile mainline is missing", remedy="add [profile.mainline]")
    postings |= {name: inherit(postings[name], changes, base) for name, base in bases.items()}
    return Semantics(
        MappingProxyType(traits),
        MappingProxyType(postings),
        MappingProxyType(changes),
        MappingProxyType(released),
        landmarks,
        newest,
    )


def _read_trait(name: str, table: Table) -> Trait:
    glosses = table.table("values")
    values = {value: glosses.text(value) for value in glosses.names()}
    if len(values) < 2:
        raise glosses.error("a trait needs two values or more", remedy="add the behavior of another possible kernel")
    unseen = table.texts("unseen", default=())
    if strange := [value for value in unseen if value not in values]:
        raise table.error(f"unseen names {strange[0]}, which is not a value", remedy=f"values: {', '.join(values)}")
    scenarios = table.texts("scenarios")
    if strange := [scenario for scenario in scenarios if not _SCENARIO.fullmatch(scenario)]:
        raise table.error(f"{strange[0]} is not the id of a scenario", remedy="write it as P-04")
    meaning, theme, story = table.text("meaning"), table.text("theme"), table.text("story", default="").strip()
    trait = Trait(name, meaning, theme, MappingProxyType(values), unseen, scenarios, story)
    table.close()
    return trait


def _read_posting(name: str, table: Table, traits: Mapping[str, Trait]) -> Profile:
    cells: dict[str, Expectation] = {}
    for trait, cell in table.table("traits").tables():
        cells[trait] = _read_expectation(cell, _trait_of(trait, cell, traits))
        cell.close()
    profile = Profile(name, MappingProxyType(cells), table.text("title"), table.date("date"), table.text("source"))
    table.close()
    return profile


def _read_mainline(table: Table, traits: Mapping[str, Trait]) -> dict[str, tuple[ReleaseChange, ...]]:
    table.text("title"), table.text("source")
    lists = table.table("changes")
    read = {}
    for name in lists.names():
        changes: list[ReleaseChange] = []
        for cell in lists.table_list(name):
            change = _read_change(cell, _trait_of(name, cell, traits))
            if changes and change.since.numbers <= changes[-1].since.numbers:
                raise cell.error(
                    f"{change.since} comes after {changes[-1].since}", remedy="sort the releases, oldest first"
                )
            changes.append(change)
            cell.close()
        read[name] = tuple(changes)
    return read


def _read_released(table: Table) -> dict[Release, str]:
    if "released" not in table.names():
        return {}
    dates = table.table("released")
    return {_read_release(dates, name): dates.date(name) for name in dates.names()}


def _read_change(cell: Table, trait: Trait) -> ReleaseChange:
    backported = cell.texts("backported", default=None)
    return ReleaseChange(
        _read_release(cell, cell.text("since")),
        _read_expectation(cell, trait),
        None if backported is None else tuple(_read_release(cell, text) for text in backported),
    )


def _read_release(cell: Table, text: str) -> Release:
    release = Release.parse(text)
    if release is None or release.candidate or str(release) != text:
        raise cell.error(f"{text} is not a release", remedy="write it as 4.6 or 5.15.14")
    return release


def _read_expectation(cell: Table, trait: Trait) -> Expectation:
    value = cell.text("value")
    if value not in trait.values:
        raise cell.error(f"{trait.name} has no value {value}", remedy=f"values: {', '.join(trait.values)}")
    return Expectation(value, cell.text("source"), cell.flag("confirmed"))


def _trait_of(name: str, cell: Table, traits: Mapping[str, Trait]) -> Trait:
    if name not in traits:
        raise cell.error(f"no trait {name}" + near(name, traits), remedy="define it as [trait.NAME], or fix the name")
    return traits[name]


def near(word: str, known: Iterable[str]) -> str:
    """Return the end of a message on an unknown name: similar known names, or nothing."""
    found = get_close_matches(word, list(known), n=3)
    return f"; did you mean {' or '.join(found)}?" if found else ""
