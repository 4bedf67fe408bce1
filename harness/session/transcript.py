# SPDX-License-Identifier: GPL-2.0-only
"""Read a session file (``*.session``): the commands for each console, and their expected output. Pure.

A file has a header, prose in the first column, and the indented transcript. The rules:

* A run of indented lines is a block; empty lines between two of them belong to it. Its indentation is that of its first
  line, which must be a command.
* A line that starts with a prompt is a command; the longest prompt wins. A command that sets PS1 declares that prompt.
* ``> `` lines right after a command that is incomplete for bash continue it.
* A line that starts with ``#``, right after a command that ends in a comment, continues the comment if it is indented
  deeper than the prompt, or if its prompt is that of a shell that cannot answer because it has started another one.
* Everything else is expected output. Empty lines between two lines of output, and before the first one, are compared;
  those at the end of an output are not. White space at the end of a line is never compared.
* ``...`` at the end of a line stands for the rest of it, alone for any number of lines.
* ``(trait = value) text`` is output, or a command, under one value of a trait only.
* ``\\text`` is the literal output ``text``, whatever it looks like: no command, guard, token or ellipsis.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.base.errors import CaseError
from harness.session.console_name import ConsoleName
from harness.session.header import Header, Prompt, case_error, near, read_header
from harness.session.preparation import Preparation, PreparationRequest
from harness.session.shell_syntax import PromptSet, read_shell, shell_effects
from harness.session.step import (
    GUARD,
    Alternative,
    Alternatives,
    Expected,
    ExpectedLine,
    Guard,
    Step,
    find_token_faults,
    read_expected,
)

__all__ = [
    "Alternative",
    "Alternatives",
    "ConsoleName",
    "Expected",
    "ExpectedLine",
    "Guard",
    "Prompt",
    "Step",
    "Transcript",
    "check_traits",
    "guards",
    "parse",
]

# Prompts that shells usually print: `# `, `$ `, `sh2# `, `root@host:~# `, `[root@host ~]# `.
_LIKE_A_PROMPT = re.compile(r"((?:[\w.@:~/()-]*|\[[^\]]*\])[#$%])( .*)?")
_SECOND_PROMPT = re.compile(r">(?: (.*))?")


@dataclass(frozen=True, slots=True)
class Transcript:
    """The content of a session file.

    :param path: name of the file in messages: the id of the case.
    :param preparations: the preparations before the first step, by the headers of the suite.
    :param prompts: the prompts of each console; the first is that of its first shell, those that commands set are last.
    :param varies: the tokens of the example that differ from run to run.
    :param needs: options and features that the case needs.
    :param timeout_seconds: timeout of each step; None for the default.
    :param scenarios: ids of the scenarios that the case covers.
    :param source: the source of its facts.
    :param lines: the file's lines, unchanged.
    """

    path: str
    title: str
    preparations: tuple[PreparationRequest, ...]
    prompts: Mapping[ConsoleName, tuple[Prompt, ...]] = field(hash=False)
    varies: tuple[str, ...]
    needs: tuple[str, ...]
    timeout_seconds: float | None
    scenarios: tuple[str, ...]
    source: str
    steps: tuple[Step, ...]
    lines: tuple[str, ...]


def check_traits(transcript: Transcript, known: Mapping[str, Collection[str]]) -> None:
    """Check that the guards of a transcript name known traits and values.

    :param known: the values of each trait.
    :raises CaseError: a guard names an unknown trait or value.
    """
    for line, guard in guards(transcript):
        if guard.trait not in known:
            what, remedy = f"unknown trait {guard.trait!r}", near(guard.trait, known)
        elif guard.value not in known[guard.trait]:
            what = f"trait {guard.trait!r} has no value {guard.value!r}"
            remedy = near(guard.value, known[guard.trait])
        else:
            continue
        evidence = transcript.lines[line - 1].strip()
        raise case_error(transcript.path, line, what, evidence=evidence, remedy=remedy)


def guards(transcript: Transcript) -> Iterator[tuple[int, Guard]]:
    """Yield every guard of a transcript with its line."""
    for step in transcript.steps:
        if step.guard:
            yield step.line, step.guard
        for choice in step.choices:
            for alternative in choice.alternatives:
                yield alternative.line, alternative.guard


def parse(text: str, *, path: str, preparations: Sequence[Preparation] = ()) -> Transcript:
    """Read a session file.

    :param text: content of the file.
    :param path: name of the file in messages and results.
    :param preparations: the headers that the suite of the file defines.
    :raises CaseError: the text is not a valid session file; the message starts with ``path:line:``.
    """
    lines = tuple(text.split("\n"))
    header = read_header(lines, path=path, preparations=preparations)
    reader = _Reader(path, lines, header)
    reader.read()
    if not reader.steps:
        remedy = 'indent the transcript by four spaces; a command starts with a prompt, such as "    # true"'
        raise case_error(path, len(lines), "the file has no step", remedy=remedy)
    for fault in find_token_faults(reader.steps, header.varies):
        line = fault.line or header.fields["varies"][0] + 1
        remedy = "remove it from `varies`, or show it in the output of an earlier step"
        raise case_error(path, line, fault.what, evidence=lines[line - 1].strip(), remedy=remedy)
    prompts = reader.prompts.values()
    return Transcript(
        path=path,
        title=header.title,
        preparations=header.preparations,
        prompts={console: tuple(p for p in prompts if p.console is console) for console in ConsoleName},
        varies=header.varies,
        needs=header.needs,
        timeout_seconds=header.timeout_seconds,
        scenarios=header.scenarios,
        source=header.source,
        steps=tuple(reader.steps),
        lines=lines,
    )


class _Reader:
    """Reader of the blocks of a session file; it tracks which shell of a console can answer."""

    def __init__(self, path: str, lines: Sequence[str], header: Header) -> None:
        self.steps: list[Step] = []
        self.prompts = {prompt.text: prompt for prompt in header.prompts}
        self._path = path
        self._lines = lines
        self._at = header.body
        self._shells: dict[ConsoleName, list[str]] = {}
        for prompt in header.prompts:
            self._shells.setdefault(prompt.console, [prompt.text])

    def read(self) -> None:
        while self._at < len(self._lines):
            line = self._lines[self._at].rstrip()
            if line and line[0].isspace():
                self._block(line[: len(line) - len(line.lstrip())])
            else:
                self._at += 1

    def _block(self, indent: str) -> None:
        """Read one block; stop at the first line that does not belong to it."""
        if indent.strip(" \t"):
            remedy = "indent with spaces or tabs"
            raise self._fault(self._at, f"the line is indented with {indent.strip(' ')[0]!a}", remedy=remedy)
        if self._command(self._text(self._at, indent)) is None:
            raise self._no_command(self._text(self._at, indent))
        while (at := self._next_line(self._at)) is not None:
            self._at = at
            self._step(indent)

    def _next_line(self, at: int) -> int | None:
        """Return the next line of the block that is not empty; None at the end of the block."""
        while at < len(self._lines) and not self._lines[at].strip():
            at += 1
        return at if at < len(self._lines) and self._lines[at][0].isspace() else None

    def _text(self, at: int, indent: str) -> str:
        """Return a line of the block without the block's indentation."""
        line = self._lines[at].removesuffix("\r")
        if line.startswith(indent):
            return line[len(indent) :]
        own = line[: len(line) - len(line.lstrip())]
        if set(own) <= set(indent):
            remedy = "give all lines of a block the same indentation; prose starts in the first column"
            raise self._fault(at, "the line is indented less than the first one of its block", remedy=remedy)
        raise self._fault(at, "tabs and spaces are mixed", remedy="give all lines of a block the same indentation")

    def _step(self, indent: str) -> None:
        """Read the command at the current line, and its output."""
        first = self._at
        found = self._command(self._text(first, indent))
        assert found is not None, "a block starts with a command, and an output ends at the next one"
        guard, prompt, command = found
        self._at += 1
        command = self._continued(command, indent)
        self._follow(first, prompt, command)
        self._skip_comment(prompt.console, command, indent)
        start, output = self._at, self._output(indent)
        self.steps.append(
            Step(
                line=first + 1,
                prompt=prompt,
                command=command,
                expected=read_expected(output, path=self._path),
                guard=guard,
                indent=indent,
                output_start=start,
                output_stop=output[-1][0] if output else start,
            )
        )

    def _continued(self, command: str, indent: str) -> str:
        """Return the command with the lines after the shell's second prompt."""
        while self._is_in_block() and read_shell(command).incomplete:
            found = _SECOND_PROMPT.fullmatch(self._text(self._at, indent))
            if not found:
                break
            command += "\n" + (found[1] or "")
            self._at += 1
        return command

    def _is_in_block(self) -> bool:
        return self._next_line(self._at) == self._at

    def _skip_comment(self, console: ConsoleName, command: str, indent: str) -> None:
        """Skip the lines that only continue the comment at the end of a command."""
        if read_shell(command).ends_in_comment:
            while self._is_in_block() and self._continues_comment(self._text(self._at, indent), console):
                self._at += 1

    def _continues_comment(self, text: str, console: ConsoleName) -> bool:
        if not text.lstrip().startswith("#"):
            return False
        if text[0].isspace():
            return True
        prompt = self._prompt(text)
        shells = self._shells[console]
        return prompt is not None and prompt.text in shells[:-1] and prompt.text != shells[-1]

    def _output(self, indent: str) -> list[tuple[int, str]]:
        """Return the lines of output up to the next command or the end of the block, with their line numbers."""
        output: list[tuple[int, str]] = []
        while (at := self._next_line(self._at)) is not None:
            text = self._text(at, indent)
            if self._command(text) is not None:
                break
            output += [(number + 1, "") for number in range(self._at, at)]
            output.append((at + 1, text))
            self._at = at + 1
        return output

    def _command(self, text: str) -> tuple[Guard | None, Prompt, str] | None:
        """Split a line that starts with a prompt; return None for output."""
        found = GUARD.fullmatch(text)
        guard = Guard(found[1], found[2]) if found else None
        rest = (found[3] or "") if found else text
        prompt = self._prompt(rest)
        return (guard, prompt, rest[len(prompt.text) :]) if prompt else None

    def _prompt(self, text: str) -> Prompt | None:
        """Return the longest prompt that starts the line; white space at its end may be missing if nothing follows."""
        fitting = [known for known in self.prompts if text.startswith(known) or text.rstrip() == known.rstrip()]
        return self.prompts[max(fitting, key=len)] if fitting else None

    def _follow(self, at: int, prompt: Prompt, command: str) -> None:
        """Note which shell answers now, and which one answers next."""
        shells = self._shells[prompt.console]
        while prompt.text in shells and shells[-1] != prompt.text:
            shells.pop()
        if prompt.text not in shells:
            shells.append(prompt.text)
        for effect in shell_effects(command):
            if isinstance(effect, PromptSet):
                self._declare(at, Prompt(prompt.console, effect.text))
                if not effect.nested:
                    shells.pop()
                shells.append(effect.text)
            elif len(shells) > 1:
                shells.pop()

    def _declare(self, at: int, prompt: Prompt) -> None:
        known = next((p for p in self.prompts.values() if p.text.rstrip() == prompt.text.rstrip()), prompt)
        if known.console is not prompt.console:
            raise self._fault(
                at,
                f"the command sets the prompt {prompt.text!r}, which is also a prompt of {known.console}",
                remedy="set another prompt: it decides to which console a command goes",
            )
        if not prompt.text[0].isspace():
            self.prompts.setdefault(prompt.text, prompt)

    def _no_command(self, text: str) -> CaseError:
        """Make the error for a block that does not start with a command."""
        found = _LIKE_A_PROMPT.fullmatch(text.strip())
        if found:
            remedy = f'add `prompt: admin "{found[1]} "` to the header, or name another console'
            return self._fault(self._at, "prompt not declared", remedy=remedy)
        known = ", ".join(repr(prompt) for prompt in self.prompts)
        remedy = f"start the block with a command after one of the prompts {known}; prose starts in the first column"
        return self._fault(self._at, "output before a command", remedy=remedy)

    def _fault(self, at: int, what: str, *, remedy: str) -> CaseError:
        return case_error(self._path, at + 1, what, evidence=self._lines[at].strip("\r"), remedy=remedy)
