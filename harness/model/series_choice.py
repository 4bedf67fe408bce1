# SPDX-License-Identifier: GPL-2.0-only
"""Define the choice among the postings of a series: version, Message-ID, RFC, path prefix. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_VERSION = re.compile(r"(\d{1,4})((?:\.\d{1,4})*)([a-z]?)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, order=True)
class SeriesVersion:
    """The version of a posted series: ``v2``, ``v2.1``, ``v5b``; ordered as they were posted.

    :param major: the number that git-format-patch(1) -v counts.
    :param minor: the numbers after it: ``(1,)`` of v2.1.
    :param letter: the letter after it: ``b`` of v5b.
    """

    major: int
    minor: tuple[int, ...] = ()
    letter: str = ""

    @property
    def suffix(self) -> str:
        """Return the text after the number of the version: ``.1`` of v2.1, ``b`` of v5b; empty for v2."""
        return "".join(f".{part}" for part in self.minor) + self.letter

    def render(self) -> str:
        """Return the version without its ``v``: ``parse_version(version.render()) == version``."""
        return f"{self.major}{self.suffix}"

    def __str__(self) -> str:
        return f"v{self.render()}"


def parse_version(text: str) -> SeriesVersion | None:
    """Parse a version without its ``v``: ``2``, ``2.1``, ``5b``; None for any other text."""
    found = _VERSION.fullmatch(text)
    if found is None:
        return None
    minor = tuple(int(part) for part in found[2].split(".")[1:])
    return SeriesVersion(int(found[1]), minor, found[3].lower())


@dataclass(frozen=True, slots=True)
class SeriesChoice:
    """The choice of a posting in a mailbox or a folder.

    :param version: the version; None for the newest complete one.
    :param ids: Message-IDs without angle brackets: take the posting with the mail, and this mail as its patch.
    :param is_rfc: consider postings marked RFC only.
    :param under: consider patches only that touch a file with this path prefix; empty for all.
    """

    version: SeriesVersion | None = None
    ids: tuple[str, ...] = ()
    is_rfc: bool = False
    under: str = ""


NEWEST = SeriesChoice()
"""The newest complete posting."""
