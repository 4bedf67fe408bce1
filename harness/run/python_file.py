"""A Python case file that is broken: names that are there twice, and an import that failed. Pure."""

from __future__ import annotations

import ast
import traceback
from collections.abc import Iterator

from harness.base.errors import CaseError


def check_names(text: str, *, path: str) -> None:
    """Refuse a file in which a test hides another one of the same name; Python itself keeps the last one silently.

    A file that is no Python passes: the import will tell.

    :raises CaseError: the message starts with ``path:line:``.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    for name, first, line in _repeated(tree.body):
        raise CaseError(
            f"{path}:{line}: the case {name!r} is there twice, first in line {first}",
            evidence=text.split("\n")[line - 1].strip(),
            remedy="give one of them another name: Python keeps the last one only",
        )


def explain_import(error: BaseException, *, file: str, path: str) -> CaseError:
    """The error for a file that cannot be imported, from what the import raised.

    :param file: the file's name as Python knows it.
    :param path: what to call it in the message.
    """
    what = f"{type(error).__name__}: {getattr(error, 'msg', None) or error}"
    if isinstance(error, SyntaxError) and error.filename == file:
        line, text = error.lineno or 1, error.text or ""
    else:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        line, text = (frames[-1].lineno or 1, frames[-1].line or "") if frames else (1, "")
    return CaseError(f"{path}:{line}: {what}", evidence=text.strip(), remedy="mend the file")


def _repeated(body: list[ast.stmt]) -> Iterator[tuple[str, int, int]]:
    """Each test or class of tests that has an earlier one's name: the name, and the lines of both."""
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
