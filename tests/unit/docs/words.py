# SPDX-License-Identifier: GPL-2.0-only
"""Find phrases that the project does not use.

Whole phrases only, no word that ordinary English needs; transcripts and code spans are not searched.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.base import paths

PHRASES = {
    r"(?:case|cases|kernel|kernels|it|they) (?:is|are|was|were) asked": "is run",
    r"asked (?:again|anew|once more)": "rerun, retried",
    r"came to|what \w+ comes to": "result, outcome",
    r"mend(?:s|ed|ing)?": "fix",
    r"lacks|what this host lack": "missing",
    r"(?:held|holds?|hold one run) against|held against": "compared with",
    r"(?:is|are|was|were) told|told from": "reported, shown, printed, distinguished",
    r"KERNEL words?|words of the command line|a word that was mistyped": "argument",
    r"slip of the fingers": "usage error",
    r"strangers?(?:'s|')?": "untrusted",
    r"(?:the|a|no|one) door": "wrapper",
    r"anew": "again",
    r"seen both ways": "observed with two values",
    r"hand(?:s|ed|ing)? over|hands on": "attach, relay, session",
    r"judged patch by patch": "tested patch by patch",
    r"whoever|for who|who is not root": "the process, the caller, a user without root",
    r"nothing is mixed up": "every stream has its own channel",
    r"of late|on the way": "say the condition",
    r"that is none|that (?:there )?(?:is|are) not\b(?= *[.,;:)])": "no such ..., not a ...",
    r"behaviours?|colou(?:r|rs|red)|honou\w+|favourite\w*|neighbour\w*": "American spelling",
    r"\w+(?:alis|eris|oris|imis|ognis|anis|omis)(?:e|es|ed|ing|ation|ations)(?<!promise)": "American spelling: -ize",
}
_PATTERN = re.compile("|".join(rf"(?P<p{at}>\b(?:{text})\b)" for at, text in enumerate(PHRASES)), re.IGNORECASE)
_USUAL = re.compile(r"(?:prom|compr|prem|surm|dem)is\w+|realis(?:m|t|tic)\w*|analys[ei]s|specialist\w*", re.IGNORECASE)
_FENCE = re.compile(r"^ *(```+).*?^ *\1", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"``.+?``|`[^`\n]+`|(?<=:param )\w+(?=:)", re.DOTALL)
_RECORD_VALUES = frozenset({"asked again"})
"""Values in files on disk, which keep the names of the first version."""

_FOLDERS = ("harness", "bench", "tests", "docs", "cases", "series", "kconfigs", "qemu", "examples", "results")
_ENDINGS = (".py", ".md", ".toml", ".session", ".sh", ".yml")
_ROOT_FILES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "bootstrap", "tox.ini")
_NOT_SEARCHED = ("tests/data/", "docs/_build/", "tests/unit/docs/", "results/2", "results/bisect", "bench/data/")


@dataclass(frozen=True, slots=True)
class Finding:
    """A phrase that the project does not use.

    :param path: the file, relative to the checkout.
    :param line: its line, from 1.
    :param phrase: the phrase in the file.
    :param instead: the words to write instead.
    """

    path: str
    line: int
    phrase: str
    instead: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.phrase!r}: write {self.instead}"


def find_phrases(text: str, *, path: str = "", line: int = 1) -> Iterator[Finding]:
    """Find the phrases in a prose text.

    :param line: the line of the file that the text starts at.
    """
    plain = _SPAN.sub(lambda span: "`" + "\n" * span.group().count("\n") + "`", text)
    for found in _PATTERN.finditer(re.sub(r"[ \t]+", " ", plain)):
        if not _USUAL.fullmatch(found.group()):
            instead = next(word for word, name in zip(PHRASES.values(), _names(), strict=True) if found[name])
            yield Finding(path, line + plain.count("\n", 0, found.start()), found.group(), instead)


def _names() -> list[str]:
    return [f"p{at}" for at in range(len(PHRASES))]


def find_all() -> list[Finding]:
    """Find the phrases in all files of the project."""
    found: list[Finding] = []
    for path in searched_files():
        name = path.relative_to(paths.ROOT).as_posix()
        for line, text in _prose(path):
            found += find_phrases(text, path=name, line=line)
    return found


def searched_files() -> list[Path]:
    """List the files whose prose is searched."""
    below = [one for folder in _FOLDERS for one in (paths.ROOT / folder).rglob("*") if one.suffix in _ENDINGS]
    whole = [path for path in [*(paths.ROOT / name for name in _ROOT_FILES), *below] if path.is_file()]
    return sorted(one for one in whole if not one.relative_to(paths.ROOT).as_posix().startswith(_NOT_SEARCHED))


def _prose(path: Path) -> Iterator[tuple[int, str]]:
    """Split a file into its prose: first line and text of each piece."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".py":
        yield from _prose_of_python(text, with_strings=path.is_relative_to(paths.ROOT / "harness"))
    elif path.suffix == ".md":
        fenceless = _FENCE.sub(lambda block: "\n" * block.group().count("\n"), text)
        yield 1, "".join("\n" if line.startswith("    ") else line for line in fenceless.splitlines(keepends=True))
    elif path.suffix == ".session":
        yield 1, "".join("\n" if line.startswith(" ") else line for line in text.splitlines(keepends=True))
    else:
        yield 1, text


def _prose_of_python(text: str, *, with_strings: bool) -> Iterator[tuple[int, str]]:
    """Find docstrings and comments; with strings, also every text that may be shown to a user."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value
        elif with_strings and isinstance(node, ast.Constant) and _is_shown(node.value):
            yield node.lineno, str(node.value)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def _is_shown(value: object) -> bool:
    return isinstance(value, str) and " " in value and value not in _RECORD_VALUES
