"""What a guest image is made of, as ``qemu/guest.toml`` says it. Pure."""

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

    :param has_applets: its one program is a busybox, whose applets fill the places that are left.
    """

    name: str
    programs: tuple[str, ...]
    has_applets: bool


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a program must be able to do: run with these words, its output holds that text."""

    program: str
    words: tuple[str, ...]
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

    :param path: where it is in the guest.
    :param mode: its permissions.
    """

    path: str
    source: Path
    mode: int


@dataclass(frozen=True, slots=True)
class GuestAdditions:
    """What a suite adds to the guest.

    :param helpers: C sources; each is compiled statically and installed as ``/usr/bin/STEM``.
    """

    packages: tuple[Package, ...] = ()
    helpers: tuple[Path, ...] = ()
    files: tuple[GuestFile, ...] = ()


NO_ADDITIONS = GuestAdditions()


@dataclass(frozen=True, slots=True)
class GuestDefinition:
    """The whole definition; ``entries`` are the archive entries that need nothing of the host."""

    packages: tuple[Package, ...]
    requirements: tuple[Requirement, ...]
    users: tuple[User, ...]
    entries: tuple[cpio.Entry, ...]

    @property
    def programs(self) -> dict[str, str]:
        """The package of each program, by the program's name."""
        return {program: package.name for package in self.packages for program in package.programs}


def parse(text: str, *, name: str) -> GuestDefinition:
    """The definition that a text holds.

    :param name: what errors call it: the path of the file.
    :raises UsageError: the text is not TOML, or a key is unknown, missing or of a wrong type.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _fault(name, str(error)) from None
    reader = _Reader(name, tables)
    users = tuple(User(row.text("name"), row.number("id"), row.text("home")) for row in reader.rows("user"))
    definition = GuestDefinition(
        packages=tuple(_package(row) for row in reader.rows("package")),
        requirements=tuple(
            Requirement(row.text("program"), row.texts("words"), row.text("expect"), row.text("needed"))
            for row in reader.rows("requirement")
        ),
        users=users,
        entries=(*_accounts(users), *_entries(reader)),
    )
    reader.finish()
    strangers = {requirement.program for requirement in definition.requirements} - definition.programs.keys()
    if strangers:
        raise _fault(name, f"[[requirement]] for {', '.join(sorted(strangers))}, which no [[package]] provides")
    return definition


def _package(row: _Row) -> Package:
    row.text("reason")  # not used, but a program without a reason does not get in
    return Package(row.text("name"), row.texts("programs"), row.flag("applets"))


def _entries(reader: _Reader) -> list[cpio.Entry]:
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
        f"{name} is not a definition of a guest",
        evidence=evidence,
        remedy="compare it with the qemu/guest.toml that the harness ships",
    )


class _Row:
    """One table of the file; each key is taken by its type, and what nobody took is an error."""

    def __init__(self, name: str, place: str, values: Mapping[str, object]) -> None:
        self._name = name
        self._place = place
        self._values = dict(values)

    def text(self, key: str) -> str:
        value = self._values.pop(key, None)
        if not isinstance(value, str):
            raise self._wrong(key, "a string")
        return value

    def number(self, key: str) -> int:
        value = self._values.pop(key, None)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self._wrong(key, "a number")
        return value

    def flag(self, key: str) -> bool:
        value = self._values.pop(key, False)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._values.pop(key, None)
        if not isinstance(value, list):
            raise self._wrong(key, "a list of strings")
        texts = tuple(item for item in value if isinstance(item, str))
        if len(texts) != len(value):
            raise self._wrong(key, "a list of strings")
        return texts

    def mode(self, default: str) -> int:
        value = self._values.pop("mode", default)
        if not isinstance(value, str) or not value or set(value) - set("01234567"):
            raise self._wrong("mode", "octal digits in a string")
        return int(value, 8)

    def finish(self) -> None:
        if self._values:
            raise _fault(self._name, f"{self._place} has an unknown key: {', '.join(sorted(self._values))}")

    def _wrong(self, key: str, wanted: str) -> UsageError:
        return _fault(self._name, f"{self._place} must have '{key}', {wanted}")


class _Reader:
    """The tables of the file by kind."""

    def __init__(self, name: str, tables: Mapping[str, object]) -> None:
        self._name = name
        self._tables = dict(tables)
        self._rows: list[_Row] = []

    def rows(self, kind: str) -> list[_Row]:
        """The tables ``[[kind]]``, in their order."""
        value = self._tables.pop(kind, [])
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            raise _fault(self._name, f"'{kind}' must be written as [[{kind}]]")
        rows = [_Row(self._name, f"[[{kind}]] number {i}", row) for i, row in enumerate(value, start=1)]
        self._rows += rows
        return rows

    def finish(self) -> None:
        """Complain about what nobody asked for."""
        if self._tables:
            raise _fault(self._name, f"unknown table: {', '.join(sorted(self._tables))}")
        for row in self._rows:
            row.finish()
