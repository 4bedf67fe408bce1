# SPDX-License-Identifier: GPL-2.0-only
"""Describe the preparation of a machine before the first step of a case, by headers of the suite. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

WORDS, AT = "{words}", "{at}"
"""Placeholders in a command for the arguments of the header, and for the path."""

STATUS_MISSING = 4
"""The exit status of a command when the kernel does not have the requested feature."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """A header that a suite defines: ``[prepare.HEADER]`` of its ``suite.toml``.

    :param header: the name of the header.
    :param command: typed at the admin console before the first step, with ``{words}`` and ``{at}`` replaced. Status 4
        skips the case, with the output as the reason; any other status but 0 fails it.
    :param words: a regular expression that each argument must match in full.
    :param hint: the hint for an argument that does not match.
    :param at: the path for ``{at}`` if the case has no header ``at``; empty for a command without it.
    :param options: pairs of a regular expression and a kernel option: an argument that matches in full needs it.
    """

    header: str
    command: str
    words: str = r"\S+"
    hint: str = ""
    at: str = ""
    options: tuple[tuple[str, str], ...] = ()

    def fault(self, words: Iterable[str]) -> str:
        """Return the reason why arguments of the header are invalid; empty if they are valid."""
        seen: set[str] = set()
        for word in words:
            if not re.fullmatch(self.words, word):
                return f"{self.header} does not accept {word!r}"
            if word in seen:
                return f"{self.header} names {word!r} twice"
            seen.add(word)
        return ""


@dataclass(frozen=True, slots=True)
class PreparationRequest:
    """The request of one case: a header and its arguments.

    :param preparation: the definition of the header.
    :param words: the arguments.
    :param at: the path; empty if the command has none.
    """

    preparation: Preparation
    words: tuple[str, ...]
    at: str = ""

    @property
    def command(self) -> str:
        """Return the command line for the guest, with every argument quoted."""
        words = " ".join(map(shlex.quote, self.words))
        return self.preparation.command.replace(AT, shlex.quote(self.at)).replace(WORDS, words)

    @property
    def options(self) -> tuple[str, ...]:
        """Return the kernel options that the arguments need, each once."""
        return tuple(
            dict.fromkeys(
                option for word in self.words for shape, option in self.preparation.options if re.fullmatch(shape, word)
            )
        )


def preparation_command(requests: Iterable[PreparationRequest]) -> str:
    """Join the commands of all requests of a case into one command line; empty when there are none."""
    return " && ".join(request.command for request in requests)
