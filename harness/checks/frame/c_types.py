# SPDX-License-Identifier: GPL-2.0-only
"""Read structs, unions, enums, constants and prototypes in C text, as far as comparing two versions needs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_HEAD = re.compile(r"\b(?P<kind>struct|union|enum)\s+(?P<name>\w+)\s*(?:__\w+(?:\([^()]*\))?\s*)*\{")
_DEFINE = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(?P<name>\w+)[ \t]+(?P<value>\S.*)$", re.MULTILINE)
_EXPORT = re.compile(r"^[ \t]*(?P<kind>EXPORT_SYMBOL\w*)\(\s*(?P<name>\w+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Definition:
    """A struct, union or enum.

    :param kind: ``struct``, ``union`` or ``enum``.
    :param name: its name.
    :param members: the text of each member, in order, with single spaces.
    :param line: the line of its head, from 1.
    """

    kind: str
    name: str
    members: tuple[str, ...]
    line: int


def without_comments(text: str) -> str:
    """Return C text without comments; each line keeps its number."""
    return _COMMENT.sub(lambda found: "\n" * found[0].count("\n") or " ", text)


def definitions(text: str) -> dict[str, Definition]:
    """Return the definitions of a file by kind and name: ``struct clone_args``."""
    plain = without_comments(text)
    return {f"{one.kind} {one.name}": one for one in _definitions(plain)}


def _definitions(text: str) -> Iterator[Definition]:
    for head in _HEAD.finditer(text):
        body = _braced(text, head.end())
        separator = "," if head["kind"] == "enum" else ";"
        members = tuple(" ".join(one.split()) for one in _split(body, separator))
        line = text.count("\n", 0, head.start()) + 1
        yield Definition(head["kind"], head["name"], tuple(one for one in members if one), line)


def _braced(text: str, start: int) -> str:
    depth, at = 1, start
    while at < len(text) and depth:
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        at += 1
    return text[start : at - 1]


def _split(body: str, separator: str) -> Iterator[str]:
    """Split the members; those of an inner struct stay together. Lines of the preprocessor are left out."""
    body = re.sub(r"^[ \t]*#.*$", "", body, flags=re.MULTILINE)
    depth, begin = 0, 0
    for at, letter in enumerate(body):
        depth += {"{": 1, "}": -1, "(": 1, ")": -1}.get(letter, 0)
        if letter == separator and not depth:
            yield body[begin:at]
            begin = at + 1
    yield body[begin:]


def constants(text: str) -> dict[str, str]:
    """Return the values of constants that are defined once: ``#define NAME value``."""
    found: dict[str, list[str]] = {}
    for one in _DEFINE.finditer(without_comments(text.replace("\\\n", " "))):
        found.setdefault(one["name"], []).append(" ".join(one["value"].split()))
    return {name: values[0] for name, values in found.items() if len(values) == 1}


def exports(text: str) -> dict[str, str]:
    """Return the exported symbols of a file with the macro that exports each."""
    return {one["name"]: one["kind"] for one in _EXPORT.finditer(without_comments(text))}


def prototype(text: str, name: str) -> tuple[str, int] | None:
    """Return the head of the definition of a function with single spaces, and its line; None if it is not one here.

    :param text: a file.
    :param name: the function.
    """
    plain = _STRING.sub('""', without_comments(text))
    found = re.search(rf"^(?P<head>[A-Za-z_][\w \t*\n]*?\b{name}\s*\([^;{{}}]*?\))\s*\{{", plain, re.MULTILINE)
    if found is None:
        return None
    head = re.sub(r"\s*([*(),])\s*", r"\1", " ".join(found["head"].split()))
    # The names of parameters are no part of the type.
    head = _LAST_WORD.sub(lambda word: word[0] if word[0].strip() in _TYPES else "", head)
    return head, plain.count("\n", 0, found.start()) + 1


# The last word of a parameter: its name, or the end of a type without one.
_LAST_WORD = re.compile(r"(?<=[\w*\]])(?:(?<=\*)|\s)\w+(?=[,)\[])")
_TYPES = {"int", "long", "short", "char", "void", "unsigned", "signed", "bool", "u8", "u16", "u32", "u64", "size_t"}
