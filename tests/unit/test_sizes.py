# SPDX-License-Identifier: GPL-2.0-only
"""Functions stay small enough to be read at once: few parameters, few lines."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import harness

PACKAGE = Path(harness.__file__).parent
MOST_PARAMETERS = 6
MOST_LINES = 50
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Function:
    """A function of the product.

    :param place: its file, relative to the package, and its name.
    :param parameters: how many, ``self`` and ``cls`` not counted.
    :param is_command: whether click calls it with the options of the command line.
    """

    place: str
    parameters: int
    lines: int
    is_command: bool


def functions_of(text: str, *, file: str) -> Iterator[Function]:
    """Find the functions and methods of a module.

    :param text: its source.
    :param file: its name in reports.
    """
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, FUNCTIONS):
            names = [one.arg for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            names += [one.arg for one in (node.args.vararg, node.args.kwarg) if one is not None]
            is_command = any("command" in ast.unparse(one).partition("(")[0] for one in node.decorator_list)
            own = [name for name in names if name not in ("self", "cls")]
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            yield Function(f"{file}:{node.name}", len(own), lines, is_command)


@functools.cache
def product() -> list[Function]:
    """All functions of the product. Reading them takes two seconds, which only the worker that needs them spends."""
    return [
        function
        for path in sorted(PACKAGE.rglob("*.py"))
        for function in functions_of(path.read_text(), file=path.relative_to(PACKAGE).as_posix())
    ]


def test_no_function_takes_more_than_six_parameters() -> None:
    """What belongs together is one value; only click commands get each option by itself."""
    assert not [one for one in product() if one.parameters > MOST_PARAMETERS and not one.is_command]


def test_no_function_is_longer_than_fifty_lines() -> None:
    """A function fits on a screen, its documentation included."""
    assert not [one for one in product() if one.lines > MOST_LINES]


def test_the_product_is_found() -> None:
    """The tests above would hold for no function at all."""
    assert len(product()) > 1000
    assert sum(one.is_command for one in product()) > 10


@pytest.mark.parametrize(
    ("text", "parameters", "lines", "is_command"),
    [
        ("def f(self, a, /, b, *c, d, **e): ...", 5, 1, False),
        ("class C:\n async def f(\n  self,\n  a): ...", 1, 3, False),
        ("@click.command(help='x')\ndef f(a):\n  pass", 1, 2, True),
    ],
)
def test_a_function_is_measured(text: str, parameters: int, lines: int, *, is_command: bool) -> None:
    """Every kind of parameter counts; decorators are no lines of the function."""
    (found,) = functions_of(text, file="f.py")

    assert found == Function("f.py:f", parameters, lines, is_command)
