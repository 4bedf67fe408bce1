# SPDX-License-Identifier: GPL-2.0-only
"""Parse the text of a patch line by line, as git-apply(1) does: headers and hunks. Pure.

Whether a patch may be applied depends on every line, so no library is used: one may accept what git refuses, or ignore
modes, renames or binary parts. The numbers of its ``@@`` line alone decide where a hunk ends, so no removed line
``-- a/file`` is mistaken for a header, nor a header for a removed line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

_RANGE = re.compile(rb"@@ -(?P<old>\d+)(?:,(?P<old_count>\d+))? \+(?P<new>\d+)(?:,(?P<new_count>\d+))? @@")
_EXTENDED = re.compile(
    rb"(?:index|old mode|new mode|deleted file mode|new file mode|rename from|rename to|copy from|copy to"
    rb"|similarity index|dissimilarity index) "
)
_WRAPPED = re.compile(
    rb"^(diff --git \S[^\n]*?)[ \t]*\n[ \t]*(\"?b/[^\n]*)$"
    rb"(?=\n(?:index |new file|deleted file|old mode|similarity|dissimilarity|rename |copy |--- ))",
    re.MULTILINE,
)
_GITS_OWN = (b"--- ", b"+++ ", b"diff --git ")
_BINARY = re.compile(rb"(?:GIT binary patch|Binary files .* differ)\r?")
_NAMED = re.compile(rb"(rename from|rename to|copy from|copy to) (.*)")
_MODE = re.compile(rb"(old mode|new mode|deleted file mode|new file mode) (\d+)|index \S+ (\d+)")
_TIME = re.compile(rb"\t.*")
_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*"')
_ESCAPE = re.compile(rb"\\([abfnrtv\"\\]|[0-3][0-7]{2})")
_ESCAPED = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_NOWHERE = b"/dev/null"


class Region(Enum):
    """What a line of a patch's text is."""

    TEXT = "text"
    HEADER = "header"
    RANGE = "range"
    BODY = "body"
    DAMAGE = "damage"
    """The line that stands where a hunk should go on."""


@dataclass(frozen=True, slots=True)
class PatchLine:
    """One line: its number from 1, without its end of line."""

    number: int
    region: Region
    content: bytes


@dataclass(slots=True)
class Hunk:
    """A part of a file's change.

    :param start: where it expects to begin, a line from 1.
    :param heading: its ``@@`` line, with the section behind it.
    :param body: the lines below, each with its sign.
    """

    start: int
    heading: str
    body: list[bytes] = field(default_factory=list)

    @property
    def expected(self) -> list[str]:
        """Return the lines that the file must have there."""
        return [line[1:].decode(errors="replace") for line in self.body if line[:1] in (b" ", b"-", b"\r", b"")]


@dataclass(slots=True)
class FileChange:
    """What a patch does to one file, as its headers tell.

    :param paths: every path that a header names, as it stands (``a/kernel/fork.c``), without /dev/null.
    :param modes: every mode named, e.g. ``100644``.
    :param binary: whether the change is not text.
    :param added: the added lines, for a change that makes a symbolic link; empty for others.
    :param line: where its first header is, from 1.
    :param hunks: in their order.
    """

    line: int
    paths: list[str] = field(default_factory=list)
    renamed: list[str] = field(default_factory=list)
    modes: list[str] = field(default_factory=list)
    binary: bool = False
    added: list[bytes] = field(default_factory=list)
    hunks: list[Hunk] = field(default_factory=list)

    @property
    def files(self) -> tuple[str, ...]:
        """Return the paths of the files that it changes, the new name first."""
        stripped = [path.partition("/")[2] or path for path in reversed(self.paths)]
        return tuple(dict.fromkeys([*reversed(self.renamed), *stripped]))


