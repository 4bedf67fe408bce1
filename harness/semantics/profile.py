# SPDX-License-Identifier: GPL-2.0-only
"""Define profiles: sets of expectations, resolved for a release of mainline, and compared with the values seen.

Pure. Profiles are built by ``harness/semantics/traits.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from harness.base.kernel_release import Release


@dataclass(frozen=True, slots=True)
class Expectation:
    """The expectation of a profile for one trait; an unconfirmed one never fails a run by itself."""

    value: str
    source: str
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Declaration:
    """The intended differences of a series from the profile of its base kernel.

    :param name: name of the resulting profile in reports.
    :param traits: the new expected value, by trait.
    :param source: the source of the values.
    :param confirmed: whether a kernel with another value fails.
    """

    name: str
    traits: Mapping[str, str]
    source: str
    confirmed: bool = True


@dataclass(frozen=True, slots=True)
class Profile:
    """A set of expectations; for a missing trait, the version cannot show it, or its value is unknown.

    :param extrapolated_from: the newest release that the suite knows, for the profile of a later one; else empty.
    :param inherited: the traits whose expectations are those of the release that a posted version was made on.
    """

    name: str
    expectations: Mapping[str, Expectation]
    title: str = ""
    date: str = ""
    source: str = ""
    extrapolated_from: str = ""
    inherited: frozenset[str] = frozenset()

    @property
    def note(self) -> str:
        """Return a note for a run that is judged by an extrapolated profile; empty for any other profile."""
        if not self.extrapolated_from:
            return ""
        return (
            f"the profile {self.name} is extrapolated: the newest release that the suite knows is "
            f"{self.extrapolated_from}"
        )

    @property
    def own(self) -> frozenset[str]:
        """Return the traits with expectations of the version itself."""
        return frozenset(self.expectations) - self.inherited

    @property
    def values(self) -> Mapping[str, str]:
        """Return the expected value of each trait, confirmed or not."""
        return {trait: expected.value for trait, expected in self.expectations.items()}

    def changed(self, declared: Declaration) -> Profile:
        """Return the profile with the declared traits replaced or added."""
        instead = {
            trait: Expectation(value, declared.source, declared.confirmed) for trait, value in declared.traits.items()
        }
        return replace(self, name=declared.name, expectations=MappingProxyType({**self.expectations, **instead}))


@dataclass(frozen=True, slots=True)
class ReleaseChange:
    """The expectation of mainline from a release on.

    :param since: the first release with it.
    :param expectation: the expectation.
    :param backported: ``None`` if the change is only in mainline; else the first release of each stable series that is
        known to have it, maybe empty.
    """

    since: Release
    expectation: Expectation
    backported: tuple[Release, ...] | None = None


@dataclass(frozen=True, slots=True)
class Nearness:
    """The distance of a profile from the values seen.

    :param profile: name of the profile.
    :param known: number of the seen traits for which the profile has an expectation.
    :param differ: traits with a different confirmed expectation.
    :param unconfirmed: traits with a different unconfirmed expectation.
    :param silent: seen traits without an expectation.
    :param ties: number of other profiles that are equally near, if it was counted.
    :param family: the themes of the traits that were compared; empty if the suite has only one family of traits.
    """

    profile: str
    known: int
    differ: tuple[str, ...]
    unconfirmed: tuple[str, ...]
    silent: tuple[str, ...]
    ties: int = 0
    family: str = ""

    @property
    def halves(self) -> int:
        """Return the distance in halves: an unconfirmed difference or a missing expectation is half a difference.

        A missing expectation must add to the distance, or an empty profile would be the nearest to everything.
        """
        return 2 * len(self.differ) + len(self.unconfirmed) + len(self.silent)

    def __str__(self) -> str:
        """Format numbers first and names last, so that a truncated line loses the least."""
        number = len(self.differ) + len(self.unconfirmed)
        others = f" and {self.ties} other{'' if self.ties == 1 else 's'}" if self.ties else ""
        text = f"{self.profile}{others}: {number or 'none'} of {self.known} trait{'' if self.known == 1 else 's'}"
        text += " differs" if number <= 1 else " differ"
        text += f" in {self.family}" if self.family else ""
        if self.unconfirmed:
            text += f" ({len(self.unconfirmed)} unconfirmed)"
        if self.silent:
            text += f", {len(self.silent)} {'has' if len(self.silent) == 1 else 'have'} no expectation"
        names = [*self.differ, *(f"{trait} (?)" for trait in self.unconfirmed)]
        return f"{text}: {', '.join(names)}" if names else text


def resolve(changes: Iterable[ReleaseChange], release: Release, *, is_exact: bool = False) -> Expectation | None:
    """Return the last change at or before the release, unconfirmed if the release alone does not decide.

    :param changes: the changes of one trait, oldest first.
    :param is_exact: whether the release is known to be the stable version, and not the string of a distribution.
    """
    current: Expectation | None = None
    for change in changes:
        found = change.expectation
        if change.since.numbers <= release.numbers:
            maybe = bool(release.candidate) and change.since.numbers == release.numbers
            current = _doubted(found, f"{release} may not have it") if maybe else found
        elif change.backported and any(map(release.carries, change.backported)):
            current = found
        elif is_exact and any(one.numbers[:2] == release.numbers[:2] for one in change.backported or ()):
            continue  # its stable series got the change later
        elif change.backported is not None and current is not None:
            # The release string of a distribution (6.1.0-56-cloud-amd64) hides how far its stable branch went.
            current = _doubted(current, f"unless this kernel has {found.source}")
    return current


def _doubted(expectation: Expectation, why: str) -> Expectation:
    return replace(expectation, confirmed=False, source=f"{expectation.source}; {why}")


def inherit(profile: Profile, changes: Mapping[str, Iterable[ReleaseChange]], release: Release) -> Profile:
    """Return a posted version with the expectations of the release that it was made on, where it has none itself.

    They are unconfirmed: the same patches on another release are still that version.

    :param changes: the changes of mainline by trait, oldest first.
    """
    resolved = {
        trait: resolve(listed, release) for trait, listed in changes.items() if trait not in profile.expectations
    }
    found = {
        trait: replace(one, confirmed=False, source=f"made on Linux {release}: {one.source}")
        for trait, one in resolved.items()
        if one is not None
    }
    together = MappingProxyType({**profile.expectations, **found})
    return replace(profile, expectations=together, inherited=frozenset(found))


def nearness(profile: Profile, seen: Mapping[str, str]) -> Nearness:
    """Return the distance of a profile from the values seen.

    :param seen: the value seen of each trait.
    """
    known = {trait: profile.expectations[trait] for trait in seen if trait in profile.expectations}
    differing = [trait for trait in known if known[trait].value != seen[trait]]
    return Nearness(
        profile.name,
        len(known),
        tuple(sorted(trait for trait in differing if known[trait].confirmed)),
        tuple(sorted(trait for trait in differing if not known[trait].confirmed)),
        tuple(sorted(trait for trait in seen if trait not in known)),
    )
