# SPDX-License-Identifier: GPL-2.0-only
"""Parse the KERNEL argument, which selects the kernel to test. Pure. Whether a path exists is checked later.

    deb                    the newest cloud kernel image package of the distribution
    deb:PACKAGE[=VERSION]  an image package of the distribution
    deb:VERSION            the newest cloud kernel of that kernel version
    deb-src:VERSION        a source package of the distribution, to be built
    host                   the kernel that this host runs
    series:NAME            a series that ships with the harness
    PATH[@REVISION]        an image file, a package file, a folder with one, or a kernel tree at a revision

``@SUITE`` after a package or its version takes it from that suite of Debian's archive: ``deb:7.3@trixie-backports``.

A source (``deb-src:``, ``series:``, a tree) may be followed by ``+PATCHES``, a series to apply: a mailbox or a folder
of patches, or a range ``A..B`` of the source's own history. What follows a ``?`` chooses in a mailbox, joined by ``&``:

    v=2, v=2.1      that version and not the newest
    id=MESSAGE-ID   the series that holds this mail, with it in its place; or this patch alone; may be repeated
    rfc             a series marked RFC
    path=PREFIX     patches only that touch a file with this path prefix
    upto=3          the first three patches
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from urllib.parse import quote, unquote

from harness.base.errors import UsageError
from harness.model.series_choice import SeriesChoice, parse_version

GRAMMAR = """\
deb                    the newest cloud kernel image package of the distribution (the default)
deb:PACKAGE[=VERSION]  an image package of the distribution, e.g. deb:linux-image-cloud-amd64
deb:VERSION            the newest cloud kernel of a kernel version, e.g. deb:6.1
deb:NAME@SUITE         one of both from any suite of Debian's archive, e.g. deb:7.3@trixie-backports;
                       deb:@SUITE is its newest cloud kernel ('harness kernels --from SUITE' lists them)
host                   the kernel that this host runs
PATH                   a kernel image: a bzImage, a vmlinuz or a vmlinux; a .deb, .rpm, .pkg.tar.zst or .tar
                       with one; or the folder of one of these, such as /usr/lib/modules/VERSION
