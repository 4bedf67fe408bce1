# SPDX-License-Identifier: GPL-2.0-only
"""Each docstring of a function in harness/ begins with an imperative verb and is a sentence."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from harness.base import paths

# A list of verbs would refuse each new one; these words begin a noun phrase or a clause instead.
_NO_VERBS = re.compile(
    """
    a|an|the|this|that|these|those|it|its|there|each|every|all|any|some|both|no|none|one|two|
    what|whether|who|whom|whose|where|when|which|why|how|if|in|on|at|by|for|from|of|with|without|as|after|before|
    and|or|not|only|just|same|reverse|standard|seconds|names|failures|patches|number|true|false
    """,
    re.IGNORECASE | re.VERBOSE,
)
_VERB = re.compile(r"[A-Z][a-z]+")
_INNER_FIELD = re.compile(r"\S.* :(?:param \w+|raises [\w.]+|returns?):")
_SPAN = re.compile(r"``.+?``")


def find_faults(docstring: str) -> Iterator[str]:
    """Find what is wrong with the form of a function's docstring."""
    summary = docstring.partition("\n\n")[0]
    first = summary.split(maxsplit=1)[0]
    plural = first.endswith("s") and not first.endswith("ss")
    if not _VERB.fullmatch(first) or _NO_VERBS.fullmatch(first) or plural:
        yield f"begins with {first!r}, not with an imperative verb"
    if not summary.rstrip().endswith((".", ":")):
        yield "the first paragraph does not end with a period"
    for line in docstring.splitlines():
        if _INNER_FIELD.search(_SPAN.sub("", line)):
            yield f"a field that does not begin its line: {line.strip()}"


def documented_functions() -> list[tuple[str, str]]:
    """Return file, line and name of each function of harness/ that has a docstring, and the docstring."""
    return [
        (f"{path.relative_to(paths.ROOT)}:{node.lineno} {node.name}", text)
        for path in sorted((paths.ROOT / "harness").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (text := ast.get_docstring(node))
    ]


def test_docstrings_begin_with_a_verb() -> None:
    """No function of harness/ has a docstring with a fault."""
    functions = documented_functions()
    faults = [f"{name}: {fault}" for name, text in functions for fault in find_faults(text)]

    assert len(functions) > 1000
    assert not faults


@pytest.mark.parametrize(
    "docstring",
    [
        "The number of commits.",
        "Whether it is past.",
        "What a child does before it runs its program.",
        "sha256 over parts.",
        ":raises UsageError: the option does not take the value.",
        "Seconds until it comes.",
        "Patches of one version.",
        "Return the number",
        "Return the commit.\n\n:param text: a range. :param head: a commit.",
    ],
)
def test_find_faults_reports(docstring: str) -> None:
    """A docstring that is a noun phrase, a clause or a field has one fault; so has one with two fields in a line."""
    assert len(list(find_faults(docstring))) == 1


@pytest.mark.parametrize(
    "docstring",
    [
        "Return the number of commits.",
        "Pass a signal on to the child.",
        "Match a line; see ``:param x: y``.",
        "Read one of these:\n\n- a file\n- a folder",
        "Bisect a history.\n\n:param text: a range.\n:raises UsageError: not a range.",
    ],
)
def test_find_faults_accepts(docstring: str) -> None:
    """A sentence that begins with a verb has no fault, whatever the verb."""
    assert not list(find_faults(docstring))
