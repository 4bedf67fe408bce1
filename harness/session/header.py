"""The header of a session file: ``name: value`` lines at its very top, ended by an empty line. Pure.

A line that is indented continues the one above. A file whose first line is empty, or is no ``name: value``, has no
header.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from harness.base.errors import CaseError
from harness.session.console_name import ConsoleName

DEFAULT_MOUNT_POINT = "/sys/fs/cgroup"
DEFAULT_PROMPTS = {ConsoleName.ADMIN: "# ", ConsoleName.INSIDE: "inside# ", ConsoleName.OBSERVER: "observer# "}

_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9_-]*):(?:\s+(.*))?")
_PROMPT = re.compile(r'(\S+)\s+"((?:[^"\\]|\\.)*)"')
_HIERARCHY_PART = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*(?:=[^\s,=]+)?")
# Mount options of cgroup v1 that are no controllers (parse_cgroup1_options() in kernel/cgroup/cgroup-v1.c).
_V1_FLAGS = frozenset({"none", "all", "noprefix", "clone_children", "cpuset_v2_mode", "xattr", "favordynmods"})


class CgroupVersion(IntEnum):
    """Which of the two cgroup file systems."""

    V1 = 1
    V2 = 2


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """A cgroup hierarchy that a case wants mounted.

    :param version: which file system (``cgroup`` or ``cgroup2``).
    :param controllers: v1: the controllers, in the order written; empty for a named hierarchy.
    :param name: v1: the name of a named hierarchy, or "".
    :param options: other mount options, in the order written.
    """

    version: CgroupVersion
    controllers: tuple[str, ...] = ()
    name: str = ""
    options: tuple[str, ...] = ()

    @property
    def file_system(self) -> str:
        """The type for ``mount -t``."""
        return "cgroup2" if self.version is CgroupVersion.V2 else "cgroup"

    @property
    def mount_options(self) -> str:
        """The list for ``mount -o``; empty where none is needed. A named hierarchy without controllers has ``none``."""
        bare = self.name and not self.controllers and "none" not in self.options
        named = (f"name={self.name}",) if self.name else ()
        return ",".join((*(("none",) if bare else ()), *self.controllers, *named, *self.options))


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt that starts a command on a console: the text, with the white space at its end."""

    console: ConsoleName
    text: str


@dataclass(frozen=True, slots=True)
class Header:
    """What the header says; each value as in :class:`harness.session.transcript.Transcript`.

    :param fields: name of each header with its lines: first and after the last, counted from 0.
    :param body: the first line after the header, counted from 0.
    """

    title: str = ""
    hierarchies: tuple[Hierarchy, ...] = ()
    mount_point: str = DEFAULT_MOUNT_POINT
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
    """An error of a case file that names the place, lines counted from 1."""
    return CaseError(f"{path}:{line}: {what}", evidence=evidence, remedy=remedy)


def near(word: str, known: Iterable[str]) -> str:
    """A remedy that lists the known words, those that resemble the given one first."""
    known = sorted(known)
    resembling = difflib.get_close_matches(word.lower(), known, n=3)
    if resembling:
        return f"did you mean {' or '.join(resembling)}? Known are: {', '.join(known)}"
    return f"use one of: {', '.join(known)}" if known else ""


def read_header(lines: Sequence[str], *, path: str) -> Header:
    """Read the header of a session file.

    :param lines: the file's lines.
    :raises CaseError: an unknown, repeated or empty header, a value that cannot be read, a line that is no header.
    """
    fields, body = _split(lines, path=path)
    by_name: dict[str, list[_Field]] = {}
    for entry in fields:
        if entry.name not in _NAMES:
            raise entry.fault(f"unknown header {entry.name!r}", remedy=_unknown_remedy(entry))
        if not entry.value:
            raise entry.fault(f"header {entry.name!r} is empty", remedy="give it a value or take the line away")
        if entry.name in by_name and entry.name != "prompt":
            raise entry.fault(
                f"header {entry.name!r} is there twice, first in line {by_name[entry.name][0].first + 1}",
                remedy="put everything into one; a long value goes on in indented lines",
            )
        by_name.setdefault(entry.name, []).append(entry)
    one = {name: entries[0] for name, entries in by_name.items()}
    return Header(
        title=one["title"].value if "title" in one else "",
        hierarchies=_hierarchies(one["hierarchies"]) if "hierarchies" in one else (),
        mount_point=_mount_point(one["at"]) if "at" in one else DEFAULT_MOUNT_POINT,
        prompts=_prompts(by_name.get("prompt", [])),
        varies=_varies(one["varies"]) if "varies" in one else (),
        needs=tuple(re.split(r"[,\s]+", one["needs"].value.strip(", \t"))) if "needs" in one else (),
        timeout_seconds=_timeout(one["timeout"]) if "timeout" in one else None,
        scenarios=tuple(filter(None, re.split(r"[,\s]+", one["scenario"].value))) if "scenario" in one else (),
        source=one["source"].value if "source" in one else "",
        fields={name: (entries[0].first, entries[-1].after) for name, entries in by_name.items()},
        body=body,
    )


