# SPDX-License-Identifier: GPL-2.0-only
"""Read the header of a session file: ``name: value`` lines at its top, ended by an empty line. Pure.

An indented line continues the one above. A file whose first line is empty, or is not ``name: value``, has no header.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.base.errors import CaseError
from harness.session.console_name import ConsoleName
from harness.session.preparation import Preparation, PreparationRequest

DEFAULT_PROMPTS = {ConsoleName.ADMIN: "# ", ConsoleName.INSIDE: "inside# ", ConsoleName.OBSERVER: "observer# "}

_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9_-]*):(?:\s+(.*))?")
_PROMPT = re.compile(r'(\S+)\s+"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt that starts a command on a console; the text includes the white space at its end."""

    console: ConsoleName
    text: str


@dataclass(frozen=True, slots=True)
class Header:
    """The values of a header; see :class:`harness.session.transcript.Transcript` for each.

    :param fields: name of each header with its first line and the line after its last, counted from 0.
    :param body: the first line after the header, counted from 0.
    """

    title: str = ""
    preparations: tuple[PreparationRequest, ...] = ()
    prompts: tuple[Prompt, ...] = ()
    varies: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    timeout_seconds: float | None = None
    scenarios: tuple[str, ...] = ()
    source: str = ""
    fields: Mapping[str, tuple[int, int]] = field(default_factory=dict, hash=False)
    body: int = 0


@dataclass(frozen=True, slots=True)
class _Field:
    path: str
    name: str
    value: str
    first: int
    after: int

    def fault(self, what: str, *, remedy: str = "") -> CaseError:
        return case_error(self.path, self.first + 1, what, evidence=f"{self.name}: {self.value}", remedy=remedy)


def case_error(path: str, line: int, what: str, *, evidence: str = "", remedy: str = "") -> CaseError:
    """Make an error of a case file that names the file and the line, counted from 1."""
    return CaseError(f"{path}:{line}: {what}", evidence=evidence, remedy=remedy)


def near(word: str, known: Iterable[str]) -> str:
    """Make a hint that names the known words that resemble the given one, and all known words."""
    known = sorted(known)
    resembling = difflib.get_close_matches(word.lower(), known, n=3)
    if resembling:
        return f"did you mean {' or '.join(resembling)}? Known are: {', '.join(known)}"
    return f"use one of: {', '.join(known)}" if known else ""


def read_header(lines: Sequence[str], *, path: str, preparations: Sequence[Preparation] = ()) -> Header:
    """Read the header of a session file.

    :param lines: the file's lines.
    :param preparations: the headers that the suite of the file defines.
    :param path: name of the file, for errors.
    :raises CaseError: an unknown, repeated or empty header, an invalid value, or a line that is not a header.
    """
    known = _NAMES | {one.header for one in preparations} | ({_AT} if any(one.at for one in preparations) else set())
    fields, body = _split(lines, path=path, known=known)
    by_name: dict[str, list[_Field]] = {}
    for entry in fields:
        if entry.name not in known:
            raise entry.fault(f"unknown header {entry.name!r}", remedy=_unknown_remedy(entry, known))
        if not entry.value:
            raise entry.fault(f"header {entry.name!r} is empty", remedy="give it a value or remove the line")
        if entry.name in by_name and entry.name != "prompt":
            raise entry.fault(
                f"header {entry.name!r} is repeated, first in line {by_name[entry.name][0].first + 1}",
                remedy="put everything into one; a long value continues in indented lines",
            )
        by_name.setdefault(entry.name, []).append(entry)
    one = {name: entries[0] for name, entries in by_name.items()}
    return Header(
        title=one["title"].value if "title" in one else "",
        preparations=_requests(one, preparations),
        prompts=_prompts(by_name.get("prompt", [])),
        varies=_varies(one["varies"]) if "varies" in one else (),
        needs=tuple(re.split(r"[,\s]+", one["needs"].value.strip(", \t"))) if "needs" in one else (),
        timeout_seconds=_timeout(one["timeout"]) if "timeout" in one else None,
        scenarios=tuple(filter(None, re.split(r"[,\s]+", one["scenario"].value))) if "scenario" in one else (),
        source=one["source"].value if "source" in one else "",
        fields={name: (entries[0].first, entries[-1].after) for name, entries in by_name.items()},
        body=body,
    )


_NAMES = frozenset({"title", "varies", "needs", "prompt", "timeout", "scenario", "source"})
_AT = "at"
CORE_HEADERS = _NAMES | {_AT}
"""The headers of every suite; a suite cannot define one of these names."""


def _unknown_remedy(entry: _Field, known: Iterable[str]) -> str:
    remedy = near(entry.name, known)
    return f"{remedy}; prose in the first line needs an empty line above it" if entry.first == 0 else remedy


