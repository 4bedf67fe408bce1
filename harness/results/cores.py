# SPDX-License-Identifier: GPL-2.0-only
"""Find the cores of a run: the memory of machines whose kernel reported an error, or did not answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.base.errors import UsageError
from harness.base.json_records import read_facts
from harness.model.run_record import CaseRecord
from harness.results.find_run import FoundRun

CORE_NAME = "core.kdump"
"""The core in the folder of a case."""
ORIGIN_NAME = "core.json"
"""What it is read with, see :class:`CoreOrigin`."""


@dataclass(frozen=True, slots=True)
class CoreOrigin:
    """What a core is read with, kept beside it.

    :param release: the kernel's release.
    :param template: name of the template that the machine was cloned from; empty for none.
    """

    release: str
    template: str


@dataclass(frozen=True, slots=True)
class FoundCore:
    """A core of a run.

    :param case: the case that was asked for.
    :param holder: the case whose machine it was; another one if the run keeps one core for an error of both.
    """

    case: CaseRecord
    holder: CaseRecord
    file: Path


def find_cores(folder: Path, cases: Iterable[CaseRecord]) -> list[FoundCore]:
    """Return the cores of a run, in the order of its cases.

    :param folder: the run folder.
    """
    found = []
    for case in cases:
        file = folder / case.folder / CORE_NAME
        if case.folder and file.is_file():
            found.append(FoundCore(case, case, file))
    return found


def find_core(found: FoundRun, case_id: str) -> FoundCore:
    """Return the core of a case, or that of another case with the same error.

    :param case_id: its id, or the end of its id.
    :raises UsageError: there is no such case, or no core.
    """
    named = [one for one in found.run.cases if one.id == case_id]
    named = named or [one for one in found.run.cases if one.id.endswith(case_id)]
    cores = find_cores(found.folder, found.run.cases)
    with_core = "\n".join(one.case.id for one in cores) or "no case has one"
    if len(named) != 1:
        what = f"{'several cases' if named else 'no case'} of {found.name} named {case_id}"
        raise UsageError(what, evidence="\n".join(one.id for one in named) or with_core, remedy="give the whole id")
    (case,) = named
    prints = {splat.fingerprint for splat in case.splats}
    same = [one for one in cores if one.holder.id == case.id]
    same += [one for one in cores if prints & {splat.fingerprint for splat in one.holder.splats}]
    if not same:
        raise UsageError(
            f"{case.id} has no core in {found.name}: a case has one if the kernel reported an error or did not answer",
            evidence=f"cases with a core:\n{with_core}",
            remedy="after a panic there is none, since QEMU ends with it; its splat is in the kernel log",
        )
    return FoundCore(case, same[0].holder, same[0].file)


def read_origin(core: FoundCore) -> CoreOrigin:
    """Return what a core is read with.

    :raises UsageError: its description is gone or damaged.
    """
    file = core.file.parent / ORIGIN_NAME
    try:
        origin = read_facts(CoreOrigin, file.read_bytes())
    except OSError:
        origin = None
    if origin is None:
        raise UsageError(f"what the core is read with is not known: {file} is missing or damaged")
    return origin
