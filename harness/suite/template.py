"""Write a new suite, which passes: a start for one of a subject of one's own."""

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

    :param folder: where; it must not be there, or be empty.
    :param name: of the suite; that of the folder when empty.
    :return: the files, in their order.
    :raises UsageError: the folder holds something or cannot be written, or the name is none or is taken.
    """
    folder = folder.absolute()
    name = name or folder.name.lower()
    if not _NAME.fullmatch(name):
        remedy = "give a name of lower-case letters, digits and '-', a letter first: --name NAME"
        raise UsageError(f"{name!r} cannot be the name of a suite", remedy=remedy)
    if name in shipped_names():
        raise UsageError(f"a suite with the name {name!r} ships with the harness", remedy="choose another: --name NAME")
    try:
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty", remedy="name a folder that is not there yet")
        return tuple(sorted(_write(files("harness.suite") / "template", folder, name)))
    except OSError as error:
        remedy = "name a folder that can be written"
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
