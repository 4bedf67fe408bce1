"""What a case needs of the kernel: options of its configuration, and features that the kernel shows when it runs. Pure.

An option is named as kconfig does (``CONFIG_X``, ``CONFIG_X=VALUE``, ``CONFIG_X!=VALUE``). A feature is what no option
stands for: it came with a release, and what the running kernel shows decides.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType

from harness.base.errors import CaseError
from harness.kernel.config.kconfig import KernelConfig, parse_need
from harness.semantics.profile import Profile


class Feature(StrEnum):
    """What a kernel may lack because it is too old; the value is the word that ``needs`` takes."""

    CGROUP_NAMESPACES = "cgroup-namespaces"
    CGROUP2 = "cgroup2"
    CLONE3 = "clone3"


_MISSING: Mapping[Feature, str] = MappingProxyType(
    {
        Feature.CGROUP_NAMESPACES: "this kernel has no cgroup namespaces: there is no /proc/self/ns/cgroup",
        Feature.CGROUP2: "this kernel has no file system type cgroup2",
        Feature.CLONE3: "this kernel has no system call clone3",
    }
)
# What follows for the run, of each feature that a kernel lacks.
_CONSEQUENCES: Mapping[Feature, str] = MappingProxyType(
    {
        Feature.CGROUP_NAMESPACES: "cases that need them are skipped",
        # Before 4.5 (commit 67e9c74b8a87, "cgroup: replace __DEVEL__sane_behavior with cgroup2 fs type").
        Feature.CGROUP2: "the default hierarchy is mounted by -t cgroup -o __DEVEL__sane_behavior",
        Feature.CLONE3: "cases that need it are skipped",
    }
)
# A profile that has this value of this trait says that the kernel has the feature.
_SHOWN_BY: Mapping[Feature, tuple[str, str]] = MappingProxyType(
    {
        Feature.CGROUP_NAMESPACES: ("newcgroup_flag", "accepted"),
        Feature.CLONE3: ("clone3_into_cgroup", "present"),
    }
)


def check_need(text: str) -> None:
    """See that the header of a case, or the marker of a Python case, may say so.

    :raises CaseError: it is no need.
    """
    if text not in set(Feature):
        try:
            parse_need(text)
        except CaseError as error:
            features = "\n".join(f"{feature:<17} {_MISSING[feature]}" for feature in Feature)
            raise CaseError(
                f"{text!r} is no need of a case",
                evidence=f"{error.evidence}\nor, to be skipped where\n{features}",
                remedy=error.remedy,
            ) from None


def missing_needs(
    needs: Sequence[str], config: KernelConfig | None, *, lacking: Collection[Feature] = frozenset()
) -> str:
    """Why a case cannot be asked of a kernel; empty when it can, or nobody knows.

    :param config: the kernel's configuration; None when it is unknown. :param lacking: the features that it has not.
    :raises CaseError: one is no need.
    """
    reasons: list[str] = []
    for need in needs:
        check_need(need)
        if need not in set(Feature):
            reasons += filter(None, [parse_need(need).missing(config)])
        elif need in lacking:
            reasons.append(_MISSING[Feature(need)])
    return "; ".join(reasons)


def excused(lacking: Iterable[Feature], profile: Profile) -> frozenset[Feature]:
    """The features for whose lack a case is skipped: not those that the kernel has according to the profile.

    A kernel that broke cgroup namespaces must not look like one that is too old for them.
    """
    expected = profile.expectations
    promised = {
        feature
        for feature, (trait, value) in _SHOWN_BY.items()
        if trait in expected and expected[trait].confirmed and expected[trait].value == value
    }
    return frozenset(lacking) - promised


def lack_notes(lacking: Iterable[Feature], profile: Profile) -> tuple[str, ...]:
    """One line for each feature that the kernel lacks, and what follows; for the run's notes."""
    lacking = frozenset(lacking)
    skipped = excused(lacking, profile)
    return tuple(
        f"{_MISSING[feature]}; "
        + (_CONSEQUENCES[feature] if feature in skipped else f"{profile.name} says that it has, so all cases are asked")
        for feature in Feature
        if feature in lacking
    )
