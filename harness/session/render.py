# SPDX-License-Identifier: GPL-2.0-only
"""Write a session file with its real output, and the difference as a patch to the file. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from harness.base.errors import CaseError
from harness.session.alignment import AlignedBlock, Patterns, align
from harness.session.header import Header, read_header
from harness.session.match import branches, match_step, pattern_of
from harness.session.output import read_output
from harness.session.shell_syntax import read_shell
from harness.session.step import ESCAPE, GUARD, ExpectedLine, Step, find_token_faults, read_expected
from harness.session.transcript import Transcript
from harness.session.varying import ELLIPSIS, Bindings, LinePattern, line_pattern, restore


@dataclass(frozen=True, slots=True)
class PlayedStep:
    """A step that was played.

    :param step: the step of the transcript.
    :param output: the output after the command was typed, as text.
    :param status: the command's exit status; None if it did not return.
    :param prompt_seen: the prompt printed when the command had returned; None if there was none.
    :param seconds: time from typing the command to that prompt.
    :param shell_pid: pid of the shell that printed the prompt; None if it is unknown.
    """

    step: Step
    output: str
    status: int | None = None
    prompt_seen: str | None = None
    seconds: float = 0.0
    shell_pid: int | None = None


def render_actual(transcript: Transcript, played: Sequence[PlayedStep]) -> str:
    """Render a transcript's file with the real output of its steps.

    A step whose output matches is kept byte for byte. In the others, lines that match are kept (with their tokens and
    ellipses, and alternatives of which one matches). The other lines are replaced by the output, with the example's
    tokens where they are known; a line that would not be read as output is escaped. Header, prose, commands and steps
    that were not played are kept. Only ``varies`` loses the tokens that no output shows any more before a command uses
    them: otherwise the file could not be read again.

    :param played: the steps that were played, in the order of the transcript.
    """
    tokens = transcript.varies
    while True:
        changed = dict(_changed_steps(transcript, played, tokens))
        steps = [changed[step.line].step if step.line in changed else step for step in transcript.steps]
        faulty = {fault.token for fault in find_token_faults(steps, tokens)}
        if not faulty:
            break
        tokens = tuple(token for token in tokens if token not in faulty)
    lines = list(transcript.lines)
    for step in reversed(transcript.steps):
        if step.line in changed:
            lines[step.output_start : step.output_stop] = changed[step.line].lines
    if tokens != transcript.varies:
        headers = [request.preparation for request in transcript.preparations]
        _rewrite_varies(lines, read_header(transcript.lines, path=transcript.path, preparations=headers), tokens)
    return "\n".join(lines)


def diff(original: str, actual: str, *, path: str) -> str:
    """Return the patch that turns the first text of a file into the second; "" if they are equal."""
    patch = difflib.unified_diff(_with_ends(original), _with_ends(actual), f"a/{path}", f"b/{path}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in patch)


def _with_ends(text: str) -> list[str]:
    # Not splitlines(): it also ends lines at characters that patch(1) does not.
    *lines, last = text.split("\n")
    return [*(f"{line}\n" for line in lines), *([last] if last else [])]


@dataclass(frozen=True, slots=True)
class _Rewritten:
    """A step with a new expectation, and its lines in the file."""

    step: Step
    lines: tuple[str, ...]


def _rewrite_varies(lines: list[str], header: Header, tokens: Sequence[str]) -> None:
    first, after = header.fields["varies"]
    end = "\r" if lines[first].endswith("\r") else ""
    lines[first:after] = [f"varies: {' '.join(tokens)}{end}"] if tokens else []


def _changed_steps(
    transcript: Transcript, played: Sequence[PlayedStep], tokens: tuple[str, ...]
) -> Iterator[tuple[int, _Rewritten]]:
    """Yield the steps whose output did not match, by line, with their new content."""
    whole_run = Bindings.none_of(tokens)
    for one in played:
        whole_run = match_step(one.step, one.output, whole_run).bindings
    bindings = Bindings.none_of(tokens)
    for one in played:
        matched = match_step(one.step, one.output, bindings)
        if not matched.fits:
            writer = _Writer(transcript, one, bindings, whole_run)
            rewritten = writer.merged() or writer.as_seen()
            whole_run = writer.whole_run
            matched = match_step(rewritten.step, one.output, bindings)
            yield one.step.line, rewritten
        bindings = matched.bindings


@dataclass(frozen=True, slots=True)
class _Unit:
    """A part of the expectation that is kept or replaced as a whole: a line, or alternatives of which one is compared.

    :param lines: its lines in the file, counted from 0.
    :param patterns: positions of its patterns in the list of all.
    :param soft: whether it can stand for no lines.
    :param greedy: whether it can stand for any number of lines.
    """

    lines: range
    patterns: range
    soft: bool
    greedy: bool


class _Writer:
    """Writer of the output of one step that does not match, as lines of the file.

    :param before: bindings of the tokens before the step.
    :param whole_run: bindings at the end of the run; no line may contradict them.
    """

    def __init__(self, transcript: Transcript, played: PlayedStep, before: Bindings, whole_run: Bindings) -> None:
        self.whole_run = whole_run
        self._path = transcript.path
        self._file = transcript.lines
        self._prompts = [prompt.text for prompts in transcript.prompts.values() for prompt in prompts]
        self._step = played.step
        self._output = played.output
        self._seen = read_output(played.output)
        self._before = before
        self._known = before
        self._end = "\r" if self._file[self._step.line - 1].endswith("\r") else ""

    def as_seen(self) -> _Rewritten:
        """Return all lines of the output."""
        return self._rewritten([self._written(at) for at in range(len(self._seen))])

    def merged(self) -> _Rewritten | None:
        """Return the lines that match as they are in the file, and the others from the output; None if that is invalid.

        The combination of alternatives is used of which most lines match, then the one of which fewest do not.
        """
        best: tuple[tuple[int, int], Bindings, list[_Unit], dict[int, range]] | None = None
        for values, _ in branches(self._step.expected, {}):
            units, patterns = self._units(values)
            stretches, learned = align(patterns, self._seen, self._before)
            kept = _kept(units, stretches)
            fitting = sum(len(units[at].patterns) for at in kept)
            score = fitting, fitting - sum(pattern is not None for pattern in patterns)
            if best is None or score > best[0]:
                best = score, learned, units, kept
        assert best is not None, "there is at least one combination, if only that of no choices"
        _, self._known, units, kept = best
        try:
            rewritten = self._rewritten(list(self._merge(units, kept)))
        except CaseError:  # alternatives of one trait have become adjacent
            return None
        if rewritten.lines and self._continues_command(rewritten.lines[0][len(self._step.indent) :]):
            return None
        return rewritten if match_step(rewritten.step, self._output, self._before).fits else None

    def _units(self, values: Mapping[str, str]) -> tuple[list[_Unit], Patterns]:
        expected = self._step.expected
        heads = [item if isinstance(item, ExpectedLine) else item.alternatives[0] for item in expected]
        starts = [*(head.line - 1 for head in heads), self._step.output_stop]
        units: list[_Unit] = []
        patterns: list[LinePattern | None] = []
        for item, start, stop in zip(expected, starts[:-1], starts[1:], strict=True):
            if isinstance(item, ExpectedLine):
                own = [pattern_of(item, self._before)]
            else:
                chosen = [a for a in item.alternatives if a.guard.value == values[item.trait]]
                own = [pattern_of(line, self._before) for alternative in chosen for line in alternative.lines]
            soft = all(pattern is None for pattern in own)
            place = range(len(patterns), len(patterns) + len(own))
            units.append(_Unit(range(start, stop), place, soft, soft and bool(own)))
            patterns += own
        return units, patterns

    def _merge(self, units: Sequence[_Unit], kept: Mapping[int, range]) -> Iterator[str]:
        """Yield the lines of the file: kept units, and between them the replacements of the others."""
        at = line = 0
        for place in (*kept, len(units)):
            lines = kept.get(place, range(len(self._seen), len(self._seen)))
            yield from self._between(units[at:place], range(line, lines.start))
            yield from self._as_in_file(units[place : place + 1])
            at, line = place + 1, lines.stop

    def _between(self, units: Sequence[_Unit], seen: range) -> Iterator[str]:
        """Yield the lines of the file for units and output that do not match.

        Soft units are kept if there was no output, or if the output can stand for them or for the other units.
        """
        soft = [unit for unit in units if unit.soft]
        solid = sum(len(unit.patterns) for unit in units if not unit.soft)
        absorbed = len(soft) == len(units) and any(unit.greedy for unit in units)
        if not seen or absorbed:
            yield from self._as_in_file(soft)
        elif len(seen) <= solid:
            yield from self._as_in_file(takewhile(lambda unit: unit.soft, units))
            yield from map(self._written, seen)
            yield from self._as_in_file(reversed(list(takewhile(lambda unit: unit.soft, reversed(units)))))
        else:
            yield from map(self._written, seen)

    def _as_in_file(self, units: Iterable[_Unit]) -> Iterator[str]:
        return (self._file[number] for unit in units for number in unit.lines)

    def _written(self, at: int) -> str:
        """Return a line of output as a line of the file: with the example's tokens, or escaped if necessary."""
        line = self._seen[at]
        if not line:
            return self._end
        text = restore(line, self._known)
        seen = line_pattern(text, self._known.tokens).match(line)
        learned = self.whole_run.learn(seen) if seen is not None else None
        if learned is None or not self._reads_as_output(text, first=at == 0):
            text = ESCAPE + line
        else:
            self.whole_run = learned
        return f"{self._step.indent}{text}{self._end}"

    def _reads_as_output(self, text: str, *, first: bool) -> bool:
        """Return whether the line, in the file, would be read as one line of output."""
        is_command = any(text.startswith(prompt) or text == prompt.rstrip() for prompt in self._prompts)
        is_special = text.startswith(ESCAPE) or text.strip() == ELLIPSIS or GUARD.fullmatch(text) is not None
        return not (is_command or is_special or (first and self._continues_command(text)))

    def _continues_command(self, text: str) -> bool:
        """Return whether the line, right after the command, would be read as a part of it."""
        command = read_shell(self._step.command)
        return (command.ends_in_comment and text.lstrip().startswith("#")) or (
            command.incomplete and text.startswith(">")
        )

    def _rewritten(self, lines: Sequence[str]) -> _Rewritten:
        indent = len(self._step.indent)
        texts = [line.removesuffix("\r")[indent:] for line in lines]
        first = self._step.output_start + 1
        expected = read_expected(list(enumerate(texts, first)), path=self._path)
        return _Rewritten(replace(self._step, expected=expected), tuple(lines))


def _kept(units: Sequence[_Unit], stretches: Sequence[AlignedBlock]) -> dict[int, range]:
    """Return the units that are kept, each with the lines that it stands for, without soft ones."""
    partners = dict(stretch.partners for stretch in stretches if stretch.partners)
    kept: dict[int, range] = {}
    for place, unit in enumerate(units):
        found = [partners[at] for at in unit.patterns if at in partners]
        if found and len(found) == len(unit.patterns) == found[-1] + 1 - found[0]:
            kept[place] = range(found[0], found[-1] + 1)
    return kept
