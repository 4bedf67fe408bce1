"""Frozen values from JSON, each field held against its annotation; what is damaged or too new is told. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from enum import StrEnum
from types import GenericAlias
from typing import TypeVar, get_args, get_type_hints

from harness.base.errors import NewerFormatError, UsageError

_EVIDENCE_LENGTH = 120
_EARLIEST, _LATEST = -1e9, 1e11
"""Between these stands each time in a record, in seconds: no date can be made of others, nor of what is no number."""
_AS_THEY_ARE = (str, int, bool)
_T = TypeVar("_T")
# By class, filled when first asked: they cost as much as the reading.
_HINTS: dict[object, Mapping[str, object]] = {}
_MEMBERS: dict[object, Mapping[str, StrEnum]] = {}


def loads_value(
    kind: type[_T], text: str, *, newest: int, source: str, name: str = "", format_name: str = "format"
) -> _T:
    """A frozen value of ``kind`` from the JSON of its ``asdict``, which holds its ``format_version``.

    :param newest: the newest format that can be read. :param source: what to call the text in an error.
    :param name: what to call the value there, the class's name when left out; :param format_name: and its format.
    :raises UsageError: the text is damaged.
    :raises NewerFormatError: it is of a newer format.
    """
    value = parse_json(text, source)
    version = value.get("format_version") if isinstance(value, dict) else None
    if isinstance(version, int) and version > newest:
        raise NewerFormatError(
            f"{source} is of {format_name} {version}, and this harness reads up to format {newest}",
            evidence=f'"format_version": {version}',
            remedy="read it with the harness that wrote it, or a newer one",
        )
    return build(kind, value, name or kind.__name__, source)


def parse_json(text: str, source: str) -> object:
    """What a JSON text holds. :raises UsageError: it is damaged."""
    try:
        value: object = json.loads(text)
    except ValueError as error:
        raise _damaged(source, f"{error}\nit begins: {text[:_EVIDENCE_LENGTH]!r}") from None
    except RecursionError:
        raise _damaged(source, f"nested too deep\nit begins: {text[:_EVIDENCE_LENGTH]!r}") from None
    return value


def build(kind: type[_T], value: object, where: str, source: str) -> _T:
    """A frozen value of ``kind`` from parsed JSON.

    :param where: what to call it in an error. :raises UsageError: it is damaged.
    """
    try:
        return _object(kind, value)
    except _ValueMismatchError as wrong:
        raise _damaged(source, f"{where}{''.join(reversed(wrong.path))}{wrong.what}") from None


class _ValueMismatchError(Exception):
    """A part is not what its annotation says. Where it stands is told on the way out: nearly all parts are right.

    :param what: what it is, to be said after its place.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what
        self.path: list[str] = []
        """The way to it, from the inside."""


def _damaged(source: str, evidence: str) -> UsageError:
    return UsageError(
        f"{source} is damaged", evidence=evidence, remedy="run again; a damaged record cannot be reported on"
    )


def _object(kind: type[_T], value: object) -> _T:
    if not isinstance(value, dict):
        raise _ValueMismatchError(f" is {value!r:.{_EVIDENCE_LENGTH}}, not an object")
    hints = _HINTS.get(kind) or _HINTS.setdefault(kind, get_type_hints(kind))
    fields = {}
    for name, hint in hints.items():
        if name in value:
            given = value[name]
            if type(given) is hint and hint in _AS_THEY_ARE:  # nearly always
                fields[name] = given
                continue
            try:
                fields[name] = _convert(hint, given)
            except _ValueMismatchError as wrong:
                wrong.path.append(f".{name}")
                raise
    try:
        return kind(**fields)
    except TypeError as error:
        raise _ValueMismatchError(f": {error}") from None


def _convert(hint: object, value: object) -> object:
    if hint in _AS_THEY_ARE and type(value) is hint:
        return value
    if isinstance(hint, GenericAlias) and isinstance(value, list):
        (part,) = get_args(hint)[:1]
        return tuple(_items(part, value))
    if isinstance(value, str) and (known := _MEMBERS.get(hint)) and value in known:
        return known[value]
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool) and _EARLIEST < value < _LATEST:
        return float(value)
    if isinstance(hint, type) and is_dataclass(hint):
        return _object(hint, value)
    if isinstance(hint, type) and issubclass(hint, StrEnum) and isinstance(value, str):
        known = _MEMBERS.setdefault(hint, {one.value: one for one in hint})
        if value in known:
            return known[value]
    wanted = hint.__name__ if isinstance(hint, type) and not isinstance(hint, GenericAlias) else hint
    raise _ValueMismatchError(f" is {value!r:.{_EVIDENCE_LENGTH}}, not of type {wanted}")


def _items(hint: object, values: list[object]) -> Iterator[object]:
    for at, value in enumerate(values):
        try:
            yield _convert(hint, value)
        except _ValueMismatchError as wrong:
            wrong.path.append(f"[{at}]")
            raise
