# SPDX-License-Identifier: GPL-2.0-only
"""Build a kernel in the user's own folder, with the user's objects and ``.config``.

make runs in the sandbox under the folder's own paths, which the objects contain. Only the build folder is writable, and
the ``.config`` in it is not. The image is copied into the store: the user may build again while its cases run.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.base.context import Context
from harness.base.errors import HarnessError, SeriesError, Stage, UsageError, during
from harness.base.events import PhaseStarted
from harness.base.store import digest_of
from harness.kernel.build.build import LOG_KIND
from harness.kernel.build.diagnostics import Severity, lines_to_show, parse_diagnostics
from harness.kernel.build.options import BuildOptions
from harness.kernel.build.own_folder import CONFIG as CONFIG_FILE
from harness.kernel.build.own_folder import (
    OwnFolder,
    builder,
    compiler_assignments,
    find_own_folder,
    require_bootable,
    require_same_compiler,
)
from harness.kernel.build.product import CONFIG, IMAGE, LOG
from harness.kernel.build.progress import BuildProgress, parse_step
from harness.kernel.from_source import SourceKernel
from harness.kernel.git.command import GitFiles, git
from harness.kernel.git.user_repository import UserRepository, describe, find_user_repository, resolve
from harness.kernel.sandbox.sandbox import (
    DEFAULT,
    REPRODUCIBLE,
    InsideResult,
    Sandbox,
    make_arguments,
    run_inside,
    series_fault,
)
from harness.kernel.source.locate import not_a_tree
from harness.kernel.source.tree import is_tree
from harness.kernel.toolchain.toolchain import find_toolchain
from harness.model.kernel_spec import KernelSpec, SpecKind
from harness.model.origin import Origin, OriginKind
from harness.model.run_record import BuildRecord

KIND = "kernel-in-place"
"""The folder of the store with images that were built in place, by their digest."""
_TARGET = "bzImage"
_IMAGE_PATH = "arch/x86/boot/bzImage"
_ASKED = ("Error in reading or end of file", "Restart config...", "Error during writing")
"""What Kconfig prints when the .config has no answer to a question, or would be written."""
_COMPILED = ("CC", "AS", "HOSTCC")


@dataclass(frozen=True, slots=True)
class _Made:
    """The result of make.

    :param seconds: how long it ran.
    :param compiled: how many files it compiled.
    """

    seconds: float
    compiled: int


def kernel_in_place(
    context: Context, spec: KernelSpec, options: BuildOptions, *, environment: Mapping[str, str] = os.environ
) -> SourceKernel:
    """Build the kernel of a tree, or of a folder of ``make O=``, where it is.

    :param environment: ``KBUILD_OUTPUT`` names the build folder of a tree.
    :raises UsageError: no such folder, it is not configured for the guest, or belongs to another compiler or user.
    :raises SeriesError: the kernel does not build.
    :raises HostError: a program is missing, or the disk is full.
    """
    own = _find(spec, environment)
    require_bootable(own, options.suite)
    assignments = options.make or compiler_assignments(own)
    toolchain = find_toolchain(_tools(assignments), deadline=context.deadline)
    require_same_compiler(own, toolchain.lines[0][1])
    theirs = find_user_repository(own.tree, deadline=context.deadline)
    origin = _origin(context, own, theirs)
    log = context.store.folder / LOG_KIND / f"in-place-{digest_of(os.fspath(own.output))}.log"
    with context.store.complaints():
        log.parent.mkdir(parents=True, exist_ok=True)
    context.report(PhaseStarted(f"building in place: make writes to {own.output} only"))
    with during(Stage.BUILD):
        made = _make(context, own, theirs, options, assignments=assignments, log=log)
        folder = _kept(context, own, log)
    commit = resolve(theirs, "HEAD", deadline=context.deadline) if theirs else ""
    record = BuildRecord(
        source=str(origin),
        base=commit,
        commit=commit,
        uncommitted=origin.uncommitted,
        make=tuple(assignments),
        compiler=toolchain.render().strip(),
        seconds=made.seconds,
        reused=f"the objects in {own.output}",
    )
    notes = (f"built in place: make compiled {made.compiled} files and wrote to {own.output}; .config is unchanged",)
    return SourceKernel(folder / IMAGE, str(origin), record, origin, folder / LOG, notes)


def _find(spec: KernelSpec, environment: Mapping[str, str]) -> OwnFolder:
    path = Path(spec.name)
    if spec.kind is not SpecKind.PATH or (
        not path.exists() and any(one.revision or one.patches for one in spec.readings())
    ):
        raise UsageError(
            f"--in-place takes a kernel tree or its build folder, not {spec.render()}",
            remedy="give the path of the folder alone; for a revision or a series, leave out --in-place",
        )
    if not path.is_dir():
        raise UsageError(
            f"{spec.name} is not a folder", remedy="--in-place takes a kernel tree, or the folder of make O="
        )
    own = find_own_folder(path, environment)
    if not is_tree(own.tree):
        raise not_a_tree(spec.name, own.tree)
    return own


def _tools(assignments: Sequence[str]) -> list[str]:
    """Return the assignments that name the compiler, as :func:`find_toolchain` takes them."""
    crossed = [one.partition("=")[2] for one in assignments if one.startswith("CROSS_COMPILE=")]
    # The compiler behind a prefix such as ccache is the last word.
    named = [f"CC={one.split()[-1]}" if one.startswith("CC=") and " " in one else one for one in assignments]
    return [f"CC={crossed[0]}gcc", f"LD={crossed[0]}ld"] if crossed else named


def _origin(context: Context, own: OwnFolder, theirs: UserRepository | None) -> Origin:
    if theirs is None:
        return Origin(OriginKind.FILES, str(own.tree))
    called = ""
    if commit := resolve(theirs, "HEAD", deadline=context.deadline):
        called = describe(theirs, commit, deadline=context.deadline)
    changed = git(
        None,
        *("status", "--porcelain", "-z", "--untracked-files=no"),
        files=GitFiles(cwd=own.tree),
        check=False,
        deadline=context.deadline,
    )
    return Origin(OriginKind.TREE, str(own.tree), called, len([one for one in changed.stdout.split(b"\0") if one]))


def _make(
    context: Context,
    own: OwnFolder,
    theirs: UserRepository | None,
    options: BuildOptions,
    *,
    assignments: Sequence[str],
    log: Path,
) -> _Made:
    # scripts/setlocalversion asks git; a linked work tree has its repository elsewhere.
    repositories = tuple({one.resolve() for one in (theirs.git_dir, theirs.common)}) if theirs else ()
    outside = tuple(one for one in repositories if not one.is_relative_to(own.tree))
    sandbox = Sandbox(
        own.tree,
        own.output,
        options.is_trusted,
        replace(DEFAULT, seconds=options.seconds),
        is_in_place=True,
        read_only=(
            *outside,
            *(one for one in repositories if one not in outside),
            (own.output / CONFIG_FILE).resolve(),
        ),
    )
    arguments = make_arguments(sandbox, _TARGET, jobs=len(os.sched_getaffinity(0)), assignments=assignments)
    began = time.monotonic()
    with log.open("w", buffering=1) as file:
        listener = BuildProgress(file, context.report, began, None)
        result = run_inside(
            sandbox, arguments, deadline=context.deadline, environment=_environment(own), on_line=listener
        )
    if not result.is_success:
        raise _failure(own, sandbox, result, log)
    steps = [step.split()[0] for step in map(parse_step, result.lines) if step]
    return _Made(time.monotonic() - began, sum(step in _COMPILED for step in steps))


def _environment(own: OwnFolder) -> dict[str, str]:
    """Return the environment of make: without the fixed names of a reproducible build, which would be compiled in."""
    return {**{name: "" for name in REPRODUCIBLE if name.startswith("KBUILD_")}, **builder(own)}


def _failure(own: OwnFolder, sandbox: Sandbox, result: InsideResult, log: Path) -> HarnessError:
    if result.stopped:
        return series_fault(result, f"building {own.output}")
    if any(one in line for line in result.lines for one in _ASKED):
        return UsageError(
            f"the .config of {own.output} has no answer to a question of this tree",
            evidence="\n".join(result.lines[-12:]),
            remedy=f"answer it: {own.make_command} oldconfig; or take the defaults: {own.make_command} olddefconfig",
        )
    found = parse_diagnostics(result.lines, tree=sandbox.inside_tree, output=sandbox.inside_output)
    errors = [one for one in found if one.severity is Severity.ERROR]
    problem = errors[0].render() if errors else f"make exited with status {result.status}"
    return SeriesError(
        f"{own.output} does not build: {problem}",
        evidence="\n".join(lines_to_show(result.lines, errors)),
        remedy=f"fix it, then repeat the command; the same without the harness: {own.make_command} {_TARGET}",
        log=log,
    )


def _kept(context: Context, own: OwnFolder, log: Path) -> Path:
    """Copy the image, its config and the log into the store.

    :raises SeriesError: make left no image.
    """
    image = own.output / _IMAGE_PATH
    if not image.is_file() or image.resolve() != image:
        raise SeriesError(
            f"make succeeded, but {image} is missing or a link", remedy="check which Makefile moves it", log=log
        )
    data = image.read_bytes()

    def fill(folder: Path) -> None:
        (folder / IMAGE).write_bytes(data)
        (folder / CONFIG).write_text(own.config.text, errors="surrogateescape")

    key = digest_of(hashlib.sha256(data).hexdigest(), own.config.digest)
    folder = context.store.make(KIND, key, fill, deadline=context.deadline)
    with context.store.complaints():
        shutil.copyfile(log, folder / LOG)
    return folder
