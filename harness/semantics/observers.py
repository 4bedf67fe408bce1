# SPDX-License-Identifier: GPL-2.0-only
"""Find the cases that observe a trait by reading their files, without running them. Pure.

A session file observes a trait by a guard; a Python case by ``sight("trait", ...)``. A Python case may have the name of
the trait in a table, so any string in such a file that is the name of a trait counts, if the file calls ``sight``.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from harness.session.step import GUARD

SESSION = ".session"
_SIGHT = "sight"


@dataclass(frozen=True, slots=True)
class Observer:
    """A case file that distinguishes values of a trait.

    :param path: id of the file in reports.
    :param line: the first line that does so, counted from 1.
    :param values: the values that it names, sorted; empty if the case computes them.
    """

    path: str
    line: int
    values: tuple[str, ...] = ()


def find_observers(files: Mapping[str, str], traits: Mapping[str, Collection[str]]) -> Mapping[str, list[Observer]]:
    """Find the files that observe each trait, sorted by path.

    :param files: the text of each case file, by its id. A file that cannot be parsed observes nothing.
    :param traits: the values of each trait.
    """
    found: dict[str, list[Observer]] = {name: [] for name in traits}
    for path, text in sorted(files.items()):
        named: dict[str, list[tuple[int, str]]] = {}
        found_lines = _guards(text) if path.endswith(SESSION) else _sights(text, traits)
        for line, trait, value in found_lines:
            named.setdefault(trait, []).append((line, value))
        for trait, where in named.items():
            if trait in found:
                values = sorted({value for _, value in where if value})
                found[trait].append(Observer(path, min(line for line, _ in where), tuple(values)))
    return found


def _guards(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield line, trait and value of each guard of a session file."""
    for number, line in enumerate(text.split("\n"), start=1):
        guard = GUARD.fullmatch(line.strip()) if line[:1].isspace() else None
        if guard:
            yield number, guard[1], guard[2]


def _sights(text: str, traits: Mapping[str, Collection[str]]) -> Iterator[tuple[int, str, str]]:
    """Yield line, trait and value of each sighting in a Python case; the value is empty if the case computes it."""
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except (SyntaxError, ValueError):
        return
    calls = [node for node in nodes if isinstance(node, ast.Call) and _is_sight(node.func)]
    named = set()
    for call in calls:
        trait, value = (_text(argument) for argument in (*call.args, None, None)[:2])
        if trait in traits:
            named.add(trait)
            yield call.lineno, trait, value if value in traits[trait] else ""
    for node in nodes if calls else []:
        trait = _text(node)
        if trait in traits and trait not in named:
            named.add(trait)
            yield getattr(node, "lineno", 1), trait, ""


def _is_sight(function: ast.expr) -> bool:
    return isinstance(function, ast.Name) and function.id == _SIGHT


def _text(node: ast.AST | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
