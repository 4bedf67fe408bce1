"""Why there is nothing to bisect: errors that say what was compared, and what to do now. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.base.errors import UsageError
from harness.bisect.targets import Kind, Target

SHOWN = 6
"""So many names or lines are shown of what may be many."""


@dataclass(frozen=True, slots=True)
class End:
    """An end of the history.

    :param name: good or bad.
    :param commit: as the user may call it.
    :param run: its run folder, empty before it was asked.
    """

    name: str
    commit: str
    run: str


def same_image(ends: Sequence[End], image: str) -> UsageError:
    """Both ends are one kernel.

    :param image: sha256 of it.
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
    """What is to be traced is the same at both ends.

    :param values: of all that was compared, its value at either end.
    :param missing: what was asked for by name and does not differ; none when nothing at all does.
    :param compared: what was compared, in words.
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
        remedy="name ends further apart, or other cases with --cases; what fails now and then is seen with "
        "'harness run --repeat'",
    )


def compared_words(every: Iterable[Target]) -> str:
    """How much was compared: ``93 traits and 220 cases``."""
    kinds = [target.kind for target in every]
    return f"{kinds.count(Kind.TRAIT)} traits and {kinds.count(Kind.CASE)} cases"