deb-src:VERSION        a source package of the distribution, e.g. deb-src:6.1, deb-src:7.3@experimental
PATH[@REVISION]        a kernel tree: as its files are, or at a revision of its repository
series:NAME            a series that ships with the harness
SOURCE+PATCHES         any of the last three with a series applied: a mailbox or a folder
                       of patches, or a range A..B of the source's own history;
                       ?v=2, ?id=MESSAGE-ID, ?rfc or ?path=PREFIX choose in a mailbox,
                       ?upto=3 takes the first three patches (joined by &: ?v=2&upto=3)"""

# Debian policy 5.6.1 (package names) and 5.6.12 (versions).
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_VERSION = re.compile(r"[0-9][A-Za-z0-9.+:~-]*")
_SOURCE_VERSION = re.compile(r"[0-9]+(\.[0-9]+)*")
# A suite or codename of an archive, as in the path dists/SUITE.
_SUITE = re.compile(r"[a-z][a-z0-9.-]*")
_SERIES = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z-]*):(.*)", re.DOTALL)
_SERIES_PART = re.compile(
    r"(.+?)\?((?:v=[0-9.]{1,9}[a-z]?|upto=[0-9]{1,4}|rfc|id=[^&?]+|path=[^&?]+)"
    r"(?:&(?:v=[0-9.]{1,9}[a-z]?|upto=[0-9]{1,4}|rfc|id=[^&?]+|path=[^&?]+))*)",
    re.DOTALL | re.IGNORECASE,
)
_PLAIN = "@+!#$*/=^_{|}~.:,;<>-' "
_RANGE = re.compile(r"(?![./~])(\S+?[^./])\.\.([^./]\S*)")
_SLUG_LENGTH = 48


class SpecKind(Enum):
    """The kind of a KERNEL argument."""

    DEFAULT_PACKAGE = "deb"
    PACKAGE = "deb:"
    SOURCE_PACKAGE = "deb-src:"
    HOST = "host"
    SERIES = "series:"
    PATH = ""


@dataclass(frozen=True, slots=True)
class PathReading:
    """One way to read a PATH argument.

    :param path: the path.
    :param revision: the text after ``@``; empty without one.
    :param patches: the text after ``+``; empty without one.
    """

    path: str
    revision: str = ""
    patches: str = ""


@dataclass(frozen=True, slots=True)
class PatchesWord:
    """The part of a KERNEL argument after the ``+``.

    :param place: a mailbox, a file or folder of patches, or a range, as typed.
    :param version: the requested version of the series; None for the newest complete one.
    :param upto: the last patch to apply, from 1; None for all.
    :param suffix: the text after the number of the version: ``.1`` of v2.1, ``b`` of v5b.
    :param ids: Message-IDs of the requested mails, without angle brackets.
    :param is_rfc: whether a series marked RFC is requested.
    :param under: the path prefix of the files that its patches touch.
    """

    place: str
    version: int | None = None
    upto: int | None = None
    suffix: str = ""
    ids: tuple[str, ...] = ()
    is_rfc: bool = False
    under: str = ""

    @property
    def choice(self) -> SeriesChoice:
        """Return the choice among the postings of a mailbox."""
        version = parse_version(f"{self.version}{self.suffix}") if self.version is not None else None
        return SeriesChoice(version, self.ids, self.is_rfc, self.under)

    def render(self) -> str:
        """Return the text: ``parse_patches(word.render()) == word``."""
        parts = [f"v={self.version}{self.suffix}"] if self.version is not None else []
        parts += [f"id={quote(one, safe=_PLAIN)}" for one in self.ids]
        parts += ["rfc"] if self.is_rfc else []
        parts += [f"path={quote(self.under, safe=_PLAIN)}"] if self.under else []
        parts += [f"upto={self.upto}"] if self.upto is not None else []
        return f"{self.place}?{'&'.join(parts)}" if parts else self.place

    @property
    def is_range(self) -> bool:
        """Return whether the text may be a range of commits; an existing file of that name takes precedence."""
        return _RANGE.fullmatch(self.place) is not None


def parse_patches(word: str) -> PatchesWord:
    """Parse the part after the ``+``: ``topic.mbox``, ``topic.mbox?v=2&upto=3``, ``t.mbox?id=a@host``, ``v6.1..topic``.

    A Message-ID may be given with angle brackets or escaped as in the address of an archive (``%40``).
    """
    found = _SERIES_PART.fullmatch(word)
    if found is None:
        return PatchesWord(word)
    pairs = [one.partition("=")[::2] for one in found[2].split("&")]
    held = {key.lower(): unquote(value) for key, value in pairs}
    version = parse_version(held.get("v", "1"))
    if version is None or len([key for key, _ in pairs if key.lower() != "id"]) != len(held.keys() - {"id"}):
        return PatchesWord(word)
    return PatchesWord(
        found[1],
        version.major if "v" in held else None,
        int(held["upto"]) if "upto" in held else None,
        version.suffix,
        tuple(dict.fromkeys(unquote(value).strip("<>") for key, value in pairs if key.lower() == "id")),
        "rfc" in held,
        held.get("path", ""),
    )


@dataclass(frozen=True, slots=True)
class KernelSpec:
    """A parsed KERNEL argument.

    :param kind: its kind.
    :param name: package, version of a source package, name of a series, or the whole PATH argument, as typed.
    :param version: exact version of a PACKAGE; empty for the version that apt would install.
    :param patches: the patches to apply to a SOURCE_PACKAGE or SERIES (:func:`parse_patches`); empty for none. For a
        PATH see :meth:`readings`, since file names may have ``+`` and ``@`` too.
    :param suite: the suite of Debian's archive that a PACKAGE or SOURCE_PACKAGE is taken from; empty for the host's.
    """

    kind: SpecKind
    name: str = ""
    version: str = ""
    patches: str = ""
    suite: str = ""

    def render(self) -> str:
        """Return the argument: ``parse_spec(spec.render()) == spec``."""
        version = f"={self.version}" if self.version else ""
        suite = f"@{self.suite}" if self.suite else ""
        patches = f"+{self.patches}" if self.patches else ""
        return f"{self.kind.value}{self.name}{version}{suite}{patches}"

    @property
    def kernel_version(self) -> str:
        """Return the kernel version that a PACKAGE is chosen by, as in ``deb:6.1``; empty for a package name."""
        return self.name if self.kind is SpecKind.PACKAGE and _SOURCE_VERSION.fullmatch(self.name) else ""

    @property
    def slug(self) -> str:
        """Return a short name for folders: letters, digits and ``._+-``, never empty, never that of a hidden file."""
        names = {SpecKind.SOURCE_PACKAGE: f"deb-src-{self.name}", SpecKind.HOST: "host"}
        text = names.get(self.kind, self.name)
        if self.kernel_version or not text:
            text = f"deb-{self.name}".rstrip("-")
        text += f"-{self.suite}" if self.suite else ""
        if self.kind is SpecKind.PATH:
            text = text.rstrip("/").rpartition("/")[2]
        elif self.patches:
            text += "+" + self.patches.rstrip("/").rpartition("/")[2]
        plain = re.sub(r"[^A-Za-z0-9._+-]+", "-", text).lstrip("-.+")
        return plain[:_SLUG_LENGTH].rstrip("-.+") or "kernel"

    def readings(self) -> Iterator[PathReading]:
        """Yield the ways to read a PATH argument: the plain path, then with a series, then with a revision alone.

        ``vmlinuz-6.12.117+deb12`` and ``user@host/Image`` are file names too, and a revision may have a ``+``: the
        first reading whose files exist is the one to take.
        """
        yield PathReading(self.name)
        for at in range(len(self.name) - 2, 0, -1):
            if self.name[at] == "+":
                source, patches = self.name[:at], self.name[at + 1 :]
                yield PathReading(source, patches=patches)
                yield from _with_revision(source, patches)
        yield from _with_revision(self.name, "")


def parse_spec(text: str) -> KernelSpec:
    """Parse a KERNEL argument.

    :raises UsageError: the argument is invalid; the evidence shows the grammar.
    """
    if text in ("deb", "host"):
        return KernelSpec(SpecKind(text))
    if not text.strip():
        raise _bad("the KERNEL argument is empty")
    if not text.isprintable():
        raise _bad(f"the KERNEL argument {text!r} has an unprintable character")
    scheme = _SCHEME.fullmatch(text)
    if scheme is None:
        return KernelSpec(SpecKind.PATH, text)
    kind, rest = scheme.groups()
    if kind == "deb":
        return _parse_package(text, rest)
    if kind == "deb-src":
        return _parse_source(text, SpecKind.SOURCE_PACKAGE, rest, _SOURCE_VERSION, "a version such as 6.1")
    if kind == "series":
        return _parse_source(text, SpecKind.SERIES, rest, _SERIES, "the name of a series")
    raise _bad(f"'{kind}:' is not a valid prefix of KERNEL (in {text!r}); for a file of that name give ./{text}")


def _with_revision(source: str, patches: str) -> Iterator[PathReading]:
    for at in range(len(source) - 2, 0, -1):
        if source[at] == "@":
            yield PathReading(source[:at], revision=source[at + 1 :], patches=patches)


def _parse_package(text: str, rest: str) -> KernelSpec:
    package, suite = _with_suite(text, rest)
    name, equals, version = package.partition("=")
    if not _PACKAGE.fullmatch(name) and (package or not suite):
        raise _bad(f"{name!r} is not a valid package name (in {text!r}); patches apply to a source, not to a package")
    if equals and not _VERSION.fullmatch(version):
        raise _bad(f"{version!r} is not a valid package version (in {text!r})")
    return KernelSpec(SpecKind.PACKAGE, name, version=version, suite=suite)


def _with_suite(text: str, rest: str) -> tuple[str, str]:
    """Return the part before ``@SUITE`` and the suite; empty without one."""
    package, at, suite = rest.partition("@")
    if at and not _SUITE.fullmatch(suite):
        raise _bad(f"{suite!r} is not a valid suite of an archive (in {text!r})")
    return package, suite


def _parse_source(text: str, kind: SpecKind, rest: str, pattern: re.Pattern[str], wanted: str) -> KernelSpec:
    name, plus, patches = rest.partition("+")
    suite = ""
    if kind is SpecKind.SOURCE_PACKAGE:
        name, suite = _with_suite(text, name)
    if not pattern.fullmatch(name):
        raise _bad(f"{name!r} is not {wanted} (in {text!r})")
    if plus and not patches:
        raise _bad(f"no mailbox, folder or range after the + in {text!r}")
    return KernelSpec(kind, name, patches=patches, suite=suite)


def _bad(what: str) -> UsageError:
    return UsageError(what, evidence=GRAMMAR, remedy="give one of these forms")
