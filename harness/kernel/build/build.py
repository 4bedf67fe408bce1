# SPDX-License-Identifier: GPL-2.0-only
"""Build a kernel out of tree, in the sandbox, reproducibly; reuse an earlier build, or the objects of a similar tree.

look up the store -> copy objects to start from -> make -> image, symbols, config, log -> store, with a script to
reproduce the build
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from harness.base.context import Context
from harness.base.errors import SeriesError
from harness.base.events import HostBusy, PhaseStarted
from harness.base.json_records import to_table
from harness.base.store import digest_of
from harness.kernel.build.ccache import CompilerCache, find_cache
from harness.kernel.build.committed_products import describe_products
from harness.kernel.build.diagnostics import Diagnostic, Severity, still_valid
from harness.kernel.build.failure import (
    build_failure,
    find_host_failure,
    is_surely_the_tree,
    read_complaints,
    series_commits,
)
from harness.kernel.build.object_cache import (
    FromNothing,
    ObjectKey,
    Start,
    copy_objects,
    find_start,
    keep_objects,
    make_room,
)
from harness.kernel.build.product import (
    COMPILER,
    CONFIG,
    IMAGE,
    KIND,
    LOG,
    SYMBOLS,
    VMLINUX,
    BuildInputs,
    BuiltKernel,
    read_build_inputs,
    read_built,
    write_built,
)
from harness.kernel.build.progress import BuildProgress, Pace, parse_step
from harness.kernel.build.reproduce import SCRIPT, SERIES, Recipe, render_script
from harness.kernel.config.configure import Config
from harness.kernel.git.meanwhile import meanwhile
from harness.kernel.git.worktree import WorkTree
from harness.kernel.patches.patched_tree import PatchedTree
from harness.kernel.sandbox.bubblewrap import INSIDE_TREE
from harness.kernel.sandbox.sandbox import (
    DEFAULT,
    REPRODUCIBLE,
    Bounds,
    InsideResult,
    Sandbox,
    make_arguments,
    run_inside,
    series_fault,
)

LOG_KIND = "kernel-log"
"""The folder of the store with the output of running builds and of the last builds that failed."""
LOGS_KEPT = 50

_TARGET = "bzImage"
_IMAGE_PATH = "arch/x86/boot/bzImage"
_RELEASE_PATH = "include/config/kernel.release"
_PACE = "kernel-pace"
_OUTPUT = "output"
_RELEASE = re.compile(r"[\w.+~-]{1,64}")  # UTS_RELEASE has 64 characters, init/version.c


def build_kernel(
    context: Context,
    tree: PatchedTree,
    checkout: contextlib.AbstractContextManager[WorkTree],
    config: Config,
    *,
    trusted: bool = False,
    bounds: Bounds = DEFAULT,
) -> BuiltKernel:
    """Return the kernel of a tree and a config; build it unless the store has it.

    :param checkout: gives the tree's files, which are held during the build; the objects to start from are copied
        meanwhile.
    :param trusted: build without the sandbox.
    :raises SeriesError: the kernel does not build, or exceeds the bounds; the message names the patch that caused it,
        where one is found.
    :raises HostError: a program is missing on this host, or it has too little memory or disk space.
    :raises UsageError: the store cannot be written.
    """
    order = read_build_inputs(context, tree, config)
    folder = context.store.find(KIND, order.key)
    if folder is not None and read_built(folder) is None:  # damaged, for example by a full disk: build it again
        context.store.forget(KIND, order.key)

    def fill(folder: Path) -> None:
        _Build(context, order, checkout, folder, trusted=trusted, bounds=bounds).run()

    folder = context.store.make(KIND, order.key, fill, deadline=context.deadline)
    built = read_built(folder)
    assert built is not None, f"{folder} was written by this very program"
    return built


@dataclass(frozen=True, slots=True)
class ObjectRequest:
    """Object files to compile once more.

    :param objects: their paths, such as ``kernel/fork.o``.
    :param flags: compiler flags in addition, such as ``-g1``.
    :param folder: an empty folder to work in.
    :param trusted: compile without the sandbox.
    """

    objects: Sequence[str]
    flags: str
    folder: Path
    trusted: bool = False


def build_objects(
    context: Context, tree: PatchedTree, worktree: WorkTree, config: Config, request: ObjectRequest
) -> Sandbox:
    """Compile some object files of a tree once more, with other compiler flags; nothing is linked or kept.

    :param worktree: the tree's files; the caller holds the work tree meanwhile.
    :return: the sandbox, whose output folder has the objects; one that does not compile by itself is missing there.
    :raises SeriesError: the compilation exceeds the bounds.
    :raises HostError: as :func:`build_kernel`.
    """
    order = read_build_inputs(context, tree, config)
    targets = ("-k", *request.objects)
    held = contextlib.nullcontext(worktree)
    build = _Build(context, order, held, request.folder, request.trusted, DEFAULT, targets, request.flags)
    return build.run_targets()


def find_seed(context: Context, tree: PatchedTree, config: Config, output: Path) -> str | None:
    """Copy the nearest kept objects of a tree to a new folder, for a build that keeps nothing.

    :param output: the folder to create.
    :return: the commit of the objects, which were made in the sandbox; None when no folder was made.
    :raises HostError: the disk is full, or git failed.
    """
    order = read_build_inputs(context, tree, config)
    base = tree.base if tree.commits else ""
    wanted = ObjectKey(tree.repository, tree.commit, base, config.digest, digest_of(order.tools, INSIDE_TREE))
    start = find_start(context, wanted)
    if isinstance(start, FromNothing) or not start.is_same_config:
        return None
    return start.commit if copy_objects(context, start, output, is_for_series=bool(base)) is not None else None


@dataclass(frozen=True, slots=True)
class _Begun:
    """The beginning of a build.

    :param start: the objects that were copied, or why there are none.
    :param warnings: the warnings of the builds that made them.
    """

    start: Start | FromNothing
    warnings: tuple[Diagnostic, ...] = ()


@dataclass(slots=True)
class _Build:
    """One build, which writes into the folder of its product.

    :param targets: the targets of make.
    :param flags: compiler flags in addition.
    """

    context: Context
    order: BuildInputs
    checkout: contextlib.AbstractContextManager[WorkTree]
    folder: Path
    trusted: bool
    bounds: Bounds
    targets: tuple[str, ...] = (_TARGET,)
    flags: str = ""
    worktree: WorkTree = field(init=False)
    _log: Path = field(init=False)
    _cache: CompilerCache | None = field(default=None, init=False)

    def run(self) -> None:
        """Build the kernel and fill the folder.

        :raises SeriesError: as :func:`build_kernel`.
        :raises HostError: as :func:`build_kernel`.
        """
        store, key = self.order.store, self.order.key
        with store.complaints():
            (store.folder / LOG_KIND).mkdir(parents=True, exist_ok=True)
        self._log = store.folder / LOG_KIND / f"{store.place(KIND, key).name}.log"
        _drop_old_logs(self._log.parent)
        if not self.trusted:
            self._cache = find_cache(store, has_series=bool(self.order.tree.commits))
        with contextlib.ExitStack() as stack:
            wanted, begun = self._begin(stack)
            self._build(wanted, begun)
        self._log.unlink(missing_ok=True)  # the product has a copy

    def _begin(self, stack: contextlib.ExitStack) -> tuple[ObjectKey, _Begun]:
        """Check out the tree, and copy the objects to start from meanwhile.

        :param stack: holds the work tree.
        """
        if self.trusted:  # the path of the work tree is a part of the objects
            self.worktree = stack.enter_context(self.checkout)
            wanted = self._wanted()
            return wanted, self._copy_start(wanted)
        wanted = self._wanted()
        with meanwhile(partial(self._copy_start, wanted)) as copying:
            self.worktree = stack.enter_context(self.checkout)
        return wanted, copying.result()

    def _build(self, wanted: ObjectKey, begun: _Begun) -> None:
        result, complaints, seconds = self._make(begun)
        start = begun.start
        changed = start.changed if isinstance(start, Start) else ()
        is_doubtful = isinstance(start, Start) and not result.stopped and not is_surely_the_tree(complaints, changed)
        if not result.is_success and is_doubtful and find_host_failure(result.lines, self._log) is None:
            # Damaged objects, for example after a full disk, must not count as a failure of the tree.
            start = FromNothing("the build from kept objects failed, and no error is in a changed line")
            result, complaints, seconds = self._make(_Begun(start))
        if not result.is_success:
            raise build_failure(
                self.order.tree, result, complaints, changed=changed, log=self._log, deadline=self.context.deadline
            )
        built = self._collect(complaints, seconds, start)
        write_built(built, self._story(start))
        warnings = [one for one in complaints if one.severity is Severity.WARNING]
        keep_objects(self.order.store, wanted, self.folder / _OUTPUT, warnings, seconds=seconds)

    def run_targets(self) -> Sandbox:
        """Make as many of the targets as can be made, in a copy of the nearest objects; return the sandbox.

        :raises SeriesError: as :func:`build_objects`.
        :raises HostError: as :func:`build_objects`.
        """
        self._log = self.folder / LOG
        with contextlib.ExitStack() as stack:
            _, begun = self._begin(stack)
            result, _, _ = self._make(begun)
        if result.stopped:
            raise series_fault(result, "compiling with line tables")
        return self._sandbox()

    def _wanted(self) -> ObjectKey:
        tree = self.order.tree
        # Without the sandbox each command line has the path of the work tree, and kbuild rebuilds what has another
        # command line.
        compiler = ["ccache"] if self._cache else []
        inside_tree = self._sandbox().inside_tree if self.trusted else INSIDE_TREE
        tools = digest_of(self.order.tools, inside_tree, *compiler)
        base = tree.base if tree.commits else ""
        return ObjectKey(tree.repository, tree.commit, base, self.order.config.digest, tools)

    def _sandbox(self) -> Sandbox:
        cache = self._cache
        return Sandbox(
            self.worktree.path,
            self.folder / _OUTPUT,
            self.trusted,
            self.bounds,
            cache=cache.folder if cache else None,
            is_cache_writable=bool(cache and cache.is_writable),
        )

    def _copy_start(self, wanted: ObjectKey) -> _Begun:
        """Find the objects to start from, and copy them."""
        start = find_start(self.context, wanted)
        if isinstance(start, FromNothing):
            return _Begun(start)
        is_for_series = bool(self.order.tree.commits)
        copied = copy_objects(self.context, start, self.folder / _OUTPUT, is_for_series=is_for_series)
        if copied is None:
            return _Begun(FromNothing(f"the objects of {start.commit[:12]} were just removed, or are in use"))
        return _Begun(start, copied)

    def _make(self, begun: _Begun) -> tuple[InsideResult, tuple[Diagnostic, ...], float]:
        """Run make.

        :return: the result, the diagnostics, and the duration in seconds.
        """
        sandbox, start, earlier = self._sandbox(), begun.start, begun.warnings
        if isinstance(start, Start):
            self.context.report(PhaseStarted(f"building from {start.render()}"))
            self.worktree.refresh(start.commit, deadline=self.context.deadline)
        else:
            self.context.report(PhaseStarted(f"building from nothing: {start.reason}"))
            shutil.rmtree(sandbox.output, ignore_errors=True)
            sandbox.output.mkdir()
            self.worktree.refresh(None, deadline=self.context.deadline)
        _write_config(sandbox.output / ".config", self.order.config.text)
        _write_headers(sandbox.output, self.order.adjustments.headers)
        arguments, environment = self._arguments(sandbox)
        is_near = isinstance(start, Start) and start.is_same_config
        pace_key = digest_of(self.order.config.digest, str(is_near))
        began = time.monotonic()
        with self._log.open("w", buffering=1) as log:
            listener = BuildProgress(
                log, self.context.report, began, Pace.from_fact(self.order.store.recall(_PACE, pace_key))
            )
            with meanwhile(partial(self._work_meanwhile, start)):
                result = run_inside(
                    sandbox,
                    arguments,
                    deadline=self.context.deadline,
                    environment=environment,
                    on_line=listener,
                    on_busy=lambda is_busy: self.context.report(HostBusy(is_busy)),
                )
        seconds = time.monotonic() - began
        if result.is_success and listener.begun_at and not self.flags:
            self.order.store.remember(_PACE, pace_key, to_table(Pace.measured(listener.begun_at, seconds)))
        made = {step.split()[-1] for step in map(parse_step, result.lines) if step}
        if isinstance(start, Start):
            earlier = still_valid(earlier, changed=start.changed, made=made)
        tree = self.order.tree
        complaints = read_complaints(tree, sandbox, result.lines, earlier=earlier, deadline=self.context.deadline)
        return result, complaints, seconds

    def _work_meanwhile(self, start: Start | FromNothing) -> None:
        """Do what has to be done once, while make mostly waits for one process."""
        self.worktree.write_index(deadline=self.context.deadline)
        make_room(self.order.store, start.key if isinstance(start, Start) else "")

    def _arguments(self, sandbox: Sandbox) -> tuple[list[str], Mapping[str, str]]:
        """Return the command line of make, and the environment variables that it needs."""
        assignments: Sequence[str] = self.order.adjustments.assignments
        environment: Mapping[str, str] = {}
        if self._cache is not None:
            assignments, environment = self._cache.assign(assignments), self._cache.environment
        assignments = with_flags(assignments, self.flags)
        jobs = len(os.sched_getaffinity(0))
        return make_arguments(sandbox, *self.targets, jobs=jobs, assignments=assignments), environment

    def _collect(self, complaints: tuple[Diagnostic, ...], seconds: float, start: Start | FromNothing) -> BuiltKernel:
        """Move what make built into the folder, and write the log, the compiler's version and the recipe beside it."""
        output = self.folder / _OUTPUT
        for name, path in ((IMAGE, _IMAGE_PATH), (VMLINUX, "vmlinux"), (SYMBOLS, "System.map"), (CONFIG, ".config")):
            found = self._left(output, path)
            # A hard link is safe: kept objects are never written again, since the next build works on a copy.
            os.link(found, self.folder / name)
            (self.folder / name).chmod(0o644)
        release = self._left(output, _RELEASE_PATH).read_text(errors="replace").strip()
        if not _RELEASE.fullmatch(release):
            raise SeriesError("the built kernel has no valid release", evidence=repr(release[:200]))
        shutil.copyfile(self._log, self.folder / LOG)
        (self.folder / COMPILER).write_text(self.order.toolchain.render())
        digest = _sha256(self.folder / IMAGE)
        self._write_recipe(digest)
        warnings = tuple(one for one in complaints if one.severity is Severity.WARNING and one.patch)
        reused = start.render() if isinstance(start, Start) else ""
        notes = tuple(filter(None, (describe_products(self.worktree.left_out), *self.order.adjustments.notes)))
        return BuiltKernel(self.folder, release, digest, seconds, reused, warnings, notes)

    def _left(self, output: Path, path: str) -> Path:
        """Return a file that make built. A link is refused: it could lead to any file that the harness may read.

        :raises SeriesError: the file is missing, or not a regular file.
        """
        found = output / path
        if not found.is_file() or found.resolve() != output.resolve() / path:
            what = "is missing" if not found.exists() else "is not a regular file"
            raise SeriesError(
                f"make succeeded, but {path} {what}",
                remedy="check which Makefile of the tree or of a patch moves or replaces it",
                log=self._log,
            )
        return found

    def _write_recipe(self, digest: str) -> None:
        tree = self.order.tree
        if commits := series_commits(tree):
            mails = tree.repository.git("format-patch", "--stdout", commits.range, deadline=self.context.deadline)
            (self.folder / SERIES).write_bytes(mails.stdout)
        recipe = Recipe(
            described=str(tree.source.origin),
            base=tree.base,
            tree=self.order.tree_hash,
            subjects=[patch.subject for patch in tree.series.patches] if tree.series else [],
            toolchain=self.order.toolchain.render(),
            environment={name: value for name, value in REPRODUCIBLE.items() if name not in ("PATH", "TMPDIR")},
            words=[*self.order.adjustments.assignments, _TARGET],
            headers=self.order.adjustments.headers,
            image=_IMAGE_PATH,
            digest=digest,
        )
        (self.folder / SCRIPT).write_text(render_script(recipe))

    def _story(self, start: Start | FromNothing) -> dict[str, object]:
        """Return the facts that build.json holds for its readers alone."""
        tree = self.order.tree
        return {
            "source": str(tree.source.origin),
            "base": tree.base,
            "commit": tree.commit,
            "tree": self.order.tree_hash,
            "series": tree.series.title if tree.series else "",
            "config": self.order.config.digest,
            "fragments": list(self.order.config.fragments),
            "toolchain": self.order.toolchain.render().splitlines(),
            "assignments": list(self.order.adjustments.assignments),
            "is_trusted": self.trusted,
            "from_nothing": start.reason if isinstance(start, FromNothing) else "",
        }


