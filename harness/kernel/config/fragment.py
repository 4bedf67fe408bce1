# SPDX-License-Identifier: GPL-2.0-only
"""Parse fragments of a kernel config: the requested options, each with its file and line. Pure.

A fragment has the format that the kernel's ``scripts/kconfig/merge_config.sh`` takes: ``CONFIG_X=y``, a number, a
quoted string, or ``# CONFIG_X is not set``. Comments give the reasons. One comment is special, above an option:

    # versions: 4.6..6.10

names the releases that the next line is for; others are without the option, or do not need it. Either end may be
left out; both are included. Another one,

    # optional: REASON

directly above an option, says that a kernel which does not grant it is built without it. Kconfig's reason is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum

from harness.base.errors import UsageError
from harness.base.kernel_release import Release

_SET = re.compile(r'(CONFIG_\w+)=(y|m|n|-?\d+|0[xX][0-9A-Fa-f]+|"(?:[^"\\]|\\.)*")')
_UNSET = re.compile(r"# (CONFIG_\w+) is not set")
# Lines that the kernel's confdata.c ignores as comments, though they are clearly meant as requests.
_NEARLY_UNSET = re.compile(r"#\s*(CONFIG_)?\w+ is not set\W*", re.IGNORECASE)
_VERSIONS = re.compile(r"#\s*versions:(.*)")
_OPTIONAL = re.compile(r"#\s*optional:.*")
_RANGE = re.compile(r"(?:(\d+)\.(\d+))?\.\.(?:(\d+)\.(\d+))?")
_HEADER = re.compile(r"^# (Automatically generated (file|make config)\b|Linux/.* Kernel Configuration$)", re.MULTILINE)
_HEADER_LINES = 5
_GRAMMAR = """\
CONFIG_X=y                 built in; also a number, or a "string"
# CONFIG_X is not set      off
# versions: 4.6..6.10      the releases that the next line is for
# optional: a test         built without the next line where it is not granted
# anything else            a comment"""


class RequestOrigin(Enum):
    """The origin of a request for an option."""

    DEFAULT = "the harness, for every kernel"
    SERIES = "the fragment of a shipped series"
    SHIPPED = "the user, by a fragment of the harness"
    USER = "the user, by a fragment of their own"
    VARIANT = "the variant of the kernel"


@dataclass(frozen=True, slots=True)
class Versions:
    """The kernel versions that a request is for.

    :param first: the first version; None for no lower limit.
    :param last: the last version, included; None for no upper limit.
    """

    first: tuple[int, int] | None = None
    last: tuple[int, int] | None = None

    def cover(self, release: Release) -> bool:
        """Return whether a release is in the range; 6.10.3 and 6.10-rc1 count as 6.10."""
        version = release.numbers[:2]
        return (self.first or version) <= version <= (self.last or version)

    def __str__(self) -> str:
        first, last = (".".join(map(str, end)) if end else "" for end in (self.first, self.last))
        return f"{first}..{last}"


@dataclass(frozen=True, slots=True)
class OptionRequest:
    """A request for the value of an option.

    :param option: its name with ``CONFIG_``.
    :param value: as a ``.config`` spells it: ``y``, ``n``, ``4``, ``0x10``, ``"text"``.
    :param place: ``FILE:LINE`` for people.
    :param text: the line itself.
    :param origin: the origin of the request.
    :param versions: the releases that the request is for; None for every release.
    :param is_optional: whether the kernel is built without it where it is not granted.
    """

    option: str
    value: str
    place: str
    text: str
    origin: RequestOrigin = RequestOrigin.USER
    versions: Versions | None = None
    is_optional: bool = field(default=False, repr=False)  # not in the digest of requests that were made before

    def render(self) -> str:
        """Return the line for the kernel's own tools."""
        return f"# {self.option} is not set" if self.value == "n" else f"{self.option}={self.value}"

    def applies_to(self, release: Release | None) -> bool:
        """Return whether the request is for a release; an unknown release gets every request."""
        return self.versions is None or release is None or self.versions.cover(release)

    def is_met_by(self, value: str | None) -> bool:
        """Return whether a config grants the request.

        :param value: value of the option in a finished ``.config``, strings without quotes; None for an absent option.
        """
        return _plain(self.value) == _plain("n" if value is None else value)

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


