"""Profiles: sets of expectations, how mainline's is resolved for a release, how near one is to what was seen.

Pure. Built by ``harness/semantics/traits.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from harness.base.kernel_release import Release


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a profile says of one trait; one that is not confirmed never fails a run by itself."""

    value: str
    source: str
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Declaration:
    """In what a series on top of a kernel is meant to differ from that kernel's profile.

    :param name: what reports call the profile that comes of it.
    :param traits: the value expected instead, by trait.
    :param source: where the values are from.
    :param confirmed: whether a kernel that does otherwise fails.
    """

    name: str
    traits: Mapping[str, str]
    source: str
    confirmed: bool = True


@dataclass(frozen=True, slots=True)
class Profile:
    """A set of expectations; a trait that is missing cannot be shown by that version, or nothing is known."""

    name: str
    expectations: Mapping[str, Expectation]
    title: str = ""
    date: str = ""
    source: str = ""

    @property
    def values(self) -> Mapping[str, str]:
        """The value expected of each trait, confirmed or not."""
        return {trait: expected.value for trait, expected in self.expectations.items()}

    def changed(self, declared: Declaration) -> Profile:
        """The same profile but for some traits; one that this profile says nothing of is added."""
        instead = {
            trait: Expectation(value, declared.source, declared.confirmed) for trait, value in declared.traits.items()
        }
        return replace(self, name=declared.name, expectations=MappingProxyType({**self.expectations, **instead}))


@dataclass(frozen=True, slots=True)
class ReleaseChange:
    """What mainline says from a release on.

    :param backported: ``None`` when the change stayed in mainline; else the first release of each stable series known
        to have it, which may be none.
    """

    since: Release
    expectation: Expectation
    backported: tuple[Release, ...] | None = None


@dataclass(frozen=True, slots=True)
class Nearness:
    """How far a profile is from what was seen.

    :param known: how many of the traits that were seen the profile speaks of.
    :param differ: traits on which a confirmed expectation differs.
    :param unconfirmed: traits on which an unconfirmed expectation differs.
    :param silent: traits that were seen and of which the profile says nothing.
    :param ties: how many other profiles are as near, where that was looked at.
    """

    profile: str
    known: int
    differ: tuple[str, ...]
    unconfirmed: tuple[str, ...]
    silent: tuple[str, ...]
    ties: int = 0

    @property
    def halves(self) -> int:
        """The distance, in halves: an unconfirmed difference and a silence are half a difference each.

        A silence must cost, or a profile that says nothing would be the nearest to everything.
        """
        return 2 * len(self.differ) + len(self.unconfirmed) + len(self.silent)

    def __str__(self) -> str:
        """Numbers first, names last: whoever cuts the line loses the least."""
        number = len(self.differ) + len(self.unconfirmed)
        others = f" and {self.ties} other{'' if self.ties == 1 else 's'}" if self.ties else ""
        text = f"{self.profile}{others}: {number or 'none'} of {self.known} trait{'' if self.known == 1 else 's'}"
        text += " differs" if number <= 1 else " differ"
        if self.unconfirmed:
            text += f" ({len(self.unconfirmed)} unconfirmed)"
        if self.silent:
            text += f", {len(self.silent)} it says nothing of"
        names = [*self.differ, *(f"{trait} (?)" for trait in self.unconfirmed)]
        return f"{text}: {', '.join(names)}" if names else text


def resolve(changes: Iterable[ReleaseChange], release: Release) -> Expectation | None:
    """The last change at or before the release, held back to unconfirmed where the release alone cannot tell."""
    current: Expectation | None = None
    for change in changes:
        found = change.expectation
        if change.since.numbers <= release.numbers:
            maybe = bool(release.candidate) and change.since.numbers == release.numbers
            current = _doubted(found, f"{release} may lack it") if maybe else found
        elif change.backported and any(map(release.carries, change.backported)):
            current = found
        elif change.backported is not None and current is not None:
            # The release string of a distribution (6.1.0-56-cloud-amd64) hides how far its stable branch went.
            current = _doubted(current, f"unless this kernel has {found.source}")
    return current


def _doubted(expectation: Expectation, why: str) -> Expectation:
    return replace(expectation, confirmed=False, source=f"{expectation.source}; {why}")


def nearness(profile: Profile, seen: Mapping[str, str]) -> Nearness:
    """How far a profile is from the value seen of each trait."""
    known = {trait: profile.expectations[trait] for trait in seen if trait in profile.expectations}
    differing = [trait for trait in known if known[trait].value != seen[trait]]
    return Nearness(
        profile.name,
        len(known),
        tuple(sorted(trait for trait in differing if known[trait].confirmed)),
        tuple(sorted(trait for trait in differing if not known[trait].confirmed)),
        tuple(sorted(trait for trait in seen if trait not in known)),
    )
