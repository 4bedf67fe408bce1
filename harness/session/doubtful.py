# SPDX-License-Identifier: GPL-2.0-only
"""Find new output that would differ in the next run: process ids, and errors about process ids of another run. Pure.

A posted session shows the process ids of its author's machine. With its header ``varies`` they stand for those of a
run; without it, the first run prints other numbers, and commands that name the old ones fail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from harness.session.step import ExpectedLine, Step
from harness.session.transcript import Transcript
from harness.session.varying import find_tokens

_NUMBER = re.compile(r"(?<![\w.:/-])[0-9]{2,7}(?![\w.:/-])")
_SHOWS_PIDS = re.compile(
    r"\$\$|\$!|\$BASHPID|\$PPID|\b(?:pgrep|pidof|ps|jobs)\b|\.(?:procs|threads)\b|/tasks\b|\bN?S?[Pp]id\b|/proc/self\b"
)
_NO_PROCESS = re.compile(r"No such process|No such file or directory|no such process")
_NAMED_PID = re.compile(r"/proc/([0-9]{2,7})\b|\b(?:kill|nsenter|echo|setns)\b[^|;&\n]*?\b([0-9]{2,7})\b")


@dataclass(frozen=True, slots=True)
class Doubt:
    """A new line of output that the next run would not print.

    :param line: its number in the new text of the file.
    :param text: the line.
    :param token: the number to name in ``varies``: that of the file where it has one, else that of the run.
    :param is_error: whether the line is an error about a process of another run.
    :param is_in_file: whether the file has the number already.
    """

    line: int
    text: str
    token: str
    is_error: bool
    is_in_file: bool


def find_doubts(before: Transcript, after: Transcript) -> tuple[Doubt, ...]:
    """Return a doubt for each new line with a number that varies from run to run.

    :param before: the session file.
    :param after: the same with the output of a run.
    """
    known = {step.line: step for step in _steps_of(before, after)}
    found = (doubt for step in after.steps for doubt in _step_doubts(known.get(step.line), step, after.varies))
    return tuple(found)


def _steps_of(before: Transcript, after: Transcript) -> Iterator[Step]:
    """Yield the steps of the old file under the line numbers of the new one; commands are the same in both."""
    for old, new in zip(before.steps, after.steps, strict=False):
        yield replace(old, line=new.line)


def _step_doubts(old: Step | None, step: Step, varies: tuple[str, ...]) -> Iterator[Doubt]:
    before = [line.text for line in _lines(old)] if old else []
    named = [number for found in _NAMED_PID.findall(step.command) for number in found if number]
    for line in _lines(step):
        if line.text in before:
            continue
        if _NO_PROCESS.search(line.text) and (token := next((one for one in named if one not in varies), "")):
            yield Doubt(line.line, line.text, token, is_error=True, is_in_file=True)
        elif _SHOWS_PIDS.search(step.command) or _SHOWS_PIDS.search(line.text):
            yield from _numbers(line, before, varies)


def _numbers(line: ExpectedLine, before: list[str], varies: tuple[str, ...]) -> Iterator[Doubt]:
    shape = _NUMBER.sub("0", line.text)
    twin = next((one for one in before if _NUMBER.sub("0", one) == shape), "")
    old = _NUMBER.findall(twin)
    covered = {token for _, token in find_tokens(line.text, varies)}
    for at, number in enumerate(_NUMBER.findall(line.text)):
        if number not in covered and (not old or old[at] != number):
            yield Doubt(line.line, line.text, old[at] if old else number, is_error=False, is_in_file=bool(old))


def _lines(step: Step) -> Iterator[ExpectedLine]:
    for item in step.expected:
        if isinstance(item, ExpectedLine):
            yield item
        else:
            yield from (line for alternative in item.alternatives for line in alternative.lines)