def _split(lines: Sequence[str], *, path: str, known: Collection[str]) -> tuple[list[_Field], int]:
    """Split the header into its fields, and return them with the number of the first line after it."""
    if lines and lines[0].startswith("\ufeff"):
        raise case_error(path, 1, "the file starts with a byte order mark", remedy="save it as UTF-8 without it")
    if not lines or not _FIELD.fullmatch(lines[0].rstrip()):
        _refuse_late_header(lines, path=path, known=known)
        return [], 0
    fields: list[_Field] = []
    for number, raw in enumerate(lines):
        line = raw.rstrip()
        if not line:
            return fields, number
        if line[0] in " \t":
            last = fields.pop()
            value = f"{last.value} {line.strip()}".strip()
            fields.append(_Field(path, last.name, value, last.first, number + 1))
        elif found := _FIELD.fullmatch(line):
            fields.append(_Field(path, found[1], (found[2] or "").strip(), number, number + 1))
        else:
            remedy = "end the header with an empty line; a long value continues in indented lines"
            raise case_error(path, number + 1, "the line is not a header", evidence=line, remedy=remedy)
    return fields, len(lines)


def _refuse_late_header(lines: Sequence[str], *, path: str, known: Collection[str]) -> None:
    first = next((i for i, line in enumerate(lines) if line.strip()), None)
    found = _FIELD.fullmatch(lines[first].rstrip()) if first else None
    if first and found and found[1] in known:
        raise case_error(
            path,
            first + 1,
            "the header must start on the first line",
            evidence=lines[first].rstrip(),
            remedy="remove the empty lines above it",
        )


def _requests(one: Mapping[str, _Field], preparations: Sequence[Preparation]) -> tuple[PreparationRequest, ...]:
    """Return the preparations that the headers of the suite request, in the order of the file."""
    by_header = {preparation.header: preparation for preparation in preparations}
    at = _path(one[_AT]) if _AT in one else ""
    requests = []
    for name in filter(by_header.__contains__, one):
        preparation, words = by_header[name], tuple(one[name].value.split())
        if fault := preparation.fault(words):
            raise one[name].fault(fault, remedy=preparation.hint)
        requests.append(PreparationRequest(preparation, words, (at or preparation.at) if preparation.at else ""))
    return tuple(requests)


def _path(entry: _Field) -> str:
    if not entry.value.startswith("/") or len(entry.value.split()) != 1:
        raise entry.fault(
            f"the value of {entry.name!r} is not an absolute path", remedy="write an absolute path, such as /mnt"
        )
    return entry.value.rstrip("/") or "/"


def _prompts(entries: Sequence[_Field]) -> tuple[Prompt, ...]:
    """Read the declared prompts; a console without any has its default prompt."""
    declared = [_prompt(entry) for entry in entries]
    defaults = [
        Prompt(console, text)
        for console, text in DEFAULT_PROMPTS.items()
        if console not in {prompt.console for prompt in declared}
    ]
    owner = {prompt.text.rstrip(): prompt for prompt in defaults}
    for entry, prompt in zip(entries, declared, strict=True):
        other = owner.setdefault(prompt.text.rstrip(), prompt)
        if other.console is not prompt.console:
            raise entry.fault(
                f"prompt {prompt.text!r} is also a prompt of {other.console}",
                remedy=f"declare another prompt for one of them, such as `prompt: {other.console} "
                f'"{DEFAULT_PROMPTS[other.console]}"`',
            )
        if other is not prompt:
            raise entry.fault(f"prompt {prompt.text!r} is declared twice", remedy="remove one of the lines")
    by_console = {console: [p for p in (*declared, *defaults) if p.console is console] for console in ConsoleName}
    return tuple(prompt for prompts in by_console.values() for prompt in prompts)


def _prompt(entry: _Field) -> Prompt:
    found = _PROMPT.fullmatch(entry.value)
    if not found:
        raise entry.fault("the prompt is invalid", remedy='write `prompt: admin "root@host:~# "`, with quotes')
    if found[1] not in set(ConsoleName):
        raise entry.fault(f"unknown console {found[1]!r}", remedy=near(found[1], ConsoleName))
    text = re.sub(r"\\(.)", r"\1", found[2])
    if not text.strip() or text[0].isspace() or text[0] == "\\":
        what = f"prompt {text!r} is empty, or starts with white space or a backslash"
        raise entry.fault(what, remedy="start it with another character")
    return Prompt(ConsoleName(found[1]), text)


def _varies(entry: _Field) -> tuple[str, ...]:
    tokens = tuple(entry.value.split())
    for token in tokens:
        if not re.search(r"[0-9]", token):
            raise entry.fault(f"{token!r} has no digit that could vary", remedy="name only tokens with digits")
        if tokens.count(token) > 1:
            raise entry.fault(f"{token!r} is repeated", remedy="name each token once")
    return tokens


def _timeout(entry: _Field) -> float:
    try:
        seconds = float(entry.value)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds > 0):
        raise entry.fault("the timeout is not a number of seconds", remedy="write a number, such as `timeout: 20`")
    return seconds
