# SPDX-License-Identifier: GPL-2.0-only
"""Build targets of the kernel's selftests in the sandbox, and lay their files out as ``make install`` does.

The programs are those that make itself names. What does not build is kept with the compiler's error. ``make install``
itself needs rsync, and copies what links lead to: here that happens in the sandbox, which sees nothing of the host.
"""

from __future__ import annotations

import os
import posixpath
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.base.context import Context
from harness.base.errors import CaseError, UsageError
from harness.base.events import PhaseStarted
from harness.base.json_records import dump_value, read_facts
from harness.base.store import digest_of
from harness.kernel.git.worktree import checked_out
from harness.kernel.patches.patched_tree import PatchedTree
from harness.kernel.sandbox.sandbox import Bounds, InsideResult, Sandbox, run_inside
from harness.kernel.toolchain.toolchain import find_toolchain

KIND = "selftests-build"
INSTALLED = "installed"
"""The folder with the files as the guest gets them."""
_FACTS = "facts.json"
_LAYOUT = "1"
_TESTS = "tools/testing/selftests"
_BOUNDS = Bounds(seconds=1800.0, memory_mebibytes=4096, processes=1024, disk_mebibytes=8192)
_GENERATED = ("TEST_GEN_PROGS", "TEST_CUSTOM_PROGS")
_HELPERS = ("TEST_GEN_PROGS_EXTENDED", "TEST_GEN_FILES")
_PLAIN = ("TEST_PROGS", "TEST_PROGS_EXTENDED", "TEST_FILES")
_INCLUDED = "TEST_INCLUDES"
_NAMES = (*_GENERATED, *_HELPERS, *_PLAIN, _INCLUDED)
_PRINTED = re.compile(r"harness:(\w+)=(.*)")
_ERROR = re.compile(r"error|undefined reference|cannot find|No such file|No rule", re.IGNORECASE)
_SHOWN_LINES = 40
_COPY = 'cd "$1" || exit; to=$2; shift 2; mkdir -p "$to"; for one; do cp -rL -- "$one" "$to"/; done'
# Headers of packages and libraries that tests need: a program that did not build is tried again when they change.
_HOST_FOLDERS = ("/usr/include", "/usr/include/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/usr/lib64")
_TARGET = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.+-]*(?:/[A-Za-z0-9_-][A-Za-z0-9_.+-]*)*")


@dataclass(frozen=True, slots=True)
class BuiltTest:
    """A program of a target.

    :param target: the target, as in TARGETS of the Makefile.
    :param name: the name of the program's file.
    :param error: why it was not built: the first line is a sentence; empty if it was.
    """

    target: str
    name: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class BuiltSelftests:
    """The selftests of some targets.

    :param folder: the files as the guest gets them: a folder a target.
    :param tests: the programs, in the order of the Makefiles.
    """

    folder: Path
    tests: tuple[BuiltTest, ...]


@dataclass(frozen=True, slots=True)
class _Facts:
    """The content of the facts file."""

    tests: tuple[BuiltTest, ...]


def build_selftests(
    context: Context, tree: PatchedTree, targets: Sequence[str], *, is_trusted: bool = False
) -> BuiltSelftests:
    """Build targets of a kernel's selftests, if the store does not have them.

    :param tree: the kernel.
    :param targets: names of targets.
    :raises UsageError: no such target.
    :raises CaseError: the kernel's headers or a Makefile are broken.
    :raises HostError: the sandbox does not work.
    """
    for target in targets:
        if not _TARGET.fullmatch(target):
            raise UsageError(f"selftests: {target!r} is not a target", remedy=f"name a folder of {_TESTS}/")
    files = tree.repository.git("rev-parse", f"{tree.commit}^{{tree}}", deadline=context.deadline).text.strip()
    compiler = str(find_toolchain(deadline=context.deadline))
    key = digest_of(_LAYOUT, files, compiler, *targets, *map(_stamp, _HOST_FOLDERS))

    def fill(folder: Path) -> None:
        with checked_out(context, tree.repository, tree.commit) as work:
            missing = [target for target in targets if not (work.path / _TESTS / target / "Makefile").is_file()]
            if missing:
                raise UsageError(
                    f"selftests: no target {missing[0]} in {tree.source.origin}",
                    evidence=f"no {_TESTS}/{missing[0]}/Makefile",
                    remedy=f"name a folder of {_TESTS}/ that has a Makefile",
                )
            tests = _Builder(context, work.path, folder, is_trusted=is_trusted).build(targets)
        (folder / _FACTS).write_text(dump_value(_Facts(tests)))

    folder = context.store.make(KIND, key, fill, deadline=context.deadline)
    facts = read_facts(_Facts, (folder / _FACTS).read_bytes())
    assert facts is not None
    return BuiltSelftests(folder / INSTALLED, facts.tests)


def _stamp(folder: str) -> str:
    try:
        return f"{folder} {Path(folder).stat().st_mtime_ns}"
    except OSError:
        return folder


