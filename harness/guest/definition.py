# SPDX-License-Identifier: GPL-2.0-only
"""Read the definition of a guest image, ``qemu/guest.toml``. Pure."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.base.errors import UsageError
from harness.guest import cpio


@dataclass(frozen=True, slots=True)
class Package:
    """Programs that one package of the distribution provides.

    :param has_applets: its one program is a busybox; each applet gets a link unless its path is taken.
    """

    name: str
    programs: tuple[str, ...]
    has_applets: bool


@dataclass(frozen=True, slots=True)
class Requirement:
    """A check of a program's version.

    :param arguments: arguments of the program; the key ``words``.
    :param expect: text that the output must contain.
    :param needed: the requirement, for the error message.
    """

    program: str
    arguments: tuple[str, ...]
    expect: str
    needed: str


@dataclass(frozen=True, slots=True)
class User:
    """A user of the guest, with a group of the same name and number."""

    name: str
    id: int
    home: str


@dataclass(frozen=True, slots=True)
class GuestFile:
    """A file of the host that is copied into the guest.

    :param path: its path in the guest.
    :param source: its path on the host.
    :param mode: its permissions.
    """

    path: str
    source: Path
    mode: int


@dataclass(frozen=True, slots=True)
class GuestAdditions:
    """Additions of a suite to the guest.

    :param helpers: C sources; each is compiled statically and installed as ``/usr/bin/STEM``.
    """

    packages: tuple[Package, ...] = ()
    helpers: tuple[Path, ...] = ()
    files: tuple[GuestFile, ...] = ()


NO_ADDITIONS = GuestAdditions()


@dataclass(frozen=True, slots=True)
class GuestDefinition:
    """The definition of a guest image; ``entries`` are the archive entries that do not depend on the host."""

    packages: tuple[Package, ...]
    requirements: tuple[Requirement, ...]
    users: tuple[User, ...]
    entries: tuple[cpio.Entry, ...]

    @property
    def programs(self) -> dict[str, str]:
        """Return the package of each program, by the program's name."""
        return {program: package.name for package in self.packages for program in package.programs}


def parse(text: str, *, name: str) -> GuestDefinition:
    """Parse the text of a guest definition.

    :param name: path of the file, for errors.
    :raises UsageError: the text is not TOML, or a key is unknown, missing or of a wrong type.
    """
    reader = read_tables(text, name=name)
    users = tuple(User(row.text("name"), row.number("id"), row.text("home")) for row in reader.rows("user"))
    definition = GuestDefinition(
        packages=tuple(_package(row) for row in reader.rows("package")),
        requirements=tuple(
            Requirement(row.text("program"), row.texts("words"), row.text("expect"), row.text("needed"))
            for row in reader.rows("requirement")
        ),
        users=users,
        entries=(*_accounts(users), *read_entries(reader)),
    )
    reader.finish()
    unknown = {requirement.program for requirement in definition.requirements} - definition.programs.keys()
    if unknown:
        raise _fault(name, f"[[requirement]] for {', '.join(sorted(unknown))}, which no [[package]] provides")
    return definition


