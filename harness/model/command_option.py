# SPDX-License-Identifier: GPL-2.0-only
"""Define an option of a command as records keep it: from a command line, a config file or the environment. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CommandOption:
    """One option of a command.

    :param name: the option with its dashes: ``--cases``, ``-k``.
    :param value: its value as typed; empty for a flag.
    """

    name: str
    value: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """Return the option as arguments; ``=`` keeps a value that starts with a dash from being read as an option."""
        if not self.value:
            return (self.name,)
        return (f"{self.name}={self.value}",) if self.name.startswith("--") else (f"{self.name}{self.value}",)


def option_words(options: Iterable[CommandOption], *, without: Collection[str] = ()) -> tuple[str, ...]:
    """Return options as arguments, in their order.

    :param options: the options.
    :param without: names of options to leave out.
    """
    return tuple(word for one in options if one.name not in without for word in one.words)
