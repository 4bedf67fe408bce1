# SPDX-License-Identifier: GPL-2.0-only
"""Read the trailers of a commit message: ``Signed-off-by: A <a@b>``. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_TRAILER = re.compile(r"(?P<key>[A-Za-z][A-Za-z0-9-]*)\s?:[ \t]*(?P<value>\S.*)")
# A line of prose may have a colon, but its first word has no hyphen or is none of these.
_PLAIN_KEYS = {"cc", "fixes", "link", "closes", "message-id", "bug", "buglink", "references", "co-developed-by"}
_ADDRESS = re.compile(r"[\w.+=~%#'/-]+@[\w.-]+\w")


class Trailer(NamedTuple):
    """A trailer.

    :param key: as written: ``Signed-off-by``.
    :param value: the text after the colon.
    """

    key: str
    value: str

    @property
    def name(self) -> str:
        """Return the key in lower case."""
        return self.key.lower()

    @property
    def address(self) -> str:
        """Return the mail address of its value in lower case; empty without one."""
        found = _ADDRESS.search(self.value, self.value.rfind("<") + 1)
        return found[0].lower() if found else ""

    def __str__(self) -> str:
        return f"{self.key}: {self.value}"


def read_trailers(message: str) -> tuple[Trailer, ...]:
    """Return the trailers of a message, in order; wherever in the message they are, as in many a real one."""
    return tuple(_read(message))


def _read(message: str) -> Iterator[Trailer]:
    for line in message.split("\n")[1:]:
        found = _TRAILER.fullmatch(line.rstrip())
        if found is None:
            continue
        key = found["key"].lower()
        if key in _PLAIN_KEYS or key.endswith("-by"):
            yield Trailer(found["key"], found["value"])
