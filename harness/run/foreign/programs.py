# SPDX-License-Identifier: GPL-2.0-only
"""Make a suite of programs, scripts or C reproducers of this host."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from harness.base.context import Context
from harness.base.errors import CaseError, UsageError
from harness.base.scratch import scratch_folder
from harness.guest.definition import GuestFile
from harness.guest.libraries import find_libraries
from harness.kernel.sandbox.sandbox import Bounds, Sandbox, run_inside
from harness.run.foreign.draft import Draft, DraftProgram, write_suite
from harness.suite.definition import Suite
from harness.suite.generated import TITLES

FOLDER = "/usr/lib/harness"
"""The folder in the guest."""
REPRO_SECONDS = 30.0
"""How long a C reproducer may go on: syzkaller's loop for ever, and the kernel log is what they are run for."""
_BOUNDS = Bounds(seconds=300.0, memory_mebibytes=2048, processes=128, disk_mebibytes=512)
_SHELLS = frozenset({"sh", "bash", "dash", "ash"})
_NAME = re.compile(r"[^A-Za-z0-9._+-]+")
_SHOWN_LINES = 40
_MODE = 0o755


def files_of(kind: str, rest: str) -> tuple[Path, ...]:
    """Return the files that an argument names.

    :param kind: the kind of the argument.
    :param rest: the path of a file, or several with commas between them.
    :raises UsageError: a file is missing, or two have the same name.
    """
    words = [rest] if Path(rest).is_file() else [word for word in rest.split(",") if word]
    files = [Path(word).absolute() for word in words]
    for file in files:
        if not file.is_file():
            raise UsageError(f"--suite {kind}:{rest}: no file {file}", remedy=f"write --suite {kind}:FILE[,FILE...]")
    names = [_called(file) for file in files]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(
            f"--suite {kind}:{rest}: two files are called {twice[0]}, and so would be their cases",
            remedy="rename one of them, or run them one after the other",
        )
    return tuple(files)


def make_programs(context: Context, kind: str, rest: str, *, is_trusted: bool = False) -> Suite:
    """Make a suite of files of this host.

    :param kind: ``program``, ``script`` or ``repro``.
    :param rest: the rest of the argument.
    :param is_trusted: whether to compile without the sandbox.
    :raises UsageError: a file is missing, is no program for the guest, or needs a missing library or interpreter.
    :raises CaseError: a C source does not compile.
    :raises HostError: the sandbox does not work.
    """
    files = files_of(kind, rest)
    argument = f"{kind}:{','.join(map(str, files))}"
    with scratch_folder("repro") as scratch:
        if kind == "repro":
            made = tuple(
                _compiled(context, file, scratch / str(at), is_trusted=is_trusted) for at, file in enumerate(files)
            )
        else:
            made = files
        programs = tuple(_program(kind, file) for file in files)
        own = [GuestFile(f"{FOLDER}/{_called(file)}", one, _MODE) for file, one in zip(files, made, strict=True)]
        libraries = {} if kind == "script" else {each.path: each for one in made for each in find_libraries(one)}
        return write_suite(context, Draft(argument, kind, TITLES[kind], programs, (*own, *libraries.values())))


def _called(file: Path) -> str:
    """Return the name of a file's case: without the suffix of a C source, and without what needs quotes."""
    return _NAME.sub("-", file.name.removesuffix(".c")).strip("-") or "program"


def _program(kind: str, file: Path) -> DraftProgram:
    path = f"{FOLDER}/{_called(file)}"
    if kind == "repro":
        return DraftProgram(_called(file), path, seconds=REPRO_SECONDS, scales=False, ends=False)
    return DraftProgram(_called(file), f"bash {path}" if kind == "script" and _check_script(file) else path)


def _check_script(file: Path) -> bool:
    """Return whether a script is for a shell.

    :raises UsageError: it is for another interpreter, which the guest does not have.
    """
    first = file.read_bytes()[:256].partition(b"\n")[0].decode(errors="replace")
    words = first.removeprefix("#!").split() if first.startswith("#!") else ["bash"]
    named = words[1:] if words[1:] and words[0].endswith("/env") else words
    shell = PurePosixPath(named[0]).name if named else ""
    if shell not in _SHELLS:
        raise UsageError(
            f"the script {file} is for {shell or 'no interpreter'}, and the guest has only shells",
            evidence=first,
            remedy="translate it to a shell script, or give a program: --suite program:FILE",
        )
    return True


def _compiled(context: Context, source: Path, folder: Path, *, is_trusted: bool) -> Path:
    """Compile a C source for the guest: statically where that works, else with the libraries of this host.

    :raises CaseError: it does not compile.
    """
    tree, output = folder / "source", folder / "output"
    for one in (tree, output):
        one.mkdir(parents=True)
        one.chmod(0o755)
    folder.parent.chmod(0o711)
    folder.chmod(0o711)
    shutil.copyfile(source, tree / "repro.c")
    sandbox = Sandbox(tree, output, trusted=is_trusted, bounds=_BOUNDS)
    shown: Sequence[str] = ()
    for static in (["-static"], []):
        argv = ["gcc", "-O1", "-w", "-pthread", *static, "-o", "repro", f"{sandbox.inside_tree}/repro.c"]
        done = run_inside(sandbox, argv, deadline=context.deadline)
        if done.is_success and (output / "repro").is_file():
            return output / "repro"
        shown = shown or done.lines
        shown = done.lines if not static else shown
    text = "\n".join(shown[:_SHOWN_LINES])
    raise CaseError(
        f"{source} does not compile",
        evidence=text.replace(f"{sandbox.inside_tree}/repro.c", str(source)) or "gcc printed nothing",
        remedy=f"correct it; to compile it by hand: gcc -pthread -static -o repro {source}",
    )
