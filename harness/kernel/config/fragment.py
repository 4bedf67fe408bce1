"""Fragments of a kernel config: what is asked of it, line by line, and where each line stands. Pure.

A fragment is what ``scripts/kconfig/merge_config.sh`` of the kernel takes: ``CONFIG_X=y``, a number, a quoted string,
or ``# CONFIG_X is not set``. Comments are the reasons. One comment has a meaning of ours, on the line above an option:

    # versions: 4.6..6.10

says which kernels have the option. A kernel outside of that range that does not know it, or cannot grant it, is no
error. Either end may be left out; both are included.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from harness.base.errors import UsageError
from harness.base.kernel_release import Release

_SET = re.compile(r'(CONFIG_\w+)=(y|m|n|-?\d+|0[xX][0-9A-Fa-f]+|"(?:[^"\\]|\\.)*")')
_UNSET = re.compile(r"# (CONFIG_\w+) is not set")
# What confdata.c of the kernel would pass over as a comment, though it was surely meant.
_NEARLY_UNSET = re.compile(r"#\s*(CONFIG_)?\w+ is not set\W*", re.IGNORECASE)
_VERSIONS = re.compile(r"#\s*versions:(.*)")
_RANGE = re.compile(r"(?:(\d+)\.(\d+))?\.\.(?:(\d+)\.(\d+))?")
_HEADER = re.compile(r"^# (Automatically generated (file|make config)\b|Linux/.* Kernel Configuration$)", re.MULTILINE)
_HEADER_LINES = 5
_GRAMMAR = """\
CONFIG_X=y                 built in; also a number, or a "string"
# CONFIG_X is not set      off
# versions: 4.6..6.10      the kernels that have the option on the next line
# anything else            a comment"""


class RequestOrigin(Enum):
    """Who asks for an option."""

    DEFAULT = "the harness, of every kernel"
    SERIES = "a series that ships, by a fragment of its own"
    SHIPPED = "who started the run, by a fragment of the harness"
    USER = "who started the run, by a fragment of their own"


@dataclass(frozen=True, slots=True)
class Versions:
    """The kernel versions that have an option, both ends included; None at an end leaves it open."""

    first: tuple[int, int] | None = None
    last: tuple[int, int] | None = None

    def cover(self, release: Release) -> bool:
        """Whether a release is one of them; 6.10.3 and 6.10-rc1 count as 6.10."""
        version = release.numbers[:2]
        return (self.first or version) <= version <= (self.last or version)

    def __str__(self) -> str:
        first, last = (".".join(map(str, end)) if end else "" for end in (self.first, self.last))
        return f"{first}..{last}"


@dataclass(frozen=True, slots=True)
class OptionRequest:
    """One option asked for.

    :param value: as a ``.config`` spells it: ``y``, ``n``, ``4``, ``0x10``, ``"text"``.
    :param place: ``FILE:LINE`` for people. :param text: the line itself.
    :param versions: the kernels that have the option; None when every kernel is to have it.
    """

    option: str
    value: str
    place: str
    text: str
    origin: RequestOrigin = RequestOrigin.USER
    versions: Versions | None = None

    def render(self) -> str:
        """The line for the kernel's own tools."""
        return f"# {self.option} is not set" if self.value == "n" else f"{self.option}={self.value}"

    def is_met_by(self, value: str | None) -> bool:
        """Whether a config grants it.

        :param value: of the option in a finished ``.config``, strings without quotes; None when it is absent.
        """
        return _plain(self.value) == _plain("n" if value is None else value)

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


@dataclass(frozen=True, slots=True)
class Fragment:
    """A file of requests.

    :param name: what people call it. :param start: the text of a whole ``.config``, which asks for nothing and is what
        the requests of others are applied to; empty for a fragment.
    """

    name: str
    requests: tuple[OptionRequest, ...] = ()
    start: str = ""


def parse_fragment(text: str, *, name: str, place: str = "", origin: RequestOrigin = RequestOrigin.USER) -> Fragment:
    """Read a fragment, a kselftest's ``config`` file, or a whole ``.config``, which its header tells.

    A module is asked for as built in: the guest loads none.

    :param place: the file, as people are told; the name when it is left out.
    :raises UsageError: a line is none of a fragment's; it is named by file and line.
    """
    if _HEADER.search("\n".join(text.split("\n", _HEADER_LINES)[:_HEADER_LINES])):
        return Fragment(name, start=text)
    return Fragment(name, tuple(_requests(text, place or name, origin)))


def merge(fragments: Iterable[Fragment]) -> tuple[OptionRequest, ...]:
    """All that the fragments ask for, each option once, in the order of first mention.

    :raises UsageError: two lines ask for different values of an option; each such pair is shown with its places.
    """
    asked: dict[str, OptionRequest] = {}
    quarrels = []
    for request in (request for fragment in fragments for request in fragment.requests):
        first = asked.setdefault(request.option, request)
        if _plain(first.value) != _plain(request.value):
            quarrels.append(f"{first}\n{request}")
    if quarrels:
        options = f"{len(quarrels)} options" if len(quarrels) > 1 else "an option"
        raise UsageError(
            f"the fragments of the config disagree on {options}",
            evidence="\n\n".join(quarrels),
            remedy="take one of the two lines out; to do without what the harness asks of every kernel, give a whole "
            ".config with --config",
        )
    return tuple(asked.values())


def render_requests(requests: Iterable[OptionRequest]) -> str:
    """The text that the kernel's own tools take."""
    return "".join(f"{request.render()}\n" for request in requests)


def _requests(text: str, place: str, origin: RequestOrigin) -> Iterator[OptionRequest]:
    versions: Versions | None = None
    at = marked_at = 0
    for at, line in enumerate(map(str.rstrip, text.split("\n")), start=1):
        where = f"{place}:{at}"
        found = _SET.fullmatch(line) or _UNSET.fullmatch(line)
        if versions and not found:
            raise _bad(f"{place}:{marked_at}", "# versions: stands directly above an option, and here is none")
        if found:
            option, value = found.groups() if found.re is _SET else (found.group(1), "n")
            yield OptionRequest(option, "y" if value == "m" else value, where, line, origin, versions)
            versions = None
        elif mark := _VERSIONS.fullmatch(line):
            versions, marked_at = _parse_versions(mark.group(1).strip(), where, line), at
        elif _NEARLY_UNSET.fullmatch(line) or (line and not line.lstrip().startswith("#")):
            raise _bad(where, line)


def _parse_versions(text: str, where: str, line: str) -> Versions:
    found = _RANGE.fullmatch(text)
    if found is None or text == "..":
        raise _bad(where, line)
    numbers = [int(number) if number else 0 for number in found.groups()]
    first = (numbers[0], numbers[1]) if found.group(1) else None
    last = (numbers[2], numbers[3]) if found.group(3) else None
    if first and last and last < first:
        raise _bad(where, line)
    return Versions(first, last)


def _bad(where: str, line: str) -> UsageError:
    evidence = f"{line}\n\nwhat may stand there:\n{_GRAMMAR}"
    return UsageError(f"{where}: no line of a config fragment", evidence=evidence, remedy="mend the line")


def _plain(value: str) -> str | int:
    """A value to compare by: strings without quotes, hexadecimal numbers in either case."""
    if value.startswith('"'):
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return int(value, 16) if re.fullmatch(r"0[xX][0-9A-Fa-f]+", value) else value
