# SPDX-License-Identifier: GPL-2.0-only
"""Define a step of a transcript: a command and its expected output, line by line. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from harness.session.console_name import ConsoleName
from harness.session.header import Prompt, case_error
from harness.session.output import is_job_notice
from harness.session.varying import ELLIPSIS, find_tokens

GUARD = re.compile(r"\(([a-z][a-z0-9_]*) = ([A-Za-z0-9_.-]+)\)(?: (.*))?")
_LIKE_A_COMMAND = re.compile(r"((?:[\w.@:~/()-]+#|[\w.@:~/()-]*\$|\[[^\]]*\][#$])) \S.*")
"""A line with a prompt that shells usually print and a command: ``sh2# ls``, ``$ ls``, ``root@host:~# ls``."""
ESCAPE = "\\"
COMBINATION_LIMIT = 256
"""Largest number of combinations of alternatives in a step: each is compared with the output."""


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition: one value of one trait."""

    trait: str
    value: str


@dataclass(frozen=True, slots=True)
class ExpectedLine:
    """One line of expected output.

    :param line: its number in the file, from 1.
    :param text: the text without guard and escape.
    :param literal: whether it was escaped: it has neither tokens nor an ellipsis.
    """

    line: int
    text: str
    literal: bool = False

    @property
    def is_any_lines(self) -> bool:
        """Return whether the line stands for any number of lines."""
        return not self.literal and self.text.strip() == ELLIPSIS

    @property
    def is_notice(self) -> bool:
        """Return whether the line is a shell's notice about a job, which is not compared."""
        return not self.literal and is_job_notice(self.text)


@dataclass(frozen=True, slots=True)
class Alternative:
    """The output expected under one value of a trait, maybe no lines; ``line`` is that of its first guard."""

    guard: Guard
    line: int
    lines: tuple[ExpectedLine, ...]


@dataclass(frozen=True, slots=True)
class Alternatives:
    """Alternatives for one part of an output, one for each value of one trait."""

    trait: str
    alternatives: tuple[Alternative, ...]


Expected = ExpectedLine | Alternatives


@dataclass(frozen=True, slots=True)
class Step:
    """A command and its expected output.

    :param line: number of the command's line in the file, from 1.
    :param prompt: the prompt in front of the command.
    :param command: the input without prompts; several lines are joined by a newline. A comment is kept, without the
        lines that only continue it.
    :param expected: the expected output.
    :param guard: the value of a trait under which the step is played; None for always.
    :param indent: the indentation of its lines.
    :param output_start: the first line of the output, counted from 0.
    :param output_stop: the line after the last one of the output, counted from 0.
    """

    line: int
    prompt: Prompt
    command: str
    expected: tuple[Expected, ...] = ()
    guard: Guard | None = None
    indent: str = ""
    output_start: int = 0
    output_stop: int = 0

    @property
    def console(self) -> ConsoleName:
        """Return the console where the command is typed."""
        return self.prompt.console

    @property
    def choices(self) -> tuple[Alternatives, ...]:
        """Return the guarded parts of the expected output."""
        return tuple(item for item in self.expected if isinstance(item, Alternatives))


def read_expected(lines: Sequence[tuple[int, str]], *, path: str) -> tuple[Expected, ...]:
    """Read the lines of one output, each with its number in the file and without the block's indentation.

    :param path: name of the file, for errors.
    :raises CaseError: one value of a trait has two alternatives at one place, or there are too many combinations.
    """
    expected: list[Expected] = []
    read = [(number, *_read_line(number, text)) for number, text in lines]
    for trait, group in groupby(read, key=lambda item: item[1].trait if item[1] else None):
        if trait is None:
            expected += [line for _, _, line in group]
        else:
            expected.append(_read_choice(trait, list(group), path=path))
    if combinations(expected) > COMBINATION_LIMIT:
        remedy = "put some of the guarded lines into a step of their own"
        raise case_error(path, lines[0][0], "the step has too many combinations of alternatives", remedy=remedy)
    return tuple(expected)


def combinations(expected: Sequence[Expected]) -> int:
    """Return the number of combinations of values of the traits in an output."""
    values: dict[str, set[str]] = {}
    for item in expected:
        if isinstance(item, Alternatives):
            values.setdefault(item.trait, set()).update(a.guard.value for a in item.alternatives)
    return math.prod(len(of_trait) for of_trait in values.values())


def _read_line(number: int, text: str) -> tuple[Guard | None, ExpectedLine]:
    found = GUARD.fullmatch(text.rstrip())
    guard = Guard(found[1], found[2]) if found else None
    text = (found[3] or "") if found else text
    literal = text.startswith(ESCAPE)
    return guard, ExpectedLine(number, text.removeprefix(ESCAPE).rstrip(), literal)


def _read_choice(trait: str, lines: Sequence[tuple[int, Guard | None, ExpectedLine]], *, path: str) -> Alternatives:
    alternatives: list[Alternative] = []
    for guard, group in groupby(lines, key=lambda item: item[1]):
        members = tuple(line for _, _, line in group)
        if guard is None or guard in [known.guard for known in alternatives]:
            value = guard.value if guard else ""
            raise case_error(
                path,
                members[0].line,
                f"two alternatives for {trait} = {value}",
                remedy="put the lines of one alternative next to each other",
            )
        bare = not any(member.text or member.literal for member in members)
        alternatives.append(Alternative(guard, members[0].line, () if bare else members))
    return Alternatives(trait, tuple(alternatives))


@dataclass(frozen=True, slots=True)
class TokenFault:
    """A token of ``varies`` that the transcript cannot use; ``line`` is 0 if the transcript does not contain it."""

    token: str
    line: int
    what: str


def find_token_faults(steps: Sequence[Step], tokens: tuple[str, ...]) -> tuple[TokenFault, ...]:
    """Find tokens that a command uses before an output has shown them, and tokens that are not in the transcript."""
    faults: dict[str, TokenFault] = {}
    learned: set[str] = set()
    for step in steps:
        for _, token in find_tokens(step.command, tokens):
            if token not in learned:
                what = f"token {token!r} of `varies` is used in a command before an output has shown it"
                faults.setdefault(token, TokenFault(token, step.line, what))
        for line in _all_lines(step):
            if not (line.literal or line.is_notice):
                learned.update(token for _, token in find_tokens(line.text, tokens))
    for token in tokens:
        if token not in learned:
            faults.setdefault(token, TokenFault(token, 0, f"token {token!r} of `varies` is not in the transcript"))
    return tuple(faults.values())


def undeclared_command(step: Step) -> str:
    """Return a note on the first line of expected output that looks like a command after an undeclared prompt.

    Such a line is output, and compared as that: only when it is not printed the note is worth reading.

    :param step: the step.
    :return: the note; empty if there is no such line.
    """
    for line in _all_lines(step):
        if not line.literal and (found := _LIKE_A_COMMAND.fullmatch(line.text)):
            return f'line {line.line} looks like a command, but the prompt "{found[1]} " is not declared'
    return ""


def _all_lines(step: Step) -> Iterator[ExpectedLine]:
    for item in step.expected:
        if isinstance(item, ExpectedLine):
            yield item
        else:
            for alternative in item.alternatives:
                yield from alternative.lines
