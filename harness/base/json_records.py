# SPDX-License-Identifier: GPL-2.0-only
"""Convert dataclasses to JSON and back, each field checked by its annotation; wraps msgspec. Pure.

JSON text itself is written and parsed by Python's ``json``: it writes lone surrogates, which a guest's output can
contain, as ASCII escapes, and msgspec's own encoder rejects them.
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
"""A time or a duration of a record: no date can be made of a number outside of this range, nor of infinity."""

Table = dict[str, object]

Upgrade = Callable[[Table], Table]
"""Convert the table of an older format to the newest one."""

_PATH = re.compile(r" - at `\$(?P<path>[^`]*)`")
_PATH_PART = re.compile(r"\.(?P<name>\w+)|\[(?P<number>[0-9]+)\]")


def to_table(value: object) -> Table:
    """Convert a dataclass to a table of JSON types: strings, numbers, lists, tables.

    :raises TypeError: a field's type has no JSON form.
    """
    table: Table = msgspec.to_builtins(value, enc_hook=_plain)
    return table


def dump_value(value: object, *, indent: int | None = 1, first: Iterable[str] = ()) -> str:
    """Convert a dataclass to JSON: ASCII only, newline at the end.

    :param indent: columns of indentation; None for one line.
    :param first: the keys to write before all others.
    :raises ValueError: a number is infinite or NaN.
    """
    table = to_table(value)
    ordered = {**{key: table[key] for key in first}, **table}
    return json.dumps(ordered, indent=indent, allow_nan=False) + "\n"


@dataclass(frozen=True, slots=True)
class RecordFormat:
    """A versioned format on disk.

    :param newest: the newest version that can be read.
    :param upgrade: converts the table of an older version to the newest one.
    :param name: the value's name in an error; empty for the class's name.
    :param described: the format's name in an error.
    """

    newest: int
    upgrade: Upgrade
    name: str = ""
    described: str = "format"


def load_value(kind: type[_T], text: str, form: RecordFormat, *, source: str) -> _T:
    """Read a dataclass from the JSON that :func:`dump_value` wrote, of any version up to the newest.

    :param text: JSON with a ``format_version``.
    :param form: the format.
    :param source: the text's name in an error.
    :raises UsageError: the text is damaged.
    :raises NewerFormatError: the text has a newer format.
    """
    value = parse_json(text, source)
    if isinstance(value, dict):
        version = value.get("format_version")
        if isinstance(version, int) and version > form.newest:
            raise NewerFormatError(
                f"{source} has {form.described} {version}, and this harness reads up to format {form.newest}",
                evidence=f'"format_version": {version}',
                remedy="read it with the harness that wrote it, or a newer one",
            )
        value = form.upgrade(value)
    return from_table(kind, value, name=form.name or kind.__name__, source=source)


def schema_of(kind: type) -> Table:
    """Return the JSON Schema of a dataclass, its types below ``$defs``; the docstrings are the descriptions.

    :param kind: a dataclass with fields of types that msgspec knows.
    """
    return msgspec.json.schema(kind)


def parse_json(text: str, source: str) -> object:
    """Parse a JSON text.

    :param source: the text's name in an error.
    :raises UsageError: the text is not JSON.
    """
    try:
        value: object = json.loads(text, parse_constant=_refuse)
    except ValueError as error:
        raise _damaged(source, f"{error}\nit begins: {text[:_EVIDENCE_LENGTH]!r}") from None
    except RecursionError:
        raise _damaged(source, f"nested too deeply\nit begins: {text[:_EVIDENCE_LENGTH]!r}") from None
    return value


def from_table(kind: type[_T], table: object, *, name: str, source: str) -> _T:
    """Convert parsed JSON to a dataclass.

    :param name: the value's name in an error.
    :param source: the text's name in an error.
    :raises UsageError: a field is missing or has another type.
    """
    try:
        return msgspec.convert(table, kind, dec_hook=_typed)
    except msgspec.ValidationError as error:
        raise _damaged(source, _describe(str(error), table, name)) from None


def read_facts(kind: type[_T], text: str | bytes) -> _T | None:
    """Read a dataclass from the store; None when it is damaged, or was written by another version.

    :param text: JSON, as :func:`dump_value` wrote it; unknown fields are ignored.
    """
    try:
        return msgspec.convert(json.loads(text), kind, dec_hook=_typed)
    except (ValueError, RecursionError):
        return None


def recall_facts(kind: type[_T], table: Table | None) -> _T | None:
    """Convert a table of the store to a dataclass; None when there is none, or another version wrote it.

    :param table: the result of :func:`to_table`.
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
    raise ValueError(f"{constant} is not a number in JSON")


def _describe(message: str, table: object, name: str) -> str:
    """Rewrite msgspec's message with the record's name, the field and the field's value."""
    found = _PATH.search(message)
    path = found["path"] if found else ""
    value = table
    for part in _PATH_PART.finditer(path):
        try:
            value = value[part["name"] or int(part["number"])]  # type: ignore[index]  # a path of this very table
        except (LookupError, TypeError):
            value = table
            break
    holds = "" if isinstance(value, dict | list) else f" is {value!r:.{_EVIDENCE_LENGTH}}"
    return f"{name}{path}{holds}: {_PATH.sub('', message)}"


def _damaged(source: str, evidence: str) -> UsageError:
    return UsageError(
        f"{source} is damaged", evidence=evidence, remedy="run again; a damaged record cannot be reported"
    )
