# SPDX-License-Identifier: GPL-2.0-only
"""Make a suite of the kernel's own selftests: ``selftests:TARGET[,TARGET...][:PROGRAM]``.

The tests are those of the kernel's own source: the tree that it is built from, the source package of a Debian kernel,
or what ``--selftests`` names. A command has one set of tests, that of its first kernel.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.base import paths
from harness.base.context import Context
from harness.base.errors import UsageError
from harness.base.kernel_release import Release
from harness.base.process import find_program
from harness.guest.definition import GuestFile, Package
from harness.guest.libraries import find_libraries
from harness.kernel.build.options import SourceWord
from harness.kernel.from_source import patched_trees, source_word
from harness.kernel.patches.patched_tree import PatchedTree
from harness.kernel.patches.shipped import find_shipped
from harness.kernel.resolve import resolve_kernel
from harness.kernel.source.apt import Apt
from harness.model.kernel_spec import SpecKind, parse_spec
from harness.run.foreign.draft import Draft, DraftProgram, write_suite
from harness.run.foreign.selftests_build import BuiltSelftests, BuiltTest, build_selftests, read_text, regular_files
from harness.suite.definition import Suite
from harness.suite.program_file import PROGRAM_SECONDS

FOLDER = "/usr/lib/kselftest"
"""The folder in the guest."""
SETUP = "/usr/lib/harness/kselftest-setup"
_HOST_PROGRAMS = {
    "util-linux": ("lscpu",),
    "iproute2": ("ip",),
    "e2fsprogs": ("mkfs.ext4",),
    "libcap2-bin": ("capsh", "getcap", "setcap"),
}
"""Programs that scripts of selftests run, by package. The guest gets those that this host has."""
_INTERPRETERS = frozenset({"sh", "bash", "dash", "ash"})
_UNLIMITED_SECONDS = 3600.0
_TIMEOUT = re.compile(r"^\s*timeout\s*=\s*(\d+)", re.MULTILINE)
_OPTION = re.compile(r"(CONFIG_\w+)=(\S+)")
_ELF = b"\x7fELF"
_MODE_PROGRAM, _MODE_FILE = 0o755, 0o644
_HINT = "write selftests:TARGET, selftests:TARGET,TARGET or selftests:TARGET:PROGRAM"


@dataclass(frozen=True, slots=True)
class SelftestsWord:
    """The argument of a suite of selftests.

    :param targets: the targets.
    :param program: the only program to run; empty for all.
    """

    targets: tuple[str, ...]
    program: str = ""

    @classmethod
    def parse(cls, rest: str) -> SelftestsWord:
        """Read the argument behind ``selftests:``.

        :raises UsageError: there is no target.
        """
        named, _, program = rest.partition(":")
        targets = tuple(dict.fromkeys(one.strip("/") for one in named.split(",") if one.strip("/")))
        if not targets or ":" in program:
            raise UsageError(f"--suite selftests:{rest}: not a target of the selftests", remedy=_HINT)
        return cls(targets, program)


def make_selftests(context: Context, rest: str, kernel: str, selftests: str = "", *, is_trusted: bool = False) -> Suite:
    """Make the suite of some targets.

    :param rest: the argument behind ``selftests:``.
    :param kernel: the argument KERNEL.
    :param selftests: the argument of ``--selftests``; empty for the kernel's own tests.
    :param is_trusted: whether to build without the sandbox.
    :raises UsageError: no such target or program, or the source of the kernel is not known.
    :raises CaseError: the headers of the kernel, or a Makefile, are broken.
    :raises HostError: the sandbox does not work.
    """
    word = SelftestsWord.parse(rest)
    tree = find_tree(context, kernel, selftests)
    built = build_selftests(context, tree, word.targets, is_trusted=is_trusted)
    tests = [test for test in built.tests if word.program in ("", test.name)]
    if not tests:
        known = ", ".join(test.name for test in built.tests) or "none"
        raise UsageError(f"selftests: no program {rest}", evidence=f"programs of the target: {known}", remedy=_HINT)
    files = {one.path: one for one in (GuestFile(SETUP, paths.SELFTESTS_SETUP, _MODE_PROGRAM), *_files(built))}
    programs = []
    for test in tests:
        program, libraries = _program(test, built)
        programs.append(program)
        files |= {one.path: one for one in libraries if one.path not in files}
    draft = Draft(
        f"selftests:{rest}",
        "selftests",
        f"selftests of {tree.source.origin}",
        tuple(programs),
        tuple(files.values()),
        host_packages(),
        fragments={f"selftests-{one.replace('/', '-')}": text for one in word.targets if (text := _config(built, one))},
        is_compared=True,
    )
    return write_suite(context, draft)


def find_tree(context: Context, kernel: str, selftests: str = "") -> PatchedTree:
    """Return the source of the tests of a kernel.

    :param kernel: the argument KERNEL.
    :param selftests: the argument of ``--selftests``; empty for the kernel's own tests.
    :raises UsageError: the source of the kernel is not known.
    :raises SeriesError: the series does not apply.
    :raises HostError: the source cannot be fetched.
    """
    spec = parse_spec(selftests or kernel)
    word = source_word(spec)
    if word is None and spec.kind in (SpecKind.DEFAULT_PACKAGE, SpecKind.PACKAGE) and not selftests:
        release = Release.parse(resolve_kernel(context, spec).release)
        if release is not None:
            major, minor, _ = release.numbers
            word = SourceWord("", version=f"{major}.{minor}", suite=spec.suite)
    if word is None:
        raise UsageError(
            f"the source of {selftests or kernel} is not known, and so are its selftests",
            remedy="name a kernel tree or a source package: --selftests TREE@REV, or --selftests deb-src:6.1",
        )
    shipped = find_shipped(word.series, deadline=context.deadline) if word.series else None
    return patched_trees(context, word, shipped, apt=Apt())[-1]


def time_limit(settings: str) -> float:
    """Return the time limit of a target's programs in seconds.

    :param settings: the content of its file ``settings``; empty for none.
    """
    found = _TIMEOUT.search(settings)
    return (float(found[1]) or _UNLIMITED_SECONDS) if found else PROGRAM_SECONDS


def fragment_of(config: str) -> str:
    """Return a config fragment from the file ``config`` of a target; modules are built in, as the guest loads none.

    :param config: the content of the file.
    """
    found = filter(None, (_OPTION.fullmatch(line.strip()) for line in config.splitlines()))
    lines = [f"{one[1]}={'y' if one[2] == 'm' else one[2]}" for one in found]
    return "".join(f"{line}\n" for line in dict.fromkeys(lines))


def host_packages() -> tuple[Package, ...]:
    """Return the programs of this host that scripts of tests run, by package."""
    found = {name: tuple(filter(find_program, programs)) for name, programs in _HOST_PROGRAMS.items()}
    return tuple(Package(name, programs, has_applets=False) for name, programs in found.items() if programs)


def _config(built: BuiltSelftests, target: str) -> str:
    return fragment_of(read_text(built.folder / target / "config"))


def _files(built: BuiltSelftests) -> list[GuestFile]:
    return [
        GuestFile(f"{FOLDER}/{path.relative_to(built.folder).as_posix()}", path, _mode(path))
        for path in regular_files(built.folder)
    ]


def _mode(path: Path) -> int:
    return _MODE_PROGRAM if path.stat().st_mode & 0o100 or path.suffix == ".sh" else _MODE_FILE


def _program(test: BuiltTest, built: BuiltSelftests) -> tuple[DraftProgram, tuple[GuestFile, ...]]:
    """Return the case of a program, and the libraries that it needs."""
    file = built.folder / test.target / test.name
    name = f"{test.target}/{test.name}"
    if test.error:
        return DraftProgram(name, unavailable=test.error), ()
    libraries: tuple[GuestFile, ...] = ()
    with file.open("rb") as content:
        first = content.read(256)
    if first.startswith(_ELF):
        try:
            libraries = find_libraries(file)
        except UsageError as error:
            return DraftProgram(name, unavailable=str(error)), ()
        command = f"./{test.name}"
    else:
        interpreter = _interpreter(first)
        if interpreter not in _INTERPRETERS:
            return DraftProgram(name, unavailable=f"needs {interpreter}, which the guest does not have"), ()
        command = f"bash ./{test.name}"
    return (
        DraftProgram(
            name,
            command,
            directory=f"{FOLDER}/{test.target}",
            seconds=time_limit(read_text(built.folder / test.target / "settings")),
            prepare=SETUP,
            options=tuple(one for one, _ in _OPTION.findall(_config(built, test.target))),
        ),
        libraries,
    )


def _interpreter(first: bytes) -> str:
    """Return the name of the interpreter in the first line of a script; sh without one."""
    line = first.partition(b"\n")[0].decode(errors="replace")
    words = line.removeprefix("#!").split() if line.startswith("#!") else ["sh"]
    named = words[1:] if words[1:] and words[0].endswith("/env") else words
    return PurePosixPath(named[0]).name if named else "sh"
