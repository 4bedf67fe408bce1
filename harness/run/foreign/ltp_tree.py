# SPDX-License-Identifier: GPL-2.0-only
"""Read a built or installed tree of the Linux Test Project (LTP): its scenarios, its programs, what each test needs."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from harness.base.errors import CaseError, UsageError

BIN = "testcases/bin"
DATA = "testcases/data"
_RUNTEST = "runtest"
_METADATA = ("metadata/ltp.json", "ltp.json")
_LINE = re.compile(r"^\s*([^\s#]\S*)\s+(\S.*?)\s*$")
_WORD = re.compile(rb"[A-Za-z0-9_][\w.+-]*")
_SOURCES = frozenset({".c", ".h", ".o", ".a", ".mk", ".in", ".am", ".ac", ".md", ".txt", ".rst", ".d", ".m4"})
_LONGEST_FILE = 64 << 20
BUILD_HINT = "build it: make autotools && ./configure --prefix=$PWD/inst && make -j2 && make install"


@dataclass(frozen=True, slots=True)
class LtpTest:
    """A line of a runtest file.

    :param tag: its tag.
    :param command: its command, for a shell.
    """

    tag: str
    command: str


@dataclass(frozen=True, slots=True)
class LtpFacts:
    """What the metadata of LTP says of a test.

    :param seconds: its time limit, that of its run included; 0 if it is not known.
    :param options: the options of the configuration without which it is not run.
    """

    seconds: float = 0.0
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class LtpTree:
    """A tree of LTP.

    :param path: its folder: an installed one with ``testcases/bin``, or the sources with programs built in them.
    """

    path: Path
    _reach: dict[str, frozenset[str]] = field(default_factory=dict)

    @cached_property
    def programs(self) -> Mapping[str, Path]:
        """Return all programs and scripts by name.

        :raises UsageError: the folder is no tree of LTP, or nothing is built in it.
        """
        self._check()
        installed = self.path / BIN
        roots = (installed,) if installed.is_dir() else (self.path / "testcases",)
        found = {one.name: one for root in roots for one in _programs_below(root)}
        if not any(_is_elf(one) for one in found.values()):
            raise UsageError(f"nothing is built in {self.path}", remedy=f"{BUILD_HINT}; then name {self.path}/inst")
        return found

    def _check(self) -> None:
        if not (self.path / _RUNTEST).is_dir() or not (self.path / "testcases").is_dir():
            remedy = "name the folder of its sources, or the one it is installed in: --suite ltp:/opt/ltp:SCENARIO"
            raise UsageError(f"{self.path} is no tree of LTP: it has no runtest/ and testcases/", remedy=remedy)

    @property
    def scenarios(self) -> list[str]:
        """Return the names of the runtest files.

        :raises UsageError: the folder is no tree of LTP.
        """
        self._check()
        return sorted(one.name for one in (self.path / _RUNTEST).iterdir() if one.is_file() and one.name != "Makefile")

    def tests(self, scenario: str) -> tuple[LtpTest, ...]:
        """Return the tests of a scenario.

        :raises UsageError: there is no such scenario.
        """
        file = self.path / _RUNTEST / scenario
        if scenario not in self.scenarios:
            remedy = f"name one of: {', '.join(self.scenarios)}"
            raise UsageError(f"{self.path} has no scenario {scenario}", remedy=remedy)
        found = (_LINE.match(line) for line in file.read_text(errors="replace").splitlines())
        return tuple(LtpTest(one[1], one[2]) for one in found if one)

    def needed_by(self, command: str) -> frozenset[str]:
        """Return the names of the programs that a command runs: itself, and those that the programs name in turn."""
        names = {word.decode() for word in _WORD.findall(command.encode(errors="replace"))} & self.programs.keys()
        seen: set[str] = set()
        while names:
            name = names.pop()
            seen.add(name)
            names |= self._named_in(name) - seen
        return frozenset(seen)

    def _named_in(self, name: str) -> frozenset[str]:
        if name not in self._reach:
            path = self.programs[name]
            content = path.read_bytes() if path.stat().st_size <= _LONGEST_FILE else b""
            words = {word.decode(errors="replace") for word in _WORD.findall(content)}
            # A word of a program may be anything; the name of a test is one with a digit, a dot or an underscore.
            self._reach[name] = frozenset(one for one in words & self.programs.keys() if re.search(r"[\d._]", one))
        return self._reach[name]

    @cached_property
    def facts(self) -> Mapping[str, LtpFacts]:
        """Return the metadata of the tests by program; empty if the tree has none.

        :raises CaseError: the metadata are damaged.
        """
        file = next((self.path / one for one in _METADATA if (self.path / one).is_file()), None)
        if file is None:
            return {}
        try:
            tests = json.loads(file.read_text())["tests"]
            return {name: _facts_of(one) for name, one in tests.items() if isinstance(one, dict)}
        except (ValueError, KeyError, AttributeError, OSError) as error:
            remedy = f"make it again: make -C {self.path}/metadata"
            raise CaseError(f"{file} is no metadata of LTP", evidence=repr(error), remedy=remedy) from None


def _facts_of(table: Mapping[str, object]) -> LtpFacts:
    """Return the facts of one test; a time that is no number of seconds (``unlimited``) is not known."""
    times = [str(table.get(name, "0")).strip() for name in ("timeout", "runtime", "max_runtime")]
    seconds = sum(float(one) for one in times if re.fullmatch(r"\d+(?:\.\d+)?", one))
    wanted = table.get("needs_kconfigs", ())
    options = [str(one).strip().removesuffix("=y") for one in wanted] if isinstance(wanted, list) else []
    return LtpFacts(seconds, tuple(one for one in options if re.fullmatch(r"CONFIG_\w+", one)))


def _programs_below(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(files):
            path = Path(folder, name)
            if path.is_symlink() and not path.exists():
                continue
            is_program = path.stat().st_mode & 0o100 and path.suffix not in _SOURCES
            if is_program or path.suffix == ".sh":
                yield path


def _is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"
