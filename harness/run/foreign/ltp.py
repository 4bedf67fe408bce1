# SPDX-License-Identifier: GPL-2.0-only
"""Make a suite of the Linux Test Project (LTP): ``ltp:PATH[:SCENARIO[,SCENARIO...][:TAG]]``.

Each line of a runtest file is a case. The user builds LTP: that takes longer than most runs, and needs what the user's
host has. The guest gets the programs that the lines name, without debug information.
"""

from __future__ import annotations

import fnmatch
import re
import shlex
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.base import paths, process
from harness.base.context import Context
from harness.base.errors import UsageError
from harness.base.process import find_program
from harness.base.scratch import scratch_folder
from harness.guest.definition import GuestFile
from harness.guest.libraries import find_libraries
from harness.run.foreign.draft import Draft, DraftProgram, write_suite
from harness.run.foreign.ltp_tree import BIN, DATA, LtpTest, LtpTree
from harness.run.foreign.selftests import SETUP, host_packages
from harness.suite.definition import Suite
from harness.suite.generated import TITLES

SCENARIO = "smoketest"
"""The scenario without a name: the one with which LTP tries itself."""
ROOT = "/opt/ltp"
RUNNER = "/usr/lib/harness/ltp-run"
_SECONDS = 300.0
"""Time limit of a test without metadata: LTP itself ends its tests, most of them after 30 s."""
_MARGIN = 15.0
"""Time of a test beyond the limit that LTP gives it, to end and to clean up."""
_MOST_MEBIBYTES = 96
_TAG = re.compile(r"[^A-Za-z0-9._+-]+")
_HINT = (
    "write ltp:PATH, ltp:PATH:SCENARIO[,SCENARIO] or ltp:PATH:SCENARIO:TAG, where TAG may be a pattern like 'access*'"
)
_MODE = 0o755
_ELF = b"\x7fELF"


@dataclass(frozen=True, slots=True)
class LtpWord:
    """The argument of a suite of LTP.

    :param path: the tree.
    :param scenarios: names of runtest files.
    :param tag: a pattern of tags; empty for all.
    """

    path: Path
    scenarios: tuple[str, ...]
    tag: str = ""

    @classmethod
    def parse(cls, rest: str) -> LtpWord:
        """Read the argument behind ``ltp:``; a path may have colons.

        :raises UsageError: there is no such folder, or there are too many parts.
        """
        words = rest.split(":")
        for count in range(len(words), 0, -1):
            path = Path(":".join(words[:count]))
            if words[0] and path.is_dir():
                scenarios, tag, *more = [*words[count:], "", ""]
                if any(more):
                    break
                names = tuple(dict.fromkeys(one for one in scenarios.split(",") if one))
                return cls(path.absolute(), names or (SCENARIO,), tag)
        raise UsageError(f"--suite ltp:{rest}: no folder {words[0]}, or too many parts", remedy=_HINT)


def make_ltp(context: Context, rest: str) -> Suite:
    """Make the suite of some scenarios.

    :param rest: the argument behind ``ltp:``.
    :raises UsageError: the folder is no built tree of LTP, or there is no such scenario or tag.
    :raises HostError: the tests are too large for a guest.
    """
    word = LtpWord.parse(rest)
    tree = LtpTree(word.path)
    tests = {
        f"{scenario}/{_TAG.sub('-', test.tag)}": test
        for scenario in word.scenarios
        for test in tree.tests(scenario)
        if not word.tag or fnmatch.fnmatchcase(test.tag, word.tag)
    }
    if not tests:
        raise UsageError(f"--suite ltp:{rest}: no tag of {', '.join(word.scenarios)} is {word.tag}", remedy=_HINT)
    names = sorted(
        {name for test in tests.values() for name in tree.needed_by(test.command)} | _helpers(tree, tests.values())
    )
    with scratch_folder("ltp") as scratch:
        files, missing = _files(context, tree, names, scratch)
        files |= {one.path: one for one in _data(tree, names)}
        files |= {path: GuestFile(path, source, _MODE) for path, source in _OURS.items()}
        _check_size(files.values(), rest)
        programs = tuple(_program(name, test, tree, missing) for name, test in tests.items())
        argument = f"ltp:{word.path}:{','.join(word.scenarios)}{f':{word.tag}' if word.tag else ''}"
        own = tuple(files.values())
        return write_suite(
            context, Draft(argument, "ltp", TITLES["ltp"], programs, own, host_packages(), is_compared=True)
        )