def read_lines(text: bytes) -> Iterator[PatchLine]:
    """Yield the lines of a mail's text or a diff, each with its region.

    A hunk that ends before its numbers say gives one ``DAMAGE`` line, and the reading goes on behind it.
    """
    lines = text.split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    old = new = 0
    in_header = False
    for place, content in enumerate(lines):
        number = place + 1
        if old > 0 or new > 0:
            first = content[:1]
            if first == b"-" and old > 0:
                old -= 1
            elif first == b"+" and new > 0:
                new -= 1
            elif first in (b" ", b"", b"\r") and old > 0 and new > 0:  # mail programs cut blanks at the end of a line
                old, new = old - 1, new - 1
            elif first != b"\\":
                old = new = 0
                yield PatchLine(number, Region.DAMAGE, content)
                continue
            yield PatchLine(number, Region.BODY, content)
            continue
        following = lines[number] if number < len(lines) else b""
        found = _RANGE.match(content)
        if found and in_header:
            old, new = (int(found[name]) if found[name] else 1 for name in ("old_count", "new_count"))
            yield PatchLine(number, Region.RANGE, content)
            continue
        if content.startswith(b"\\ ") and in_header:  # "\ No newline at end of file" behind a hunk's last line
            yield PatchLine(number, Region.BODY, content)
            continue
        starts = content.startswith(b"diff --git ") or (content[:4] == b"--- " and following[:4] == b"+++ ")
        goes_on = in_header and (content[:4] == b"+++ " or _EXTENDED.match(content) or _BINARY.fullmatch(content))
        in_header = in_header or starts
        yield PatchLine(number, Region.HEADER if starts or goes_on else Region.TEXT, content)
    if old > 0 or new > 0:
        yield PatchLine(len(lines) + 1, Region.DAMAGE, b"")


def read_changes(text: bytes) -> tuple[FileChange, ...]:
    """Read what a patch does to each file, in its order; empty when the text holds no diff."""
    changes: list[FileChange] = []
    is_open = False  # whether more headers of the same file may follow
    for line in read_lines(text):
        if line.region is Region.HEADER:
            starts = line.content.startswith(b"diff --git ") or (line.content[:4] == b"--- " and not is_open)
            if starts or not changes:
                changes.append(FileChange(line.number))
            is_open = line.content[:4] != b"+++ "
            _take_header(changes[-1], line.content.rstrip(b"\r"))
        elif line.region is Region.RANGE:
            is_open = False
            changes[-1].hunks.append(_begin_hunk(line.content))
        elif line.region is Region.BODY and changes[-1].hunks:
            changes[-1].hunks[-1].body.append(line.content)
            if "120000" in changes[-1].modes and line.content[:1] == b"+":
                changes[-1].added.append(line.content[1:])
    return tuple(changes)


def diff_lines(text: bytes) -> tuple[bytes, ...]:
    """Return the lines that git-apply(1) reads, without trailing blanks, so that copies of a patch compare equal."""
    heeded = (line for line in read_lines(text) if line.region is not Region.TEXT)
    return tuple(line.content.rstrip(b" \t") for line in heeded)


def raw_diff(text: bytes) -> tuple[bytes, ...]:
    """Return the lines that git-apply(1) reads, unchanged."""
    return tuple(line.content for line in read_lines(text) if line.region is not Region.TEXT)


def with_diff(text: bytes, lines: Sequence[bytes]) -> bytes:
    """Replace the lines of a mail's diff, in their order; return nothing when their number differs."""
    held = list(read_lines(text))
    places = [at for at, line in enumerate(held) if line.region is not Region.TEXT]
    if len(places) != len(lines):
        return b""
    written = [line.content for line in held]
    for place, line in zip(places, lines, strict=True):
        written[place] = line
    return b"\n".join(written) + b"\n"


def is_damaged(text: bytes) -> bool:
    """Return whether a hunk of the text ends before its ``@@`` line says."""
    return any(line.region is Region.DAMAGE for line in read_lines(text))


def unwrapped(text: bytes) -> bytes:
    """Join ``diff --git`` lines again that a mail program wrapped before the second name."""
    return _WRAPPED.sub(rb"\1 \2", text) if b"diff --git " in text else text


def without_returns(text: bytes) -> bytes:
    """Remove the carriage returns that a mail program or a server added to the ends of lines.

    They are of the mail when the lines have them that git writes itself (``---``, ``+++``, ``@@``), or when a text
    without a diff has them throughout; else they are of the file that is changed, and stay.
    """
    while b"\r\n" in text:
        own = [line.content for line in read_lines(text) if line.region in (Region.HEADER, Region.RANGE)]
        heads = [line for line in own if line.startswith(_GITS_OWN) or _RANGE.fullmatch(line.rstrip(b"\r"))]
        if not (all(line.endswith(b"\r") for line in heads) if heads else text.count(b"\r\n") == text.count(b"\n")):
            break
        text = text.replace(b"\r\n", b"\n")
    return text


