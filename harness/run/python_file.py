# SPDX-License-Identifier: GPL-2.0-only
"""Check a Python case file for repeated names, and explain a failed import. Pure."""

from __future__ import annotations

import ast
import traceback
from collections.abc import Iterator

from harness.base.errors import CaseError


def check_names(text: str, *, path: str) -> None:
    """Check that no test hides another one of the same name; Python itself silently keeps the last one.

    A file that is not valid Python passes: its import fails later.

    :param path: name of the file, for errors.
    :raises CaseError: the message starts with ``path:line:``.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    for name, first, line in _repeated(tree.body):
        raise CaseError(
            f"{path}:{line}: the case {name!r} is repeated, first in line {first}",
            evidence=text.split("\n")[line - 1].strip(),
            remedy="rename one of them: Python keeps only the last one",
        )


def explain_import(error: BaseException, *, file: str, path: str) -> CaseError:
    """Make the error for a file that cannot be imported.

    :param error: the exception of the import.
    :param file: the file's name in tracebacks.
    :param path: name of the file in the message.
    """
    what = f"{type(error).__name__}: {getattr(error, 'msg', None) or error}"
    if isinstance(error, SyntaxError) and error.filename == file:
        line, text = error.lineno or 1, error.text or ""
    else:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        line, text = (frames[-1].lineno or 1, frames[-1].line or "") if frames else (1, "")
    return CaseError(f"{path}:{line}: {what}", evidence=text.strip(), remedy="fix the file")


def _repeated(body: list[ast.stmt]) -> Iterator[tuple[str, int, int]]:
    """Yield each test or class of tests that repeats a name: the name, its line, and the line of the first one."""
    seen: dict[str, int] = {}
    for node in body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if node.name.lower().startswith("test"):
            if node.name in seen:
                yield node.name, seen[node.name], node.lineno
            seen[node.name] = node.lineno
        if isinstance(node, ast.ClassDef):
            yield from _repeated(node.body)
