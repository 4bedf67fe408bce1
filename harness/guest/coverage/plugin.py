# SPDX-License-Identifier: GPL-2.0-only
"""Compile QEMU's coverage plugin on this host, once for each QEMU, and check that this QEMU loads it.

A plugin names the version of the interface that it was compiled for, and QEMU refuses the others (QEMU 7.2 takes up to
version 1, QEMU 9 needs 2 or newer). So QEMU is asked: the first version that it takes is kept. A host without a
compiler and a QEMU without plugins cost only the coverage, never the run.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from harness.base import paths, process
from harness.base.context import Context
from harness.base.errors import HarnessError
from harness.base.json_records import dump_value, read_facts
from harness.base.store import digest_of
from harness.coverage import files
from harness.guest import qemu
from harness.guest.emulator import Emulator

KIND = "coverage-plugin"
"""The kind of these products in the store."""

_INTERFACES = (1, 2, 3, 4, 5, 6)
_CFLAGS = ("-shared", "-fPIC", "-O2", "-s", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror")
_PROBE_SECONDS = 20.0
_LIBRARY, _DESCRIPTION = "coverage.so", "plugin.json"
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"}


@dataclass(frozen=True, slots=True)
class CoveragePlugin:
    """The plugin, or the reason why there is none.

    :param library: its path; None when there is none.
    :param problem: the reason, in one line; empty with a plugin.
    """

    library: Path | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Facts:
    """Content of ``plugin.json``: what was tried, also when nothing worked, so that a run does not try it again.

    :param interface: the version of the interface; 0 when there is no plugin.
    """

    interface: int
    problem: str = ""


def find_plugin(context: Context, emulator: Emulator, *, source: Path = paths.COVERAGE_PLUGIN) -> CoveragePlugin:
    """Return the plugin for a QEMU; it is compiled if the store does not have it.

    :param source: its C source.
    """
    compiler = process.find_program("cc")
    if compiler is None:
        return CoveragePlugin(None, "there is no C compiler for its plugin (apt-get install gcc libc6-dev)")
    try:
        stat = compiler.stat()
        key = digest_of(
            source, emulator.version, str(emulator.program), f"{compiler} {stat.st_size} {stat.st_mtime_ns}"
        )
        folder = context.store.make(
            KIND, key, lambda made: _fill(made, source, compiler, emulator, context), deadline=context.deadline
        )
        facts = read_facts(_Facts, (folder / _DESCRIPTION).read_bytes())
    except (HarnessError, OSError) as error:
        return CoveragePlugin(None, str(error).partition("\n")[0])
    if facts is None or not facts.interface:
        return CoveragePlugin(None, facts.problem if facts else f"{folder} is damaged: harness clean --remove {KIND}")
    return CoveragePlugin(folder / _LIBRARY)


def _fill(folder: Path, source: Path, compiler: Path, emulator: Emulator, context: Context) -> None:
    """Compile the plugin for the first interface that QEMU takes, and write down how that went."""
    facts = _Facts(0, "it was not tried")
    for interface in _INTERFACES:
        facts = _try(folder / _LIBRARY, interface, source, compiler, emulator, context)
        # QEMU names the version that it wanted; anything else, another version does not fix.
        if facts.interface or "API version" not in facts.problem:
            break
    (folder / _DESCRIPTION).write_text(dump_value(facts))


def _try(library: Path, interface: int, source: Path, compiler: Path, emulator: Emulator, context: Context) -> _Facts:
    deadline, within = context.deadline.sooner(_PROBE_SECONDS), process.Surroundings(env=_ENVIRONMENT)
    argv = [str(compiler), *_CFLAGS, f"-DPLUGIN_VERSION={interface}", "-o", str(library), str(source)]
    done = process.run(argv, deadline=deadline, within=within, check=False)
    if done.status != 0:
        return _Facts(0, f"its plugin does not compile: {_line(done)}")
    window = files.open_window()
    try:
        argv = [
            *(str(emulator.program), *qemu.isolation(), "-machine", "none", "-accel", "tcg", "-serial", "none"),
            *("-monitor", "stdio", *qemu.coverage(library, window)),
        ]
        within = process.Surroundings(env=_ENVIRONMENT, pass_fds=[window])
        done = process.run(argv, deadline=deadline, within=within, check=False, stdin=b"quit\n")
    finally:
        os.close(window)
    if done.status != 0:
        return _Facts(0, f"this QEMU takes no such plugin: {_line(done)}")
    return _Facts(interface)


def _line(done: process.Completed) -> str:
    """Return the first line of errors of a program."""
    complaint = done.stderr.decode(errors="replace").strip() or f"{done.argv[0]} ended with status {done.status}"
    return complaint.splitlines()[0]
