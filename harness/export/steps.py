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
from harness.session.varying import ELLIPSIS, find_tokens

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
    command = _marked(step.command, varies)
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
    text = line.text.rstrip()
    is_open = text.endswith(ELLIPSIS)
    whole = text.removesuffix(ELLIPSIS) if is_open else text
    body = whole.rstrip()
    pieces: list[str] = []
    tokens: list[str] = []
    at = 0
    for start, token in find_tokens(body, varies):
        pieces += [_escape(body[at:start]), f"(@{{{token}}})"]
        tokens.append(token)
        at = start + len(token)
    pieces.append(_escape(body[at:]))
    if is_open:
        gap = whole[len(body) :]
        pieces.append(f"({_escape(gap)}[^\n]*)?" if gap else "([^\n]*)")
        tokens.append(_NO_TOKEN)
    return "".join(pieces), tokens


def _escape(text: str) -> str:
    return _SPECIAL.sub(lambda found: "\\" + found.group(), text)


def _marked(text: str, varies: tuple[str, ...]) -> str:
    """Return a command with a mark in place of each token."""
    pieces, at = [], 0
    for start, token in find_tokens(text, varies):
        pieces += [text[at:start], f"@{{{token}}}"]
        at = start + len(token)
    return "".join([*pieces, text[at:]])
