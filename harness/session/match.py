"""Hold what a command printed against what its step expects. Pure."""

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
"""A line is cut to this length in the reason."""

_NO_VALUES: Mapping[str, str] = MappingProxyType({})


class Sighting(NamedTuple):
    """The one value of a trait under which a step's output fits; ``line`` is that of the alternative."""

    trait: str
    value: str
    line: int


@dataclass(frozen=True, slots=True)
class StepMatch:
    """What came of holding an output against a step.

    :param fits: the output is what the step expects, under some value of each trait that it names.
    :param bindings: those of before with what this output taught; of an output that does not fit, what the lines taught
        that are as expected.
    :param sightings: the values of traits that the output shows.
    :param diff: expected against seen, unified, with this run's numbers; empty where it fits.
    :param difference: the first difference, in one line; empty where it fits.
    :param line: the line of the case file where that is; 0 where it fits.
    """

    fits: bool
    bindings: Bindings
    sightings: tuple[Sighting, ...] = ()
    diff: str = ""
    difference: str = ""
    line: int = 0

    @property
    def reason(self) -> str:
        """The first difference and its line; empty where it fits."""
        return f"line {self.line}: {self.difference}" if self.difference else ""

    def trait_sightings(self, path: str) -> tuple[TraitSighting, ...]:
        """The sightings as the verdict has them, with the place in the case file ``path``."""
        return tuple(TraitSighting(seen.trait, seen.value, f"{path}:{seen.line}") for seen in self.sightings)


def is_played(
    guard: Guard | None,
    seen: Mapping[str, str],
    *,
    expected_values: Mapping[str, str] = _NO_VALUES,
    unasked: Collection[str] = (),
) -> bool:
    """Tell whether a guarded step is to be played.

    :param seen: the values of traits seen earlier in this case; they count before those of the profile.
    :param expected_values: the profile's.
    :param unasked: traits that an earlier step of this case would have shown, had it been played. What builds on such
        a step makes no sense without it, whatever the profile says.
    """
    if guard is None or guard.trait in seen:
        return guard is None or seen[guard.trait] == guard.value
    return guard.trait not in unasked and expected_values.get(guard.trait) == guard.value


def match_step(
    step: Step, output: str, bindings: Bindings, *, expected_values: Mapping[str, str] = _NO_VALUES
) -> StepMatch:
    """Hold an output against a step.

    :param output: what the console printed, as text; line ends, escape sequences and white space at the end of lines do
        not count, nor do a shell's notices about jobs.
    :param expected_values: the profile's values of traits: they decide which alternative a mismatch is shown against.
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
    """The outputs that a step expects, one for each combination of values of the traits that it names.

    The combination of the preferred values comes first, then the order of the file. All choices of one trait take the
    same value; one that has no alternative for it stands for no lines.
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
    """The patterns of expected lines, with the tokens of these bindings."""
    return [pattern_of(line, bindings) for line in expected]


def pattern_of(line: ExpectedLine, bindings: Bindings) -> LinePattern | None:
    """The pattern of one expected line; None for any lines."""
    if line.is_any_lines:
        return None
    return LinePattern(line.text) if line.literal else line_pattern(line.text, bindings.tokens)


def _sightings(step: Step, fitting: Sequence[Mapping[str, str]]) -> Iterator[Sighting]:
    """The traits for which all combinations that fit agree on the value."""
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
        # Any lines that face all there is in this stretch are no difference.
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
    """The line of the case file with the first difference, and that difference in one line."""
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
    return step.line, "the output does not fit"


def _quoted(text: str) -> str:
    return f'"{text}"' if len(text) <= SHOWN_CHARACTERS else f'"{text[:SHOWN_CHARACTERS]}"...'
