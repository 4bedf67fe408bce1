# SPDX-License-Identifier: GPL-2.0-only
"""Read TOML tables and find all faults, not only the first one. Pure.

If a value is missing or of a wrong type, the fault is noted and an empty value is used, so that the rest is read as
well. :class:`harness.base.toml_table.Table` is for files of which the first fault is enough.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypeVar

_Kind = TypeVar("_Kind")


class FaultTable:
    """One table of a file; it remembers which of its keys were read.

    :param content: the table.
    :param path: name of the file, for messages.
    :param faults: list that receives the faults, one line each.
    :param key: the dotted key of the table; empty for the whole file.
    """

    def __init__(self, content: Mapping[str, object], path: str, faults: list[str], key: str = "") -> None:
        self._content = content
        self._path = path
        self._faults = faults
        self._key = key
        self._asked: set[str] = set()

    def fault(self, key: str, what: str, *, hint: str) -> None:
        """Note a fault of a key, or of the table itself if the key is empty."""
        dotted = ".".join(filter(None, (self._key, key)))
        self._faults.append(f"{self._path}: {dotted + ' ' if dotted else ''}{what} (hint: {hint})")

    def has(self, key: str) -> bool:
        """Return whether the table has a key."""
        return key in self._content

    def text(self, key: str, *, default: str | None = None) -> str:
        """Read a string; without a default it is required and must not be blank."""
        found = self._typed(key, str, "a string", "" if default is None else default, is_needed=default is None)
        if default is None and key in self._content and isinstance(self._content[key], str) and not found.strip():
            self.fault(key, "is empty", hint="write a value, or remove the key")
        return found

    def number(self, key: str, *, default: int | None = None) -> int:
        """Read a whole number that is not negative."""
        found = self._typed(key, int, "a number", 1 if default is None else default, is_needed=default is None)
        if found < 0:
            self.fault(key, f"is {found}", hint="write a number that is not negative")
        return found

    def flag(self, key: str, *, default: bool) -> bool:
        """Read true or false."""
        return self._typed(key, bool, "true or false", default, is_needed=False)

    def texts(self, key: str) -> tuple[str, ...]:
        """Read a list of strings; empty if it is missing."""
        found = self._typed(key, list, "a list of strings", [], is_needed=False)
        if not all(isinstance(one, str) for one in found):
            self.fault(key, "holds something that is not a string", hint="quote every item")
        return tuple(one for one in found if isinstance(one, str))

    def pairs(self, key: str) -> tuple[tuple[str, str], ...]:
        """Read a table of strings by strings; empty if it is missing."""
        found = self._typed(key, dict, "a table of strings", {}, is_needed=False)
        if not all(isinstance(one, str) for one in found.values()):
            self.fault(key, "holds something that is not a string", hint="quote every value")
        return tuple((name, value) for name, value in found.items() if isinstance(value, str))

    def expression(self, key: str, text: str) -> str:
        """Check a regular expression; return an empty one if it is invalid."""
        try:
            re.compile(text)
        except re.error as error:
            self.fault(key, f"has {text!r}, which is not a regular expression: {error}", hint="correct it")
            return ""
        return text

    def table(self, key: str) -> FaultTable:
        """Read the table of a key; an empty one if it is missing."""
        return self._below(key, self._typed(key, dict, "a table", {}, is_needed=False))

    def tables(self, key: str) -> tuple[tuple[str, FaultTable], ...]:
        """Read the tables ``[KEY.NAME]``, by name."""
        found = self._typed(key, dict, f"written as [{key}.NAME]", {}, is_needed=False)
        rows = [(name, f"{key}.{name}", one) for name, one in found.items()]
        for _, dotted, one in rows:
            if not isinstance(one, dict):
                self.fault(dotted, "is not a table", hint=f"write [{dotted}]")
        return tuple((name, self._below(dotted, one)) for name, dotted, one in rows if isinstance(one, dict))

    def rows(self, key: str) -> tuple[FaultTable, ...]:
        """Read the tables ``[[KEY]]``, in their order."""
        found = self._typed(key, list, f"written as [[{key}]]", [], is_needed=False)
        if not all(isinstance(one, dict) for one in found):
            self.fault(key, "holds something that is not a table", hint=f"write [[{key}]]")
        rows = [one for one in found if isinstance(one, dict)]
        return tuple(self._below(f"{key}[{place}]", one) for place, one in enumerate(rows, start=1))

    def close(self) -> None:
        """Note the keys that were not read as faults."""
        for key in self._content:
            if key not in self._asked:
                near = get_close_matches(key, sorted(self._asked), 1)
                known = ", ".join(sorted(self._asked))
                self.fault(key, "is not a known key", hint=f"did you mean {near[0]}?" if near else f"known are {known}")

    def _typed(self, key: str, wanted: type[_Kind], called: str, default: _Kind, *, is_needed: bool) -> _Kind:
        self._asked.add(key)
        if key not in self._content:
            if is_needed:
                self.fault(key, "is missing", hint=f"add it: {called}")
            return default
        found = self._content[key]
        if not isinstance(found, wanted) or (isinstance(found, bool) and wanted is not bool):
            self.fault(key, f"is not {called}", hint=f"it is {found!r}")
            return default
        return found

    def _below(self, key: str, content: Mapping[str, object]) -> FaultTable:
        return FaultTable(content, self._path, self._faults, ".".join(filter(None, (self._key, key))))
