# SPDX-License-Identifier: GPL-2.0-only
"""Write a new suite whose cases pass, as a start for a suite of another subject."""

from __future__ import annotations

import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from harness.base.errors import UsageError
from harness.suite.load import shipped_names

_NAME = re.compile(r"[a-z][a-z0-9-]*")
_SUFFIX = ".in"
_PLACEHOLDER = "@NAME@"
_RENAMED = {"helper.c": "{name}ctl.c", "suite.config": "{name}.config"}


def write_suite(folder: Path, name: str = "") -> tuple[Path, ...]:
    """Write the files of a new suite.

    :param folder: the folder of the suite; it must be empty or not exist.
    :param name: name of the suite; empty for the name of the folder.
    :return: the files, sorted.
    :raises UsageError: the folder is not empty or cannot be written, or the name is invalid or taken.
    """
    folder = folder.absolute()
    name = name or folder.name.lower()
    if not _NAME.fullmatch(name):
        remedy = "use lower-case letters, digits and '-', starting with a letter: --name NAME"
        raise UsageError(f"{name!r} is not a valid suite name", remedy=remedy)
    if name in shipped_names():
        raise UsageError(f"{name!r} is the name of a shipped suite", remedy="choose another name: --name NAME")
    try:
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty", remedy="name a folder that does not exist")
        return tuple(sorted(_write(files("harness.suite") / "template", folder, name)))
    except OSError as error:
        remedy = "name a folder in a writable one"
        raise UsageError(f"no suite can be written to {folder}", evidence=str(error), remedy=remedy) from None


def _write(source: Traversable, folder: Path, name: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for one in source.iterdir():
        if one.is_dir():
            written += _write(one, folder / one.name, name)
        elif one.name.endswith(_SUFFIX):
            called = one.name.removesuffix(_SUFFIX)
            path = folder / _RENAMED.get(called, called).format(name=name)
            path.write_text(one.read_text(encoding="utf-8").replace(_PLACEHOLDER, name), encoding="utf-8")
            written.append(path)
    return written
