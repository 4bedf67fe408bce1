# SPDX-License-Identifier: GPL-2.0-only
"""Make the errors for ends that do not differ: what was compared, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.base.errors import UsageError
from harness.bisect.targets import Kind, Target

SHOWN = 6
"""The number of names or lines that an error shows at most."""
_COUNTED = {
    Kind.TRAIT: "traits",
    Kind.CASE: "cases",
    Kind.SPLAT: "splats",
    Kind.INVENTORY: "entries of the inventory",
}
_WHETHER = {Kind.BUILDS: "whether it builds", Kind.BOOTS: "whether it boots"}


@dataclass(frozen=True, slots=True)
class End:
    """An end of the history.

    :param name: good or bad.
    :param commit: its short name.
    :param run: its run folder; empty before cases ran on it.
    """

    name: str
    commit: str
    run: str


def same_image(ends: Sequence[End], image: str) -> UsageError:
    """Return the error for ends with the same kernel image.

    :param ends: both ends.
    :param image: the sha256 of the image.
    """
    shown = [f"{end.name}: {end.commit}" for end in ends]
    return UsageError(
        "nothing differs between the ends: they have the same kernel image",
        evidence="\n".join([*shown, f"compared: sha256 of both images, {image}"]),
        remedy="name ends further apart, or build what differs with --config",
    )


def no_difference(
    ends: Sequence[End], values: Mapping[str, tuple[str | None, str | None]], missing: Sequence[str], *, compared: str
) -> UsageError:
    """Return the error for targets with the same values at both ends.

    :param ends: both ends.
    :param values: the values of each compared target at both ends.
    :param missing: the names of the user's targets that do not differ; empty if nothing differs at all.
    :param compared: a description of what was compared.
    """
    alike = [target for target in values if any(name in target for name in missing)]
    shown = [
        f"{name}: {values[name][0]} at both ends" if name in values else f"{name}: no case has shown it at both ends"
        for name in (alike or missing)[:SHOWN]
    ]
    lines = [f"{end.name}: {end.commit}, {end.run}" for end in ends]
    verb = "does" if len(missing) == 1 else "do"
    what = f"{', '.join(missing[:SHOWN])} {verb} not differ" if missing else "nothing differs"
    return UsageError(
        f"{what} between the ends",
        evidence="\n".join([*lines, *shown, f"compared: {compared}"]),
        remedy="name ends further apart, or other cases with --cases; find flaky cases with harness run --repeat",
    )


def describe_targets(every: Iterable[Target]) -> str:
    """Return the number of targets, e.g. ``93 traits and 220 cases``."""
    kinds = [target.kind for target in every]
    parts = [f"{kinds.count(kind)} {what}" for kind, what in _COUNTED.items() if kinds.count(kind)]
    parts += [text for kind, text in _WHETHER.items() if kind in kinds]
    return " and ".join(parts) or "nothing"
