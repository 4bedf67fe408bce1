"""What a case needs of the kernel: options of its configuration, and features that the kernel shows when it runs. Pure.

An option is named as kconfig does (``CONFIG_X``, ``CONFIG_X=VALUE``, ``CONFIG_X!=VALUE``). A feature is what no option
stands for: it came with a release, and what the running kernel shows decides. Which features there are, the suite says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from harness.base.errors import CaseError
from harness.kernel.config.kconfig import KernelConfig, parse_need
from harness.semantics.profile import Profile


@dataclass(frozen=True, slots=True)
class Feature:
    """What a kernel may be too old for: ``[feature.WORD]`` of a suite.

    :param word: what ``needs`` takes.
    :param probe: a command line for a console of the running kernel; any status but 0 says that the feature is missing.
    :param missing: why a case is skipped then, as a sentence without a full stop.
    :param consequence: what follows for the run, for its notes.
    :param shown_by: a trait and a value: a profile with this value says that the kernel has the feature. None for none.
    """

    word: str
    probe: str
    missing: str
    consequence: str
    shown_by: tuple[str, str] | None = None


def check_need(text: str, features: Sequence[Feature]) -> None:
    """See that the header of a case, or the marker of a Python case, may say so.

    :raises CaseError: it is no need.
    """
    if text in {feature.word for feature in features}:
        return
    try:
        parse_need(text)
    except CaseError as error:
        known = "\n".join(f"{feature.word:<17} {feature.missing}" for feature in features)
        raise CaseError(
            f"{text!r} is no need of a case",
            evidence=f"{error.evidence}\nor, to be skipped where\n{known}" if known else error.evidence,
            remedy=error.remedy,
        ) from None


def missing_needs(
    needs: Sequence[str],
    config: KernelConfig | None,
    *,
    features: Sequence[Feature] = (),
    lacking: Collection[str] = frozenset(),
) -> str:
    """Why a case cannot be asked of a kernel; empty when it can, or nothing speaks against it.

    :param config: the kernel's configuration; None when it is unknown.
    :param features: those of the suite.
    :param lacking: the words of the features that the kernel does not have.
    :raises CaseError: one is no need.
    """
    by_word = {feature.word: feature for feature in features}
    reasons: list[str] = []
    for need in needs:
        check_need(need, features)
        if need not in by_word:
            reasons += filter(None, [parse_need(need).missing(config)])
        elif need in lacking:
            reasons.append(by_word[need].missing)
    return "; ".join(reasons)


def excused(lacking: Iterable[str], features: Sequence[Feature], profile: Profile) -> frozenset[str]:
    """The features for whose lack a case is skipped: not those that the kernel has according to the profile.

    A kernel that broke a feature must not look like one that is too old for it.
    """
    expected = profile.expectations
    promised = set()
    for feature in features:
        trait, value = feature.shown_by or ("", "")
        if trait in expected and expected[trait].confirmed and expected[trait].value == value:
            promised.add(feature.word)
    return frozenset(lacking) - promised


def lack_notes(lacking: Iterable[str], features: Sequence[Feature], profile: Profile) -> tuple[str, ...]:
    """One line for each feature that the kernel lacks, and what follows; for the run's notes."""
    lacking = frozenset(lacking)
    skipped = excused(lacking, features, profile)
    return tuple(
        f"{feature.missing}; "
        + (
            feature.consequence
            if feature.word in skipped
            else f"{profile.name} says that it has, so all cases are asked"
        )
        for feature in features
        if feature.word in lacking
    )
