# SPDX-License-Identifier: GPL-2.0-only
"""The commands in the documentation: lines of its code blocks, split into arguments."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from harness.base import paths

DOCUMENTS = (
    *(paths.ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((paths.ROOT / "docs").rglob("*.md")),
    *sorted(paths.ROOT.glob("*/README.md")),
    *sorted(paths.ROOT.glob("cases/*/README.md")),
    *sorted(paths.ROOT.glob("bench/data/**/README.md")),
)
_FENCE = re.compile(r"^( *)(```+)(\S*)[^\n]*\n(.*?)^\1\2`* *$", re.DOTALL | re.MULTILINE)
_INDENTED = re.compile(r"(?:^    \S.*\n)+", re.MULTILINE)
_SHELL = ("console", "sh", "bash")
_SETTING = re.compile(r"^\s*\S+ = (harness .*)$")
_SPAN = re.compile(r"`((?:harness|\./bootstrap) [a-z][^`]*)`")
_ASSIGNMENT = re.compile(r"[A-Z_]+=")
_PROGRAM = re.compile(r"(?:\S*/)?(?:harness|bootstrap|tox)$")


@dataclass(frozen=True, slots=True)
class DocumentedCommand:
    """One command of a document.

    :param path: the document, relative to the checkout.
    :param line: its line, from 1.
    :param words: the command as the shell splits it, without redirections, pipes and comments.
    :param environment: the assignments in front of it, ``NAME=VALUE``.
    """

    path: str
    line: int
    words: tuple[str, ...]
    environment: tuple[str, ...] = ()

    @property
    def program(self) -> str:
        """Return the name of the program, without its folder."""
        return self.words[0].rpartition("/")[2]

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {shlex.join(self.words)}"


def documented_commands() -> list[DocumentedCommand]:
    """Collect every command of every document."""
    found: list[DocumentedCommand] = []
    for path in DOCUMENTS:
        if path.exists() and "_build" not in path.parts:
            name = path.relative_to(paths.ROOT).as_posix()
            for line, text in _command_lines(path.read_text(encoding="utf-8")):
                found += [_command(name, line, words) for words in split_commands(text)]
    return found


def _command(path: str, line: int, words: tuple[str, ...]) -> DocumentedCommand:
    """Take the assignments off the front of a command."""
    assignments = tuple(takewhile(_ASSIGNMENT.match, words))
    return DocumentedCommand(path, line, words[len(assignments) :], assignments)


def mentioned_commands() -> list[DocumentedCommand]:
    """Collect the commands in code spans of running text: they may name arguments, as ``harness suite new PATH``."""
    found: list[DocumentedCommand] = []
    for path in DOCUMENTS:
        if path.exists() and "_build" not in path.parts:
            text = _FENCE.sub(lambda block: "\n" * block.group().count("\n"), path.read_text(encoding="utf-8"))
            name = path.relative_to(paths.ROOT).as_posix()
            for span in _SPAN.finditer(text):
                words = tuple(span[1].split())
                found.append(DocumentedCommand(name, text.count("\n", 0, span.start()) + 1, words))
    return found


def _command_lines(document: str) -> Iterator[tuple[int, str]]:
    """Find the command lines: ``$ ...`` in shell blocks, and lines of indented blocks that start our programs."""
    rest = document
    for block in _FENCE.finditer(document):
        first = document.count("\n", 0, block.start(4)) + 1
        rest = rest.replace(block.group(), "\n" * block.group().count("\n"), 1)
        if block.group(3) in _SHELL:
            yield from _lines(block.group(4), first, prompt=True)
        for number, text in enumerate(block.group(4).splitlines(), start=first):
            if setting := _SETTING.match(text):
                yield number, setting[1]
    for block in _INDENTED.finditer(rest):
        yield from _lines(block.group(), rest.count("\n", 0, block.start()) + 1, prompt=False)


def _lines(block: str, first: int, *, prompt: bool) -> Iterator[tuple[int, str]]:
    number = first
    for text in re.sub(r"\\\n *", " ", block).splitlines():
        words = text.split()
        if prompt and words[:1] == ["$"]:
            yield number, text.strip().removeprefix("$ ")
        elif not prompt and words and _PROGRAM.match(words[0]):
            yield number, text.strip()
        number += 1


def split_commands(line: str) -> Iterator[tuple[str, ...]]:
    """Split a line into its commands, at pipes and ``&&``; redirections and comments are left out."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    words: list[str] = []
    skip = False
    for word in lexer:
        if word in ("|", "&&", ";"):
            yield from [tuple(words)] if words else []
            words = []
        elif set(word) <= set("<>&"):
            skip = True
        elif skip:
            skip = False
        else:
            words.append(word)
    yield from [tuple(words)] if words else []
