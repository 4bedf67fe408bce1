# SPDX-License-Identifier: GPL-2.0-only
"""Read the core of a case: find it, gather what it is read with, and run drgn on it in the sandbox."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import harness
from harness.base.context import Context
from harness.base.errors import HostError, SeriesError, UsageError
from harness.base.events import PhaseStarted
from harness.base.json_records import dump_value, read_facts
from harness.base.process import start
from harness.base.scratch import scratch_folder
from harness.cores.request import CoreAnswer, CoreRequest
from harness.guest.coverage.facts import find_template, read_symbol_text
from harness.guest.template import Template
from harness.kernel.build.product import SYMBOLS, find_built
from harness.kernel.from_source import SourceInputs
from harness.kernel.sandbox.sandbox import Bounds, Sandbox, run_inside
from harness.kernel.type_objects import make_type_objects
from harness.model.core import CoreFacts
from harness.results.cores import CORE_NAME, CoreOrigin, FoundCore
from harness.results.find_run import FoundRun

_PROGRAM, _PROMPT = "harness.cores.read_core", "harness.cores.prompt"
_BOUNDS = Bounds(seconds=300.0, memory_mebibytes=4096, processes=64, disk_mebibytes=8192)
_REQUEST, _SYMBOLS = "request.json", "symbols"
_LIBRARY = "drgn"


def require_drgn() -> None:
    """Require the library that reads cores.

    :raises HostError: it is not installed.
    """
    if importlib.util.find_spec(_LIBRARY) is None:
        raise HostError(
            "cores are read with drgn, which is not installed",
            remedy="pip install 'kernel-patch-harness[cores]', or in a checkout: .venv/bin/pip install drgn",
        )


@dataclass(frozen=True, slots=True)
class KernelFacts:
    """What a core is read with.

    :param release: the kernel's release.
    :param symbols: a text like that of /proc/kallsyms.
    :param debug_files: object files with the types of the kernel; none for one that carries its types.
    """

    release: str
    symbols: str
    debug_files: tuple[Path, ...] = ()


def facts_of_built(context: Context, inputs: SourceInputs, origin: CoreOrigin, *, trusted: bool) -> KernelFacts:
    """Return the symbols and types of a kernel that was built.

    :param inputs: its tree and its configuration.
    :param trusted: compile without the sandbox.
    :raises SeriesError: its types do not compile.
    :raises HostError: a program is missing, or the disk is full.
    """
    assert inputs.config is not None
    built = find_built(context, inputs.trees[-1], inputs.config)
    assert built is not None, "the inputs were found by their build"
    symbols = (built.folder / SYMBOLS).read_text()
    return KernelFacts(origin.release, symbols, make_type_objects(context, inputs, trusted=trusted))


def facts_of_image(context: Context, origin: CoreOrigin) -> KernelFacts:
    """Return the symbols of a kernel that was not built here, as a clone of its template prints them.

    :raises UsageError: the machine was no clone.
    :raises HostError: the template is gone from the store.
    :raises SeriesError: the kernel does not print its symbols.
    """
    if not origin.template:
        raise UsageError("the machine of the core was no clone", remedy="run the case again without --fresh boot")
    return facts_of_template(context, find_template(context, origin.template), release=origin.release)


def facts_of_template(context: Context, template: Template, *, release: str) -> KernelFacts:
    """Return the symbols of a template's kernel.

    :raises HostError: the template cannot be cloned.
    :raises SeriesError: the kernel does not print its symbols.
    """
    return KernelFacts(release, read_symbol_text(context, template))


def require_fixed_addresses(found: FoundRun) -> None:
    """Require a kernel that was at the addresses it was linked for.

    :raises UsageError: it was at random addresses.
    """
    if "nokaslr" not in found.run.command_line.split():
        raise UsageError(
            f"the kernel of {found.name} was at random addresses, and its core cannot be read",
            evidence=f"its parameters: {found.run.command_line}",
            remedy="run the case again with a machine type that has nokaslr, as q35",
        )


def read_core(context: Context, core: FoundCore, kernel: KernelFacts, *, trusted: bool) -> CoreFacts:
    """Read what a core holds.

    :param kernel: the symbols and types of its kernel.
    :param trusted: run drgn without the sandbox.
    :raises SeriesError: it cannot be read.
    :raises HostError: bubblewrap is missing.
    """
    context.report(PhaseStarted("reading the core"))
    with scratch_folder("core") as output:
        output.chmod(0o755)
        sandbox = Sandbox(core.file.parent, output, trusted, _BOUNDS, read_only=_read_only())
        _prepare(output, Path(sandbox.inside_output), core.file, kernel)
        inside = Path(sandbox.inside_output)
        words = [sys.executable, "-P", "-m", _PROGRAM, str(inside / _REQUEST)]
        environment = {"PYTHONPATH": str(Path(harness.__file__).parent.parent), "PYTHONDONTWRITEBYTECODE": "1"}
        result = run_inside(sandbox, words, deadline=context.deadline, environment=environment)
    answer = read_facts(CoreAnswer, result.lines[-1]) if result.is_success and result.lines else None
    if answer is None or answer.facts is None:
        raise SeriesError(
            "the core cannot be read",
            evidence=answer.problem if answer else result.stopped or "\n".join(result.lines[-5:]),
            remedy=f"look at the splats and the logs of the case instead, in {core.file.parent}",
        )
    return answer.facts


def open_prompt(core: Path, kernel: KernelFacts) -> None:
    """Open drgn's prompt on a core in this terminal, until the user leaves it; without the sandbox, like gdb.

    :param kernel: the symbols and types of its kernel.
    """
    with scratch_folder("core") as folder:
        _prepare(folder, folder, core, kernel)
        # Ctrl-C is for the prompt.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            words = [sys.executable, "-P", "-m", _PROMPT, str(folder / _REQUEST)]
            with start(words, stdin=None, stdout=None, stderr=None) as child:
                child.wait()
        finally:
            signal.signal(signal.SIGINT, before)


def _prepare(folder: Path, inside: Path, core: Path, kernel: KernelFacts) -> None:
    """Put what a core is read with into a folder.

    :param inside: the path of the folder for the program that reads it.
    """
    shutil.copyfile(core, folder / CORE_NAME)
    (folder / _SYMBOLS).write_text(kernel.symbols)
    for number, file in enumerate(kernel.debug_files):
        shutil.copyfile(file, folder / f"{number}.o")
    request = CoreRequest(
        core=str(inside / CORE_NAME),
        symbols=str(inside / _SYMBOLS),
        release=kernel.release,
        debug_files=tuple(str(inside / f"{number}.o") for number in range(len(kernel.debug_files))),
    )
    (folder / _REQUEST).write_text(dump_value(request))


def _read_only() -> tuple[Path, ...]:
    """Return the folders of Python and of the harness that the sandbox does not have anyway."""
    wanted = {Path(sys.prefix), Path(sys.base_prefix), Path(harness.__file__).parent}
    return tuple(sorted(path for path in wanted if os.fspath(path) != "/usr"))
