# SPDX-License-Identifier: GPL-2.0-only
"""Show the story of one trait: meaning, decisions with sources, cases that observe it, and kernels that showed it.

Pure: facts about the trait and a width in, lines out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.report.lines import Line, Tone
from harness.report.tables.semantics_matrix import trait_table
from harness.report.text import fold
from harness.results.sightings import Seen
from harness.semantics.observers import Observer
from harness.semantics.profile import Expectation, ReleaseChange
from harness.semantics.traits import MAINLINE, Semantics, Trait

UNCONFIRMED = "(?)"
_INDENT = 2


@dataclass(frozen=True, slots=True)
class Decision:
    """The behavior of one version.

    :param date: the date as ``2014-07-17``; empty if unknown.
    :param version: a posted version or a release.
    :param expectation: the value of the trait, with its source.
    :param also: the first releases of stable series that have it as well.
    """

    date: str
    version: str
    expectation: Expectation
    also: tuple[str, ...] = ()


def decisions(semantics: Semantics, trait: str) -> tuple[Decision, ...]:
    """Return the behavior of each version, in the order of time; of mainline the releases in which it changed.

    A release without a known date follows the one before it.
    """
    posted = [
        Decision(one.date, name, one.expectations[trait])
        for name, one in semantics.postings.items()
        if trait in one.expectations
    ]
    merged = [_merged(semantics, change) for change in semantics.changes.get(trait, ())]
    together = [(one.date, one) for one in posted]
    date = ""
    for one in merged:
        date = one.date or date
        together.append((date, one))
    return tuple(one for _, one in sorted(together, key=lambda pair: pair[0]))


def _merged(semantics: Semantics, change: ReleaseChange) -> Decision:
    also = tuple(map(str, change.backported or ()))
    return Decision(semantics.released.get(change.since, ""), f"Linux {change.since}", change.expectation, also)


def story_lines(
    semantics: Semantics, trait: Trait, *, observers: Sequence[Observer], seen: Seen, width: int
) -> list[Line]:
    """Return the story of a trait, folded to ``width`` columns except for paths, which are not cut.

    :param semantics: the traits and profiles of the suite.
    :param trait: the trait.
    :param observers: the cases that observe it.
    :param seen: the sightings.
    :param width: columns.
    """
    lines = [Line(trait.name, Tone.STRONG), *_prose(f"{trait.meaning[:1].upper()}{trait.meaning[1:]}.", width)]
    facts = f"Theme {trait.theme}; scenarios {', '.join(trait.scenarios) or 'none'}"
    lines += [Line(part, Tone.FAINT) for part in fold(facts, width)]
    lines += _heading("Values")
    longest = max(map(len, trait.values))
    for value, gloss in trait.values.items():
        lines += _hanging(f"{value:<{longest}}", gloss, width)
    if trait.story:
        lines += _heading("Story")
        for number, paragraph in enumerate(trait.story.split("\n\n")):
            lines += [*([Line("")] if number else []), *_prose(" ".join(paragraph.split()), width, indent=_INDENT)]
    lines += _heading("Behavior of each version, with its source")
    lines += _decision_lines(semantics, trait, width)
    lines += _heading("Cases that observe it")
    lines += [Line(f"  {one.path}:{one.line}") for one in observers] or [Line("  none", Tone.WARNING)]
    lines += _heading("Kernels that showed each value")
    for value in trait.values:
        where = [f"{one.kernel} ({one.image}, {one.date})" for one in seen.of(trait.name).get(value, ())]
        lines += _hanging(f"{value:<{longest}}", "; ".join(where) or "none yet", width)
    return lines


def story_table(semantics: Semantics, trait: Trait, *, observers: Sequence[Observer], seen: Seen) -> dict[str, object]:
    """Return the story of a trait as a JSON table.

    :param semantics: the traits and profiles of the suite.
    :param trait: the trait.
    :param observers: the cases that observe it.
    :param seen: the sightings.
    """
    return {
        "format_version": 1,
        **trait_table(trait, semantics.shown()),
        "decisions": [
            {
                "date": one.date,
                "version": one.version,
                "value": one.expectation.value,
                "confirmed": one.expectation.confirmed,
                "source": one.expectation.source,
                "also": list(one.also),
            }
            for one in decisions(semantics, trait.name)
        ],
        "cases": [{"path": one.path, "line": one.line, "values": list(one.values)} for one in observers],
        "seen": {
            value: [{"kernel": one.kernel, "image": one.image, "at": one.at} for one in where]
            for value, where in seen.of(trait.name).items()
        },
    }


def _decision_lines(semantics: Semantics, trait: Trait, width: int) -> list[Line]:
    found = decisions(semantics, trait.name)
    longest = max((len(one.version) for one in found), default=0)
    lines: list[Line] = []
    for one in found:
        mark = "" if one.expectation.confirmed else f" {UNCONFIRMED}"
        also = f"; in stable series from {', '.join(one.also)}" if one.also else ""
        lines.append(Line(f"  {one.date or '-':<10}  {one.version:<{longest}}  {one.expectation.value}{mark}"))
        lines += _prose(f"{one.expectation.source}{also}", width, indent=14, tone=Tone.FAINT)
    family = next(family for family in semantics.families() if trait.name in family)
    related = {
        name: one.expectations.keys() for name, one in semantics.postings.items() if one.expectations.keys() & family
    }
    silent = [name for name, spoken in related.items() if trait.name not in spoken]
    if not semantics.changes.get(trait.name):
        silent.append(MAINLINE)
    if silent:
        lines += _prose(f"Cannot show it, or unknown: {', '.join(silent)}", width, indent=_INDENT)
    if any(not one.expectation.confirmed for one in found):
        lines += _prose(f"{UNCONFIRMED} no primary source", width, indent=_INDENT, tone=Tone.FAINT)
    return lines


def _heading(text: str) -> list[Line]:
    return [Line(""), Line(text, Tone.STRONG), Line("")]


def _prose(text: str, width: int, *, indent: int = 0, tone: Tone = Tone.PLAIN) -> list[Line]:
    return [Line(" " * indent + part, tone) for part in fold(text, max(20, width - indent))]


def _hanging(name: str, text: str, width: int) -> list[Line]:
    """Return a name with a text beside it, folded."""
    indent = _INDENT + len(name) + 2
    first, *rest = fold(text, max(20, width - indent))
    return [Line(f"{' ' * _INDENT}{name}  {first}"), *(Line(" " * indent + part) for part in rest)]
