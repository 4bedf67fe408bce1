# SPDX-License-Identifier: GPL-2.0-only
"""Conclude a failing run on one screen: how many cases, which traits explain them, the first one, where the rest is.

Pure: a run record and a width in, lines out. Twenty-four lines of 80 columns hold these lines and the totals below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.model.run_record import CaseRecord, RunRecord, TraitRecord
from harness.model.verdict import Outcome
from harness.report.lines import Line, Tone
from harness.report.text import elide, fold, one_line

_MOST_TRAITS = 8


def conclusion_lines(run: RunRecord, width: int) -> list[Line]:
    """Return the conclusion of a run with failures.

    :param run: the record of the run.
    :param width: columns.
    """
    failed = [case for case in run.cases if case.is_failure or case.outcome is Outcome.ERROR]
    if not failed:
        return []
    traits = {trait.trait: trait for trait in run.traits if trait.expected and trait.confirmed}
    showing = {name: [case for case in failed if _denies(case, trait)] for name, trait in traits.items()}
    explained = sorted(((name, cases) for name, cases in showing.items() if cases), key=lambda one: -len(one[1]))
    first = failed[0]
    lines = [Line(f"{len(failed)} of {len(run.cases)} cases are not as expected", Tone.BAD)]
    lines += _trait_lines(explained, traits, width)
    ids = {case.id for _, cases in explained for case in cases}
    if ids and (left := len(failed) - len(ids)):
        lines.append(Line(f"  {left} {'is' if left == 1 else 'are'} not explained by a trait"))
    lines.append(Line(f"first: {one_line(first.id)}"))
    if first.reason:
        lines.append(Line(f"       {elide(one_line(first.reason), max(8, width - 7))}"))
    rest = "the rest: above; as a page: harness report --format html"
    return lines + [Line(text, Tone.FAINT) for text in fold(rest, width)]


def _denies(case: CaseRecord, trait: TraitRecord) -> bool:
    """Return whether a case saw another value of a trait than expected."""
    return any(one.trait == trait.trait and one.value != trait.expected for one in case.sightings)


def _trait_lines(
    explained: Sequence[tuple[str, Sequence[CaseRecord]]], traits: Mapping[str, TraitRecord], width: int
) -> list[Line]:
    lines = []
    for name, cases in explained[:_MOST_TRAITS]:
        trait = traits[name]
        number = f"{len(cases)} {'case' if len(cases) == 1 else 'cases'}"
        text = f"  {one_line(name)}: {one_line(trait.shown)}, expected {one_line(trait.expected)}: {number}"
        lines.append(Line(elide(text, max(8, width)), Tone.BAD))
    if (more := len(explained) - _MOST_TRAITS) > 0:
        lines.append(Line(f"  and {more} more {'trait' if more == 1 else 'traits'}"))
    return lines


def not_run_lines(run: RunRecord, width: int) -> list[Line]:
    """Return the number of selected cases that were not run, and the first ones.

    :param run: the record of the run.
    :param width: columns.
    """
    if not run.not_run:
        return []
    number = len(run.not_run)
    named = ", ".join(map(one_line, run.not_run))
    text = f"{number} case{'' if number == 1 else 's'} not run: {named}"
    return [Line(elide(text, max(20, width)), Tone.WARNING)]
