# SPDX-License-Identifier: GPL-2.0-only
"""Check the requirements of cases: config options, and features that a running kernel is probed for. Pure.

An option has kconfig's form (``CONFIG_X``, ``CONFIG_X=VALUE``, ``CONFIG_X!=VALUE``); with a ``?`` at the end, it is a
need on kernels that have the option. A feature has no option: it came with a release, and a probe in the running kernel
finds it. The suite defines its features. A parameter (``append:quiet``) is a need on the kernel's command line.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from harness.base.errors import CaseError
from harness.kernel.config.kconfig import KernelConfig, parse_need
from harness.semantics.profile import Profile

_PARAMETER = re.compile(r"append:([A-Za-z_][A-Za-z0-9_.-]*(?:=\S*)?)")
"""A parameter of the kernel that a case needs, as ``--append`` takes it."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature that an older kernel may be without: ``[feature.WORD]`` of a suite.

    :param word: its name in ``needs``.
    :param probe: a command line for a console of the running kernel; a status other than 0 means that the feature is
        missing.
    :param missing: the reason for a skipped case, as a sentence without a full stop.
    :param consequence: the effect on the run, for its notes.
    :param shown_by: a trait and a value; a profile with this value states that the kernel has the feature. None without
        such a trait.
    """

    word: str
    probe: str
    missing: str
    consequence: str
    shown_by: tuple[str, str] | None = None


def check_need(text: str, features: Sequence[Feature]) -> None:
    """Check a requirement from the header of a case or the marker of a Python case.

    :raises CaseError: it is neither a config requirement nor a feature of the suite nor a parameter.
    """
    if text in {feature.word for feature in features} or _PARAMETER.fullmatch(text):
        return
    try:
        parse_need(text)
    except CaseError as error:
        known = "\n".join(f"{feature.word:<17} {feature.missing}" for feature in features)
        raise CaseError(
            f"{text!r} is not a valid requirement of a case",
            evidence=f"{error.evidence}\nappend:PARAMETER   that parameter on the kernel's command line"
            + (f"\nor a feature, to be skipped where\n{known}" if known else ""),
            remedy=error.remedy,
        ) from None


def missing_needs(
    needs: Sequence[str],
    config: KernelConfig | None,
    *,
    features: Sequence[Feature] = (),
    lacking: Collection[str] = frozenset(),
    parameters: Collection[str] = frozenset(),
) -> str:
    """Return why a case cannot run on a kernel; empty when it can, or when the config is unknown.

    :param needs: the requirements of the case.
    :param config: the kernel's config; None when it is unknown.
    :param features: the features of the suite.
    :param lacking: the features that the kernel does not have, by word.
    :param parameters: the parameters on the kernel's command line.
    :raises CaseError: a requirement is invalid.
    """
    by_word = {feature.word: feature for feature in features}
    reasons: list[str] = []
    for need in needs:
        check_need(need, features)
        if parameter := _PARAMETER.fullmatch(need):
            if parameter[1] not in parameters:
                reasons.append(f"booted without the parameter {parameter[1]} (--append {parameter[1]})")
        elif need not in by_word:
            reasons += filter(None, [parse_need(need).missing(config)])
        elif need in lacking:
            reasons.append(by_word[need].missing)
    return "; ".join(reasons)


def excused(lacking: Iterable[str], features: Sequence[Feature], profile: Profile) -> frozenset[str]:
    """Return the missing features for which a case is skipped: all but those that the profile promises.

    A kernel with a broken feature must not look like one that is too old for it.
    """
    expected = profile.expectations
    promised = set()
    for feature in features:
        trait, value = feature.shown_by or ("", "")
        if trait in expected and expected[trait].confirmed and expected[trait].value == value:
            promised.add(feature.word)
    return frozenset(lacking) - promised


def missing_feature_notes(lacking: Iterable[str], features: Sequence[Feature], profile: Profile) -> tuple[str, ...]:
    """Return one line for each missing feature and its consequence, for the run's notes."""
    lacking = frozenset(lacking)
    skipped = excused(lacking, features, profile)
    return tuple(
        f"{feature.missing}; "
        + (
            feature.consequence
            if feature.word in skipped
            else f"the profile {profile.name} expects the feature, so all cases are run"
        )
        for feature in features
        if feature.word in lacking
    )
