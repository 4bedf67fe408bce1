# SPDX-License-Identifier: GPL-2.0-only
"""Compile the touched files of a series in several ways, one state after the other, each with what changed alone.

A state is the base, or the base with the first patches. Each way has a folder of its own, which starts with the kept
objects of the kernels that boot, where the config is the same.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from harness.base.context import Context
from harness.base.errors import HostError
from harness.base.store import digest_of
from harness.checks.frame.enabled import is_enabled
from harness.checks.frame.measure import Measures, parse_measures
from harness.kernel.build.build import find_seed, with_flags
from harness.kernel.build.committed_products import remove_products
from harness.kernel.build.diagnostics import Diagnostic, Severity, parse_diagnostics, still_valid
from harness.kernel.build.options import BuildOptions
from harness.kernel.build.progress import parse_step
from harness.kernel.config.configure import DEFAULT as USUAL_FRAGMENTS
from harness.kernel.config.configure import Config, configure
from harness.kernel.config.kconfig import ConfigSource, parse_config
from harness.kernel.git.worktree import WorkTree, checked_out
from harness.kernel.patches.patched_tree import PatchedTree
from harness.kernel.sandbox.sandbox import Bounds, InsideResult, Sandbox, make_arguments, run_inside
from harness.kernel.toolchain.missing import find_missing_tool
from harness.kernel.toolchain.toolchain import find_adjustments, find_toolchain
from harness.model.finding import Level, StyleFinding

KIND = "check-objects"
"""The kind of the folders in the store; none is left after the checks."""
_BOUNDS = Bounds(output_mebibytes=8)
_LEVELS = {Severity.ERROR: Level.ERROR, Severity.WARNING: Level.WARNING}
_MOST_CONFIG = 8 << 20
# Warnings of the compiler about these are of the tools that build the kernel.
_MOST_USERS = 6
_TOOLS = ("scripts/", "tools/")


@dataclass(frozen=True, slots=True)
class Way:
    """A way to compile.

    :param name: a name for its folder.
    :param assignments: variables of make, such as ``W=1``.
    :param flags: compiler flags in addition.
    :param choice: variables that choose the tools, such as ``LLVM=1``, in addition to the user's own.
    :param target: the target of make that makes the config, such as ``allmodconfig``; empty for the config that boots.
    :param requests: lines of a fragment that replace options of that config.
    :param script: a script of sh that is run with the names of the objects after it.
    """

    name: str
    assignments: tuple[str, ...] = ()
    flags: str = ""
    choice: tuple[str, ...] = ()
    target: str = ""
    requests: str = ""
    script: str = ""


@dataclass(frozen=True, slots=True)
class Compiled:
    """The touched objects of one state.

    :param objects: those that the config builds.
    :param diagnostics: errors and warnings of all of them.
    :param printed: the output of the script.
    :param options: the values of the config.
    """

    objects: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    printed: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def measures(self) -> Mapping[str, Measures]:
        """Return the sizes of each object, if the script printed them."""
        return parse_measures(self.printed)

    @property
    def findings(self) -> tuple[StyleFinding, ...]:
        """Return errors and warnings as findings."""
        return tuple(
            StyleFinding(_LEVELS[one.severity], one.file, one.line, one.text)
            for one in self.diagnostics
            if not one.file.startswith(_TOOLS)
        )


@dataclass(slots=True)
class _Folder:
    """The output folder of a way.

    :param path: the folder.
    :param commit: the commit whose objects are in it; None for none.
    :param number: the state of these objects; -1 for none of this series.
    """

    path: Path
    commit: str | None = None
    number: int = -1
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(slots=True)
class Builds:
    """The builds of the checks of a series.

    :param base: the tree of the base.
    :param commits: the commit of each patch that applies.
    :param files: the touched files of all patches.
    :param users: for each touched header the files that include it.
    :param building: the options of builds.
    """

    base: PatchedTree
    commits: Sequence[str]
    files: Sequence[str]
    users: Mapping[str, Sequence[str]]
    building: BuildOptions
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _folders: dict[str, _Folder] = field(default_factory=dict)
    _known: dict[tuple[str, int], Compiled] = field(default_factory=dict)
    _room: Path | None = None

    def close(self) -> None:
        """Remove all folders."""
        self._stack.close()

    def compile(self, context: Context, way: Way, number: int) -> Compiled:
        """Compile the touched files of a state; the states of a way are to be asked for in their order.

        :param way: the way to compile.
        :param number: the number of patches.
        :raises HostError: a program is missing, make was stopped, or the disk is full.
        :raises SeriesError: the tree cannot be configured.
        """
        key = way.name, number
        if key not in self._known:
            self._known[key] = self._compile(context, way, number)
        return self._known[key]

    def _tree(self, number: int) -> PatchedTree:
        return replace(self.base, base=self.base.commit, commits=tuple(self.commits[:number]))

    def _compile(self, context: Context, way: Way, number: int) -> Compiled:
        tree = self._tree(number)
        with checked_out(context, tree.repository, tree.commit) as whole:
            state = _State(context, way, tree, remove_products(whole, deadline=context.deadline), self.building)
            folder = self._folders.get(way.name)
            if folder is None:
                folder = self._folders[way.name] = _Folder(self._make_room(context) / digest_of(way.name)[:12])
                state.begin(folder)
            compiled = state.compile(folder, self.files, self.users)
            folder.commit, folder.number, folder.diagnostics = tree.commit, number, compiled.diagnostics
            return compiled

    def _make_room(self, context: Context) -> Path:
        """Return the folder of all ways; a killed run leaves it to the next one to remove."""
        if self._room is None:
            name = f"checks-{os.getpid()}"
            self._stack.enter_context(context.store.lock(KIND, name))
            made = tempfile.TemporaryDirectory(prefix=f".{name}.making-", dir=context.store.folder / KIND)
            self._room = Path(self._stack.enter_context(made))
        return self._room


@dataclass(slots=True)
class _State:
    """One state in one way."""

    context: Context
    way: Way
    tree: PatchedTree
    worktree: WorkTree
    building: BuildOptions
    _assignments: list[str] = field(init=False)
    _environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        deadline = self.context.deadline
        toolchain = find_toolchain((*self.building.make, *self.way.choice), deadline=deadline)
        found = find_adjustments(self.tree.repository, self.tree.commit, toolchain, deadline=deadline)
        self._assignments = [*found.assignments, *self.way.assignments]

    def begin(self, folder: _Folder) -> None:
        """Fill a new folder with the nearest kept objects, or make an empty one."""
        if not (self.way.target or self.way.choice or self.building.make or self.building.is_trusted):
            config = self._config()
            folder.commit = find_seed(self.context, self.tree, config, folder.path)
        if folder.commit is None:
            folder.path.mkdir()

    def compile(self, folder: _Folder, files: Sequence[str], users: Mapping[str, Sequence[str]]) -> Compiled:
        """Compile the objects of some files as far as the config builds them."""
        sandbox = Sandbox(self.worktree.path, folder.path, self.building.is_trusted, _BOUNDS)
        changed = self.worktree.refresh(folder.commit, deadline=self.context.deadline)
        options = self._configure(sandbox, changed)
        objects = tuple(dict.fromkeys(self._objects(options, files, users)))
        if not objects:
            return Compiled(options=options)
        arguments = make_arguments(
            sandbox,
            "-k",
            *objects,
            jobs=len(os.sched_getaffinity(0)),
            assignments=with_flags(self._assignments, self.way.flags),
        )
        result = self._run(sandbox, arguments, what=f"compiling in the way {self.way.name}")
        earlier: tuple[Diagnostic, ...] = ()
        if folder.number >= 0:
            made = {step.split()[-1] for step in map(parse_step, result.lines) if step}
            earlier = still_valid(folder.diagnostics, changed=changed, made=made)
        found = parse_diagnostics(result.lines, tree=sandbox.inside_tree, output=sandbox.inside_output)
        if not result.is_success and not found:
            raise HostError("make failed without an error message", evidence="\n".join(result.lines[-10:]))
        known = {(one.file, one.text) for one in found}
        diagnostics = (*found, *(one for one in earlier if (one.file, one.text) not in known))
        return Compiled(objects, diagnostics, self._print(sandbox, objects), options)

    def _print(self, sandbox: Sandbox, objects: Sequence[str]) -> tuple[str, ...]:
        if not self.way.script:
            return ()
        argv = ["sh", "-c", self.way.script, "sh", *objects]
        result = run_inside(sandbox, argv, deadline=self.context.deadline)
        if result.stopped:
            raise HostError(f"reading the objects was stopped: it {result.stopped}")
        return result.lines

    def _run(self, sandbox: Sandbox, arguments: Sequence[str], *, what: str) -> InsideResult:
        result = run_inside(sandbox, arguments, deadline=self.context.deadline)
        if result.stopped:
            raise HostError(f"{what} was stopped: make {result.stopped}")
        if not result.is_success and (missing := find_missing_tool(result.lines)):
            raise missing
        return result

    def _own_config(self) -> str:
        """Return the text of the config of the kernels that boot."""
        return self._config().text

    def _config(self) -> Config:
        return configure(
            self.context,
            self.tree,
            self.worktree,
            fragments=(*USUAL_FRAGMENTS, self.building.suite, *self.building.fragments),
            assignments=[one for one in self._assignments if one not in self.way.assignments],
            trusted=self.building.is_trusted,
        )

    def _configure(self, sandbox: Sandbox, changed: Sequence[str]) -> Mapping[str, str]:
        """Write the ``.config`` and return its values."""
        file = sandbox.output / ".config"
        is_there = file.is_file() and not file.is_symlink()
        if self.way.target:
            if not is_there or any("Kconfig" in one or one.startswith("scripts/") for one in changed):
                self._make_config(sandbox, self.way.target)
        else:
            text = self._own_config()
            if self.way.requests:
                text = f"{text}\n{self.way.requests}"
            if self.way.requests or not is_there or file.read_text(errors="replace") != text:
                file.unlink(missing_ok=True)
                file.write_text(text)
            if self.way.requests:
                self._make_config(sandbox, "olddefconfig")
        if file.is_symlink() or not file.is_file() or file.stat().st_size > _MOST_CONFIG:
            raise HostError("make left no .config")
        return parse_config(file.read_text(errors="replace"), ConfigSource.BESIDE).options

    def _make_config(self, sandbox: Sandbox, target: str) -> None:
        arguments = make_arguments(sandbox, target, jobs=1, assignments=self._assignments)
        result = self._run(sandbox, arguments, what=f"make {target}")
        if not result.is_success:
            raise HostError(f"make {target} failed", evidence="\n".join(result.lines[-10:]))

    def _objects(
        self, options: Mapping[str, str], files: Sequence[str], users: Mapping[str, Sequence[str]]
    ) -> Iterator[str]:
        def read(path: str) -> str | None:
            file = self.worktree.path / path
            return file.read_text(errors="replace") if file.is_file() and not file.is_symlink() else None

        def is_built(file: str) -> bool:
            return (self.worktree.path / file).is_file() and is_enabled(read, options, object_of(file))

        for one in files:
            if one.endswith(".c") and is_built(one):
                yield object_of(one)
            yield from map(object_of, islice(filter(is_built, users.get(one, ())), _MOST_USERS))


def object_of(file: str) -> str:
    """Return the object of a C file: ``kernel/fork.o``."""
    return f"{file.removesuffix('.c')}.o"