class _Builder:
    def __init__(self, context: Context, tree: Path, folder: Path, *, is_trusted: bool) -> None:
        self._context = context
        self._tree = tree
        self._folder = folder
        self._output = folder / "out"
        self._output.mkdir()
        self._sandbox = Sandbox(tree, self._output, trusted=is_trusted, bounds=_BOUNDS)
        self._inside = self._sandbox.inside_output
        self._jobs = len(os.sched_getaffinity(0))

    def build(self, targets: Sequence[str]) -> tuple[BuiltTest, ...]:
        self._context.report(PhaseStarted("selftests: headers of the kernel"))
        made = self._run("make", "-C", self._sandbox.inside_tree, f"O={self._inside}", f"-j{self._jobs}", "headers")
        if not made.is_success:
            raise CaseError(
                "the headers of the kernel cannot be installed, which its selftests need",
                evidence="\n".join(made.lines[-_SHOWN_LINES:]),
                remedy="check the tree: make headers",
            )
        tests: list[BuiltTest] = []
        for target in targets:
            self._context.report(PhaseStarted(f"selftests: building {target}"))
            tests += self._build_target(target)
        self._copy(f"{_TESTS}", "", ["kselftest"])
        shutil.move(self._output / INSTALLED, self._folder / INSTALLED)
        shutil.rmtree(self._output)
        return tuple(tests)

    def _build_target(self, target: str) -> list[BuiltTest]:
        (self._output / target).mkdir(parents=True)
        names = self._names(target)
        wanted = [self._made(target, one) for name in (*_GENERATED, *_HELPERS) for one in names[name]]
        self._make(target, "-k", f"-j{self._jobs}", *self._static(), "all")
        if left := [one for one in wanted if not self._has(one)]:
            # Not all libraries have a static form.
            self._make(target, "-k", f"-j{self._jobs}", *left)
        errors = {one: self._error(target, one) for one in wanted if not self._has(one)}
        copied = self._copy(f"{_TESTS}/{target}", target, [one for one in wanted if one not in errors])
        for name in _PLAIN:
            copied += self._copy(f"{_TESTS}/{target}", target, names[name])
        for one in names[_INCLUDED]:
            path = posixpath.normpath(f"{target}/{one}")
            self._copy(_TESTS, posixpath.dirname(path), [path])
        self._copy(f"{_TESTS}/{target}", target, [one for one in ("config", "settings") if self._is_in(target, one)])
        programs = [self._made(target, one) for name in _GENERATED for one in names[name]] + names["TEST_PROGS"]
        if not programs:
            # mount_setattr of 6.1: its runner runs nothing.
            programs = [self._made(target, one) for one in names["TEST_GEN_FILES"]]
        return [
            BuiltTest(target, name, errors.get(one, "") or self._copy_error(target, name, copied))
            for one in dict.fromkeys(programs)
            for name in (posixpath.basename(one),)
        ]

    def _copy_error(self, target: str, name: str, lines: Sequence[str]) -> str:
        if (self._output / INSTALLED / target / name).is_file():
            return ""
        return "\n".join((f"not built: the Makefile of {target} names {name}, which does not exist", *lines))

    def _names(self, target: str) -> dict[str, list[str]]:
        """Return the files of a target by the variable that make prints them for.

        :raises CaseError: its Makefile is broken.
        """
        rule = "\n".join(["harness-print:", *(f"\t@:$(info harness:{name}=$({name}))" for name in _NAMES)])
        printed = self._make(target, "--eval", rule, "harness-print")
        if not printed.is_success:
            raise CaseError(
                f"selftests: the Makefile of {target} is broken",
                evidence="\n".join(printed.lines[-_SHOWN_LINES:]),
                remedy="name another target",
            )
        found: dict[str, list[str]] = {name: [] for name in _NAMES}
        for line in printed.lines:
            if match := _PRINTED.fullmatch(line):
                found[match[1]] = match[2].split()
        return found

    def _static(self) -> tuple[str, ...]:
        """Return the variable that adds to the flags of the linker; one that make did not have before 5.19 is set."""
        common = (self._tree / _TESTS / "lib.mk").read_text(errors="replace")
        return ("USERLDFLAGS=-static",) if "USERLDFLAGS" in common else ("LDFLAGS=-static",)

    def _make(self, target: str, *words: str) -> InsideResult:
        include = f"KHDR_INCLUDES=-isystem {self._inside}/usr/include"
        where = f"{self._sandbox.inside_tree}/{_TESTS}/{target}"
        return self._run(
            "make", "--no-print-directory", "-C", where, f"OUTPUT={self._inside}/{target}", include, *words
        )

    def _made(self, target: str, name: str) -> str:
        return name if name.startswith("/") else f"{self._inside}/{target}/{name}"

    def _has(self, path: str) -> bool:
        return (self._output / posixpath.relpath(path, self._inside)).is_file()

    def _is_in(self, target: str, name: str) -> bool:
        return (self._tree / _TESTS / target / name).is_file()

    def _error(self, target: str, path: str) -> str:
        """Return why a file of a target is not built."""
        lines = [line for line in self._make(target, path).lines if not line.startswith("make: ")]
        first = next((line for line in lines if _ERROR.search(line)), lines[-1] if lines else "make printed nothing")
        return "\n".join((f"not built: {first.strip()}", *lines[:_SHOWN_LINES]))

    def _copy(self, source: str, target: str, names: Sequence[str]) -> list[str]:
        """Copy files into the folder of a target, and return the messages of cp."""
        to = f"{self._inside}/{INSTALLED}/{target}"
        done = self._run("sh", "-c", _COPY, "sh", f"{self._sandbox.inside_tree}/{source}", to, *names)
        return list(done.lines)

    def _run(self, *argv: str) -> InsideResult:
        return run_inside(self._sandbox, argv, deadline=self._context.deadline)


def regular_files(folder: Path) -> list[Path]:
    """Return the regular files below a folder that untrusted programs wrote: links are left out, not followed."""
    found = []
    for parent, folders, files in os.walk(folder):
        folders.sort()
        found += [path for name in sorted(files) if (path := Path(parent, name)).is_file() and not path.is_symlink()]
    return found


def read_text(path: Path) -> str:
    """Return the text of a file that an untrusted program wrote; empty for a missing file, and for a link."""
    return path.read_text(errors="replace") if path.is_file() and not path.is_symlink() else ""
