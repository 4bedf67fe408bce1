# SPDX-License-Identifier: GPL-2.0-only
"""Read the files with defaults of command line options: one of the user, one of the project.

Both are TOML, one table a command::

    [run]
    workers = 2
    accel = "kvm"

The user's file is ``kernel-patch-harness/config.toml`` in the user's configuration folder. The project's is
``.harness/config.toml`` in the current folder or in the nearest folder above it, up to the top of the git work tree.
It may come with the tree under test: it is untrusted, see ``harness/commands/defaults.py``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.base.errors import UsageError
from harness.base.paths import user_folder

NAME = "config.toml"
PROJECT_FOLDER = ".harness"
_LARGEST = 64 << 10
"""A file with more bytes is not a list of defaults."""


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """One file with defaults.

    :param is_trusted: whether the user wrote it; a file that may come with the tree under test is untrusted.
    :param tables: the TOML values, by command and option.
    """

    path: Path
    is_trusted: bool
    tables: Mapping[str, Mapping[str, object]]


def read_config_files(folder: Path) -> tuple[ConfigFile, ...]:
    """Read the files that apply to a current folder; an earlier file overrides the later ones.

    :raises UsageError: a file cannot be read, is not TOML, or has a key outside of a table.
    """
    project, own = find_project_file(folder), _user_file()
    found = [] if project is None else [_read(project, is_trusted=False)]
    return (*found, _read(own, is_trusted=True)) if own is not None and own.exists() else tuple(found)


def find_project_file(folder: Path) -> Path | None:
    """Find the nearest ``.harness/config.toml`` from a folder up to the top of its git work tree.

    Outside of a work tree only the folder itself is searched: a folder above it may belong to another user.

    :raises UsageError: the file is a link that leads out of the project; an error would show the target's content.
    """
    tops = [folder, *folder.parents]
    root = next((one for one in tops if (one / ".git").exists()), folder)
    for one in tops[: tops.index(root) + 1]:
        file = one / PROJECT_FOLDER / NAME
        if file.is_file():
            if not file.resolve().is_relative_to(root.resolve()):
                raise UsageError(f"{file} is a link out of the project {root}", remedy="replace the link with a file")
            return file
    return None


def _user_file() -> Path | None:
    """Return the path of the user's own file, which may not exist; None for a user without a home folder."""
    import platformdirs

    try:
        return user_folder(platformdirs.user_config_dir, option="XDG_CONFIG_HOME") / NAME
    except UsageError:
        return None


def _read(path: Path, *, is_trusted: bool) -> ConfigFile:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise UsageError(f"{path} is too large: more than {_LARGEST >> 10} KiB", remedy="keep only defaults in it")
        tables = tomllib.loads(content.decode())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} cannot be read", evidence=str(error), remedy="fix or remove the file") from None
    for key, value in tables.items():
        if not isinstance(value, dict):
            remedy = f"move it into the table of a command: [run], then {key} = ..."
            raise UsageError(f"{path}: {key} is not in the table of a command", remedy=remedy)
    return ConfigFile(path, is_trusted, tables)
