# SPDX-License-Identifier: GPL-2.0-only
"""Defaults of command line options that come from files.

Precedence, highest first:

1. the command line
2. the environment: ``HARNESS_RUN_WORKERS=2``, the command and then the option
3. the project's file, ``.harness/config.toml``
4. the user's file, ``~/.config/kernel-patch-harness/config.toml``
5. the default that ``--help`` shows

``harness/base/config_file.py`` finds the files. A key is the long name of an option without its dashes; an option that
has only a letter is called by what it stands for: ``expression`` for ``-k``, ``workers`` for ``-n``.

Trust: a project's file may come with the tree under test. It never decides what is trusted, where something is read,
written or sent, which programs run, or how results are judged. ``_PROJECT_KEYS`` lists what it may set; every other
option, also one that is added later, is refused by name. The user's own file may set every option.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence

import click

from harness.base import paths
from harness.base.config_file import ConfigFile
from harness.base.errors import UsageError

ENVIRONMENT_PREFIX = "HARNESS"
"""The prefix of the environment variables of options."""

_PROJECT_KEYS = frozenset(
    ("accel", "boot-seconds", "build-seconds", "fresh", "machine", "repeat", "seed", "suite", "until-fail", "workers")
)
_NAMES = frozenset(("machine", "suite"))
"""Keys that take a path in place of a name: in a project's file only what ships with the harness may be named."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_LOG = logging.getLogger(__name__)


def read_defaults(command: click.Command, files: Sequence[ConfigFile], commands: Iterable[str]) -> dict[str, object]:
    """Return the defaults of a command's parameters, for click's ``default_map``.

    The tables of other commands are checked when those commands run.

    :param files: from the one that goes before the others on.
    :param commands: the names of all commands.
    :raises UsageError: a file names an unknown command or option, an option that it may not set, or a value that the
        option does not take.
    """
    names = sorted(commands)
    keys = _keys_of(command)
    defaults: dict[str, object] = {}
    for file in reversed(files):
        for section in file.tables:
            if section not in names:
                raise _unknown(f"{file.path}: [{section}]: no such command: {section}", section, names)
        for key, value in file.tables.get(command.name or "", {}).items():
            where = f"{file.path}: [{command.name}] {key}"
            if key not in keys:
                raise _unknown(f"{where}: harness {command.name} has no such option", key, keys)
            if not file.is_trusted:
                _check_project_key(where, key, value)
            _check_value(where, keys[key], value)
            defaults[keys[key].name or ""] = value
            _LOG.info("default from %s: %s = %r", file.path, key, value)
    return defaults


def _keys_of(command: click.Command) -> Mapping[str, click.Option]:
    """Return the options of a command by their keys."""
    keys: dict[str, click.Option] = {}
    for option in command.params:
        if isinstance(option, click.Option) and option.name:
            long = [name.removeprefix("--") for name in option.opts if name.startswith("--")]
            # A flag that is one letter is short for an option that has a name: -x is --maxfail 1.
            short = [] if option.is_flag else [option.name.replace("_", "-")]
            keys |= dict.fromkeys(long or short, option)
    return keys


def _check_project_key(where: str, key: str, value: object) -> None:
    """Check that a project's file may set this option to this value.

    :raises UsageError: it may not.
    """
    if key not in _PROJECT_KEYS:
        raise UsageError(
            f"{where}: a project's file may not set this option",
            evidence="the file may come with the tree under test; it may set: " + ", ".join(sorted(_PROJECT_KEYS)),
            remedy=f"write --{key} on the command line, or {key} into your own file",
        )
    if key in _NAMES and not _NAME.fullmatch(str(value)):
        raise UsageError(
            f"{where}: a project's file may not name a path: {value!r}",
            remedy=f"write the name of one that ships with the harness, or --{key} on the command line",
        )
    # A word that is the name of no shipped suite is taken for a folder, and the Python cases of that run on the host.
    if key == "suite" and not (paths.SUITES / str(value) / "suite.toml").is_file():
        raise UsageError(
            f"{where}: no suite of that name ships with the harness: {value!r}",
            evidence="a suite is code that runs on this host: a project's file may not name a folder",
            remedy="write the name of one that ships with the harness, or --suite on the command line",
        )


def _check_value(where: str, option: click.Option, value: object) -> None:
    """Check that the option takes the value.

    :raises UsageError: it does not.
    """
    if option.is_flag and not isinstance(value, bool):
        raise UsageError(f"{where}: {value!r} is not true or false", remedy="write true or false")
    if not option.is_flag and isinstance(value, bool):
        raise UsageError(f"{where}: the option takes a value, not true or false", remedy="write the value")
    if option.multiple is not isinstance(value, list) or isinstance(value, dict):
        form = "a list" if option.multiple else "a single value"
        raise UsageError(f"{where}: {value!r} is not {form}", remedy=f"write {form}")
    try:
        option.type_cast_value(click.Context(click.Command(None), resilient_parsing=True), value)
    except click.BadParameter as error:
        remedy = "write a value that the option takes, see --help"
        raise UsageError(
            f"{where}: {value!r} is not a value of this option", evidence=error.message, remedy=remedy
        ) from None


def _unknown(what: str, key: str, known: Iterable[str]) -> UsageError:
    from difflib import get_close_matches

    near = get_close_matches(key, known, n=1, cutoff=0.5)
    return UsageError(what, remedy=f"write {near[0]}" if near else "known: " + ", ".join(sorted(known)))
