# SPDX-License-Identifier: GPL-2.0-only
"""Find the KUnit tests of a kernel tree: their options, and the suites that each option builds.

A test is an option whose entry in a Kconfig file names KUNIT_ALL_TESTS, as its documentation asks for
(Documentation/dev-tools/kunit/style.rst). The Makefiles give the sources of an option, and these the names of suites. A
test that is included in another source has none here; it is found by the name of its option.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from harness.base.context import Context
from harness.kernel.patches.patched_tree import PatchedTree

ALL = "*"
_ENTRY = re.compile(r"\s*(?:menu)?config\s+(\w+)\s*$")
_OBJECTS = re.compile(r"obj-\$\(CONFIG_(\w+)\)\s*[+:]?=\s*(.*)")
_PARTS = re.compile(r"([\w.-]+)-(?:y|objs|\$\(CONFIG_\w+\))\s*[+:]?=\s*(.*)")
_SUITE = re.compile(r"struct\s+kunit_suite\s+\w+\s*=")
_NAME = re.compile(r'\.name\s*=\s*"([^"]+)"')
_NAME_LINES = 12
_OTHER_ARCHITECTURES = ":(exclude,glob)arch/[!x]*/**"
_SET = re.compile(r"(CONFIG_\w+)=(\S+)")
_FRAMEWORK = frozenset({"CONFIG_KUNIT", "CONFIG_KUNIT_ALL_TESTS", "CONFIG_KUNIT_DEBUGFS"})


@dataclass(frozen=True, slots=True)
class KunitTest:
    """An option that builds KUnit suites.

    :param option: the option, with ``CONFIG_``.
    :param suites: the names of its suites, as far as they are found.
    :param setup: lines of a ``.kunitconfig`` of the tree with what the test depends on.
    """

    option: str
    suites: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()

    def is_chosen(self, patterns: Sequence[str]) -> bool:
        """Return whether a pattern matches one of its suites, or its option."""
        stem = self.option.removeprefix("CONFIG_").lower()
        return any(
            fnmatchcase(stem, pattern.lower().replace("-", "_"))
            or any(fnmatchcase(one, pattern) for one in self.suites)
            for pattern in patterns
        )


def find_tests(context: Context, tree: PatchedTree) -> tuple[KunitTest, ...]:
    """Return the KUnit tests of a tree, ordered by option.

    :raises HostError: git failed.
    """
    found = _Tree(context, tree)
    options = options_of_tests(found.lines("KUNIT|^[[:space:]]*(menu)?config ", "*Kconfig*", _OTHER_ARCHITECTURES))
    sources = sources_of(options, found.whole(found.names("obj-.*KUNIT|obj-.*_TEST", "*Makefile", "*Kbuild")))
    suites = suite_names(found.whole(sorted({one for each in sources.values() for one in each})))
    setups = {file: [text for text in lines if _SET.fullmatch(text)] for file, lines in _setups(found).items()}
    return tuple(
        KunitTest(
            f"CONFIG_{option}",
            tuple(dict.fromkeys(name for one in sources.get(option, ()) for name in suites.get(one, ()))),
            setup_of(f"CONFIG_{option}", setups),
        )
        for option in sorted(options)
    )


def options_of_tests(lines: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the options of tests.

    :param lines: the lines of Kconfig files that begin an entry or have KUNIT in them, by file.
    """
    options: dict[str, None] = {}
    for texts in lines.values():
        option = ""
        for text in texts:
            if found := _ENTRY.match(text):
                option = found[1]
            elif "KUNIT_ALL_TESTS" in text and option and option != "KUNIT_ALL_TESTS":
                options[option] = None
    return tuple(options)


def sources_of(options: Iterable[str], makefiles: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return the C sources that options build.

    :param options: names of options without ``CONFIG_``.
    :param makefiles: the lines of Makefiles, by file.
    """
    wanted = frozenset(options)
    sources: dict[str, list[str]] = defaultdict(list)
    for file, lines in makefiles.items():
        folder = PurePosixPath(file).parent
        whole = [line for line in "\n".join(lines).replace("\\\n", " ").split("\n") if "=" in line]
        parts: dict[str, list[str]] = defaultdict(list)
        for line in whole:
            if found := _PARTS.match(line.strip()):
                parts[found[1]] += _objects(found[2])
        for line in whole:
            found = _OBJECTS.match(line.strip())
            if found and found[1] in wanted:
                own = _objects(found[2])
                names = [part for name in own for part in (name, *parts.get(name, ()))]
                sources[found[1]] += [(folder / f"{name}.c").as_posix() for name in names]
    return {option: tuple(dict.fromkeys(files)) for option, files in sources.items()}


def suite_names(files: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return the names of the suites in C sources.

    :param files: the lines of the sources, by file.
    """
    return {file: tuple(_suites_in(lines)) for file, lines in files.items()}


def setup_of(option: str, setups: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the lines of the smallest ``.kunitconfig`` that turns a test on, without those of the framework.

    :param option: the option, with ``CONFIG_``.
    :param setups: the lines of these files, by file.
    """
    having = [lines for lines in setups.values() if f"{option}=y" in lines]
    best = min(having, key=len, default=())
    return tuple(line for line in best if line.partition("=")[0] not in _FRAMEWORK)


def _objects(text: str) -> list[str]:
    return [word.removesuffix(".o") for word in text.partition("#")[0].split() if word.endswith(".o")]


def _suites_in(lines: Sequence[str]) -> Iterable[str]:
    for at, line in enumerate(lines):
        if _SUITE.search(line):
            near = (_NAME.search(one) for one in lines[at : at + _NAME_LINES])
            yield from [found[1] for found in near if found][:1]


def _setups(tree: _Tree) -> dict[str, list[str]]:
    return tree.whole(tree.names("^CONFIG_.*=y", "*.kunitconfig"))


class _Tree:
    """The files of a tree, searched by git."""

    def __init__(self, context: Context, tree: PatchedTree) -> None:
        self._context = context
        self._tree = tree

    def names(self, pattern: str, *files: str) -> list[str]:
        """Return the files that match a pattern."""
        return [line.partition(":")[2] for line in self._grep(["-l", "-E", "-e", pattern], files) if line]

    def lines(self, pattern: str, *files: str) -> dict[str, list[str]]:
        """Return the matching lines by file."""
        found: dict[str, list[str]] = defaultdict(list)
        for line in self._grep(["-E", "-e", pattern], files):
            _, _, rest = line.partition(":")
            name, mark, text = rest.partition(":")
            if mark:
                found[name].append(text)
        return dict(found)

    def whole(self, files: Sequence[str]) -> dict[str, list[str]]:
        """Return the lines of files."""
        return self.lines("", *(f":(literal){one}" for one in files)) if files else {}

    def _grep(self, words: Sequence[str], files: Iterable[str]) -> list[str]:
        # Status 1: nothing was found.
        done = self._tree.repository.git(
            "grep", "--no-color", *words, self._tree.commit, "--", *files, deadline=self._context.deadline, check=False
        )
        return done.stdout.decode(errors="replace").split("\n")