_NAMES = frozenset({"title", "hierarchies", "at", "varies", "needs", "prompt", "timeout", "scenario", "source"})


def _unknown_remedy(entry: _Field) -> str:
    remedy = near(entry.name, _NAMES)
    return f"{remedy}; prose on the first line needs an empty line above it" if entry.first == 0 else remedy


def _split(lines: Sequence[str], *, path: str) -> tuple[list[_Field], int]:
    """Cut the header into its fields; also the first line after it."""
    if lines and lines[0].startswith("\ufeff"):
        raise case_error(path, 1, "the file starts with a byte order mark", remedy="save it as UTF-8 without one")
    if not lines or not _FIELD.fullmatch(lines[0].rstrip()):
        _refuse_late_header(lines, path=path)
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
            remedy = "end the header with an empty line; a long value goes on in indented lines"
            raise case_error(path, number + 1, "no header line", evidence=line, remedy=remedy)
    return fields, len(lines)


def _refuse_late_header(lines: Sequence[str], *, path: str) -> None:
    first = next((i for i, line in enumerate(lines) if line.strip()), None)
    found = _FIELD.fullmatch(lines[first].rstrip()) if first else None
    if first and found and found[1] in _NAMES:
        raise case_error(
            path,
            first + 1,
            "the header must start on the first line",
            evidence=lines[first].rstrip(),
            remedy="take away the empty lines above it",
        )


def _hierarchies(entry: _Field) -> tuple[Hierarchy, ...]:
    read: list[Hierarchy] = []
    for word in entry.value.split():
        hierarchy = _hierarchy(entry, word)
        if hierarchy in read:
            raise entry.fault(f"hierarchy {word!r} is there twice", remedy="name each once")
        read.append(hierarchy)
    return tuple(read)


def _hierarchy(entry: _Field, word: str) -> Hierarchy:
    """Read ``v2``, ``v2:options`` or ``v1:controllers``.

    Names of controllers and options are not held against a list: a series under test may bring new ones.
    """
    version, colon, rest = word.partition(":")
    parts = rest.split(",") if colon else []
    remedy = "write v2, v2:nsdelegate, v1:freezer, v1:cpu,cpuacct or v1:name=systemd, with spaces between"
    if version not in ("v1", "v2") or not all(_HIERARCHY_PART.fullmatch(part) for part in parts):
        raise entry.fault(f"unknown hierarchy {word!r}", remedy=remedy)
    if version == "v2":
        return Hierarchy(CgroupVersion.V2, options=tuple(parts))
    names = [part.removeprefix("name=") for part in parts if part.startswith("name=")]
    options = tuple(part for part in parts if part in _V1_FLAGS or ("=" in part and not part.startswith("name=")))
    controllers = tuple(part for part in parts if "=" not in part and part not in _V1_FLAGS)
    if len(names) > 1 or not (names or controllers or "all" in options):
        raise entry.fault(f"hierarchy {word!r} needs controllers or one name", remedy=remedy)
    return Hierarchy(CgroupVersion.V1, controllers, "".join(names), options)


def _mount_point(entry: _Field) -> str:
    if not entry.value.startswith("/") or len(entry.value.split()) != 1:
        raise entry.fault("the mount point is no absolute path", remedy=f"write one, such as {DEFAULT_MOUNT_POINT}")
    return entry.value.rstrip("/") or "/"


def _prompts(entries: Sequence[_Field]) -> tuple[Prompt, ...]:
    """The declared prompts; a console without any has its default one."""
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
                f"prompt {prompt.text!r} is also that of {other.console}",
                remedy=f"declare another prompt for one of them, such as `prompt: {other.console} "
                f'"{DEFAULT_PROMPTS[other.console]}"`',
            )
        if other is not prompt:
            raise entry.fault(f"prompt {prompt.text!r} is declared twice", remedy="take one of the lines away")
    by_console = {console: [p for p in (*declared, *defaults) if p.console is console] for console in ConsoleName}
    return tuple(prompt for prompts in by_console.values() for prompt in prompts)


def _prompt(entry: _Field) -> Prompt:
    found = _PROMPT.fullmatch(entry.value)
    if not found:
        raise entry.fault("the prompt cannot be read", remedy='write `prompt: admin "root@host:~# "`, quotes as here')
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
            raise entry.fault(f"{token!r} has no digit that could vary", remedy="name numbers of the transcript")
        if tokens.count(token) > 1:
            raise entry.fault(f"{token!r} is there twice", remedy="name each once")
    return tokens


def _timeout(entry: _Field) -> float:
    try:
        seconds = float(entry.value)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds > 0):
        raise entry.fault("the time-out is no number of seconds", remedy="write a number, such as `timeout: 20`")
    return seconds
