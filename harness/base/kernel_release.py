# SPDX-License-Identifier: GPL-2.0-only
"""Parse and compare kernel releases: three numbers, and the release candidate. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_RELEASE = re.compile(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,6}))?(?!\d)(-rc\d+)?")


@dataclass(frozen=True, slots=True)
class Release:
    """A kernel release.

    ``6.1.0-56-cloud-amd64`` is 6.1.0: a distribution's string may not show the stable release that it is based on.

    :param candidate: ``-rc3`` for a release candidate, empty for a release.
    """

    numbers: tuple[int, int, int]
    candidate: str = ""

    @classmethod
    def parse(cls, text: str) -> Release | None:
        """Parse the release that a text starts with; ``None`` when it starts with none."""
        found = _RELEASE.match(text)
        if found is None:
            return None
        major, minor, patch, candidate = found.groups()
        return cls((int(major), int(minor), int(patch or 0)), candidate or "")

    def carries(self, first: Release) -> bool:
        """Return whether this is a release of ``first``'s stable series and not older than it."""
        return self.numbers[:2] == first.numbers[:2] and self.numbers >= first.numbers

    def __str__(self) -> str:
        shown = self.numbers if self.numbers[2] else self.numbers[:2]
        return ".".join(map(str, shown)) + self.candidate
