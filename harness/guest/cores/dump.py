# SPDX-License-Identifier: GPL-2.0-only
"""Save the memory of a machine whose kernel reported an error, or does not answer: a core.

QEMU writes it (``dump-guest-memory``), compressed, without a process of the guest. A run keeps one for each error, by
its fingerprint, and no more than a few: the memory of the default machine takes some 35 MB. After a panic there is
none, since QEMU has ended by then.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.errors import HarnessError
from harness.base.json_records import dump_value
from harness.guest.cores.kdump import assemble
from harness.guest.machine import Machine
from harness.results.cores import CORE_NAME, ORIGIN_NAME, CoreOrigin

CLAIMS_FOLDER = "cores"
"""The folder in a run folder with an empty file for each error of which a case has the core."""
MOST_CORES = 8
"""The most cores of a run."""
MOST_MEBIBYTES = 4096
"""The most memory of a machine of which a core is kept."""

_LOG = logging.getLogger(__name__)
_ANSWER_SECONDS = 5.0
_DUMP_SECONDS = 120.0
_FORMAT = "kdump-zlib"  # the only compressed format that every QEMU writes


def keep_core(machine: Machine, fingerprint: str, run_folder: Path, origin: CoreOrigin) -> bool:
    """Save the memory of a machine beside its logs, unless the run has a core of this error or has enough of them.

    The machine is stopped then, and stays so. A core that cannot be written is no reason to fail a case.

    :param fingerprint: the identity of the error, which can be the name of a file.
    :param run_folder: the folder that all cases of the run share.
    :param origin: what it will be read with.
    :return: whether the core was written.
    """
    if machine.request.machine_type.memory_mebibytes > MOST_MEBIBYTES or not machine.is_running:
        return False
    claims = run_folder / CLAIMS_FOLDER
    try:
        claims.mkdir(parents=True, exist_ok=True)
        if len(list(claims.iterdir())) >= MOST_CORES:
            return False
        (claims / fingerprint).touch(exist_ok=False)
        write_core(machine, machine.folder / CORE_NAME, release=origin.release)
        (machine.folder / ORIGIN_NAME).write_text(dump_value(origin))
    except FileExistsError:
        return False
    except (HarnessError, OSError) as error:
        _LOG.warning("no core of %s: %s", machine.folder.name, error)
        with contextlib.suppress(OSError):
            (machine.folder / CORE_NAME).unlink()
        return False
    return True


def write_core(machine: Machine, core: Path, *, release: str) -> None:
    """Save the memory of a machine, which is stopped then, and stays so.

    :param core: the file to create.
    :param release: the kernel's release.
    :raises HarnessError: QEMU refused, or did not do it in time.
    :raises OSError: the file cannot be written.
    """
    with core.open("x+b") as plain, tempfile.TemporaryFile(dir=core.parent) as flat:
        core.chmod(0o600)
        _dump(machine, flat.fileno())
        flat.seek(0)
        assemble(flat, plain, release=release)


def _dump(machine: Machine, descriptor: int) -> None:
    """Let QEMU write the memory.

    :raises HarnessError: QEMU refused, or did not do it in time.
    """
    soon = Deadline.after(_ANSWER_SECONDS)  # a QEMU that somebody has stopped answers nothing
    monitor = machine.monitor(soon)
    monitor.execute("stop", deadline=soon)
    monitor.pass_file("core", descriptor, deadline=soon)
    deadline = Deadline.after(_DUMP_SECONDS)
    monitor.execute("dump-guest-memory", deadline=deadline, paging=False, protocol="fd:core", format=_FORMAT)
