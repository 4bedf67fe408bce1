# SPDX-License-Identifier: GPL-2.0-only
"""Analyze a bash command line: whether it is complete, whether it ends in a comment, and which prompts it sets. Pure.

This is not a shell: it knows quotes, backslashes, substitutions, here-documents, comments and compound commands well
enough to find the end of a command in a posted session, and commands that set a prompt. Nothing is expanded: a value
that bash would have to expand is unknown (None).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

_OPERATOR = re.compile(r"\n|<<<|<<-|&>>|;;&|&&|\|\||;;|;&|\|&|<<|>>|<&|>&|<>|>\||&>|[;&|()<>]")
_REDIRECTIONS = frozenset({"<<<", "<<-", "&>>", "<<", ">>", "<&", ">&", "<>", ">|", "&>", "<", ">"})
_UNFINISHED = frozenset({"|", "||", "&&", "|&"})
_CLOSERS = {"if": "fi", "for": "done", "while": "done", "until": "done", "select": "done", "case": "esac", "{": "}"}
_HEADS = frozenset({"if", "while", "until", "then", "do", "else", "elif", "!", "time", "{"})
"""Reserved words after which the next word is again a command."""
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")
_DECLARERS = frozenset({"export", "declare", "typeset", "local", "readonly"})
_PASSERS = frozenset({"env", "sudo", "doas"})
"""Programs that take NAME=VALUE arguments into the environment of the program they run."""


@dataclass(frozen=True, slots=True)
class Word:
    """A shell word: as typed, and its value after quote removal (None where bash would have to expand something)."""

    text: str
    value: str | None


@dataclass(frozen=True, slots=True)
class SimpleCommand:
    """A simple command: assignments and words, without redirections; ``nested`` inside parentheses (a subshell)."""

    words: tuple[Word, ...]
    nested: bool


@dataclass(frozen=True, slots=True)
class ShellText:
    """The result of analyzing a command line.

    :param incomplete: whether bash would print its second prompt (PS2) and read another line.
    :param ends_in_comment: whether the last line ends in a comment.
    :param commands: the simple commands, in order, without those of substitutions.
    """

    incomplete: bool
    ends_in_comment: bool
    commands: tuple[SimpleCommand, ...]


@dataclass(frozen=True, slots=True)
class PromptSet:
    """A command that sets PS1, for a shell that it starts (``nested``) or for the shell that runs the command."""

    text: str
    nested: bool


@dataclass(frozen=True, slots=True)
class ShellLeft:
    """A command that ends the shell that runs it: ``exit``, ``logout``, or ``exec`` of another program."""


@lru_cache(maxsize=512)
def read_shell(command: str) -> ShellText:
    """Analyze a command line (several lines if it continues after PS2), without its prompts."""
    lexer = _Lexer(command)
    grammar = _Grammar()
    for item in lexer.items():
        grammar.take(item)
    grammar.end_command()
    incomplete = lexer.incomplete or bool(grammar.open) or grammar.last_operator in _UNFINISHED
    return ShellText(incomplete, lexer.ends_in_comment, tuple(grammar.commands))


def shell_effects(command: str) -> tuple[PromptSet | ShellLeft, ...]:
    """Return the prompts that a command sets and whether it leaves its shell, in the order of the command line.

    Recognized are ``PS1=... program``, ``env PS1=... program`` (also with sudo and doas), ``PS1=...`` and
    ``export PS1=...``. A value that holds a backslash or needs expansion is known to the running shell only, and is
    left out.
    """
    return tuple(effect for simple in read_shell(command).commands for effect in _effects_of(simple))


def _effects_of(simple: SimpleCommand) -> Iterator[PromptSet | ShellLeft]:
    if simple.nested:
        return
    split = next((i for i, word in enumerate(simple.words) if not _ASSIGNMENT.match(word.text)), len(simple.words))
    assigned, words = simple.words[:split], simple.words[split:]
    name = words[0].value if words else None
    if name in ("exit", "logout") or (name == "exec" and len(words) > 1):
        yield ShellLeft()
    for word in assigned:
        yield from _prompt_of(word, nested=bool(words))
    if name in _DECLARERS:
        for word in words[1:]:
            yield from _prompt_of(word, nested=False)
    passer = next((i for i, word in enumerate(words) if word.value in _PASSERS), len(words))
    for word in words[passer + 1 :]:
        yield from _prompt_of(word, nested=True)


def _prompt_of(word: Word, *, nested: bool) -> Iterator[PromptSet]:
    if word.value is None or not word.value.startswith("PS1=") or "\\" in word.value:
        return
    text = word.value.removeprefix("PS1=")
    if text.strip():
        yield PromptSet(text, nested)


@dataclass(frozen=True, slots=True)
class _Operator:
    text: str


class _Lexer:
    """Splitter of a command line into words and operators, without comments and bodies of here-documents."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.incomplete = False
        self.ends_in_comment = False
        self._heredocs: list[tuple[str, bool]] = []
        self._delimiter_of: str | None = None

    def items(self) -> Iterator[Word | _Operator]:
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in " \t\r":
                self.at += 1
            elif char == "#":
                self._comment()
            elif self._starts_operator():
                yield from self._operator()
            else:
                word = self._word()
                if self._delimiter_of is not None:
                    self._heredocs.append((word.value or word.text, self._delimiter_of == "<<-"))
                    self._delimiter_of = None
                yield word
        self.incomplete = self.incomplete or bool(self._heredocs)

    def _comment(self) -> None:
        end = self.text.find("\n", self.at)
        self.ends_in_comment = end < 0
        self.at = len(self.text) if end < 0 else end

    def _starts_operator(self) -> bool:
        return self.text[self.at] in "\n;&|()<>" and self.text[self.at : self.at + 2] not in ("<(", ">(")

    def _operator(self) -> Iterator[_Operator]:
        found = _OPERATOR.match(self.text, self.at)
        text = found.group() if found else self.text[self.at]
        self.at += len(text)
        if text in ("<<", "<<-"):
            self._delimiter_of = text
        yield _Operator(text)
        if text == "\n":
            self._skip_heredocs()

    def _skip_heredocs(self) -> None:
        while self._heredocs:
            delimiter, tabs = self._heredocs.pop(0)
            while True:
                if self.at >= len(self.text):
                    self.incomplete = True
                    return
                line, _, _ = self.text[self.at :].partition("\n")
                self.at = min(len(self.text), self.at + len(line) + 1)
                if (line.lstrip("\t") if tabs else line) == delimiter:
                    break

    def _word(self) -> Word:
        start, parts, known = self.at, list[str](), True
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in " \t\r" or self._starts_operator():
                break
            piece = self._piece(char)
            known = known and piece is not None
            parts.append(piece or "")
        return Word(self.text[start : self.at], "".join(parts) if known else None)

    def _piece(self, char: str) -> str | None:
        """Read one piece of a word; None if its value cannot be known."""
        if char == "'":
            return self._single_quoted()
        if char == '"':
            return self._double_quoted()
        if char == "\\":
            return self._escaped(self.text[self.at + 1 : self.at + 2])
        if char in "$`" or self.text[self.at : self.at + 2] in ("<(", ">("):
            return self._expansion(quoted=False)
        self.at += 1
        return char

    def _escaped(self, following: str) -> str:
        self.at = min(len(self.text), self.at + 2)
        if following in ("", "\n"):
            self.incomplete = self.incomplete or self.at >= len(self.text)
            return ""
        return following

    def _single_quoted(self) -> str:
        end = self.text.find("'", self.at + 1)
        if end < 0:
            self.incomplete = True
            end = len(self.text)
        value = self.text[self.at + 1 : end]
        self.at = min(len(self.text), end + 1)
        return value

    def _double_quoted(self) -> str | None:
        self.at += 1
        parts: list[str] = []
        known = True
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == '"':
                self.at += 1
                return "".join(parts) if known else None
            if char == "\\" and self.text[self.at + 1 : self.at + 2] in ("$", "`", '"', "\\", "\n"):
                parts.append(self._escaped(self.text[self.at + 1]))
            elif char in "$`":
                piece = self._expansion(quoted=True)
                known = known and piece is not None
                parts.append(piece or "")
            else:
                parts.append(char)
                self.at += 1
        self.incomplete = True
        return None

    def _expansion(self, *, quoted: bool) -> str | None:
        """Skip an expansion; a dollar sign that does not start an expansion stands for itself."""
        two = self.text[self.at : self.at + 2]
        if two in ("$(", "<(", ">("):
            self._skip_to(")")
        elif two == "${":
            self._skip_to("}")
        elif two[0] == "`":
            self._skip_to("`")
        elif two == "$'" and not quoted:
            self._skip_to("'")
        elif re.match(r"\$[A-Za-z0-9_@*#?$!-]", two):
            self.at += 2
        else:
            self.at += 1
            return "$"
        return None

    def _skip_to(self, closer: str) -> None:
        opener = {")": "(", "}": "{"}.get(closer)
        self.at += 2 if closer != "`" else 1
        depth = 1
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "\\":
                self.at += 2
            elif char == closer:
                self.at += 1
                depth -= 1
                if not depth:
                    return
            elif opener and char in "'\"":
                self._single_quoted() if char == "'" else self._double_quoted()
            else:
                depth += char == opener
                self.at += 1
        self.at = min(self.at, len(self.text))
        self.incomplete = True


