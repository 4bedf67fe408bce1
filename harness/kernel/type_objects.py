# SPDX-License-Identifier: GPL-2.0-only
"""Compile object files that have the types of a kernel's tasks and locks, for a core of a kernel that carries none.

A build makes no debug information (see ``harness/kernel/line_tables.py``). A few object files, compiled once more with
``-g``, have the types that a reader of a core needs, and the store keeps them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from harness.base.context import Context
from harness.base.errors import SeriesError
from harness.base.events import PhaseStarted
from harness.base.store import digest_of
from harness.kernel.build.build import ObjectRequest, build_objects
from harness.kernel.build.committed_products import remove_products
from harness.kernel.build.product import read_build_inputs
from harness.kernel.from_source import SourceInputs
from harness.kernel.git.worktree import checked_out

KIND = "type-objects"
"""The kind of these products in the store."""

# Which types, and the objects that use them, in releases of today and of old.
_OBJECTS: Mapping[str, str] = {
    "kernel/sched/core.o": "struct task_struct",
    "kernel/locking/mutex.o": "struct mutex_waiter",
    "kernel/locking/rwsem.o": "struct rwsem_waiter",
    "arch/x86/kernel/process.o": "struct inactive_task_frame",
    "arch/x86/kernel/process_64.o": "the same before 5.6",
}
_FORMAT = "1"
_FLAGS = "-g"


def make_type_objects(context: Context, inputs: SourceInputs, *, trusted: bool = False) -> tuple[Path, ...]:
    """Return object files with the types of a kernel that was built.

    :param inputs: its tree and its configuration.
    :param trusted: compile without the sandbox.
    :raises SeriesError: none of them compiles.
    :raises HostError: a program is missing, or the disk is full.
    """
    assert inputs.config is not None
    order = read_build_inputs(context, inputs.trees[-1], inputs.config)

    def fill(folder: Path) -> None:
        context.report(PhaseStarted("compiling the types of the kernel"))
        _compile(context, inputs, folder, trusted=trusted)

    folder = context.store.make(KIND, digest_of(_FORMAT, order.key), fill, deadline=context.deadline)
    return tuple(sorted(folder.glob("*.o")))


def _compile(context: Context, inputs: SourceInputs, folder: Path, *, trusted: bool) -> None:
    tree = inputs.trees[-1]
    assert inputs.config is not None
    with (
        tempfile.TemporaryDirectory(prefix="making-", dir=folder) as scratch,
        checked_out(context, tree.repository, tree.commit) as whole,
    ):
        work_tree = remove_products(whole, deadline=context.deadline)
        request = ObjectRequest(tuple(_OBJECTS), _FLAGS, Path(scratch), trusted)
        sandbox = build_objects(context, tree, work_tree, inputs.config, request)
        made = 0
        for name in _OBJECTS:
            file = sandbox.output / name
            # A link of that name could lead to any file of this host.
            if file.is_file() and file.resolve() == sandbox.output.resolve() / name:
                shutil.copyfile(file, folder / name.replace(os.sep, "-"))
                made += 1
    if not made:
        raise SeriesError(
            "the types of the kernel cannot be compiled",
            evidence=f"none of {', '.join(_OBJECTS)}",
            remedy="open the core with crash or drgn and a vmlinux that has debug information",
        )