def read_tables(text: str, *, name: str) -> Reader:
    """Read the text of a guest definition as tables.

    :param name: path of the file, for errors.
    :raises UsageError: the text is not TOML.
    """
    try:
        return Reader(name, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise _fault(name, str(error)) from None


def _package(row: Row) -> Package:
    row.text("reason")  # not used, but each package must give a reason
    return Package(row.text("name"), row.texts("programs"), row.flag("applets"))


def read_entries(reader: Reader) -> list[cpio.Entry]:
    """Read the tables of directories, links, devices and files."""
    entries: list[cpio.Entry] = []
    entries += [cpio.Directory(row.text("path"), mode=row.mode("0755")) for row in reader.rows("directory")]
    entries += [cpio.Symlink(row.text("path"), row.text("target")) for row in reader.rows("link")]
    entries += [
        cpio.CharDevice(row.text("path"), row.number("major"), row.number("minor"), mode=row.mode("0600"))
        for row in reader.rows("device")
    ]
    entries += [
        cpio.File(row.text("path"), row.text("text").encode(), mode=row.mode("0644")) for row in reader.rows("file")
    ]
    return entries


def _accounts(users: tuple[User, ...]) -> list[cpio.Entry]:
    passwd = "".join(f"{user.name}:x:{user.id}:{user.id}::{user.home}:/bin/bash\n" for user in users)
    group = "".join(f"{user.name}:x:{user.id}:\n" for user in users)
    homes = [user for user in users if user.home != "/nonexistent"]
    return [
        cpio.File("/etc/passwd", passwd.encode()),
        cpio.File("/etc/group", group.encode()),
        *(cpio.Directory(user.home, uid=user.id, gid=user.id) for user in homes),
    ]


def _fault(name: str, evidence: str) -> UsageError:
    return UsageError(
        f"{name} is not a valid guest definition",
        evidence=evidence,
        remedy="compare it with the shipped qemu/guest.toml",
    )


class Row:
    """One table of the file; each key is read by its type, and a key that was not read is an error.

    :param name: path of the file, for errors.
    :param place: the place of the table in the file, for errors.
    :param values: the table.
    """

    def __init__(self, name: str, place: str, values: Mapping[str, object]) -> None:
        self._name = name
        self._place = place
        self._values = dict(values)

    def text(self, key: str, default: str | None = None) -> str:
        """Read a string; without a default it is required."""
        value = self._values.pop(key, default)
        if not isinstance(value, str):
            raise self._wrong(key, "a string")
        return value

    def number(self, key: str) -> int:
        """Read a number that is not negative."""
        value = self._values.pop(key, None)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self._wrong(key, "a number")
        return value

    def flag(self, key: str) -> bool:
        """Read true or false; false if it is missing."""
        value = self._values.pop(key, False)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Read a list of strings."""
        value = self._values.pop(key, None)
        if not isinstance(value, list):
            raise self._wrong(key, "a list of strings")
        texts = tuple(item for item in value if isinstance(item, str))
        if len(texts) != len(value):
            raise self._wrong(key, "a list of strings")
        return texts

    def mode(self, default: str) -> int:
        """Read permissions: octal digits in the key ``mode``."""
        value = self._values.pop("mode", default)
        if not isinstance(value, str) or not value or set(value) - set("01234567"):
            raise self._wrong("mode", "octal digits in a string")
        return int(value, 8)

    def finish(self) -> None:
        """Raise an error for a key that was not read."""
        if self._values:
            raise _fault(self._name, f"{self._place} has an unknown key: {', '.join(sorted(self._values))}")

    def _wrong(self, key: str, wanted: str) -> UsageError:
        return _fault(self._name, f"{self._place} must have '{key}', {wanted}")


class Reader:
    """Reader of the tables of the file by kind.

    :param name: path of the file, for errors.
    :param tables: content of the file.
    """

    def __init__(self, name: str, tables: Mapping[str, object]) -> None:
        self._name = name
        self._tables = dict(tables)
        self._rows: list[Row] = []

    def head(self, *keys: str) -> Row:
        """Return the keys of the file itself, before its tables, as a row."""
        row = Row(self._name, "the file", {key: self._tables.pop(key) for key in keys if key in self._tables})
        self._rows.append(row)
        return row

    def rows(self, kind: str) -> list[Row]:
        """Return the tables ``[[kind]]`` in the order of the file."""
        value = self._tables.pop(kind, [])
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            raise _fault(self._name, f"'{kind}' must be written as [[{kind}]]")
        rows = [Row(self._name, f"[[{kind}]] number {i}", row) for i, row in enumerate(value, start=1)]
        self._rows += rows
        return rows

    def finish(self) -> None:
        """Raise an error for a table or key that was not read."""
        if self._tables:
            raise _fault(self._name, f"unknown table: {', '.join(sorted(self._tables))}")
        for row in self._rows:
            row.finish()