@dataclass(slots=True)
class _Grammar:
    """Parser of words and operators: it knows the open compound commands and collects simple commands."""

    commands: list[SimpleCommand] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    last_operator: str = ""
    _words: list[Word] = field(default_factory=list)
    _at_command: bool = True
    _redirected: bool = False

    def take(self, item: Word | _Operator) -> None:
        if isinstance(item, Word):
            self.last_operator = ""
            self._word(item)
        elif item.text in _REDIRECTIONS:
            if self._words and re.fullmatch(r"\d+|\{\w+\}", self._words[-1].text):  # the 3 of 3>file, {fd}>file
                self._words.pop()
            self._redirected = True
        else:
            self._operator(item.text)

    def end_command(self) -> None:
        if self._words:
            self.commands.append(SimpleCommand(tuple(self._words), nested=")" in self.open))
        self._words.clear()
        self._at_command = True
        self._redirected = False

    def _word(self, word: Word) -> None:
        if self._redirected:  # the file of a redirection
            self._redirected = False
            return
        if not self._at_command:
            self._words.append(word)
            return
        if word.text in _CLOSERS:
            self.open.append(_CLOSERS[word.text])
        elif self.open and word.text == self.open[-1]:
            self.open.pop()
        elif word.text not in _HEADS:
            self._words.append(word)
        self._at_command = word.text in _HEADS or (word.text not in _CLOSERS and bool(_ASSIGNMENT.match(word.text)))

    def _operator(self, text: str) -> None:
        if text != "\n" or self.last_operator not in _UNFINISHED:
            self.last_operator = text
        self.end_command()
        if text == "(":
            self.open.append(")")
        elif text == ")" and self.open and self.open[-1] == ")":
            self.open.pop()
