# SPDX-License-Identifier: GPL-2.0-only
"""Give a check what it examines: the patches as commits, the files of each commit, and programs in the sandbox."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from harness.base.context import Context
from harness.base.errors import HostError
from harness.base.scratch import scratch_folder
from harness.checks.frame.builds import Builds, Compiled, Way, object_of
from harness.checks.frame.difference import ChangedFile, parse_changes
from harness.checks.frame.symbols import is_kconfig, touched_symbols
from harness.checks.frame.trailers import Trailer, read_trailers
from harness.kernel.build.options import AS_USUAL, BuildOptions
from harness.kernel.git.worktree import WorkTree, checked_out
from harness.kernel.patches.patched_tree import PatchedTree
from harness.kernel.patches.series import Patch
from harness.kernel.sandbox.sandbox import Bounds, InsideResult, Sandbox, run_inside

BOUNDS = Bounds(seconds=120.0, memory_mebibytes=1024, processes=64, disk_mebibytes=64, output_mebibytes=1)
"""The limits of a script of the tree."""
MOST_FILES = 3000
"""A patch with more files is examined by no check: it is made by a program."""
MOST_COMPILED = 200
"""The files of a patch with more files are not compiled: that is the work of a build of the whole kernel."""
_FIELDS = 3
_MOST_USERS = 200


@dataclass(frozen=True)
class CheckedPatch:
    """A patch that applies, as a commit.

    :param patch: the patch as it was posted.
    :param commit: the commit that it became.
    :param parent: the commit before it.
    :param message: the message of the commit.
    :param author: ``Name <address>``.
    :param changes: the lines that it changes, by file.
    """

    patch: Patch
    commit: str
    parent: str
    message: str
    author: str
    changes: tuple[ChangedFile, ...]

    @property
    def number(self) -> int:
        """Return its number, from 1."""
        return self.patch.number

    @cached_property
    def trailers(self) -> tuple[Trailer, ...]:
        """Return the trailers of its message."""
        return read_trailers(self.message)

    @property
    def files(self) -> tuple[str, ...]:
        """Return the files that it changes and that are there after it."""
        return tuple(one.path for one in self.changes if not one.is_gone)


@dataclass(slots=True)
class Bench:
    """What all checks of a series share.

    :param context: the store, the deadline and the receiver of events.
    :param base: the tree of the base.
    :param patches: the patches that apply, in order.
    :param building: the options of builds.
    """

    context: Context
    base: PatchedTree
    patches: tuple[CheckedPatch, ...]
    building: BuildOptions = AS_USUAL
    builds: Builds = field(init=False)
    _users: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _base_tree: WorkTree | None = None
    _has_history: bool | None = None

    def __post_init__(self) -> None:
        """Begin without builds."""
        small = (patch for patch in self.patches if len(patch.changes) <= MOST_COMPILED)
        files = dict.fromkeys(file for patch in small for file in patch.files)
        commits = [patch.commit for patch in self.patches]
        self.builds = Builds(self.base, commits, list(files), self._users, self.building)
        self._stack.callback(self.builds.close)

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def git(self, *arguments: str, check: bool = True) -> str:
        """Return the output of git in the repository of the base; empty if it fails without ``check``.

        :raises HostError: git failed, with ``check``, or the deadline has passed.
        """
        done = self.base.repository.git(*arguments, check=check, deadline=self.context.deadline)
        return done.text if check or done.status == 0 else ""

    def text(self, commit: str, path: str) -> str | None:
        """Return a file of a commit as text; None if the commit does not have it, or it is not a text."""
        done = self.base.repository.git(
            "cat-file", "blob", f"{commit}:{path}", check=False, deadline=self.context.deadline
        )
        return None if done.status != 0 or b"\0" in done.stdout[:8000] else done.text

    def has(self, commit: str, path: str) -> bool:
        """Return whether a commit has a file or folder."""
        done = self.base.repository.git(
            "cat-file", "-e", f"{commit}:{path}", check=False, deadline=self.context.deadline
        )
        return done.status == 0

    def find_word(self, word: str, commit: str, *paths: str) -> bool:
        """Return whether a word is in files of a commit below some paths."""
        return bool(self.git("grep", "-l", "-I", "-w", "-F", "-e", word, commit, "--", *paths, check=False))

    @property
    def has_history(self) -> bool:
        """Return whether the base has parents to look up commits in, all of them."""
        if self._has_history is None:
            repository = self.base.repository
            parent = repository.git(
                "rev-parse", "--quiet", "--verify", f"{self.base.commit}^", check=False, deadline=self.context.deadline
            )
            self._has_history = parent.status == 0 and not (repository.git_dir / "shallow").exists()
        return self._has_history

    def base_tree(self) -> WorkTree:
        """Return the files of the base, whose scripts judge: a series cannot change its own checks.

        :raises HostError: the disk is full, or the deadline has passed.
        """
        if self._base_tree is None:
            held = checked_out(self.context, self.base.repository, self.base.commit)
            self._base_tree = self._stack.enter_context(held)
        return self._base_tree

    def compile(self, way: Way, patch: CheckedPatch) -> tuple[Compiled, Compiled, Compiled]:
        """Return the touched objects of the base, of the patch before, and with the patch.

        :raises HostError: see :meth:`Builds.compile`.
        :raises SeriesError: see :meth:`Builds.compile`.
        """
        self._find_users()
        states = (0, patch.number - 1, patch.number)
        base, before, after = (self.builds.compile(self.context, way, one) for one in states)
        return base, before, after

    def objects_of(self, patch: CheckedPatch, compiled: Compiled) -> tuple[str, ...]:
        """Return the compiled objects that the files of a patch are part of."""
        self._find_users()
        sources = [one for file in patch.files for one in (file, *self._users.get(file, ()))]
        own = {object_of(one) for one in sources if one.endswith(".c")}
        return tuple(one for one in compiled.objects if one in own)

    def _find_users(self) -> None:
        """Find some files that each touched header or Kconfig file matters to, in the tree with all patches."""
        for path in self.builds.files:
            if path in self._users:
                continue
            if path.endswith(".h"):
                self._users[path] = self._includers(path)
            elif is_kconfig(path):
                self._users[path] = self._option_users(path)

    def _includers(self, header: str) -> tuple[str, ...]:
        included = header.partition("include/")[2] or header.rpartition("/")[2]
        return self._search("-e", f"/{included}", "-e", f"<{included}", "-e", f'"{included}')

    def _option_users(self, path: str) -> tuple[str, ...]:
        """Return the files that are built with a touched option, then those that name it."""
        names = sorted({name for one in self.patches for name in touched_symbols(one.changes, path, self._read_last)})
        if not names:
            return ()
        guarded = [file for name in names for file in self._guarded(name)]
        naming = self._search("-w", *(word for name in names for word in ("-e", f"CONFIG_{name}")))
        return tuple(dict.fromkeys([*guarded, *naming]))[:_MOST_USERS]

    def _search(self, *words: str) -> tuple[str, ...]:
        """Return the first C files of the last state that have a text."""
        last = self.patches[-1].commit
        found = self.git("grep", "-l", "-F", *words, last, "--", "*.c", check=False).splitlines()
        return tuple(one.partition(":")[2] for one in found[:_MOST_USERS])

    def _read_last(self, path: str) -> str:
        return self.text(self.patches[-1].commit, path) or ""

    def _guarded(self, name: str) -> Iterator[str]:
        """Yield the C files that Makefiles build with an option."""
        words = ("grep", "-I", "-w", "-F", "-e", f"CONFIG_{name}", self.patches[-1].commit)
        for line in self.git(*words, "--", "*Makefile", "*Kbuild", check=False).splitlines():
            path, _, rule = line.partition(":")[2].partition(":")
            folder = path.rpartition("/")[0]
            parts = re.findall(r"(?<=\s)([\w.-]+)\.o\b", f" {rule.partition('=')[2]}")
            yield from (f"{folder}/{one}.c" for one in parts if folder)

    def run_script(self, argv: Sequence[str], files: Mapping[str, bytes], *, in_tree: bool = False) -> InsideResult:
        """Run a script of the base in the sandbox, with some files in its working folder.

        :param argv: the arguments; ``{tree}`` becomes the path of the tree inside, ``{out}`` that of the files.
        :param files: the content of each file by its relative path.
        :param in_tree: start in the tree instead of the folder of the files.
        :raises HostError: bubblewrap is missing, or the disk is full.
        """
        with scratch_folder("check") as folder:
            output = folder / "output"
            output.mkdir(mode=0o755)
            for name, content in files.items():
                path = output / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            sandbox = Sandbox(self.base_tree().path, output, self.building.is_trusted, BOUNDS)
            places = {"{tree}": sandbox.inside_tree, "{out}": sandbox.inside_output}
            words = [_replaced(word, places) for word in argv]
            if in_tree:
                words = ["sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", sandbox.inside_tree, *words]
            return run_inside(sandbox, words, environment={"HOME": "/tmp"}, deadline=self.context.deadline)


def _replaced(word: str, places: Mapping[str, str]) -> str:
    for name, path in places.items():
        word = word.replace(name, path)
    return word


def read_patches(
    context: Context, base: PatchedTree, patches: Sequence[Patch], commits: Sequence[str]
) -> tuple[CheckedPatch, ...]:
    """Read the patches that became commits.

    :param patches: the patches of the series; those without a commit are left out.
    :param commits: the commit of each patch that applies.
    :raises HostError: git failed, or the deadline has passed.
    """
    return tuple(_read(context, base, patches, commits))


_DIFF = ("diff-tree", "-p", "-U0", "--no-renames", "--no-prefix", "--no-ext-diff", "--no-textconv", "--no-color", "-r")


def _read(
    context: Context, base: PatchedTree, patches: Sequence[Patch], commits: Sequence[str]
) -> Iterator[CheckedPatch]:
    parent = base.commit
    for patch, commit in zip(patches, commits, strict=False):
        git = base.repository.git
        shown = git("log", "-1", "--format=%an <%ae>%x00%B%x00", commit, deadline=context.deadline).text
        fields = shown.split("\0")
        if len(fields) < _FIELDS:
            raise HostError(f"commit {commit} cannot be read", evidence=os.fsdecode(shown.encode()[:200]))
        diff = git(*_DIFF, parent, commit, deadline=context.deadline).text
        yield CheckedPatch(patch, commit, parent, fields[1], fields[0], parse_changes(diff))
        parent = commit