_OURS = {RUNNER: paths.LTP_RUNNER, SETUP: paths.SELFTESTS_SETUP}


def _helpers(tree: LtpTree, tests: Iterable[LtpTest]) -> set[str]:
    """Return the programs of LTP's own library of scripts, if a test is a script."""
    if not any(word.endswith(".sh") for test in tests for word in test.command.split()):
        return set()
    return {name for name in tree.programs if name.startswith("tst_") and not name.startswith("tst_test_")}


def _files(
    context: Context, tree: LtpTree, names: Iterable[str], scratch: Path
) -> tuple[dict[str, GuestFile], dict[str, str]]:
    """Return programs without debug information, with their libraries; and why some cannot be had, by name."""
    files: dict[str, GuestFile] = {}
    missing: dict[str, str] = {}
    for name in names:
        path = scratch / name
        shutil.copyfile(tree.programs[name], path)
        with path.open("rb") as file:
            is_elf = file.read(4) == _ELF
        if is_elf:
            try:
                libraries = find_libraries(tree.programs[name])
            except UsageError as error:
                missing[name] = str(error)
                continue
            files |= {one.path: one for one in libraries}
            if find_program("strip"):
                process.run(["strip", "--strip-all", path], deadline=context.deadline, check=False)
        files[f"{ROOT}/{BIN}/{name}"] = GuestFile(f"{ROOT}/{BIN}/{name}", path, _MODE)
    return files, missing


def _data(tree: LtpTree, names: Iterable[str]) -> list[GuestFile]:
    """Return the data files of some programs, which an installed tree has in a folder for each."""
    folders = [tree.path / DATA / name.removesuffix(".sh") for name in names]
    paths_below = [
        path for folder in folders if folder.is_dir() for path in sorted(folder.rglob("*")) if path.is_file()
    ]
    return [
        GuestFile(f"{ROOT}/{path.relative_to(tree.path).as_posix()}", path, path.stat().st_mode & 0o777)
        for path in paths_below
    ]


def _program(name: str, test: LtpTest, tree: LtpTree, missing: dict[str, str]) -> DraftProgram:
    first = test.command.split()[0]
    facts = tree.facts.get(first.removesuffix(".sh"), tree.facts.get(first))
    unavailable = next((missing[one] for one in sorted(tree.needed_by(test.command)) if one in missing), "")
    if first not in tree.programs and re.search(r"\d|_|\.sh$", first) and "=" not in first and "/" not in first:
        unavailable = f"the tree has no program {first}: it is not built"
    return DraftProgram(
        name,
        f"{RUNNER} {shlex.quote(test.command)}",
        seconds=facts.seconds + _MARGIN if facts is not None and facts.seconds else _SECONDS,
        prepare=SETUP,
        needs=facts.options if facts is not None else (),
        is_of_ltp=True,
        factor_variable="LTP_TIMEOUT_MUL",
        files=tuple(f"{ROOT}/{BIN}/{one}" for one in sorted(tree.needed_by(test.command))),
        unavailable=unavailable,
    )


def _check_size(files: Iterable[GuestFile], rest: str) -> None:
    """Check that a guest can hold the files in its memory.

    :raises UsageError: they are too large.
    """
    size = sum(one.source.stat().st_size for one in files) >> 20
    if size > _MOST_MEBIBYTES:
        raise UsageError(
            f"--suite ltp:{rest}: the tests are {size} MiB, more than the {_MOST_MEBIBYTES} MiB that a guest is given",
            remedy="run a part: name fewer scenarios, or a pattern of tags: ltp:PATH:syscalls:'access*'",
        )