def has_diff(text: bytes) -> bool:
    """Return whether a mail's text holds a diff; a quoted one (``> diff --git``) does not count."""
    if b"--- " not in text and b"diff --git " not in text:  # most mails of a list; reading all lines takes a while
        return False
    return any(line.region is Region.HEADER for line in read_lines(text))


def lacks_prefixes(text: bytes) -> bool:
    """Return whether git made the diff without ``a/`` and ``b/`` (diff.noprefix of git-config(1))."""
    heads = [line.content for line in read_lines(text) if line.content.startswith(b"diff --git ")]
    pairs = [_of_pair(head[len(b"diff --git ") :].rstrip(b"\r")) for head in heads]
    return bool(pairs) and all(old == new != b"" for old, new in pairs)


def add_prefixes(text: bytes) -> bytes:
    """Convert a diff for ``-p0`` to one for ``-p1``."""
    written = []
    for line in read_lines(text):
        content = line.content
        if line.region is Region.HEADER and content.startswith(b"diff --git "):
            old, new = _of_pair(content[len(b"diff --git ") :])
            content = b"diff --git a/%b b/%b" % (old, new)
        elif line.region is Region.HEADER and content[:4] in (b"--- ", b"+++ ") and content[4:13] != _NOWHERE:
            content = content[:4] + (b"a/" if content[:1] == b"-" else b"b/") + content[4:]
        written.append(content)
    return b"\n".join(written) + b"\n"


def _begin_hunk(content: bytes) -> Hunk:
    """Parse a ``@@`` line; omitted counts are 1 (diff(1))."""
    found = _RANGE.match(content)
    assert found is not None, "read_lines has matched it"
    old, new = (f"{found[name].decode()},{(found[f'{name}_count'] or b'1').decode()}" for name in ("old", "new"))
    section = content[found.end() :].strip().decode(errors="replace")
    return Hunk(int(found["old"]), f"@@ -{old} +{new} @@ {section}".rstrip())


def _take_header(change: FileChange, content: bytes) -> None:
    if content.startswith(b"diff --git "):
        # The second name is missing when a mail program wrapped the line; the lines below name the file, too.
        change.paths += [_text(name) for name in _of_pair(content[len(b"diff --git ") :].strip()) if name]
    elif content[:4] in (b"--- ", b"+++ "):
        # Behind a name with blanks git puts a tab, behind a quoted one, too; within quotes a tab is escaped.
        name = _unquoted(_TIME.sub(b"", content[4:]))
        if name not in (b"", _NOWHERE):
            change.paths.append(_text(name))
    elif named := _NAMED.match(content):
        change.renamed.append(_text(_unquoted(named.group(2))))
    elif mode := _MODE.match(content):
        change.modes.append((mode.group(2) or mode.group(3)).decode())
    elif _BINARY.fullmatch(content):
        change.binary = True


def _of_pair(names: bytes) -> tuple[bytes, bytes]:
    """Parse the names of a ``diff --git`` line; names with blanks are not quoted, so equal halves are tried first."""
    if names.startswith(b'"'):
        end = _QUOTED.match(names)
        cut = end.end() if end else len(names)
        return _unquoted(names[:cut]), _unquoted(names[cut:].strip())
    half = len(names) // 2
    old, new = names[:half], names[half + 1 :]
    if old == new or old.partition(b"/")[2] == new.partition(b"/")[2] != b"":
        return old, new
    found = re.search(rb' (?=b/|"b/)', names)
    cut = found.start() if found else names.find(b" ")
    if cut < 0:
        return names, b""
    return names[:cut], _unquoted(names[cut + 1 :])


def _unquoted(name: bytes) -> bytes:
    """Decode a name that git may have quoted (core.quotePath of git-config(1))."""
    if not (name.startswith(b'"') and name.endswith(b'"') and len(name) > 1):
        return name
    return _ESCAPE.sub(lambda found: _byte(found.group(1)), name[1:-1])


def _byte(escape: bytes) -> bytes:
    return _ESCAPED.get(escape) or (bytes([int(escape, 8)]) if escape.isdigit() else escape)


def _text(name: bytes) -> str:
    return name.decode(errors="surrogateescape")