@dataclass(frozen=True, slots=True)
class Fragment:
    """A file of requests.

    :param name: its name for people.
    :param requests: its requests, in order; empty for a whole ``.config``.
    :param start: the text of a whole ``.config``, to which the requests of the fragments are applied; empty for a
        fragment.
    """

    name: str
    requests: tuple[OptionRequest, ...] = ()
    start: str = ""


def parse_fragment(text: str, *, name: str, place: str = "", origin: RequestOrigin = RequestOrigin.USER) -> Fragment:
    """Parse a fragment, a kselftest's ``config`` file, or a whole ``.config``, which is recognized by its header.

    A module becomes a request for ``y``: the guest loads no modules.

    :param place: the file name for messages; the name when left out.
    :raises UsageError: a line is invalid; the message has its file and line.
    """
    if _HEADER.search("\n".join(text.split("\n", _HEADER_LINES)[:_HEADER_LINES])):
        return Fragment(name, start=text)
    return Fragment(name, tuple(_requests(text, place or name, origin)))


def merge(fragments: Iterable[Fragment]) -> tuple[OptionRequest, ...]:
    """Merge the requests of fragments: each option once, in the order of first mention.

    An optional request gives way to another one for the same option, and one for some releases to one for all. A
    variant's request replaces that of a default fragment or of a shipped series.

    :raises UsageError: two lines request different values of an option; the message shows each such pair.
    """
    merged: dict[str, OptionRequest] = {}
    conflicts = []
    for request in (request for fragment in fragments for request in fragment.requests):
        first = merged.setdefault(request.option, request)
        if first.is_optional or request.is_optional:
            merged[request.option] = first if request.is_optional else request
        elif _plain(first.value) == _plain(request.value):
            merged[request.option] = request if first.versions is not None and request.versions is None else first
        elif request.origin is RequestOrigin.VARIANT and first.origin in (RequestOrigin.DEFAULT, RequestOrigin.SERIES):
            merged[request.option] = request
        else:
            conflicts.append(f"{first}\n{request}")
    if conflicts:
        options = f"{len(conflicts)} options" if len(conflicts) > 1 else "an option"
        raise UsageError(
            f"the config fragments conflict on {options}",
            evidence="\n\n".join(conflicts),
            remedy="remove one of the two lines; to override the default fragments of the harness, give a whole "
            ".config with --config",
        )
    return tuple(merged.values())


def render_requests(requests: Iterable[OptionRequest]) -> str:
    """Return the text of a fragment with these requests, for the kernel's own tools."""
    return "".join(f"{request.render()}\n" for request in requests)


def _requests(text: str, place: str, origin: RequestOrigin) -> Iterator[OptionRequest]:
    versions: Versions | None = None
    is_optional = False
    at = marked_at = 0
    for at, line in enumerate(map(str.rstrip, text.split("\n")), start=1):
        where = f"{place}:{at}"
        found = _SET.fullmatch(line) or _UNSET.fullmatch(line)
        if versions and not found:
            raise _bad(f"{place}:{marked_at}", "# versions: must be on the line directly above an option")
        if found:
            option, value = found.groups() if found.re is _SET else (found.group(1), "n")
            yield OptionRequest(option, "y" if value == "m" else value, where, line, origin, versions, is_optional)
            versions = None
        is_optional = _OPTIONAL.fullmatch(line) is not None
        if found or is_optional:
            continue
        if mark := _VERSIONS.fullmatch(line):
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
    evidence = f"{line}\n\nvalid lines:\n{_GRAMMAR}"
    return UsageError(f"{where}: invalid line in config fragment", evidence=evidence, remedy="correct the line")


def _plain(value: str) -> str | int:
    """Return a value for comparison: strings without quotes, hexadecimal numbers as numbers."""
    if value.startswith('"'):
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return int(value, 16) if re.fullmatch(r"0[xX][0-9A-Fa-f]+", value) else value
