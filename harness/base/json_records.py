# SPDX-License-Identifier: GPL-2.0-only
"""Frozen values to JSON and back, each field checked by its annotation; wraps msgspec. Pure.

JSON text itself goes through Python's ``json``: it carries half surrogate pairs, which output of a guest can hold, as
ASCII escapes, and msgspec's own encoder refuses them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, TypeVar

import msgspec

from harness.base.errors import NewerFormatError, UsageError

_EVIDENCE_LENGTH = 120
_T = TypeVar("_T")

Seconds = Annotated[float, msgspec.Meta(gt=-1e9, lt=1e11)]
"""A time or a duration of a record: no date can be made of a number beyond these, nor of infinity."""

Table = dict[str, object]

Upgrade = Callable[[Table], Table]
"""Turns the table of an older format into that of the newest one."""

_PATH = re.compile(r" - at `\$(?P<path>[^`]*)`")
_PATH_PART = re.compile(r"\.(?P<name>\w+)|\[(?P<number>[0-9]+)\]")


def to_table(value: object) -> Table:
    """Return a frozen value as a table of what JSON knows: texts, numbers, lists, tables.

    :raises TypeError: a field is of a type that JSON cannot hold.
    """
    table: Table = msgspec.to_builtins(value, enc_hook=_plain)
    return table


def dump_value(value: object, *, indent: int | None = 1, first: Iterable[str] = ()) -> str:
    """Return a frozen value as JSON: ASCII only, newline at the end.

    :param indent: columns of indentation; None for one line.
    :param first: the keys to write before all others.
    :raises ValueError: a number is infinite or not a number.
    """
    table = to_table(value)
    ordered = {**{key: table[key] for key in first}, **table}
    return json.dumps(ordered, indent=indent, allow_nan=False) + "\n"


@dataclass(frozen=True, slots=True)
class RecordFormat:
    """A format on disk that has versions.

    :param newest: the newest version that can be read.
    :param upgrade: makes the table of an older version one of the newest.
    :param name: what to call the value in an error; the class's name when left out.
    :param described: what to call the format in an error.
    """

    newest: int
    upgrade: Upgrade
    name: str = ""
    described: str = "format"


def load_value(kind: type[_T], text: str, form: RecordFormat, *, source: str) -> _T:
    """Read a frozen value from the JSON that :func:`dump_value` wrote; it holds its ``format_version``.

    :param form: the format, and how older versions of it are read.
    :param source: what to call the text in an error.
    :raises UsageError: the text is damaged.
    :raises NewerFormatError: it is of a newer format.
    """
    value = parse_json(text, source)
    if isinstance(value, dict):
        version = value.get("format_version")
        if isinstance(version, int) and version > form.newest:
            raise NewerFormatError(
                f"{source} is of {form.described} {version}, and this harness reads up to format {form.newest}",
                evidence=f'"format_version": {version}',
                remedy="read it with the harness that wrote it, or a newer one",
            )
        value = form.upgrade(value)
    return from_table(kind, value, name=form.name or kind.__name__, source=source)


def schema_of(kind: type) -> Table:
    """Return the JSON Schema of a frozen value, its types below ``$defs``; descriptions are the docstrings.

    :param kind: a dataclass whose fields msgspec knows all.
    """
    return msgspec.json.schema(kind)


def parse_json(text: str, source: str) -> object:
    """Parse a JSON text.

    :param source: what to call the text in an error.
    :raises UsageError: it is damaged.
    """
    try:
        value: object = json.loads(text, parse_constant=_refuse)
    except ValueError as error:
        raise _damaged(source, f"{error}\nit begins: {text[:_EVIDENCE_LENGTH]!r}") from None
    except RecursionError:
        raise _damaged(source, f"nested too deep\nit begins: {text[:_EVIDENCE_LENGTH]!r}") from None
    return value


def from_table(kind: type[_T], table: object, *, name: str, source: str) -> _T:
    """Make a frozen value of parsed JSON.

    :param name: what to call the value in an error.
    :param source: what to call the text in an error.
    :raises UsageError: a field is missing, or is not what its annotation says.
    """
    try:
        return msgspec.convert(table, kind, dec_hook=_typed)
    except msgspec.ValidationError as error:
        raise _damaged(source, _describe(str(error), table, name)) from None


def read_facts(kind: type[_T], text: str | bytes) -> _T | None:
    """Read a frozen value that the store keeps; None when it is damaged, or was written by another version.

    :param text: JSON, as :func:`dump_value` wrote it; fields that the value does not have are left out.
    """
    try:
        return msgspec.convert(json.loads(text), kind, dec_hook=_typed)
    except (ValueError, RecursionError):
        return None


def recall_facts(kind: type[_T], table: Table | None) -> _T | None:
    """Make a frozen value of a table that the store keeps; None when there is none, or it is not one of this version.

    :param table: what :func:`to_table` gave.
    """
    try:
        return msgspec.convert(table, kind, dec_hook=_typed)
    except msgspec.ValidationError:
        return None


def _plain(value: object) -> object:
    """Convert a value of a type that msgspec does not know to one that it writes as JSON."""
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be kept as JSON")


def _typed(kind: type, value: object) -> object:
    """Convert a value back to the type that :func:`_plain` had; msgspec reads mappings itself."""
    if issubclass(kind, PurePath) and isinstance(value, str):
        return kind(value)
    raise TypeError(f"{kind.__name__} cannot be read from JSON")


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no number")


def _describe(complaint: str, table: object, name: str) -> str:
    """Rewrite msgspec's message with the record's name, the field and the field's value."""
    found = _PATH.search(complaint)
    path = found["path"] if found else ""
    value = table
    for part in _PATH_PART.finditer(path):
        try:
            value = value[part["name"] or int(part["number"])]  # type: ignore[index]  # a path of this very table
        except (LookupError, TypeError):
            value = table
            break
    holds = "" if isinstance(value, dict | list) else f" is {value!r:.{_EVIDENCE_LENGTH}}"
    return f"{name}{path}{holds}: {_PATH.sub('', complaint)}"


def _damaged(source: str, evidence: str) -> UsageError:
    return UsageError(
        f"{source} is damaged", evidence=evidence, remedy="run again; a damaged record cannot be reported on"
    )
