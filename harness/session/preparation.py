"""What is done on a machine before the first step of a case, by a header that the case's suite defines. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

WORDS, AT = "{words}", "{at}"
"""What stands in a command for the words of the header, and for the path."""

STATUS_MISSING = 4
"""The exit status by which a command says that the kernel does not have what was asked for."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """A header that a suite defines: ``[prepare.HEADER]`` of its ``suite.toml``.

    :param header: the name of the header.
    :param command: typed at the admin console before the first step, with ``{words}`` and ``{at}`` replaced. Status 4
        skips the case, the output being the reason; any other status but 0 fails it.
    :param words: a regular expression that each word must match in full.
    :param hint: what to write, shown where a word does not match.
    :param at: the path that ``{at}`` stands for where the case has no header ``at``; empty for a command without it.
    :param options: pairs of a regular expression and an option of the kernel: a word that matches in full needs it.
    """

    header: str
    command: str
    words: str = r"\S+"
    hint: str = ""
    at: str = ""
    options: tuple[tuple[str, str], ...] = ()

    def fault(self, words: Iterable[str]) -> str:
        """Say what is wrong with the words of a header; empty when nothing is."""
        seen: set[str] = set()
        for word in words:
            if not re.fullmatch(self.words, word):
                return f"{self.header} does not take {word!r}"
            if word in seen:
                return f"{self.header} names {word!r} twice"
            seen.add(word)
        return ""


@dataclass(frozen=True, slots=True)
class PreparationRequest:
    """What one case asks for: a header and its words.

    :param at: the path; empty where the command has none.
    """

    preparation: Preparation
    words: tuple[str, ...]
    at: str = ""

    @property
    def command(self) -> str:
        """The command line for the guest; every word is one word of the shell."""
        words = " ".join(map(shlex.quote, self.words))
        return self.preparation.command.replace(AT, shlex.quote(self.at)).replace(WORDS, words)

    @property
    def options(self) -> tuple[str, ...]:
        """The kernel options without which the words cannot be had, each once."""
        return tuple(
            dict.fromkeys(
                option for word in self.words for shape, option in self.preparation.options if re.fullmatch(shape, word)
            )
        )


def preparation_command(requests: Iterable[PreparationRequest]) -> str:
    """Join the commands of all requests of a case into one command line; empty when there are none."""
    return " && ".join(request.command for request in requests)