def with_flags(assignments: Sequence[str], flags: str) -> list[str]:
    """Return assignments for make with more compiler flags; ``KCFLAGS`` may be among them already."""
    if not flags:
        return list(assignments)
    others = [one for one in assignments if not one.startswith("KCFLAGS=")]
    own = [one.removeprefix("KCFLAGS=") for one in assignments if one.startswith("KCFLAGS=")]
    return [*others, f"KCFLAGS={' '.join((*own, flags))}"]


def _write_headers(output: Path, headers: Iterable[tuple[str, str]]) -> None:
    """Write headers to the output folder; an existing one keeps its modification time, as all objects depend on it."""
    for name, text in headers:
        path = output / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def _drop_old_logs(folder: Path) -> None:
    """Remove all but the newest logs; another build may remove some at the same time."""
    logs = []
    for path in folder.glob("*.log"):
        with contextlib.suppress(OSError):
            logs.append((path.stat().st_mtime, path))
    for _, path in sorted(logs)[: -LOGS_KEPT + 1]:
        path.unlink(missing_ok=True)


def _write_config(path: Path, text: str) -> None:
    """Write the ``.config`` unless it has that text: a new modification time makes kbuild run Kconfig again."""
    if path.is_symlink() or not path.is_file() or path.read_text(errors="replace") != text:
        path.unlink(missing_ok=True)
        path.write_text(text)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
