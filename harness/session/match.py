# SPDX-License-Identifier: GPL-2.0-only
"""Compare the output of a command with the output that its step expects. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
from typing import NamedTuple

from harness.model.verdict import TraitSighting
from harness.session.alignment import AlignedBlock, Patterns, align, fit
from harness.session.output import is_job_notice, read_output, without_trailing_blanks
from harness.session.step import Alternatives, Expected, ExpectedLine, Guard, Step
from harness.session.varying import Bindings, LinePattern, line_pattern, substitute, unlearned

__all__ = ["Bindings", "Sighting", "StepMatch", "is_played", "match_step", "substitute", "unlearned"]

SHOWN_CHARACTERS = 200
"""Longest part of a line that the reason quotes."""

_NO_VALUES: Mapping[str, str] = MappingProxyType({})


class Sighting(NamedTuple):
    """The only value of a trait under which a step's output matches; ``line`` is that of the alternative."""

    trait: str
    value: str
    line: int


@dataclass(frozen=True, slots=True)
class StepMatch:
    """The result of comparing an output with a step.

    :param fits: whether the output is the expected one, under some value of each trait that the step names.
    :param bindings: the earlier bindings with those that this output adds; in an output that does not match, only the
        lines that match add some.
    :param sightings: the values of traits that the output shows.
    :param diff: unified diff of expected and seen output, with this run's numbers; empty if the output matches.
    :param difference: the first difference, in one line; empty if the output matches.
    :param line: the line of the case file with the first difference; 0 if the output matches.
    """

    fits: bool
    bindings: Bindings
    sightings: tuple[Sighting, ...] = ()
    diff: str = ""
    difference: str = ""
    line: int = 0

    @property
    def reason(self) -> str:
        """Return the first difference with its line; empty if the output matches."""
        return f"line {self.line}: {self.difference}" if self.difference else ""

    def trait_sightings(self, path: str) -> tuple[TraitSighting, ...]:
        """Return the sightings for the verdict, with their lines in the case file ``path``."""
        return tuple(TraitSighting(seen.trait, seen.value, f"{path}:{seen.line}") for seen in self.sightings)


def is_played(
    guard: Guard | None,
    seen: Mapping[str, str],
    *,
    expected_values: Mapping[str, str] = _NO_VALUES,
    unasked: Collection[str] = (),
) -> bool:
    """Return whether a guarded step is to be played.

    :param guard: the guard of the step; None for a step without a guard.
    :param seen: the values of traits that were seen earlier in this case; they override those of the profile.
    :param expected_values: the values of the profile.
    :param unasked: traits that only a step that was not played could have shown. A step that depends on such a step is
        not played, whatever the profile expects.
    """
    if guard is None or guard.trait in seen:
        return guard is None or seen[guard.trait] == guard.value
    return guard.trait not in unasked and expected_values.get(guard.trait) == guard.value


def match_step(
    step: Step, output: str, bindings: Bindings, *, expected_values: Mapping[str, str] = _NO_VALUES
) -> StepMatch:
    """Compare an output with the expectation of a step.

    :param output: the output as text; line ends, escape sequences, white space at the end of lines and a shell's
        notices about jobs are ignored.
    :param bindings: the meaning of tokens that earlier outputs have shown.
    :param expected_values: the profile's values of traits; the diff of a mismatch shows these alternatives.
    """
    lines = without_trailing_blanks(line for line in read_output(output) if not is_job_notice(line))
    fitting: list[tuple[Mapping[str, str], Bindings]] = []
    for values, expected in branches(step.expected, expected_values):
        learned = fit(patterns_of(expected, bindings), lines, bindings)
        if learned is not None:
            fitting.append((values, learned))
    if fitting:
        return StepMatch(True, fitting[0][1], tuple(_sightings(step, [values for values, _ in fitting])))
    _, expected = next(branches(step.expected, expected_values))
    stretches, learned = align(patterns_of(expected, bindings), lines, bindings)
    line, difference = _first_difference(step, expected, lines, stretches, learned)
    diff = _diff(expected, lines, stretches, learned)
    return StepMatch(False, learned, diff=diff, difference=difference, line=line)


