"""The traits that no two kernels have told apart yet: a case that observes one of them was never seen both ways.

Pure: what was seen in, lines out.
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
    """A trait that was not seen with two values.

    :param seen: the values seen.
    :param lacking: the others, each with the profiles and shipped series that hold it.
    """

    trait: str
    seen: tuple[str, ...]
    lacking: tuple[tuple[str, tuple[str, ...]], ...]


Claims = Mapping[str, tuple[str, Mapping[str, str]]]
"""For each shipped series the profile of its base, and what it declares to be otherwise."""
NO_CLAIMS: Claims = {}


def find_lacks(semantics: Semantics, seen: Seen, claims: Claims = NO_CLAIMS) -> tuple[UncoveredTrait, ...]:
    """Every trait that was not seen with two values on kernels that were booted, in the order of the file."""
    profiles = [(one.name, one.values) for one in semantics.shown()]
    profiles += [(f"series:{name}", _said(semantics, *claim)) for name, claim in claims.items()]
    lacks = []
    for name, trait in semantics.traits.items():
        values = tuple(value for value in trait.values if seen.of(name).get(value))
        if len(values) < 2:
            lacking = (
                (value, tuple(holder for holder, values in profiles if values.get(name) == value))
                for value in trait.values
                if value not in values
            )
            lacks.append(UncoveredTrait(name, values, tuple(lacking)))
    return tuple(lacks)


def _said(semantics: Semantics, profile: str, declared: Mapping[str, str]) -> Mapping[str, str]:
    """What a shipped series claims: what it declares, and all of a posted version; of mainline nothing is new."""
    posting = semantics.postings.get(profile)
    return {**(posting.values if posting else {}), **declared}


def coverage_lines(semantics: Semantics, seen: Seen, width: int, *, claims: Claims = NO_CLAIMS) -> list[Line]:
    """What :func:`find_lacks` found, for a person; says so when it is nothing."""
    lacks = find_lacks(semantics, seen, claims)
    traits, kernels = len(semantics.traits), len(seen.kernels)
    if not lacks:
        text = f"Each of the {traits} traits was seen with two values or more, on {_number(kernels, 'kernel')}"
        return [Line(part, Tone.GOOD) for part in fold(text, width)]
    text = f"{len(lacks)} of {traits} traits were not seen with two values, on {_number(kernels, 'kernel')}"
    lines = [Line(part, Tone.STRONG) for part in fold(text, width)]
    for lack in lacks:
        lines += [Line(""), Line(lack.trait)]
        lines += _below("seen", lack.seen or ("nothing",), width)
        lines += _below("lacking", [f"{value} ({_holders(names)})" for value, names in lack.lacking], width)
    return lines


def coverage_table(semantics: Semantics, seen: Seen, *, claims: Claims = NO_CLAIMS) -> dict[str, object]:
    """The same as plain values, for JSON."""
    lacks = find_lacks(semantics, seen, claims)
    return {
        "format_version": 1,
        "traits": len(semantics.traits),
        "kernels": sorted(seen.kernels),
        "not_seen_with_two_values": [
            {
                "trait": one.trait,
                "seen": list(one.seen),
                "lacking": {value: list(names) for value, names in one.lacking},
            }
            for one in lacks
        ],
    }


def _holders(names: Sequence[str]) -> str:
    """Which profiles hold a value, mainline by its first release."""
    posted = [name for name in names if column_name(name) == name]
    merged = [column_name(name) for name in names if column_name(name) != name]
    return ", ".join([*posted, *(f"mainline from {first}" for first in merged[:1])]) or "no profile"


def _below(what: str, items: Sequence[str], width: int) -> list[Line]:
    texts = fold(f"{what:<8}{', '.join(items)}", max(20, width - _INDENT))
    return [Line(" " * (_INDENT + (8 if at else 0)) + text) for at, text in enumerate(texts)]


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
