# SPDX-License-Identifier: GPL-2.0-only
"""Find the traits that have not been observed with two values: no kernel has shown another value yet.

Pure: sightings in, lines out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.report.lines import Line, Tone
from harness.report.tables.semantics_matrix import column_name
from harness.report.text import fold
from harness.results.sightings import Seen
from harness.semantics.traits import Semantics

_INDENT = 4


@dataclass(frozen=True, slots=True)
class UncoveredTrait:
    """A trait that has not been observed with two values.

    :param trait: its name.
    :param seen: the values that were observed.
    :param unseen: the other values, each with the profiles and shipped series that expect it.
    """

    trait: str
    seen: tuple[str, ...]
    unseen: tuple[tuple[str, tuple[str, ...]], ...]


Claims = Mapping[str, tuple[str, Mapping[str, str]]]
"""For each shipped series the profile of its base and the changes that it declares."""
NO_CLAIMS: Claims = {}


def find_uncovered(semantics: Semantics, seen: Seen, claims: Claims = NO_CLAIMS) -> tuple[UncoveredTrait, ...]:
    """Return the traits that no booted kernels showed with two values, in the order of the file.

    :param semantics: the traits and profiles of the suite.
    :param seen: the sightings.
    :param claims: the declarations of the shipped series.
    """
    profiles = [(one.name, one.values) for one in semantics.shown()]
    profiles += [(f"series:{name}", _claimed(semantics, *claim)) for name, claim in claims.items()]
    found = []
    for name, trait in semantics.traits.items():
        values = tuple(value for value in trait.values if seen.of(name).get(value))
        if len(values) < 2:
            unseen = (
                (value, tuple(holder for holder, values in profiles if values.get(name) == value))
                for value in trait.values
                if value not in values
            )
            found.append(UncoveredTrait(name, values, tuple(unseen)))
    return tuple(found)


def _claimed(semantics: Semantics, profile: str, declared: Mapping[str, str]) -> Mapping[str, str]:
    """Return the values that a shipped series claims: those it declares, and all of a posted version."""
    posting = semantics.postings.get(profile)
    return {**(posting.values if posting else {}), **declared}


def coverage_lines(semantics: Semantics, seen: Seen, width: int, *, claims: Claims = NO_CLAIMS) -> list[Line]:
    """Return the lines of :func:`find_uncovered`."""
    found = find_uncovered(semantics, seen, claims)
    traits, kernels = len(semantics.traits), len(seen.kernels)
    if not found:
        text = f"Each of the {traits} traits was observed with two values or more, on {_number(kernels, 'kernel')}"
        return [Line(part, Tone.GOOD) for part in fold(text, width)]
    text = f"{len(found)} of {traits} traits were not observed with two values, on {_number(kernels, 'kernel')}"
    lines = [Line(part, Tone.STRONG) for part in fold(text, width)]
    for one in found:
        lines += [Line(""), Line(one.trait)]
        lines += _below("seen", one.seen or ("nothing",), width)
        lines += _below("unseen", [f"{value} ({_holders(names)})" for value, names in one.unseen], width)
    return lines


def coverage_table(semantics: Semantics, seen: Seen, *, claims: Claims = NO_CLAIMS) -> dict[str, object]:
    """Return the result of :func:`find_uncovered` as a JSON table."""
    found = find_uncovered(semantics, seen, claims)
    return {
        "format_version": 1,
        "traits": len(semantics.traits),
        "kernels": sorted(seen.kernels),
        "not_seen_with_two_values": [
            {
                "trait": one.trait,
                "seen": list(one.seen),
                "lacking": {value: list(names) for value, names in one.unseen},
            }
            for one in found
        ],
    }


def _holders(names: Sequence[str]) -> str:
    """Return the profiles that expect a value; of mainline only the first release."""
    posted = [name for name in names if column_name(name) == name]
    merged = [column_name(name) for name in names if column_name(name) != name]
    return ", ".join([*posted, *(f"mainline from {first}" for first in merged[:1])]) or "no profile"


def _below(what: str, items: Sequence[str], width: int) -> list[Line]:
    texts = fold(f"{what:<8}{', '.join(items)}", max(20, width - _INDENT))
    return [Line(" " * (_INDENT + (8 if at else 0)) + text) for at, text in enumerate(texts)]


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
