# SPDX-License-Identifier: GPL-2.0-only
"""Compile a transcript, judged by a profile, to commands and POSIX regular expressions for a shell script. Pure.

The script knows neither traits nor guards: of each choice, what the profile expects is kept. An output is matched as a
whole, each line with its newline. A number that varies is ``@{TOKEN}`` in commands and expressions; the script puts the
number there once an output has shown it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.base.errors import UsageError
from harness.session.match import branches, is_played
from harness.session.step import ExpectedLine, Step
from harness.session.transcript import Transcript
from harness.session.varying import Bindings, divide_line, substitute

_ANY_LINES = "([^\n]*\n)*"
_SPECIAL = re.compile(r"[][\\.^$*+?(){}|]")
_NO_TOKEN = "-"


@dataclass(frozen=True, slots=True)
class Expectation:
    """An output that a step may have.

    :param expression: POSIX extended regular expression of the whole output.
    :param tokens: the token of each group of the expression; ``-`` for a group without one.
    """

    expression: str
    tokens: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExportedStep:
    """A command, and the outputs that match; without any, no output matches.

    :param line: number of the command's line in the session file, from 1.
    :param console: name of the console.
    :param prompt: the prompt that the console has before the command.
    :param command: the command, maybe of several lines.
    :param expectations: the outputs that match.
    """

    line: int
    console: str
    prompt: str
    command: str
    expectations: tuple[Expectation, ...]


def compile_steps(transcript: Transcript, expected: Mapping[str, str]) -> tuple[ExportedStep, ...]:
    """Return the steps that are played on a kernel that is as expected.

    :param expected: the values of the profile, by trait.
    :raises UsageError: what is played depends on a trait that the profile does not define.
    """
    steps = []
    unasked: set[str] = set()
    for step in transcript.steps:
        guard = step.guard
        if guard is not None and guard.trait not in expected and guard.trait not in unasked:
            raise UsageError(
                f"{transcript.path}:{step.line} cannot be exported",
                evidence=f"whether it is played depends on {guard.trait}, which the profile of the run does not define",
                remedy="export it from a run with a profile that does: harness run KERNEL --profile mainline",
            )
        if is_played(guard, {}, expected_values=expected, unasked=unasked):
            steps.append(_compile(step, transcript.varies, expected))
        else:
            unasked |= {choice.trait for choice in step.choices}
    return tuple(steps)


def _compile(step: Step, tokens: Sequence[str], expected: Mapping[str, str]) -> ExportedStep:
    varies = tuple(tokens)
    found = [
        _expectation(lines, varies)
        for values, lines in branches(step.expected, expected)
        if all(expected.get(trait, value) == value for trait, value in values.items())
    ]
    if not step.expected and step.command.split("#")[0].split()[:1] == ["exit"]:
        # bash prints "exit" when an interactive shell ends; posted sessions often omit that line.
        found = [Expectation("^(exit\n)?$", (_NO_TOKEN,))]
    command = substitute(step.command, Bindings(varies, tuple(map(_mark, varies))))
    return ExportedStep(step.line, step.console.value, step.prompt.text, command, tuple(dict.fromkeys(found)))


def _expectation(lines: Sequence[ExpectedLine], varies: tuple[str, ...]) -> Expectation:
    pieces: list[str] = []
    tokens: list[str] = []
    for line in lines:
        if line.is_any_lines:
            pieces.append(_ANY_LINES)
            tokens.append(_NO_TOKEN)
            continue
        expression, found = _line(line, varies)
        pieces.append(expression + "\n")
        tokens += found
    return Expectation(f"^{''.join(pieces)}$", tuple(tokens))


def _line(line: ExpectedLine, varies: tuple[str, ...]) -> tuple[str, list[str]]:
    """Return the expression of one line, and the token of each of its groups."""
    if line.literal:
        return _escape(line.text), []
    parts = divide_line(line.text, varies)
    first, *others = map(_escape, parts.literals)
    pieces, tokens = [first], list(parts.tokens)
    for token, literal in zip(parts.tokens, others, strict=True):
        pieces += [f"({_mark(token)})", literal]
    if parts.gap is not None:
        pieces.append(f"({_escape(parts.gap)}[^\n]*)?" if parts.gap else "([^\n]*)")
        tokens.append(_NO_TOKEN)
    return "".join(pieces), tokens


def _escape(text: str) -> str:
    return _SPECIAL.sub(lambda found: "\\" + found.group(), text)


def _mark(token: str) -> str:
    return f"@{{{token}}}"