def branches(
    expected: Sequence[Expected], preferred: Mapping[str, str]
) -> Iterator[tuple[Mapping[str, str], tuple[ExpectedLine, ...]]]:
    """Yield the outputs that a step expects, one for each combination of values of the traits that it names.

    The combination of the preferred values comes first, then the others in the order of the file. All alternatives of
    one trait use the same value; without an alternative for it, they add no lines.
    """
    values: dict[str, dict[str, None]] = {}
    for item in expected:
        if isinstance(item, Alternatives):
            offered = values.setdefault(item.trait, {})
            offered.update(dict.fromkeys(alternative.guard.value for alternative in item.alternatives))
    ordered = [sorted(offered, key=lambda value: value != preferred.get(trait)) for trait, offered in values.items()]
    for combination in product(*ordered):
        chosen = dict(zip(values, combination, strict=True))
        yield chosen, _lines_under(expected, chosen)


def _lines_under(expected: Sequence[Expected], values: Mapping[str, str]) -> tuple[ExpectedLine, ...]:
    lines: list[ExpectedLine] = []
    for item in expected:
        if isinstance(item, ExpectedLine):
            lines.append(item)
        else:
            for alternative in item.alternatives:
                if alternative.guard.value == values[item.trait]:
                    lines += alternative.lines
    lines = [line for line in lines if not line.is_notice]
    while lines and not lines[-1].text and not lines[-1].literal:
        lines.pop()
    return tuple(lines)


def patterns_of(expected: Sequence[ExpectedLine], bindings: Bindings) -> Patterns:
    """Return the patterns of expected lines, with the tokens of these bindings."""
    return [pattern_of(line, bindings) for line in expected]


def pattern_of(line: ExpectedLine, bindings: Bindings) -> LinePattern | None:
    """Return the pattern of one expected line; None for any number of lines."""
    if line.is_any_lines:
        return None
    return LinePattern(line.text) if line.literal else line_pattern(line.text, bindings.tokens)


def _sightings(step: Step, fitting: Sequence[Mapping[str, str]]) -> Iterator[Sighting]:
    """Yield the traits for which all matching combinations have the same value."""
    for trait in dict.fromkeys(choice.trait for choice in step.choices):
        values = {combination[trait] for combination in fitting}
        alternatives = (a for choice in step.choices if choice.trait == trait for a in choice.alternatives)
        if len(values) == 1:
            value = values.pop()
            yield Sighting(trait, value, next(a.line for a in alternatives if a.guard.value == value))


def _shown(line: ExpectedLine, bindings: Bindings) -> str:
    return line.text if line.literal else substitute(line.text, bindings)


def _diff(
    expected: Sequence[ExpectedLine], lines: Sequence[str], stretches: Sequence[AlignedBlock], bindings: Bindings
) -> str:
    wanted: list[str] = []
    for stretch in stretches:
        texts = [_shown(expected[at], bindings) for at in stretch.patterns if not expected[at].is_any_lines]
        # Any lines that stand for everything in this block are no difference.
        wanted += texts if texts or not stretch.patterns else [lines[at] for at in stretch.lines]
        if stretch.partners:
            wanted.append(lines[stretch.partners[1]])
    return "\n".join(difflib.unified_diff(wanted, lines, "expected", "seen", lineterm=""))


def _first_difference(
    step: Step,
    expected: Sequence[ExpectedLine],
    lines: Sequence[str],
    stretches: Sequence[AlignedBlock],
    bindings: Bindings,
) -> tuple[int, str]:
    """Return the line of the case file with the first difference, and the difference in one line."""
    number = step.line
    for stretch in stretches:
        wanted = [expected[at] for at in stretch.patterns if not expected[at].is_any_lines]
        following = lines[stretch.lines.start : stretch.lines.start + 1]
        seen = f"saw {_quoted(following[0])}" if following else "saw nothing"
        if wanted:
            return wanted[0].line, f"expected {_quoted(_shown(wanted[0], bindings))}, {seen}"
        if stretch.lines and not stretch.patterns:
            return number, f"expected nothing more here, {seen}"
        if stretch.partners:
            number = expected[stretch.partners[0]].line
    return step.line, "the output does not match"


def _quoted(text: str) -> str:
    return f'"{text}"' if len(text) <= SHOWN_CHARACTERS else f'"{text[:SHOWN_CHARACTERS]}"...'
