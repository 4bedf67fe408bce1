# SPDX-License-Identifier: GPL-2.0-only
"""Read a TOML table strictly: each key by its type, and unknown keys are errors. Pure.

Errors name the file and the dotted key (``semantics.toml: trait.scope.meaning is missing``); the caller chooses their
class, because the person who must act depends on the file.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import TypeVar, overload

from harness.base.errors import HarnessError

_Kind = TypeVar("_Kind")
_SIZE = re.compile(r"(?P<number>\d{1,15}(?:\.\d{1,15})?) ?(?P<unit>[KMGT]?)(?:i?B)?", re.IGNORECASE)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def parse_size(text: str) -> int | None:
    """Return a number of bytes, such as ``6G``, in powers of 1024; None for any other text."""
    match = _SIZE.fullmatch(text)
    return int(float(match["number"]) * 1024 ** _POWERS[match["unit"].upper()]) if match else None


class Table:
    """One table with its file and dotted key; it records the keys that were read."""

    def __init__(self, content: Mapping[str, object], *, path: str, kind: type[HarnessError], key: str = "") -> None:
        self._content = content
        self._path = path
        self._kind = kind
        self._key = key
        self._read: set[str] = set()

    def error(self, what: str, *, remedy: str) -> HarnessError:
        """Return an error about this table, for the caller to raise."""
        return self._kind(f"{self._path}: {self._key + ': ' if self._key else ''}{what}", remedy=remedy)

    def names(self) -> tuple[str, ...]:
        """Return the keys, in the order of the file, of a table with free keys."""
        return tuple(self._content)

    def text(self, key: str, *, default: str | None = None) -> str:
        """Read a string that is not blank; ``default`` when the key is missing, if one is given."""
        if key not in self._content and default is not None:
            self._read.add(key)
            return default
        found = self._typed(key, str, "a string")
        if not found.strip():
            raise self._key_error(key, "is empty", remedy="write a text")
        return found

    def flag(self, key: str, *, default: bool | None = None) -> bool:
        """Read true or false; ``default`` when the key is missing, if one is given."""
        if key not in self._content and default is not None:
            self._read.add(key)
            return default
        return self._typed(key, bool, "true or false")

    def count(self, key: str, *, default: int) -> int:
        """Read a number from 0; ``default`` when the key is missing."""
        if key not in self._content:
            self._read.add(key)
            return default
        found = self._typed(key, int, "a number")
        if isinstance(found, bool) or found < 0:
            raise self._key_error(key, f"is {found}", remedy="write a number from 0")
        return found

    def size(self, key: str, *, default: int) -> int:
        """Read a number of bytes, as ``"20G"``; ``default`` when the key is missing."""
        text = self.text(key, default=str(default))
        if (found := parse_size(text)) is None:
            raise self._key_error(key, f"is {text!r}, which is not a size", remedy='write for example "20G"')
        return found

    def date(self, key: str) -> str:
        """Read a date, as ``2015-11-16``."""
        return self._typed(key, datetime.date, "a date such as 2015-11-16").isoformat()

    @overload
    def texts(self, key: str) -> tuple[str, ...]: ...
    @overload
    def texts(self, key: str, *, default: tuple[str, ...]) -> tuple[str, ...]: ...
    @overload
    def texts(self, key: str, *, default: None) -> tuple[str, ...] | None: ...
    def texts(self, key: str, *, default: tuple[str, ...] | None = ("",)) -> tuple[str, ...] | None:
        """Read a list of strings; ``default`` when the key is missing, if one is given."""
        if key not in self._content and default != ("",):
            return default
        found = self._typed(key, list, "a list of strings")
        texts = tuple(item for item in found if isinstance(item, str))
        if len(texts) != len(found):
            raise self._key_error(key, "holds something that is not a string", remedy="quote every item")
        return texts

    def table(self, key: str) -> Table:
        """Read the table below a key."""
        return self._below(key, self._typed(key, dict, "a table"))

    def tables(self) -> tuple[tuple[str, Table], ...]:
        """Read every key and its table, in the order of the file."""
        return tuple((key, self.table(key)) for key in self._content)

    def table_list(self, key: str) -> tuple[Table, ...]:
        """Read the tables of a list, which must not be empty."""
        found = self._typed(key, list, "a list of tables")
        if not found or not all(isinstance(item, dict) for item in found):
            raise self._key_error(key, "is not a list of tables", remedy="write [{ ... }, { ... }]")
        return tuple(self._below(f"{key}[{place}]", item) for place, item in enumerate(found))

    def close(self) -> None:
        """Refuse the keys that were not read.

        The error's class is the one given to the table.
        """
        for key in self._content:
            if key not in self._read:
                known = ", ".join(sorted(self._read))
                raise self._key_error(key, "is not a known key", remedy=f"known keys: {known}")

    def _typed(self, key: str, wanted: type[_Kind], called: str) -> _Kind:
        self._read.add(key)
        if key not in self._content:
            raise self._key_error(key, "is missing", remedy=f"add it: {called}")
        found = self._content[key]
        if not isinstance(found, wanted):
            raise self._key_error(key, f"is not {called}", remedy=f"found {found!r}")
        return found

    def _below(self, key: str, content: Mapping[str, object]) -> Table:
        return Table(content, path=self._path, kind=self._kind, key=self._dotted(key))

    def _dotted(self, key: str) -> str:
        return f"{self._key}.{key}" if self._key else key

    def _key_error(self, key: str, what: str, *, remedy: str) -> HarnessError:
        return self._kind(f"{self._path}: {self._dotted(key)} {what}", remedy=remedy)
