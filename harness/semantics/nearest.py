# SPDX-License-Identifier: GPL-2.0-only
"""Find the profiles that are nearest to the traits that a run has seen. Pure.

Profiles of different features must not be compared: the behavior of one feature says nothing about another one of the
same suite, and a kernel may have both. So traits fall into families
(:func:`~harness.semantics.traits.Semantics.families`), and each family has a nearest profile of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from harness.semantics.profile import Nearness, Profile, nearness
from harness.semantics.traits import Semantics

_THEMES = 2
"""The themes that name a family of traits."""


def find_nearest(semantics: Semantics, seen: Mapping[str, str], *, own: Profile | None = None) -> tuple[Nearness, ...]:
    """Find the nearest profile of each family of traits that was seen, and the next one.

    :param seen: the value seen of each trait.
    :param own: the profile that judged the run. Of several equally near profiles it is preferred, so that the result
        for a 6.1 kernel is mainline-6.1 and not the release in which mainline changed last.
    :return: the nearest of the largest family first, with the number of profiles that are equally near to that family.
        Families with the same nearest profile are joined. A further family of which one trait was seen is left out, as
        one value is no reason to name a release. Last comes the first profile that is further from the largest family.
        Empty if nothing was seen.
    """
    candidates = _candidates(semantics, own)
    families = sorted(
        ({trait: seen[trait] for trait in seen if trait in family} for family in semantics.families()),
        key=lambda one: -len(one),
    )
    families = [family for family in families if family]
    is_named = len(semantics.families()) > 1
    if not families:
        return ()
    ranked = [rank(candidates, family) for family in families]
    first = ranked[0][0].profile
    together = dict(families[0])
    others = []
    for family, ranking in zip(families[1:], ranked[1:], strict=True):
        as_near = {one.profile for one in ranking if one.halves == ranking[0].halves}
        if first in as_near:
            together |= family
        elif len(family) > 1:
            others.append(replace(ranking[0], family=_themes(semantics, family) if is_named else ""))
    name = _themes(semantics, together) if is_named else ""
    whole = {one.profile: replace(one, family=name) for one in rank(candidates, together)}
    further = [one for one in ranked[0] if one.halves > ranked[0][0].halves]
    nearest = replace(whole[first], ties=len(ranked[0]) - len(further) - 1)
    return (nearest, *others, *(whole[one.profile] for one in further[:1]))


def _themes(semantics: Semantics, traits: Iterable[str]) -> str:
    """Name traits by their themes, those of most traits first."""
    themes = [theme for theme, _ in Counter(semantics.traits[trait].theme for trait in traits).most_common()]
    return ", ".join([*themes[:_THEMES], *(["..."] if len(themes) > _THEMES else [])])


def rank(profiles: Iterable[Profile], seen: Mapping[str, str]) -> tuple[Nearness, ...]:
    """Sort profiles by their distance from the values seen; equally near ones keep their order."""
    return tuple(sorted((nearness(profile, seen) for profile in profiles), key=lambda one: one.halves))


def _candidates(semantics: Semantics, own: Profile | None) -> tuple[Profile, ...]:
    """Return all profiles, with the run's own first, which replaces an equal one."""
    known = semantics.profiles()
    if own is None or not own.expectations:
        return known
    values = _says(own)
    return (own, *(profile for profile in known if profile.name != own.name and _says(profile) != values))


def _says(profile: Profile) -> Mapping[str, tuple[str, bool]]:
    return {trait: (expected.value, expected.confirmed) for trait, expected in profile.expectations.items()}
